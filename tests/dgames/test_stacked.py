"""Stacked strategies: the same players, one by one or in one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dgames as dg
from dgames.strategy import block, in_turn, map_players, replace

pytestmark = pytest.mark.thin(3)

PLAYERS = 4
STACKED = dg.Stacked(
    {"u": jnp.arange(8.0).reshape(4, 2) / 10, "v": jnp.linspace(-1.0, 1.0, 4, dtype=jnp.float32)}
)


def mixing(x, args=None):
    """Costs that couple every player with every other, whatever holds the players."""
    players = dg.blocks(x)
    total = sum(jnp.sum(own["u"]) + own["v"].astype(jnp.float64) for own in players)
    costs = [
        (1.0 + 0.1 * i) * jnp.sum(jnp.square(own["u"]))
        + jnp.square(own["v"]).astype(jnp.float64)
        + 0.1 * jnp.tanh(total) * (own["u"][0] - own["v"].astype(jnp.float64))
        for i, own in enumerate(players)
    ]
    return dg.join(x, tuple(costs))


GAME = dg.game(mixing)
BOXES = dg.Stacked(dg.Box(jnp.linspace(-0.1, 0.2, 4), jnp.full(4, 0.3)))


def test_the_first_level_is_the_leading_axis():
    assert dg.player_names(STACKED) == ("0", "1", "2", "3")
    assert dg.dimensions(STACKED) == (3, 3, 3, 3)
    apart = dg.blocks(STACKED)
    assert len(apart) == len(STACKED) == PLAYERS and apart[2]["u"].tolist() == [0.4, 0.5]
    together = dg.join(STACKED, apart)
    assert jax.tree.structure(together) == jax.tree.structure(STACKED)
    assert together.blocks["v"].dtype == jnp.float32
    assert jnp.array_equal(together.blocks["u"], STACKED.blocks["u"])


def test_vectors_are_those_of_the_players_one_by_one():
    vector, unravel = dg.ravel(STACKED)
    assert jnp.array_equal(vector, dg.ravel(dg.blocks(STACKED))[0])
    back = unravel(vector)
    assert back.blocks["v"].dtype == jnp.float32
    assert jnp.array_equal(dg.ravel(back)[0], vector)
    inside = {"state": STACKED, "count": jnp.ones(2)}  # a stack within another pytree
    vector, unravel = dg.ravel(inside)
    assert jnp.array_equal(unravel(vector)["state"].blocks["u"], STACKED.blocks["u"])


def test_players_can_be_taken_out_put_back_and_gone_through():
    assert jnp.array_equal(block(STACKED, jnp.asarray(1))["u"], jnp.arange(2.0, 4.0) / 10)
    new = replace(STACKED, 3, {"u": jnp.zeros(2), "v": jnp.zeros((), jnp.float32)})
    assert new[3]["v"] == 0 and jnp.array_equal(new[0]["u"], STACKED[0]["u"])
    with pytest.raises(IndexError, match="no player 4 among 4"):
        STACKED[4]
    assert int(in_turn(lambda i, total: total + i, STACKED, 0)) == 6
    sums = map_players(lambda own, k: jnp.sum(own["u"]) * k, STACKED, dg.Stacked(jnp.arange(4.0)))
    assert sums.blocks.tolist() == pytest.approx([0.0, 0.5, 1.8, 3.9])


def test_code_does_not_grow_with_the_players():
    def equations(players):
        x = dg.Stacked(jnp.zeros((players, 2)))
        field = dg.FunctionField(lambda x, args: x, dg.Box(0.0, 1.0))
        method = dg.ComplexMomentum(0.1, 0.3j, alternating=True)
        return len(jax.make_jaxpr(lambda x: method.step(field, x, method.init(field, x)))(x).eqns)

    assert equations(3) == equations(300)


METHODS = {
    "simultaneous": dg.Simultaneous(0.1),
    "own steps": dg.Simultaneous(dg.Stacked(jnp.linspace(0.05, 0.2, 4))),
    "alternating": dg.Alternating(dg.Stacked(jnp.linspace(0.05, 0.2, 4))),
    "complex momentum": dg.ComplexMomentum(0.1, 0.3 + 0.2j),
    "complex momentum, alternating": dg.ComplexMomentum(0.1, 0.3j, alternating=True),
    "fast extragradient": dg.FastExtragradient(0.1),
    "accelerated optimistic": dg.AcceleratedOptimistic(
        dg.Stacked(jnp.linspace(0.05, 0.2, 4)), reflected=True
    ),
    "moving anchor": dg.MovingAnchor(dg.Alternating(0.1), 0.5, 1),
    "optax": dg.Optax(optax.adam(0.1)),
}


@pytest.mark.parametrize("sets", [None, dg.Box(-0.1, 0.3), BOXES], ids=["free", "box", "boxes"])
@pytest.mark.parametrize("name", METHODS)
def test_methods_do_what_they_do_with_players_one_by_one(name, sets):
    method = METHODS[name]
    apart = jax.tree.map(
        lambda leaf: dg.blocks(leaf) if isinstance(leaf, dg.Stacked) else leaf,
        (method, sets),
        is_leaf=lambda leaf: isinstance(leaf, dg.Stacked),
    )
    results = []
    for x, steps, where in ((STACKED, method, sets), (dg.blocks(STACKED), *apart)):
        field = dg.pseudo_gradient(dg.game(mixing, where))
        run = jax.jit(lambda x, steps=steps, field=field: two_steps(steps, field, x))
        results.append(np.asarray(dg.ravel(run(x))[0]))
    np.testing.assert_allclose(*results, rtol=1e-6, atol=1e-7)


def two_steps(method, field, x):
    x, state = method.step(field, x, method.init(field, x))
    return method.step(field, x, state)[0]


@pytest.mark.full
def test_jacobian_blocks_are_one_array():
    x = dg.Stacked(STACKED.blocks["u"])
    game = dg.game(
        lambda x, args: dg.Stacked(jnp.sum(x.blocks**2, 1) + x.blocks[:, 0] * jnp.sum(x.blocks))
    )
    J, K = (
        dg.jacobian_blocks(game, x),
        dg.jacobian_blocks(dg.game(lambda y, args: tuple(game.costs(dg.stack(y)))), dg.blocks(x)),
    )
    assert J.blocks.blocks.shape == (4, 4, 2, 2)
    for i in range(4):
        for j in range(4):
            np.testing.assert_allclose(J[i][j], K[i][j], atol=1e-12)


@pytest.mark.full
def test_sets_hold_all_players():
    inside = dg.Product(BOXES).project(STACKED)
    assert not dg.Product(BOXES).contains(STACKED) and dg.Product(BOXES).contains(inside)
    sample = dg.Product(BOXES).sample(jax.random.key(0), STACKED)
    assert dg.Product(BOXES).contains(sample, 1e-6)
    assert len(set(np.asarray(sample.blocks["u"]).ravel().tolist())) == 8
    own = dg.player_sets(BOXES, STACKED)[3]
    assert isinstance(own, dg.Box) and float(own.lower) == pytest.approx(0.2)


BAD = {
    "no leading axis": (lambda: dg.Stacked(jnp.zeros(())), "leading axis"),
    "two numbers of players": (lambda: dg.Stacked((jnp.ones(2), jnp.ones(3))), "leading axis"),
    "no players": (lambda: dg.as_strategy(dg.Stacked(jnp.zeros((0, 2)))), "no players"),
    "integers": (lambda: dg.as_strategy(dg.Stacked(jnp.arange(3))), "each stacked player has int"),
    "not finite": (
        lambda: dg.check_strategy(dg.Stacked(jnp.array([0.0, jnp.nan]))),
        "player '1' has",
    ),
    "steps of others": (
        lambda: dg.solve(GAME, dg.Simultaneous(dg.Stacked(jnp.ones(3))), STACKED),
        "each of the players 0, 1, 2, 3; got one for each of 0, 1, 2",
    ),
    "steps in a matrix": (
        lambda: dg.solve(GAME, dg.Simultaneous(dg.Stacked(jnp.ones((4, 2)))), STACKED),
        r"one scalar per player \(stacked\); got an array of shape \(4, 2\)",
    ),
    "sets of others": (
        lambda: dg.player_sets(dg.Stacked(dg.Box(jnp.zeros(3), jnp.ones(3))), STACKED),
        "one Stacked set of 4 players",
    ),
    "costs of others": (
        lambda: dg.check_game(dg.game(lambda x, a: dg.Stacked(jnp.ones(3))), STACKED),
        r"one scalar for each of 4 stacked players, but it returned an array of shape \(3,\)",
    ),
    "costs one by one": (
        lambda: dg.check_game(dg.game(lambda x, a: (1.0,) * 4), STACKED),
        "must return a dgames.Stacked",
    ),
    "costs that are no scalars": (
        lambda: dg.check_game(dg.game(lambda x, a: dg.Stacked(x.blocks["u"])), STACKED),
        "each stacked player must be a scalar",
    ),
    "blocks of two shapes": (lambda: dg.stack((jnp.ones(2), jnp.ones(3))), "the same shapes"),
}


@pytest.mark.parametrize("call, message", BAD.values(), ids=BAD)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
