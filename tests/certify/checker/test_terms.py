"""Sums of terms of rank one: what is accepted holds at every vertex of the ranges of slopes."""

import itertools
from fractions import Fraction
from typing import Any, cast

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.checker.claims import Claims
from certify.checker.exact import Work
from certify.checker.rank_one import read_terms
from certify.checker.reader import Reader, Unusable
from certify.checker.steps import STEP_RULES
from certify.checker.terms import TermFamily, _inverse_above
from certify.checker.verdict import Rejected
from certify.file.terms import terms_in_file, terms_of_file
from certify.jacobian.rank_one import RankOne
from certify.metric.elimination import term_proof
from certify.metric.metric import Metric
from certify.metric.rank_one_bounds import (
    cocoercivity_bound,
    curvature_bound,
    lipschitz_bound,
    margin_bound,
    step_bound,
)
from certify.metric.term_inequality import _approached, least_eigenvalue, sides
from tools.ridge_families import (
    accepts,
    claims,
    family,
    framed,
    proofs,
    random_metric,
    semidefinite_margin,
    truth,
    verify,
    vertices,
)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 4),
    st.integers(0, 6),
    st.sampled_from([0.0, 1e-9, 0.01]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
)
def test_bounds_are_proved_and_never_beyond_the_truth(
    seed, n, count, further, is_matrix, full, mirrored
):
    generator = np.random.default_rng(seed)
    terms = family(generator, n, count, mirrored=mirrored)
    metric = random_metric(generator, n, is_matrix=is_matrix and n > 1)
    terms = terms.apart() if metric.is_matrix else terms
    margin, lipschitz = margin_bound(terms, metric), lipschitz_bound(terms, metric)
    least, most = truth(terms, metric)
    slack = 1e-9 * max(1.0, most)
    assert margin.value <= least + slack and lipschitz.value >= most - slack
    evidence = proofs(terms, metric, margin, lipschitz)
    for name, size in (("margin_proof", n), ("lipschitz_proof", 2 * n)):
        if full:
            evidence[name].pop("order", None)
        else:
            evidence[name].setdefault("order", [*range(size)])
    high = lipschitz.value * (1 + 1e-9)
    if margin.value > 0.01:
        assert accepts(claims(metric, margin.value * (1 - 1e-6), high, evidence))
    beyond = slack + further
    assert not accepts(claims(metric, least + beyond, high, evidence))
    assert not accepts(claims(metric, margin.value - 1e-6, most - beyond, evidence))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 5), st.booleans(), st.integers(0, 3)
)
def test_cocoercivity_and_steps_are_never_beyond_the_truth(seed, n, count, is_matrix, mirrored):
    """Beside the largest values over all vertices; both are attained there, as they are convex."""
    generator = np.random.default_rng(seed)
    terms = family(generator, n, count, identity=24.0, mirrored=mirrored)
    metric = random_metric(generator, n, is_matrix=is_matrix and n > 1)
    terms = terms.apart() if metric.is_matrix else terms
    margin, lipschitz = margin_bound(terms, metric), lipschitz_bound(terms, metric)
    if margin.value <= 0.01:
        return
    scaled = [framed(metric, m) for batch in vertices(terms) for m in batch]
    # <J x, x> >= |J x|^2 / c for y = J x says that c is the inverse of the margin of J^-1.
    inverses = [np.linalg.inv(m) for m in scaled]
    most = 1 / min(np.linalg.eigvalsh(0.5 * (m + m.T))[0] for m in inverses)
    found = cocoercivity_bound(terms, metric, margin)
    assert found is not None
    assert found.value >= most * (1 - 1e-9)
    evidence = proofs(terms, metric, margin, lipschitz)
    evidence["cocoercivity_proof"] = term_proof(sides(terms, metric).of_cocoercivity(), found)
    known = margin.value * (1 - 1e-6), lipschitz.value * (1 + 1e-6)
    for c, holds in ((found.value * (1 + 1e-6), True), (most * (1 - 1e-6), False)):
        said = claims(metric, *known, evidence, cocoercivity=Fraction(c))
        assert accepts(said) == holds

    steps = step_bound(terms, metric, margin.value / lipschitz.value**2)
    if steps is None:  # where the margin is small, multipliers may lose it in the larger matrix
        assert margin.value < 0.05 * lipschitz.value
        return

    def factor(h):
        return max(np.linalg.norm(np.eye(n) - h * m, 2) for m in scaled)

    assert factor(steps.largest) <= 1 + 1e-9 and factor(steps.best) <= steps.at_best.value + 1e-9
    said = claims(metric, *known, evidence)
    said.terms = read_terms(Reader(evidence), said.coordinates)
    check, _, _ = STEP_RULES["simultaneous", "terms"]

    def verdicts(largest, best, rate):
        readers = [
            Reader(term_proof(sides(terms, metric).of_step(h), steps.at_best))
            for h in (largest, best)
        ]
        numbers = [Fraction(float(x)) for x in (largest, best, rate)]
        return list(check(cast(Any, said), numbers, *readers).values())

    assert verdicts(steps.largest, steps.best, steps.at_best.value + 1e-9) == [True, True]
    true_rate = factor(steps.best)
    assert verdicts(steps.largest, steps.best, true_rate - 1e-9)[1] is False
    beyond = steps.largest
    while factor(beyond) < 1:
        beyond *= 1.5
    assert verdicts(beyond, steps.best, steps.at_best.value + 1e-9)[0] is False


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 5), st.integers(0, 5), st.floats(-8.0, 8.0))
def test_curvature_is_that_of_each_player(seed, n, count, identity):
    """In a metric that is a matrix, each player's cost is shown to be convex."""
    generator = np.random.default_rng(seed)
    terms, own = family(generator, n, count, identity), slice(1, n)
    euclidean = Metric(np.ones(n))
    plain = sides(terms, euclidean)
    bound = curvature_bound(terms, plain, own)
    every = [m for batch in vertices(terms) for m in batch]
    least = min(np.linalg.eigvalsh(0.5 * (m + m.T)[own, own])[0] for m in every)
    assert bound.value <= least + 1e-9
    evidence = terms_in_file(terms)
    said = claims(Metric(2 * np.eye(n)), 1.0, 1.0, evidence)
    said.terms = read_terms(Reader(evidence), said.coordinates)
    proof = term_proof(plain.of_curvature(own), bound)
    convex = TermFamily(cast(Claims, said), Work()).convex(own, Reader(proof))
    if abs(bound.value) > 1e-6:
        assert convex == (bound.value > 0)
    assert least > -1e-9 or not convex


def test_of_parallel_vectors_nothing_is_lost():
    """Then the bound is the minimum over all vertices: the multiplier gives an end of the range."""
    for seed in range(40):
        terms = family(np.random.default_rng(seed), 3, 5)
        terms = terms._replace(right=terms.left)
        metric = Metric(np.ones(3))
        least, _ = truth(terms, metric)
        assert margin_bound(terms, metric).value == pytest.approx(least, abs=1e-9)


def test_multipliers_are_nearly_the_best_ones():
    """Beside the best diagonal multipliers, by a semidefinite program that proves nothing."""
    ratios = []
    for seed in range(12):
        terms = family(np.random.default_rng(seed), 4, 4, identity=60.0)
        bound = margin_bound(terms, Metric(np.ones(4)))
        ratios.append(bound.value / semidefinite_margin(terms))
    assert max(ratios) <= 1 + 1e-6
    assert np.median(ratios) >= 0.98


def good():
    generator = np.random.default_rng(5)
    terms, metric = family(generator, 3, 4, identity=60.0), Metric(np.array([1.0, 2.0, 0.5]))
    margin, lipschitz = margin_bound(terms, metric), lipschitz_bound(terms, metric)
    evidence = proofs(terms, metric, margin, lipschitz)
    for name in ("margin_proof", "lipschitz_proof"):
        evidence[name].setdefault("order", [*range(3 if name == "margin_proof" else 6)])
    return claims(metric, margin.value * (1 - 1e-6), lipschitz.value * (1 + 1e-6), evidence)


def test_in_equal_weights_mirrored_terms_of_a_zero_sum_game_cost_no_margin():
    """A pair with opposite signs leaves the symmetric part alone; apart, each costs its range."""
    terms = family(np.random.default_rng(1), 3, 0, mirrored=3)
    terms = terms._replace(mirror=-np.abs(terms.mirror))
    assert margin_bound(terms, Metric(np.ones(3))).value == pytest.approx(8.0)
    assert margin_bound(terms.apart(), Metric(np.ones(3))).value < 7.8
    assert margin_bound(terms, Metric(np.array([1.0, 2.0, 3.0]))).value < 8.0


def test_terms_are_read_back():
    terms = family(np.random.default_rng(3), 4, 5, mirrored=2)
    found = terms_of_file(terms_in_file(terms), 4)
    for mine, read in zip(terms[1:6], found[1:6], strict=True):
        np.testing.assert_array_equal(mine, read)
    assert found.vectors == terms.vectors
    np.testing.assert_array_equal(found.matrix.todense(), terms.matrix.todense())


def test_the_file_itself_is_accepted():
    assert accepts(good())


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
        (lambda e: e["terms"][-1].append(0), "1 or -1"),
        (lambda e: e["terms"][-1].append(2), "integer from -1"),
        (lambda e: e["terms"][-1].append(1), "each of one player"),
        (lambda e: e["terms"][-1].extend([1, 1]), "perhaps a mirror"),
        (lambda e: e["margin_proof"].__setitem__("more", 1), "nothing but"),
        (lambda e: e["margin_proof"]["order"].pop(), "a list of"),
        (lambda e: e.__setitem__("cells", []), "nothing but"),
    ],
)
def test_what_cannot_be_read(change, message):
    said = good()
    change(said.evidence)
    with pytest.raises(Unusable, match=message):
        verify(said)


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
    said = good()
    change(said.evidence)
    with pytest.raises(Rejected, match=message):
        verify(said)


def chain(count=40):
    """Players in a line, each drawn to the next ones by at most a fifth, in no order."""
    ends = [(i, j) for i in range(count) for j in (i - 1, i + 1) if 0 <= j < count]
    left, right = (np.array([*range(count), *side]) for side in zip(*ends, strict=True))
    low = np.concatenate([np.ones(count), np.full(len(ends), -0.2)])
    high = np.concatenate([np.ones(count), np.zeros(len(ends))])
    vectors = [((k, 1),) for k in range(count)]
    plain = np.zeros(len(low), int)
    return RankOne(vectors, left, right, low, high, plain, sp.csr_array(np.eye(count)))


@pytest.fixture
def scaled(monkeypatch):
    """Claims that scaled dominance proves."""
    monkeypatch.setattr("certify.metric.term_multipliers.DENSE", 1)
    terms, metric = chain(), Metric(np.linspace(1.0, 2.0, 40))
    margin, lipschitz = margin_bound(terms, metric), lipschitz_bound(terms, metric)
    assert margin.scaling is not None and lipschitz.scaling is not None
    evidence = proofs(terms, metric, margin, lipschitz)
    return claims(metric, margin.value * (1 - 1e-9), lipschitz.value * (1 + 1e-9), evidence)


def test_of_a_network_dominance_loses_nothing(monkeypatch):
    monkeypatch.setattr("certify.metric.term_multipliers.DENSE", 1)
    terms, metric = chain(), Metric(np.ones(40))
    margin, lipschitz = margin_bound(terms, metric), lipschitz_bound(terms, metric)
    bend = 0.4 * np.cos(np.pi / 41)  # of the matrix of neighbours, times a fifth
    assert margin.scaling is not None and lipschitz.scaling is not None
    assert 1 - bend - 1e-6 < margin.value <= 1 - bend + 1e-12
    assert 1 + bend - 1e-12 <= lipschitz.value < 1 + bend + 1e-6
    # The matrix is symmetric, so that steps are as long as those of gradient descent.
    steps = step_bound(terms, metric, margin.value / lipschitz.value**2)
    assert steps is not None and steps.at_largest.scaling is not None
    assert 2 / (1 + bend) * (1 - 1e-4) < steps.largest <= 2 / (1 + bend)


def test_a_file_by_dominance_is_accepted(scaled):
    assert accepts(scaled)
    assert set(scaled.evidence["margin_proof"]) == {"multipliers", "scaling"}
    scaled.margin *= Fraction(101, 100)
    assert not accepts(scaled)
    scaled.margin /= Fraction(101, 100)
    scaled.lipschitz *= Fraction(99, 100)
    assert not accepts(scaled)


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
    ],
)
def test_what_is_false_in_a_proof_by_dominance(scaled, proof, change, error):
    change(scaled.evidence, scaled.evidence[proof])
    with pytest.raises(error):
        verify(scaled)


@given(st.fractions(min_value=2.0**-1000, max_value=2.0**1000))
def test_inverses_are_rounded_up(t):
    u = _inverse_above(t)
    assert 1 <= t * u < 1 + Fraction(1, 2**38)
    assert u.denominator & (u.denominator - 1) == 0


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("exact.MAX_WORK", "too much work"),
        ("outer_products.MAX_ENTRIES", "memory"),
        ("outer_products.MAX_MEMORY", "memory"),
    ],
)
@pytest.mark.parametrize("full", [False, True])
def test_work_is_bounded(limit, message, full, monkeypatch):
    said = good()
    if full:
        said.evidence["margin_proof"].pop("order")
        limit = limit.replace("MAX_ENTRIES", "MAX_FULL")
    monkeypatch.setattr(f"certify.checker.{limit}", 2)
    with pytest.raises(Unusable, match="are the most" if "FULL" in limit else message):
        verify(said)


def test_any_order_will_do():
    said = good()
    for order in itertools.permutations(range(3)):
        said.evidence["margin_proof"]["order"] = [*order]
        assert accepts(said)


def test_smallest_eigenvalues_of_large_matrices_are_bounded_from_below():
    """By inverse iteration, and by shifts that come nearer where that does not converge."""
    generator = np.random.default_rng(3)
    for scale in (1e-6, 1.0, 1e6):
        upper = sp.random_array((300, 300), density=0.01, rng=generator)
        matrix = sp.csr_array(scale * (upper + upper.T - 0.3 * sp.eye_array(300)))
        least, most = np.linalg.eigvalsh(np.asarray(matrix.todense()))[[0, -1]]
        start = least - 2 * scale
        for found in (least_eigenvalue(matrix, 0), _approached(matrix, start, 1e-7 * scale)):
            assert found <= least + 1e-12 * scale
            assert found >= least - 1e-5 * (most - least)


@pytest.mark.parametrize("name", ["symmetric", "bordered", "cocoercive"])
def test_products_with_a_full_metric_are_paid_for(name):
    """They take as many steps as the metric has entries, for each term."""
    terms, metric = family(np.random.default_rng(0), 5, 1), Metric(np.eye(5) + 0.1)
    evidence = terms_in_file(terms)
    said = claims(metric, 1.0, 1.0, evidence)
    said.terms = read_terms(Reader(evidence), said.coordinates)
    work = Work()
    before = work.left
    own = TermFamily(cast(Claims, said), work)
    term = max(said.terms, key=lambda term: len(term.left))
    getattr(own, name)(term)
    assert before - work.left >= 4 * 5 * len(term.left)
    work.left = 10
    with pytest.raises(Unusable, match="too much work"):
        getattr(own, name)(term)
