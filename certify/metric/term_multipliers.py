"""Multipliers of the lemma in `certify.checker.terms`, which bounds each term of rank one.

Any positive numbers are valid. Those that are chosen here, in floating point, make the smallest
eigenvalue of the matrix that is left as large as possible, nearly.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from jaxtyping import Float

from certify.jacobian.rank_one import RankOne
from certify.metric.comparison_matrix import dominance, loses_little, signs
from certify.metric.metric import Metric
from certify.metric.term_inequality import DENSE, TermInequality, least_eigenvalue

# Evaluations while multipliers are improved, and the temperatures of the soft minimum, as shares of
# the spread of the eigenvalues.
ROUNDS, _TEMPERATURES = 45, (0.1, 0.01, 0.001)
# Ranges as narrow as that have roundings in them, and nothing else.
_NARROW = 1e-9
# The bits of multipliers: near the best ones, a relative error of e costs some e^2 only.
_FEW = 20
# The most rows of which all eigenvalues are computed in any case.
SMALL = 200
# Of larger ones, the share of entries below which scaled dominance is tried, and the bits of
# multipliers.
_SPARSE, _FEWER = 0.1, 10


class MultiplierBound(NamedTuple):
    """A bound that multipliers prove, up to roundings.

    Attributes:
        value: The number that is bounded.
        multipliers: The numbers t of the lemma, one for each row of the inequality.
        scaling: Integers by which scaled diagonal dominance proves it, if it does.
    """

    value: float
    multipliers: Float[np.ndarray, " terms"]
    scaling: list[int] | None = None


def units_of(metric: Metric, copies: int) -> Float[np.ndarray, " rows"] | None:
    """Returns the units of a metric of weights, for as many copies of its coordinates."""
    return None if metric.is_matrix else np.tile(metric.root, copies)


def is_large(matrix: sp.csr_array) -> bool:
    """Says whether to do without all eigenvalues: they take long, or dominance loses nothing."""
    size = len(matrix.indptr) - 1
    if not SMALL < size <= DENSE:
        return size > DENSE
    return matrix.nnz < _SPARSE * size**2 and signs(matrix) is not None


def least(
    terms: RankOne,
    inequality: TermInequality,
    units: Float[np.ndarray, " rows"] | None,
    dense: int = DENSE,
) -> MultiplierBound:
    """Returns nearly the smallest eigenvalue of the matrix that good multipliers make.

    Of a large one it comes from scaled dominance where that loses little. With a vector v at which
    the family is worst, terms with `t |a'v| = |b'v|` lose nothing there; so these multipliers are
    tried besides balanced ones.

    Args:
        terms: The family.
        inequality: The matrices.
        units: The metric's, for each row; None of a metric that is a matrix.
        dense: The most rows of which all eigenvalues are computed.
    """
    balanced = few_bits(inequality.balanced())
    if units is None or not is_large(inequality.below(terms, balanced)):
        value = least_eigenvalue(inequality.below(terms, balanced), dense)
        return MultiplierBound(value, balanced)
    balanced = few_bits(balanced, _FEWER)
    tried = inequality.below(terms, balanced)
    first = dominance(tried, units) if tried.nnz < _SPARSE * len(units) ** 2 else None
    if first is None or not loses_little(tried, first.value):
        return MultiplierBound(least_eigenvalue(tried, dense), balanced)
    best = MultiplierBound(first.value, balanced, first.scaling)
    if (guess := dominance(inequality.worst(terms), units)) is not None:
        along = [abs(side) @ guess.vector for side in (inequality.a, inequality.b)]
        multipliers = np.where(
            inequality.parallel(), balanced, few_bits(along[1] / along[0], _FEWER)
        )
        second = dominance(inequality.below(terms, multipliers), units)
        if second is not None and second.value > best.value:
            best = MultiplierBound(second.value, multipliers, second.scaling)
    return best


def improved(terms: RankOne, inequality: TermInequality, rounds: int) -> MultiplierBound:
    """Returns nearly the largest least eigenvalue that multipliers make, of a matrix that is small.

    The matrix is a concave function of the logarithms of the multipliers. So is the soft minimum of
    its eigenvalues, which is maximised while it gets harder.
    """
    multipliers, radius = few_bits(inequality.balanced()), inequality.radius(terms)
    # Of parallel vectors the balanced multipliers are the best ones.
    moving = (radius > _NARROW * np.abs(inequality.middle(terms))) & ~inequality.parallel()
    free = np.flatnonzero(moving)
    a, b = (side[free] for side in (inequality.a, inequality.b))
    best = MultiplierBound(-np.inf, multipliers)
    spread = 0.0

    def soft(logs: np.ndarray, temperature: float) -> tuple[float, np.ndarray]:
        """Returns the soft minimum and its slopes, both negated, in units of the spread."""
        nonlocal best, spread
        now = multipliers.copy()
        now[free] = few_bits(np.exp(logs))
        values, vectors = np.linalg.eigh(np.asarray(inequality.below(terms, now).todense()))
        if values[0] > best.value:
            best = MultiplierBound(float(values[0]), now)
        spread = spread or float(values[-1] - values[0]) or 1.0
        shares = np.exp(-(values - values[0]) / (temperature * spread))
        near = vectors * np.sqrt(shares / shares.sum())
        first, second = (((side @ near) ** 2).sum(1) for side in (a, b))
        slopes = radius[free] * (now[free] * first - second / now[free])
        value = values[0] / spread - temperature * np.log(shares.sum())
        return -float(value), slopes / spread

    start = np.log(multipliers[free])
    if not len(free):
        soft(start, 1.0)
        return best
    for temperature in _TEMPERATURES:
        options = {"maxfun": max(rounds // len(_TEMPERATURES), 1)}
        found: Any = scipy.optimize.minimize(
            soft, start, args=(temperature,), jac=True, method="L-BFGS-B", options=options
        )
        start = found.x
    return best


def few_bits(multipliers: np.ndarray, bits: int = _FEW) -> np.ndarray:
    """Rounds numbers to a few bits: products with them are shorter."""
    fractions, exponents = np.frexp(multipliers)
    return np.ldexp(np.rint(fractions * 2.0**bits) / 2.0**bits, exponents)
