"""A point alone proves nothing where the code has branches at points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg

REGION = certify.Box.around({"a": 0.0, "b": 0.0}, 1.0)
# Where `certify` looks for curvature.
POINTS = REGION.sample(jax.random.key(0), 256)
P = float(POINTS[17][0])


@dg.game
def at_one_point(x, args):
    bent = jnp.where(x["a"] == P, x["a"] ** 2 - 100 * (x["a"] - P) ** 2, x["a"] ** 2)
    return {"a": bent + 0.01 * jnp.sin(x["a"]) * x["b"], "b": x["b"] ** 2}


@dg.game
def at_two_points(x, args):
    near = (x["a"] == P) | (x["a"] == float(POINTS[5][0]))
    return {"a": jnp.where(near, -(x["a"] ** 2), x["a"] ** 2), "b": x["b"] ** 2}


@dg.game
def between_two_floats(x, args):
    inside = (x["a"] >= np.nextafter(P, -1)) & (x["a"] <= np.nextafter(P, 1))
    return {"a": jnp.where(inside, 2 * P * x["a"] - x["a"] ** 2, x["a"] ** 2), "b": x["b"] ** 2}


@dg.game
def by_index(x, args):
    return {"a": jnp.stack([x["a"] ** 2, -(x["a"] ** 2)])[jnp.int32(x["a"] == P)], "b": x["b"] ** 2}


@dg.game
def by_cond(x, args):
    cost = jax.lax.cond(x["a"] == P, lambda t: -(t**2), lambda t: t**2, x["a"])
    return {"a": cost, "b": x["b"] ** 2}


@dg.game
def other_players_decide(x, args):
    sign = jnp.where(x["b"] == float(POINTS[17][1]), -1.0, 1.0)
    return {"a": sign * x["a"] ** 2, "b": x["b"] ** 2}


@pytest.mark.parametrize(
    "game",
    [at_one_point, at_two_points, between_two_floats, by_index, by_cond, other_players_decide],
    ids=lambda game: "",
)
def test_costs_that_are_convex_are_never_refuted(game):
    try:
        found = certify.certify(game, REGION, search=certify.Search(max_cells=4))
    except certify.EnclosureError:
        return  # refused: nothing is said of it
    assert found.status != "refuted"


@pytest.mark.parametrize(
    "cost",
    [
        lambda a: a**4 - a**2,
        lambda a: jnp.cos(3 * a),
        lambda a: jnp.where(a < 5.0, -(a**2), a**2),  # decided on all of the region
        lambda a: -1e-9 * a**2,
        lambda a: -1e9 * a**2 + jnp.exp(a),
    ],
)
def test_what_is_not_convex_still_is_refuted(cost):
    game = dg.game(lambda x, args: {"a": cost(x["a"]), "b": x["b"] ** 2})
    found = certify.certify(game, REGION)
    assert found.status == "refuted"
    assert "player 'a' is not convex" in found.reasons[0]
    assert len(found.reasons[0]) < 300
