"""Which weights are chosen: known in closed form for two players, and never slivers."""

import numpy as np
import pytest

from certify.metric.cuts import Cuts, spread
from certify.metric.objective import LIMIT, Aim, roundness, units
from certify.metric.weights import choose_weights, sampled_margin


def aim(objective, *half_widths, seconds=lambda: np.inf):
    return Aim(objective, np.array(half_widths), seconds=seconds)


def chosen(J, objective="basin", widths=None):
    J = np.atleast_3d(np.array(J, float)).reshape(-1, len(J[0]), len(J[0]))
    n = J.shape[-1]
    weights = choose_weights(J, (1,) * n, aim(objective, *(widths or [1.0] * n)))
    return weights, sampled_margin(J, weights)


@pytest.mark.parametrize("seed", range(8))
def test_the_best_margin_of_two_players_is_an_eigenvalue(seed):
    """Where both act on each other with one sign: the Perron root of `diag(mu) - L`."""
    rng = np.random.default_rng(seed)
    mu, (b, c) = rng.uniform(1.0, 3.0, 2), np.exp(rng.uniform(-2.0, 1.0, 2))
    best = np.linalg.eigvals(np.array([[mu[0], -b], [-c, mu[1]]])).real.min()
    _, margin = chosen([[mu[0], b], [c, mu[1]]], "margin")
    assert margin == pytest.approx(best, rel=1e-6 if best > 0 else 1e-2)
    if best > 0:
        _, margin = chosen([[mu[0], b], [c, mu[1]]])
        assert margin >= 0.949 * best


@pytest.mark.parametrize(
    ("J", "ratio"),
    [
        # The margin is `mu - |b| sqrt(w_0 / w_1) / 2`: 5 per cent of mu are lost at this ratio.
        ([[2.0, 1.0], [0.0, 2.0]], 25.0),
        ([[2.0, 0.0], [-1.0, 2.0]], 25.0),
        ([[1.0, 4.0], [0.0, 1.0]], 1600.0),
        ([[5.0, 0.4], [0.0, 5.0]], 1.0),  # ones have 5 - 0.2, more than 95 per cent of 5
        ([[3.0, 3.0], [0.0, 3.0]], 100.0),
    ],
)
def test_triangular_games_have_round_weights(J, ratio):
    weights, margin = chosen(J)
    assert spread(weights) == pytest.approx(ratio, rel=0.15)
    assert margin >= 0.948 * J[0][0]


def test_weights_stay_within_the_limit_of_each_other():
    weights, margin = chosen([[2.0, 1.0], [0.0, 2.0]], "margin")
    assert 1e4 < spread(weights) <= LIMIT * (1 + 1e-6)
    assert margin > 1.99
    # Unless no others have a positive margin: time scales 10^9 apart.
    weights, margin = chosen([[1.0, 1e5], [0.9e-5, 1.0]])
    assert margin > 0 and spread(weights) > LIMIT


@pytest.mark.parametrize("width", [1e-3, 0.1, 10.0])
def test_units_of_the_region_do_not_matter(width):
    """A coordinate measured in other units gives the same ball."""
    J = np.array([[2.0, 1.0], [0.3, 1.5]])
    scale = np.array([1.0, width])
    scaled = J * scale / scale[:, None]
    one, two = chosen(J)[0], chosen(scaled, widths=[1.0, 1 / width])[0]
    assert (two / two[0])[1] == pytest.approx((one / one[0])[1] * width**2, rel=0.1)


def test_the_roundest_of_a_chain_is_no_worse_than_the_best_grid_point():
    J = np.eye(3) * 2 + np.diag([1.5, -1.0], 1)
    weights, margin = chosen(J[None])
    top = chosen(J[None], "margin")[1]
    best = max(
        roundness(np.exp([0.0, a, b]), np.ones(3))
        for a in np.linspace(0, 8, 60)
        for b in np.linspace(0, 12, 60)
        if sampled_margin(J[None], np.exp([0.0, a, b])) >= 0.95 * top
    )
    assert margin >= 0.949 * top > 1.86
    assert roundness(weights, np.ones(3)) >= 0.9 * best


def test_ones_where_they_are_the_best():
    for J in ([[1.0, 5.0], [-5.0, 1.0]], [[0.5, 100.0], [-100.0, 1.0]], np.eye(3) + 0.1):
        assert (chosen(J)[0] == 1).all()


def test_steps_and_rates_are_no_worse_than_with_other_objectives():
    rng = np.random.default_rng(0)
    for _ in range(5):
        J = np.diag(rng.uniform(1, 4, 3)) + 0.4 * rng.normal(size=(3, 3))
        found = {}
        for objective in ("basin", "margin", "step", "rate"):
            weights, margin = chosen(J[None], objective)
            root = np.sqrt(weights)
            norm = np.linalg.norm(J * root[:, None] / root, 2)
            found[objective] = (margin, 2 * margin / norm**2, margin / norm)
        assert found["step"][1] >= max(one[1] for one in found.values()) * (1 - 1e-6)
        assert found["rate"][2] >= max(one[2] for one in found.values()) * (1 - 1e-6)
        assert found["margin"][0] >= max(one[0] for one in found.values()) * (1 - 1e-6)


def test_many_samples_and_players_at_once():
    """Each sample counts: the margin that is found is that of all of them."""
    rng = np.random.default_rng(1)
    J = 2 * np.eye(12) + 0.1 * rng.normal(size=(64, 12, 12))
    J[-1, 0, 5] += 3.0
    cuts = Cuts(J, (2,) * 6, np.ones(6))
    cuts.look(np.ones(6))
    before = cuts.margin
    cuts.improve(1e-3)
    assert cuts.margin == pytest.approx(sampled_margin(J, np.repeat(cuts.best, 2)))
    assert before < cuts.margin <= cuts.most
    # Nothing random is better.
    for _ in range(200):
        tried = np.repeat(np.exp(rng.normal(size=6)), 2)
        assert sampled_margin(J, tried) <= cuts.most + 1e-9


def test_without_time_the_best_candidate_is_taken():
    rng = np.random.default_rng(2)
    J = np.eye(100) + 0.02 * rng.normal(size=(1, 100, 100))
    weights = choose_weights(J, (10,) * 10, aim("basin", *np.ones(100), seconds=lambda: 0.0))
    assert (weights > 0).all()


def test_units_and_roundness():
    assert units(np.array([2.0, 0.2]), (1, 1)).tolist() == pytest.approx([1.0, 100.0])
    assert roundness(np.array([1.0, 100.0]), np.array([1.0, 0.1])) == pytest.approx(1.0)
    matrix = np.array([[2.0, 1.0], [1.0, 2.0]])
    assert roundness(matrix, np.ones(2)) == pytest.approx(3**-0.5)
