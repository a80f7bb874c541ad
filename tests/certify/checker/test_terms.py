"""Sums of terms of rank one: what is accepted holds at every vertex of the ranges of slopes."""

import itertools
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.checker.reader import Reader, Unusable
from certify.checker.terms import _inverse_above, check_terms
from certify.checker.verdict import Rejected
from certify.file.terms import terms_in_file
from certify.jacobian.rank_one import RankOne
from certify.metric.rank_one_bounds import lipschitz_bound, margin_bound


def family(generator, n, count, identity=8.0):
    """A random family of small integers, with a multiple of the identity that never moves."""
    vectors = [*np.eye(n, dtype=int), *generator.integers(-3, 4, (2 * count, n))]
    vectors = [v if v.any() else np.ones(n, int) for v in vectors]
    sparse = [tuple((k, int(x)) for k, x in enumerate(v) if x) for v in vectors]
    left = np.concatenate([np.arange(n), n + np.arange(count)])
    right = np.where(generator.uniform(size=n + count) < 0.4, left, left + count)
    right[:n] = np.arange(n)
    low = np.concatenate([np.full(n, identity), generator.integers(-4, 5, count) / 4])
    high = low + np.concatenate([np.zeros(n), generator.integers(0, 9, count) / 4])
    return RankOne(sparse, left, right, low, high, sp.csr_array(np.array(vectors, float)))


def vertices(terms):
    """All Jacobians with every slope at an end of its range."""
    dense = np.asarray(terms.matrix.todense())
    p, q = dense[terms.left], dense[terms.right]
    moving = np.flatnonzero(terms.high > terms.low)
    for ends in itertools.product((0, 1), repeat=len(moving)):
        slopes = terms.low.copy()
        slopes[moving] = np.where(ends, terms.high[moving], terms.low[moving])
        yield np.einsum("k,ki,kj->ij", slopes, p, q)


def truth(terms, weights):
    """The margin and the Lipschitz constant, exact but for roundings."""
    root = np.sqrt(weights)
    scaled = [(root[:, None] * jacobian) / root for jacobian in vertices(terms)]
    return (
        min(np.linalg.eigvalsh(0.5 * (m + m.T))[0] for m in scaled),
        max(np.linalg.norm(m, 2) for m in scaled),
    )


def claims(weights, margin, lipschitz):
    exact = [Fraction(float(w)) for w in weights]
    return SimpleNamespace(
        metric=SimpleNamespace(is_matrix=False, coordinate=exact),
        center=[Fraction(0)] * len(exact),
        margin=Fraction(float(margin)),
        lipschitz=Fraction(float(lipschitz)),
    )


def accepts(evidence, said):
    try:
        check_terms(Reader(evidence), cast(Any, said))
    except Rejected:
        return False
    return True


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 6), st.sampled_from([0.0, 1e-9, 0.01])
)
def test_bounds_are_proved_and_never_beyond_the_truth(seed, n, count, further):
    generator = np.random.default_rng(seed)
    terms, weights = family(generator, n, count), generator.integers(1, 9, n) / 4
    margin, lipschitz = margin_bound(terms, weights), lipschitz_bound(terms, weights)
    least, most = truth(terms, weights)
    assert margin.value <= least + 1e-9 and lipschitz.value >= most - 1e-9
    evidence = terms_in_file(terms, margin.multipliers, lipschitz.multipliers)
    if margin.value > 0.01:
        proved = claims(weights, margin.value * (1 - 1e-9), lipschitz.value * (1 + 1e-9))
        assert accepts(evidence, proved)
    beyond = 1e-9 + further
    assert not accepts(evidence, claims(weights, least + beyond, lipschitz.value * (1 + 1e-9)))
    assert not accepts(evidence, claims(weights, margin.value - 1e-6, most - beyond))


def test_of_parallel_vectors_nothing_is_lost():
    """Then the bound is the minimum over all vertices: the multiplier gives an end of the range."""
    for seed in range(40):
        terms = family(np.random.default_rng(seed), 3, 5)
        terms = terms._replace(right=terms.left)
        weights = np.ones(3)
        least, _ = truth(terms, weights)
        assert margin_bound(terms, weights).value == pytest.approx(least, abs=1e-9)


def test_multipliers_are_nearly_the_best_ones():
    """Beside the best diagonal multipliers, by a semidefinite program that proves nothing."""
    import cvxpy as cp

    ratios = []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        terms, weights = family(generator, 4, 4, identity=60.0), np.ones(4)
        dense = np.asarray(terms.matrix.todense())
        p, q = dense[terms.left], dense[terms.right]
        radius, moving = terms.radius, np.flatnonzero(terms.radius > 0)
        middle = np.einsum("k,ki,kj->ij", terms.middle, p, q)
        alpha, t, u = cp.Variable(), cp.Variable(len(moving)), cp.Variable(len(moving))
        lower = 0.5 * (middle + middle.T) - alpha * np.eye(4)
        constraints = []
        for place, k in enumerate(moving):
            lower = lower - 0.5 * radius[k] * (
                t[place] * np.outer(p[k], p[k]) + u[place] * np.outer(q[k], q[k])
            )
            constraints.append(cp.bmat([[t[place], 1.0], [1.0, u[place]]]) >> 0)
        problem = cp.Problem(cp.Maximize(alpha), [*constraints, lower >> 0])
        problem.solve(solver="CLARABEL")
        ratios.append(margin_bound(terms, weights).value / float(np.asarray(alpha.value)))
    assert max(ratios) <= 1 + 1e-6
    assert np.median(ratios) >= 0.98


def good():
    generator = np.random.default_rng(5)
    terms, weights = family(generator, 3, 4, identity=60.0), np.array([1.0, 2.0, 0.5])
    margin, lipschitz = margin_bound(terms, weights), lipschitz_bound(terms, weights)
    evidence = terms_in_file(terms, margin.multipliers, lipschitz.multipliers)
    return evidence, claims(weights, margin.value * (1 - 1e-6), lipschitz.value * (1 + 1e-6))


def test_the_file_itself_is_accepted():
    assert accepts(*good())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e["vectors"].__setitem__(0, [[0, 0], [1, 1]]), "in their order"),
        (lambda e: e["vectors"].__setitem__(0, [[3], [1]]), "in their order"),
        (lambda e: e["vectors"].__setitem__(0, [[-1], [1]]), "in their order"),
        (lambda e: e["vectors"].__setitem__(0, [[], []]), "coordinates"),
        (lambda e: e["vectors"].__setitem__(0, [[0], [1, 2]]), "1 integers"),
        (lambda e: e["terms"].__setitem__(0, [0, 99, *e["terms"][0][2:]]), "integer from 0"),
        (lambda e: e["terms"].pop(), "a list of"),
        (lambda e: e["margin_proof"].__setitem__("more", 1), "nothing but"),
        (lambda e: e["margin_proof"]["order"].pop(), "a list of"),
        (lambda e: e.__setitem__("cells", []), "nothing but"),
    ],
)
def test_what_cannot_be_read(change, message):
    evidence, said = good()
    change(evidence)
    with pytest.raises(Unusable, match=message):
        check_terms(Reader(evidence), cast(Any, said))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda e: e["terms"].__setitem__(3, [*e["terms"][3][:2], (1.0).hex(), (0.5).hex()]),
            "range",
        ),
        (lambda e: e["margin_proof"]["multipliers"].__setitem__(3, (-1.0).hex()), "positive"),
        (lambda e: e["margin_proof"]["multipliers"].__setitem__(3, (0.0).hex()), "positive"),
        (lambda e: e["lipschitz_proof"]["order"].__setitem__(0, 1), "order"),
        (lambda e: e["margin_proof"]["multipliers"].__setitem__(-1, (2.0**60).hex()), "margin"),
        (
            lambda e: e["lipschitz_proof"]["multipliers"].__setitem__(-1, (2.0**-60).hex()),
            "Lipschitz",
        ),
    ],
)
def test_what_is_rejected(change, message):
    evidence, said = good()
    change(evidence)
    with pytest.raises(Rejected, match=message):
        check_terms(Reader(evidence), cast(Any, said))


@given(st.fractions(min_value=2.0**-1000, max_value=2.0**1000))
def test_inverses_are_rounded_up(t):
    u = _inverse_above(t)
    assert 1 <= t * u < 1 + Fraction(1, 2**50)
    assert u.denominator & (u.denominator - 1) == 0


def test_matrices_are_no_weights():
    evidence, said = good()
    said.metric.is_matrix = True
    with pytest.raises(Unusable, match="weights"):
        check_terms(Reader(evidence), cast(Any, said))


@pytest.mark.parametrize(
    ("limit", "message"),
    [("MAX_PRODUCTS", "too much work"), ("MAX_ENTRIES", "memory"), ("MAX_MEMORY", "memory")],
)
def test_work_is_bounded(limit, message, monkeypatch):
    evidence, said = good()
    monkeypatch.setattr(f"certify.checker.terms.{limit}", 3)
    with pytest.raises(Unusable, match=message):
        check_terms(Reader(evidence), cast(Any, said))


def test_any_order_will_do():
    evidence, said = good()
    for order in itertools.permutations(range(3)):
        evidence["margin_proof"]["order"] = [*order]
        assert accepts(evidence, said)
