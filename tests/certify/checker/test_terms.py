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
from certify.metric.rank_one_bounds import _least, lipschitz_bound, margin_bound


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


def chain(count=40):
    """Players in a line, each drawn to the next ones by at most a fifth, in no order."""
    ends = [(i, j) for i in range(count) for j in (i - 1, i + 1) if 0 <= j < count]
    left, right = (np.array([*range(count), *side]) for side in zip(*ends, strict=True))
    low = np.concatenate([np.ones(count), np.full(len(ends), -0.2)])
    high = np.concatenate([np.ones(count), np.zeros(len(ends))])
    vectors = [((k, 1),) for k in range(count)]
    return RankOne(vectors, left, right, low, high, sp.csr_array(np.eye(count)))


def scaled(monkeypatch):
    """Evidence by scaled dominance, and what it proves."""
    monkeypatch.setattr("certify.metric.rank_one_bounds._DENSE", 1)
    terms, weights = chain(), np.linspace(1.0, 2.0, 40)
    margin, lipschitz = margin_bound(terms, weights), lipschitz_bound(terms, weights)
    assert margin.scaling is not None and lipschitz.scaling is not None
    evidence = terms_in_file(
        terms, margin.multipliers, lipschitz.multipliers, [margin.scaling, lipschitz.scaling]
    )
    said = claims(weights, margin.value * (1 - 1e-9), lipschitz.value * (1 + 1e-9))
    return evidence, said


def test_of_a_network_dominance_loses_nothing(monkeypatch):
    monkeypatch.setattr("certify.metric.rank_one_bounds._DENSE", 1)
    terms, weights = chain(), np.ones(40)
    margin, lipschitz = margin_bound(terms, weights), lipschitz_bound(terms, weights)
    bend = 0.4 * np.cos(np.pi / 41)  # of the matrix of neighbours, times a fifth
    assert margin.scaling is not None and lipschitz.scaling is not None
    assert 1 - bend - 1e-6 < margin.value <= 1 - bend + 1e-12
    assert 1 + bend - 1e-12 <= lipschitz.value < 1 + bend + 1e-6


def test_a_file_by_dominance_is_accepted(monkeypatch):
    evidence, said = scaled(monkeypatch)
    assert accepts(evidence, said)
    assert set(evidence["margin_proof"]) == {"multipliers", "scaling"}
    said.margin *= Fraction(101, 100)
    assert not accepts(evidence, said)
    said.margin /= Fraction(101, 100)
    said.lipschitz *= Fraction(99, 100)
    assert not accepts(evidence, said)


@pytest.mark.parametrize("proof", ["margin_proof", "lipschitz_proof"])
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda e, p: p["scaling"].__setitem__(0, 0), Rejected),
        (lambda e, p: p["scaling"].__setitem__(0, -p["scaling"][0]), Rejected),
        (lambda e, p: p["scaling"].__setitem__(3, p["scaling"][3] // 2), Rejected),
        (lambda e, p: p["scaling"].__setitem__(3, 2 * p["scaling"][3]), Rejected),
        (lambda e, p: p["multipliers"].__setitem__(-1, (2.0**-9).hex()), Rejected),
        (lambda e, p: p["multipliers"].__setitem__(-1, (0.0).hex()), Rejected),
        (lambda e, p: e["terms"][-1].__setitem__(2, (-0.5).hex()), Rejected),
        (lambda e, p: e["vectors"].__setitem__(3, [[3], [2]]), Rejected),
        (lambda e, p: p["scaling"].pop(), Unusable),
        (lambda e, p: p["scaling"].append(1), Unusable),
        (lambda e, p: p["scaling"].__setitem__(0, 1.0), Unusable),
        (lambda e, p: p["scaling"].__setitem__(0, True), Unusable),
        (lambda e, p: p["scaling"].__setitem__(0, 2**1200), Unusable),
        (lambda e, p: p.__setitem__("scaling", {}), Unusable),
        (lambda e, p: p.__setitem__("order", [*range(len(p["scaling"]))]), Unusable),
        (lambda e, p: p.pop("scaling"), Unusable),
    ],
)
def test_what_is_false_in_a_proof_by_dominance(monkeypatch, proof, change, error):
    evidence, said = scaled(monkeypatch)
    change(evidence, evidence[proof])
    with pytest.raises(error):
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


def test_smallest_eigenvalues_of_large_matrices_are_bounded_from_below():
    generator = np.random.default_rng(3)
    for scale in (1e-6, 1.0, 1e6):
        upper = sp.random_array((300, 300), density=0.01, rng=generator)
        matrix = sp.csr_array(scale * (upper + upper.T - 0.3 * sp.eye_array(300)))
        least, most = np.linalg.eigvalsh(np.asarray(matrix.todense()))[[0, -1]]
        found = _least(matrix)
        assert found <= least + 1e-12 * scale
        assert found >= least - 1e-5 * (most - least)
