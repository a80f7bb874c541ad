"""Metrics for hulls of Jacobians: what they contain, what they reach, and the worst of the hull."""

import itertools

import numpy as np
import pytest
import scipy.linalg

import certify
from certify.metric import robust
from certify.metric.best_matrix import abscissa, best_matrix, margin_in
from certify.metric.hull import Hull, Proposal, margin_on, proved_margin
from certify.metric.robust import robust_metric
from tests.certify.metric.test_ladder import random_jacobian

pytestmark = pytest.mark.thin(3)


def blocks(matrix, sizes):
    ends = np.cumsum((0, *sizes))
    return [
        [matrix[a:b, c:d] for c, d in itertools.pairwise(ends)] for a, b in itertools.pairwise(ends)
    ]


def worst_of(J0, radius, sizes, metric, rng, mirrored=False, rounds=20):
    """A Jacobian of the hull with a small margin in a metric, by ascent over rank-one blocks."""
    J, lowest = J0, np.inf
    ends = np.cumsum((0, *sizes))
    for k in range(rounds):
        form = metric @ J + J.T @ metric
        x = rng.normal(size=len(J)) if k == 0 else scipy.linalg.eigh(form, metric)[1][:, 0]
        force, J = metric @ x, J0.copy()
        for i, (a, b) in enumerate(itertools.pairwise(ends)):
            for j, (c, d) in enumerate(itertools.pairwise(ends)):
                if mirrored and i > j:
                    continue
                block = -np.outer(force[a:b], x[c:d])
                if mirrored and i < j:
                    block += np.outer(x[a:b], force[c:d])
                block *= radius[i, j] / max(np.linalg.norm(block, 2), 1e-300)
                J[a:b, c:d] += block
                if mirrored and i < j:
                    J[c:d, a:b] -= block.T
        lowest = min(lowest, margin_in(J[None], metric))
    return lowest


@pytest.mark.parametrize("seed", range(4))
def test_small_gain_is_a_special_case(seed):
    """Nothing but norms of couplings is known: no less than the small-gain margin is found."""
    rng = np.random.default_rng(seed)
    sizes = [(1, 1), (1, 1, 1), (2, 1), (2, 2, 1)][seed]
    mu, L = rng.uniform(0.5, 2, len(sizes)), rng.uniform(0, 0.6, (len(sizes),) * 2)
    np.fill_diagonal(L, 0)
    gain = certify.small_gain(mu, L)
    J0 = np.diag(np.repeat(mu, sizes))
    # The proof in closed form, with the vectors of the test.
    t = gain.weights[:, None] * gain.right[:, None] / gain.right / np.where(L > 0, L, 1.0)
    closed = Proposal(np.diag(np.repeat(gain.weights, sizes)), t)
    assert margin_on(Hull(J0, L), sizes, closed) == pytest.approx(gain.margin, abs=1e-9)
    proved = proved_margin(Hull(J0, L), sizes, closed)
    assert proved is not None
    assert proved == pytest.approx(gain.margin, abs=1e-8) and proved < gain.margin
    for kind in ("weights", "full"):
        found = robust_metric(J0, L, sizes, kind)
        assert found.margin >= gain.margin - 1e-3 * mu.max()
        # Norms of couplings allow no more in any weights.
        assert kind == "full" or found.margin <= gain.upper + 1e-9


@pytest.mark.parametrize("kind", ["random", "zero-sum", "asymmetric"])
def test_close_to_what_samples_allow(kind):
    """Two players of three coordinates: within 8% of an upper bound, far above small gain."""
    rng, sizes, radius = np.random.default_rng(0), (3, 3), np.full((2, 2), 0.02)
    J0 = random_jacobian(rng, 2, 3, kind)
    noise = rng.normal(size=(300, 2, 2, 3, 3))
    noise *= (radius / np.linalg.norm(noise, ord=2, axis=(-2, -1)))[..., None, None]
    samples = J0 + np.swapaxes(noise, 2, 3).reshape(300, 6, 6)
    upper = margin_in(samples, best_matrix(samples, sizes, "full", np.ones(6)))
    found = {name: robust_metric(J0, radius, sizes, name) for name in ("weights", "block", "full")}
    assert 0.92 * upper <= found["full"].margin <= abscissa(samples)
    assert found["full"].margin >= 0.94 * found["weights"].margin
    low = [np.linalg.eigvalsh(0.5 * (J0 + J0.T)[i : i + 3, i : i + 3])[0] - 0.02 for i in (0, 3)]
    coupling = [[np.linalg.norm(b, 2) + 0.02 for b in row] for row in blocks(J0, sizes)]
    gain = certify.small_gain(low, np.array(coupling))
    assert found["full"].margin > gain.margin + 0.3
    for one in found.values():
        assert margin_in(samples, one.metric) >= one.margin
        assert worst_of(J0, radius, sizes, one.metric, rng) >= one.margin
        np.testing.assert_array_equal(one.metric, one.metric.T)
    assert not found["block"].metric[:3, 3:].any()
    weights = np.diagonal(found["weights"].metric)
    np.testing.assert_array_equal(found["weights"].metric, np.diag(weights))
    assert weights[0] == weights[2] and weights[3] == weights[5]


@pytest.mark.parametrize("radius", [0.05, 0.3])
def test_the_worst_of_the_hull_is_no_worse_than_proved(radius):
    rng = np.random.default_rng(3)
    for players, d in ((1, 2), (2, 2), (3, 1)):
        sizes, n = (d,) * players, players * d
        J0 = rng.normal(size=(n, n)) + 2 * np.eye(n)
        rho = radius * rng.uniform(size=(players, players))
        found = robust_metric(J0, rho, sizes)
        lowest = min(worst_of(J0, rho, sizes, found.metric, rng) for _ in range(5))
        assert found.margin <= lowest


def test_what_is_known_in_closed_form():
    one = robust_metric(np.array([[2.0]]), np.array([[0.5]]), (1,))
    assert one.margin == pytest.approx(1.5, abs=1e-6) and one.margin < 1.5
    rotation = np.array([[1.0, 7.0], [-7.0, 1.0]])
    exact = robust_metric(rotation, np.zeros((2, 2)), (1, 1))
    assert exact.margin == pytest.approx(1.0, abs=1e-6)
    # Any direction of the block may turn up: the norm of what is added is lost.
    ball = robust_metric(rotation, np.array([[0.3]]), (2,))
    assert ball.margin == pytest.approx(0.7, abs=1e-6)


def test_couplings_that_mirror_each_other_cancel():
    """In equal weights the coupling of a zero-sum game drops out, however little is known of it."""
    J0, radius = np.array([[0.4, 3.0], [-3.0, 1.0]]), np.array([[0.1, 2.0], [2.0, 0.1]])
    found = robust_metric(J0, radius, (1, 1), "weights", mirrored=True)
    assert found.margin == pytest.approx(0.3, abs=1e-3)
    assert robust_metric(J0, radius, (1, 1), "weights").margin < -0.5
    # A matrix may gain by what is known of it; nothing false is proved then either.
    rng, radius = np.random.default_rng(0), np.array([[0.0, 0.3], [0.3, 0.0]])
    more = robust_metric(J0, radius, (1, 1), mirrored=True)
    assert more.margin > 0.45 > robust_metric(J0, radius, (1, 1), mirrored=False).margin
    lowest = min(worst_of(J0, radius, (1, 1), more.metric, rng, True) for _ in range(5))
    assert more.margin <= lowest
    with pytest.raises(ValueError, match="two players"):
        robust_metric(J0 + np.array([[0, 0.1], [0, 0]]), radius, (1, 1), mirrored=True)


LIES = {
    "indefinite": Proposal(np.diag([1.0, -1.0]), np.ones((2, 2))),
    "not a number": Proposal(np.full((2, 2), np.nan), np.ones((2, 2))),
    "negative multipliers": Proposal(np.eye(2), -np.ones((2, 2))),
    "no multipliers": Proposal(np.eye(2), np.zeros((2, 2))),
    "wild": Proposal(np.diag([1.0, 1e8]), np.full((2, 2), 1e9)),
    "an infinite shift": Proposal(np.eye(2), np.ones((2, 2)), np.inf),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_when_the_solver_lies_nothing_false_is_proved(lie, monkeypatch):
    J0, radius, rng = np.array([[1.0, 3.0], [-2.0, 0.2]]), np.full((2, 2), 0.1), None
    assert proved_margin(Hull(J0, radius), (1, 1), lie) is None or lie.multipliers.min() > 0
    monkeypatch.setattr(robust, "solve", lambda *arguments: (lie,))
    found, rng = robust_metric(J0, radius, (1, 1)), np.random.default_rng(0)
    assert found.margin <= worst_of(J0, radius, (1, 1), found.metric, rng)


@pytest.mark.parametrize(
    ("centre", "radius", "message"),
    [
        (np.eye(3), np.zeros((2, 2)), "shape"),
        (np.eye(2), -np.ones((2, 2)), "not negative"),
        (np.full((2, 2), np.inf), np.ones((2, 2)), "finite"),
    ],
)
def test_what_is_no_hull_is_an_error(centre, radius, message):
    with pytest.raises((ValueError, TypeError), match=message):
        robust_metric(centre, radius, (1, 1))
