"""Mean-field games on graphons against their definitions, place by place."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg
from dgames.games import EpidemicCrowd, InvestmentCrowd

PLACES = 3
X = (np.arange(PLACES) + 0.5) / PLACES


def crowd_of(game):
    draws = np.random.default_rng(0).dirichlet(np.ones(game.states * 2 // PLACES), PLACES)
    return jnp.asarray(draws.reshape(game.states, 2) / PLACES)


def test_firms_invest_as_the_definition_says():
    game = InvestmentCrowd(qualities=4, places=PLACES, horizon=2)
    crowd = crowd_of(game)
    reward = np.asarray(game.reward(jnp.asarray(0), crowd)).reshape(PLACES, 4, 2)
    moves = np.asarray(game.transition(jnp.asarray(0), crowd)).reshape(PLACES, 4, 2, PLACES, 4)
    shares = np.asarray(crowd).sum(-1).reshape(PLACES, 4)
    for k in range(PLACES):
        mean = sum(
            (1 - max(X[k], X[j])) * shares[j, c] * c for j in range(PLACES) for c in range(4)
        )
        for x in range(4):
            for u in range(2):
                assert_allclose(reward[k, x, u], 0.3 * x / (1 + mean) - 2 * u)
                expected = np.zeros((PLACES, 4))
                chance = u * (3 - x) / 4
                expected[k, x] += 1 - chance
                expected[k, min(x + 1, 3)] += chance
                assert_allclose(moves[k, x, u], expected, atol=1e-15)


def test_an_epidemic_spreads_as_the_definition_says():
    game = EpidemicCrowd(dg.RankedAttachment(), places=PLACES, horizon=2)
    crowd = crowd_of(game)
    reward = np.asarray(game.reward(jnp.asarray(0), crowd)).reshape(PLACES, 2, 2)
    moves = np.asarray(game.transition(jnp.asarray(0), crowd)).reshape(PLACES, 2, 2, PLACES, 2)
    shares = np.asarray(crowd).sum(-1).reshape(PLACES, 2)
    for k in range(PLACES):
        near = sum((1 - X[k] * X[j]) * shares[j, 1] for j in range(PLACES))
        assert_allclose(reward[k], [[0.0, -0.5], [-2.0, -2.5]])
        for u in range(2):
            caught = 0.8 * (1 - u) * near
            assert_allclose(moves[k, 0, u, k], [1 - caught, caught])
            assert_allclose(moves[k, 1, u, k], [0.2, 0.8])
            others = np.delete(moves[k, :, u], k, axis=1)
            assert_allclose(others, 0, atol=0)


@pytest.mark.full
def test_all_places_are_alike_on_a_constant_graphon():
    one, many = (InvestmentCrowd(dg.ErdosRenyi(0.5), 0.8, 1.0, 3, k, 5) for k in (1, 4))
    policy = jax.nn.softmax(jax.random.normal(jax.random.key(1), (6, 3, 2)))
    tiled = (jnp.tile(policy, (1, 4, 1)),)
    assert_allclose(many.exploitability(tiled), one.exploitability((policy,)), rtol=1e-12)


@pytest.mark.full
@pytest.mark.parametrize(("make", "most"), [(InvestmentCrowd, 1e-3), (EpidemicCrowd, 0.1)])
def test_mirror_descent_brings_exploitability_down(make, most):
    game = make()
    run = dg.solve(game, dg.MirrorDescent(0.1), game.uniform(), max_steps=1000, tol=0.0)
    assert 0 <= float(game.exploitability(run.strategy)) < most
    assert float(game.exploitability(game.uniform())) > 8
