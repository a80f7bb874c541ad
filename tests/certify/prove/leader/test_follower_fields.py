"""Followers that are a field: the values of a learner, by the soft equations of Bellman."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import check_data
from certify.checker.graph import game_hash
from certify.checker.reader import digest

pytestmark = pytest.mark.full

DISCOUNT, TEMPERATURE = 0.5, 1.0
# Of the next state, for each state and move.
CHANCES = jnp.array([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.1, 0.9]]])


def quality(v, x):
    """The learner is paid 1 in the second state, and x in the first."""
    return jnp.stack([x, jnp.ones(())])[:, None] + DISCOUNT * CHANCES @ v


def bellman(y, x):
    soft = TEMPERATURE * jnp.log(jnp.sum(jnp.exp(quality(y[0], x) / TEMPERATURE), axis=1))
    return (y[0] - soft,)


def leader(x, y):
    return 0.5 * (x - 0.2) ** 2 - 0.1 * y[0][0] + 0.05 * jnp.sum(y[0] ** 2)


GAME = dg.Stackelberg(leader, dg.FunctionField(bellman))
START = (jnp.zeros(2),)


@pytest.fixture(scope="module")
def proof():
    field = dg.StackelbergGradient(GAME, START)
    x = dg.solve(field, dg.Simultaneous(0.5), {"leader": jnp.array(0.0)}, tol=1e-10)
    x = x.strategy["leader"]
    y = GAME.best_response(x, START)
    region = certify.Box.around(
        {"leader": x, "followers": y}, {"leader": 0.1, "followers": (jnp.full(2, 0.5),)}
    )
    found = certify.certify_leader(GAME, region)
    assert found.status == "proved", found.reasons
    return found


def test_values_of_a_learner_are_enclosed_with_their_derivatives(proof):
    assert proof.check(level=2).ok
    assert "zero of the followers' field" in "".join(map(str, proof.rows()[4].parts))
    best = proof.optimum
    values, q = np.zeros(2), np.zeros((2, 2))
    for _ in range(200):  # value iteration, in NumPy
        q = np.array([best.leader[0], 1.0])[:, None] + DISCOUNT * np.asarray(CHANCES) @ values
        values = TEMPERATURE * np.log(np.exp(q / TEMPERATURE).sum(1))
    assert np.abs(values - best.followers).max() < 1e-12
    policy = np.exp(q / TEMPERATURE) / np.exp(q / TEMPERATURE).sum(1, keepdims=True)
    moves = np.einsum("sa,sat->st", policy, np.asarray(CHANCES))
    slopes = np.linalg.solve(np.eye(2) - DISCOUNT * moves, [1.0, 0.0])
    assert np.abs(slopes - best.slopes.lower[:, 0]).max() < 1e-9
    bend = jax.jit(lambda x: GAME.curvature(x, START))(jnp.asarray(best.leader[0]))[0, 0]
    assert abs(bend - best.curvature.lower[0, 0]) < 1e-9 and proof.curvature < bend


def test_a_field_is_not_a_game(proof):
    assert proof.difference(GAME) is None
    costs = dg.game(lambda y, x: (jnp.sum((y[0] - x) ** 2),))
    assert "a field" in str(proof.difference(dg.Stackelberg(leader, costs)))
    data = copy.deepcopy(proof.data)
    del data["game"]["field"]
    data["game"]["hash"] = game_hash(data["game"])
    with pytest.raises(ValueError, match="outputs of 2 entries"):
        check_data({**data, "digest": digest(data)}, level=2)


def test_fields_with_sets_are_refused():
    held = dg.Stackelberg(leader, dg.FunctionField(bellman, dg.Box(0.0, 9.0)))
    region = certify.Box.around({"leader": 0.0, "followers": (jnp.ones(2),)}, 0.1)
    with pytest.raises(ValueError, match="fields with strategy sets"):
        certify.certify_leader(held, region)
