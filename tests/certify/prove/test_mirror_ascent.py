"""Policy mirror ascent: constants in closed form, and factors that runs stay below."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from numpy.testing import assert_allclose

import certify
import dgames as dg
from certify.prove.mirror_ascent import _Coordinates
from dgames.games import AnonymousGame, RockPaperScissors, SusceptibleInfected

PRICES = AnonymousGame(rewards=lambda shares: -jnp.array([1.0, 2.0]) * shares, actions=2)
THROWS = RockPaperScissors().payoffs


def random_policies(game, seed, share=0.3):
    (like,) = game.uniform()
    draws = np.random.default_rng(seed).dirichlet(np.full(like.shape[-1], share), like.shape[:-1])
    return (jnp.asarray(draws),)


def distance(proof, x, y):
    squares = jnp.sum((x[0] - y[0]) ** 2, -1)
    return float(jnp.sqrt(jnp.sum(jnp.asarray(proof.weights) * squares)))


def measured(game, proof, eta, pairs):
    """The largest factor of one step between random policies, far and near."""
    method = dg.Simultaneous(eta / (1 + eta * proof.strength))
    step = jax.jit(lambda x: method.step(game, x, method.init(game, x))[0])
    factors = []
    for seed in range(pairs):
        x, y = random_policies(game, seed), random_policies(game, 1000 + seed)
        for share in (1.0, 1e-3):
            z = (x[0] + share * (y[0] - x[0]),)
            factors.append(distance(proof, step(x), step(z)) / distance(proof, x, z))
    return max(factors)


@pytest.mark.parametrize("actions", [2, 3, 5])
def test_coordinates_hold_all_policies_and_keep_lengths(actions):
    game = AnonymousGame(rewards=lambda shares: shares, actions=actions)
    coordinates = _Coordinates.of(dg.RegularisedMeanField(game, 1.0))
    inside = np.random.default_rng(0).dirichlet(np.full(actions, 0.3), 200)
    policies = np.concatenate([np.eye(actions), inside])
    away = policies - policies[0]
    y = away @ coordinates.directions / coordinates.squares
    assert (y >= coordinates.lower[0]).all() and (y <= coordinates.upper[0]).all()
    assert_allclose(coordinates.policy(jnp.asarray(y)), policies, atol=1e-15)
    assert_allclose(y**2 @ coordinates.squares, (away**2).sum(-1))
    assert_allclose((coordinates.directions.T @ np.ones(actions)), 0, atol=0)
    # Values in coordinates have the length of their part that sums to zero.
    q = np.random.default_rng(1).normal(size=(7, actions))
    part = np.asarray(coordinates.of_values(jnp.asarray(q)))
    centred = q - q.mean(-1, keepdims=True)
    assert_allclose(part**2 @ coordinates.squares, (centred**2).sum(-1))


def test_a_constant_in_closed_form_is_proved_and_checked(tmp_path):
    """Prices 1 and 2 per share: the part of (-p, -2 (1 - p)) that sums to zero has slope 3/2."""
    game = dg.RegularisedMeanField(PRICES, 2.0)
    proof = certify.mirror_ascent(game)
    assert proof.status == "proved" and 1.5 <= proof.lipschitz < 1.5 + 1e-9
    assert_allclose(proof.factor(1.0), 2.5 / 3.0, atol=1e-9)
    assert_allclose(proof.factor(float("inf")), 0.75, atol=1e-9)
    assert proof.bias == 2.0 / 4
    path = tmp_path / "crowd.json"
    proof.certificate.save(path)
    assert certify.check(path, game=proof.field).ok and certify.check(path, level=2).ok
    # Far from the corners every step has that very factor, and the opposite sign.
    assert 0 < measured(game, proof, 1.0, 5) <= proof.factor(1.0)
    other = certify.mirror_ascent(dg.RegularisedMeanField(PRICES, 1.499))
    assert other.status == "undecided" and other.reasons and other.lipschitz == float("inf")
    with pytest.raises(ValueError, match="nothing was proved"):
        other.factor(1.0)
    with pytest.raises(ValueError, match="eta must be positive"):
        proof.factor(0.0)


@pytest.mark.full
def test_three_actions_have_the_norm_on_directions_that_keep_sums():
    game = AnonymousGame(rewards=lambda shares: THROWS @ shares, actions=3)
    tangent = np.eye(3) - 1 / 3
    norm = np.linalg.norm(tangent @ np.asarray(THROWS) @ tangent, 2)
    assert 6 < norm < 7
    pulled = dg.RegularisedMeanField(game, 7.0)
    proof = certify.mirror_ascent(pulled)
    assert proof.status == "proved" and norm <= proof.lipschitz < norm + 1e-9
    factor = measured(pulled, proof, 10.0, 20)
    assert 0.5 * proof.factor(10.0) < factor <= proof.factor(10.0)
    weak = certify.mirror_ascent(dg.RegularisedMeanField(game, 6.0))
    assert weak.status == "undecided"


@pytest.mark.full
def test_an_epidemic_with_a_pull_is_solved_from_every_policy():
    """Without the pull nothing is known to converge; equal weights would need a longer one."""
    game = dg.RegularisedMeanField(SusceptibleInfected(horizon=2), 1.0)
    proof = certify.mirror_ascent(game)
    assert proof.status == "proved" and proof.lipschitz < 0.4
    eta = 2.0
    factor = proof.factor(eta)
    assert measured(game, proof, eta, 30) <= factor < 0.6
    method = dg.Simultaneous(eta / (1 + eta))
    ends = []
    for seed in range(4):
        x = random_policies(game, seed)
        run = dg.solve(game, method, x, tol=1e-12)
        assert bool(run.result == dg.RESULTS.successful)
        early = dg.solve(game, method, x, tol=0.0, max_steps=5)
        shrunk = distance(proof, early.strategy, run.strategy) / distance(proof, x, run.strategy)
        assert shrunk <= factor**5
        ends.append(run.strategy[0])
    assert_allclose(ends[1:], [ends[0]] * 3, atol=1e-10)
    assert 0 <= float(game.game.exploitability((ends[0],))) <= proof.bias


def test_bad_input_is_refused():
    # Where argument types are checked, that error comes first.
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="RegularisedMeanField"):
        certify.mirror_ascent(cast(Any, PRICES))
    alone = AnonymousGame(rewards=lambda shares: shares, actions=1)
    with pytest.raises(ValueError, match="nothing to choose"):
        certify.mirror_ascent(dg.RegularisedMeanField(alone, 1.0))
