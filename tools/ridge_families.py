"""Random families of terms of rank one, their true constants, and the checker's word on claims."""

import itertools
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import scipy.sparse as sp

from certify.checker.metric import ExactMetric
from certify.checker.rank_one import read_terms
from certify.checker.reader import Reader
from certify.checker.terms import check_terms
from certify.checker.verdict import Rejected
from certify.file.terms import terms_in_file
from certify.jacobian.rank_one import RankOne
from certify.metric.elimination import term_proof
from certify.metric.metric import Metric
from certify.metric.term_inequality import sides
from certify.metric.term_multipliers import MultiplierBound
from certify.prove.file_parts import metric_in_file


def family(
    generator: np.random.Generator, n: int, count: int, identity: float = 8.0, mirrored: int = 0
) -> RankOne:
    """A random family of small integers, with a multiple of the identity that never moves.

    Some terms are mirrored, between coordinates of which each is a player.
    """
    vectors = [*np.eye(n, dtype=int), *generator.integers(-3, 4, (2 * count, n))]
    vectors = [v if v.any() else np.ones(n, int) for v in vectors]
    sparse = [tuple((k, int(x)) for k, x in enumerate(v) if x) for v in vectors]
    left = np.concatenate([np.arange(n), n + np.arange(count)])
    right = np.where(generator.uniform(size=n + count) < 0.4, left, left + count)
    right[:n] = np.arange(n)
    low = np.concatenate([np.full(n, identity), generator.integers(-4, 5, count) / 4])
    high = low + np.concatenate([np.zeros(n), generator.integers(0, 9, count) / 4])
    mirror = np.zeros(n + count, int)
    if mirrored and n > 1:
        pairs = np.array([generator.choice(n, 2, replace=False) for _ in range(mirrored)])
        left, right = np.concatenate([left, pairs[:, 0]]), np.concatenate([right, pairs[:, 1]])
        more = generator.integers(-4, 5, mirrored) / 4
        low = np.concatenate([low, more])
        high = np.concatenate([high, more + generator.integers(0, 9, mirrored) / 4])
        mirror = np.concatenate([mirror, generator.choice([-1, 1], mirrored)])
    return RankOne(sparse, left, right, low, high, mirror, sp.csr_array(np.array(vectors, float)))


def vertices(terms: RankOne) -> Iterator[np.ndarray]:
    """All Jacobians with every slope at an end of its range, in batches."""
    moving = np.flatnonzero(terms.high > terms.low)
    ends = itertools.product((0, 1), repeat=len(moving))
    while batch := list(itertools.islice(ends, 4096)):
        slopes = np.tile(terms.low, (len(batch), 1))
        high = np.array(batch, bool).reshape(len(batch), len(moving))
        slopes[:, moving] = np.where(high, terms.high[moving], terms.low[moving])
        yield terms.jacobians(slopes)


def truth(terms: RankOne, metric: Metric) -> tuple[float, float]:
    """The margin and the Lipschitz constant, exact but for roundings."""
    least, most = np.inf, 0.0
    for jacobians in vertices(terms):
        scaled = framed(metric, jacobians)
        both = 0.5 * (scaled + scaled.swapaxes(1, 2))
        least = min(least, float(np.linalg.eigvalsh(both)[:, 0].min()))
        most = max(most, float(np.linalg.norm(scaled, 2, (1, 2)).max()))
    return least, most


def framed(metric: Metric, matrix: np.ndarray) -> np.ndarray:
    """Matrices in coordinates in which the metric is Euclidean."""
    factor = np.linalg.cholesky(metric.matrix)
    return factor.T @ matrix @ np.linalg.inv(factor.T)


def proofs(
    terms: RankOne, metric: Metric, margin: MultiplierBound, lipschitz: MultiplierBound
) -> dict[str, Any]:
    """The evidence of the margin and the Lipschitz constant."""
    terms = terms.apart() if metric.is_matrix else terms
    both = sides(terms, metric)
    return {
        **terms_in_file(terms),
        "margin_proof": term_proof(both.of_margin(), margin),
        "lipschitz_proof": term_proof(both.of_lipschitz(), lipschitz),
    }


def claims(
    metric: Metric, margin: float, lipschitz: float, evidence: dict[str, Any], **further: Any
) -> Any:
    """The claims of a file about a field, as far as terms are concerned."""
    n = len(metric.root)
    exact = ExactMetric(Reader(metric_in_file(metric, (1,) * n)), [1] * n)
    said = SimpleNamespace(
        metric=exact,
        center=[Fraction(0)] * n,
        sizes=[1] * n,
        coordinates=[slice(k, k + 1) for k in range(n)],
        is_gradient=False,
        margin=Fraction(float(margin)),
        lipschitz=Fraction(float(lipschitz)),
        cocoercivity=None,
        shared=None,
        terms=None,
        evidence=evidence,
    )
    vars(said).update(further)
    return said


def verify(said: Any) -> None:
    """Reads the terms and verifies what is said of them.

    Raises:
        Rejected: If that does not follow.
        Unusable: If it cannot be read.
    """
    file = Reader(said.evidence)
    said.terms = read_terms(file, said.coordinates)
    check_terms(file, cast(Any, said))


def accepts(said: Any) -> bool:
    """Says whether the checker accepts the claims."""
    try:
        verify(said)
    except Rejected:
        return False
    return True


def random_metric(generator: np.random.Generator, n: int, *, is_matrix: bool) -> Metric:
    """A metric of weights, or a matrix of small integers."""
    if not is_matrix:
        return Metric(generator.integers(1, 9, n) / 4)
    return Metric(sum(np.outer(v, v) for v in generator.integers(-2, 3, (n, n))) + np.eye(n))


def semidefinite_margin(terms: RankOne) -> float:
    """The largest margin that multipliers prove with equal weights, according to a solver."""
    import cvxpy as cp

    dense = np.asarray(terms.matrix.todense())
    p, q = dense[terms.left], dense[terms.right]
    radius, moving = terms.radius, np.flatnonzero(terms.radius > 0)
    middle = np.einsum("k,ki,kj->ij", terms.middle, p, q)
    alpha, t, u = cp.Variable(), cp.Variable(len(moving)), cp.Variable(len(moving))
    lower = 0.5 * (middle + middle.T) - alpha * np.eye(dense.shape[1])
    constraints = []
    for place, k in enumerate(moving):
        lower = lower - 0.5 * radius[k] * (
            t[place] * np.outer(p[k], p[k]) + u[place] * np.outer(q[k], q[k])
        )
        constraints.append(cp.bmat([[t[place], 1.0], [1.0, u[place]]]) >> 0)
    cp.Problem(cp.Maximize(alpha), [*constraints, lower >> 0]).solve(solver="CLARABEL")
    return float(np.asarray(alpha.value))
