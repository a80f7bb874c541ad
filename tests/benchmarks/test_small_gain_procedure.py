"""The procedure of Small-Gain Nash: published numbers, closed forms, and that it bounds nothing."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from benchmarks.peers import small_gain_procedure as published

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


def test_markov_game_in_the_centre():
    found = published.markov(np.zeros((1, 8)), ratios=np.ones(1))
    assert found.curvature == pytest.approx((1.0, 1.0), abs=1e-12)
    assert found.coupling == pytest.approx((0.55, 0.55), abs=1e-12)
    assert found.margin == pytest.approx(0.45, abs=1e-12)


def test_markov_game_on_the_cube_of_the_paper():
    """The numbers that the paper's procedure gives on the 256 corners of radius 0.1."""
    found = published.markov_everywhere(np.zeros(8), 0.1)
    assert found.points == 256
    assert found.curvature == pytest.approx((0.934394, 0.934394), abs=1e-6)
    assert found.coupling == pytest.approx((0.6009186, 0.6009186), abs=1e-7)
    assert found.margin == pytest.approx(0.3334352, abs=1e-7)
    assert found.ratio == pytest.approx(0.9771242, abs=1e-7)
    assert found.lipschitz == pytest.approx(1.571832, abs=1e-6)
    assert found.step == pytest.approx(0.2699163, abs=1e-7)


def test_corners_bound_nothing():
    """Radius 1: the corners give a coupling of .6354; points inside go beyond it."""
    corners = published.markov_everywhere(np.zeros(8), 1.0)
    assert max(corners.coupling) == pytest.approx(0.6354, abs=1e-4)
    inside = np.random.default_rng(0).uniform(-1.0, 1.0, (4000, 8))
    assert max(published.markov(inside).coupling) > 0.67


def test_second_derivatives_are_those_of_the_game():
    """Against the derivatives that JAX takes of our own Markov game."""
    markov = dg.games.MarkovGame.small_gain_nash()

    @jax.jit
    @jax.vmap
    def hessians(logits, temperature):
        def costs(logits):
            policies = jax.nn.softmax(logits.reshape(2, 2, 2))
            return jnp.stack(dg.Regularised(markov, temperature).costs(tuple(policies)))

        return jax.hessian(costs)(logits)

    points, temperatures = np.random.default_rng(1).normal(size=(4, 8)), (0.1, 0.5, 1.0, 2.5)
    theirs = np.asarray(hessians(jnp.asarray(points), jnp.asarray(temperatures)))
    expected = np.concatenate([theirs[:, 0, :4], theirs[:, 1, 4:]], 1)
    found = [
        published.markov_hessian(point[None], temperature)[0]
        for point, temperature in zip(points, temperatures, strict=True)
    ]
    np.testing.assert_allclose(np.stack(found), expected, rtol=0.0, atol=1e-12)


def test_fisher_matrices_are_second_moments_of_the_score():
    points = np.random.default_rng(2).normal(size=(2, 8))
    p = published.policies(points)
    found = published.fisher(p)
    for n, i, s in itertools.product(range(2), repeat=3):
        scores = np.eye(2) - p[n, i, s]
        block = (scores.T * p[n, i, s]) @ scores
        np.testing.assert_allclose(found[n, i, 2 * s :][:2, 2 * s :][:, :2], block, atol=1e-15)
    assert not found[:, :, :2, 2:].any()


@pytest.mark.parametrize("strength", STRENGTHS)
def test_linear_quadratic_game_has_its_closed_form(strength):
    found = published.lq(strength, ratios=np.array([200.0]))
    share = strength / np.sqrt(2.0)
    assert found.margin == pytest.approx(1.0 - share, abs=1e-9)
    assert found.lipschitz == pytest.approx(1.0 + share, abs=1e-9)
    assert found.step == pytest.approx(2.0 * (1.0 - share) / (1.0 + share) ** 2, abs=1e-9)


def test_the_grid_of_ratios_misses_the_best_one_by_little():
    found = published.lq(1.0)
    assert 0.0 < (1.0 - np.sqrt(0.5)) - found.margin < 1e-4
    assert found.ratio == pytest.approx(200.0, rel=0.03)


def test_the_margin_is_an_eigenvalue():
    curvature, coupling, ratio = (0.3, 1.7), (2.0, 0.4), 3.0
    cross = -0.5 * (coupling[0] / np.sqrt(ratio) + coupling[1] * np.sqrt(ratio))
    matrix = np.array([[curvature[0], cross], [cross, curvature[1]]])
    found = published.margin(curvature, coupling, ratio)
    assert found == pytest.approx(np.linalg.eigvalsh(matrix)[0], abs=1e-12)


def test_negligible_curvatures_are_left_out_as_published():
    blocks = np.diag([1e-6, 2.0])[None]
    assert published.least_curvature(blocks, published.NEGLIGIBLE) == 2.0
    assert published.least_curvature(blocks, 0.0) == pytest.approx(1e-6)
    assert published.least_curvature(np.zeros((1, 2, 2)), 0.0) == 0.0
