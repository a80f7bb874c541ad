"""A network that reads games: equivariance, invariance, and that learning lowers the gap."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dgames as dg
from dgames.games import MatrixGame
from dgames.nn import NormalFormNetwork

NET = NormalFormNetwork(8, 2, jax.random.key(0))
PAYOFFS = jax.random.normal(jax.random.key(1), (3, 2, 3, 4))


def test_players_and_actions_that_change_places_do_so_in_the_answer():
    answer = NET(PAYOFFS)
    assert [own.shape for own in answer] == [(2,), (3,), (4,)]
    orders = [np.array([1, 0]), np.array([2, 0, 1]), np.array([3, 0, 2, 1])]
    shuffled = np.asarray(PAYOFFS)[:, orders[0]][:, :, orders[1]][:, :, :, orders[2]]
    players = np.array([2, 0, 1])
    moved = NET(jnp.asarray(shuffled[players].transpose(0, *(1 + players))))
    for k, player in enumerate(players):
        assert np.allclose(moved[k], np.asarray(answer[player])[orders[player]], atol=1e-12)
    assert np.ptp(np.asarray(answer[2])) > 1e-3  # the answer depends on the game


def test_payoffs_that_mean_the_same_have_the_same_answer():
    of_rivals = jax.random.normal(jax.random.key(2), (3, 4))
    other = PAYOFFS.at[0].add(of_rivals[None]).at[1].multiply(7.0)
    for own, again in zip(NET(PAYOFFS), NET(other), strict=True):
        assert np.allclose(own, again, atol=1e-12)


def test_constant_payoffs_are_no_problem():
    assert np.allclose(NET(jnp.ones((2, 2, 2)))[0], 0.5)


@pytest.mark.full
def test_training_lowers_the_gap_of_games_that_it_has_not_seen():
    def loss(net, key):
        games = jax.random.normal(key, (32, 2, 2, 2))
        return jnp.mean(jax.vmap(lambda own: dg.nash_gap(MatrixGame(*own), net(own)))(games))

    optimiser: Any = optax.adam(1e-2)

    def step(carry, key):
        slope = jax.grad(loss)(carry[0], key)
        update, state = optimiser.update(slope, carry[1])
        return (eqx.apply_updates(carry[0], update), state), None

    keys = jax.random.split(jax.random.key(3), 100)
    before = loss(NET, jax.random.key(4))
    with jax.numpy_dtype_promotion("standard"):  # optax mixes dtypes
        net = jax.jit(lambda carry: jax.lax.scan(step, carry, keys)[0])((NET, optimiser.init(NET)))
    assert loss(net[0], jax.random.key(4)) < 0.3 * before


def test_malformed_arguments_are_told():
    with pytest.raises(ValueError, match="are positive"):
        NormalFormNetwork(0, 1, jax.random.key(0))
    with pytest.raises(ValueError, match="one axis of actions for each player"):
        NET(jnp.ones((3, 2, 2)))
