"""Modules that hold more than numbers as players, and other things that are no arrays."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg

pytestmark = pytest.mark.thin(3)


def network(**given):
    options: Any = {"activation": jnp.tanh} | given
    return eqx.nn.MLP(2, 1, 3, 1, dtype=jnp.float64, key=jax.random.key(0), **options)


def costs(x, args):
    """The network is to say at (1, 1) what the other player says, who is drawn to one."""
    return {"f": (x["f"](jnp.ones(2))[0] - x["c"]) ** 2, "c": (x["c"] - 1.0) ** 2}


GAME = dg.game(costs)
START = {"f": network(), "c": 0.0}


def by_hand(x):
    """The same game of arrays alone, as before."""
    arrays, rest = eqx.partition(x, eqx.is_inexact_array)
    game = dg.game(lambda x, args: costs(eqx.combine(x, rest), args))
    return game, {**arrays, "c": jnp.asarray(x["c"])}


@pytest.mark.full
def test_a_network_plays_as_its_arrays_do():
    game, arrays = by_hand(START)
    for method in (dg.Momentum(0.05, 0.5), dg.Alternating(0.1)):
        found = dg.solve(GAME, method, START, max_steps=50, save_every=10)
        plain = dg.solve(game, method, arrays, max_steps=50, save_every=10)
        assert eqx.tree_equal(eqx.filter(found.strategy, eqx.is_inexact_array), plain.strategy)
        assert found.strategy["f"].activation is START["f"].activation
        assert found.history.strategy["f"].layers[0].bias.shape == (6, 3)
    again = dg.solve(GAME, method, found.strategy, state=found.state, tol=1e-9)
    assert again.result == dg.RESULTS.successful
    assert np.isclose(again.strategy["f"](jnp.ones(2))[0], 1.0)


@pytest.mark.full
def test_everywhere_else_too():
    game, arrays = by_hand(START)
    assert dg.dimensions(START) == (1, 13)
    assert dg.residual(GAME, START) == dg.residual(game, arrays)
    force = dg.pseudo_gradient(GAME)(START)
    assert eqx.tree_equal(force, dg.pseudo_gradient(game)(arrays)) and force["f"].activation is None
    assert dg.pseudo_gradient(GAME).block(START, 0) == force["c"]
    ours, plain = dg.jacobian_blocks(GAME, START), dg.jacobian_blocks(game, arrays)
    assert np.array_equal(ours["f"]["c"], plain["f"]["c"]) and ours["f"]["f"].shape == (13, 13)
    operator = dg.jacobian_operator(GAME, START)
    assert operator.mv(force)["c"].shape == ()
    method = dg.Simultaneous(0.1)
    assert np.array_equal(
        dg.step_jacobian(GAME, method, START), dg.step_jacobian(game, method, arrays)
    )
    vector, unravel = dg.ravel(dg.as_strategy(START))
    assert vector.shape == (14,) and unravel(vector)["f"](jnp.ones(2)).shape == (1,)
    dg.check_game(GAME, START)
    dg.check_strategy(START)


@pytest.mark.full
def test_a_flow_of_networks():
    trajectory = dg.flow(GAME, START, 0.5)
    assert trajectory.strategy["f"](jnp.ones(2)).shape == (1,)
    assert trajectory.strategies["f"].layers[0].bias.shape == (101, 3)


class Mixed(eqx.Module):
    """What `eqx.filter_grad` does not differentiate stays as it is."""

    weight: jax.Array
    count: jax.Array
    share: float
    name: str
    seed: jax.Array


def test_what_is_no_floating_point_array_stays():
    block = Mixed(jnp.array([2.0, -1.0]), jnp.array(3), 0.5, "mixed", jax.random.key(1))

    def own(x, args):
        assert x[0].name == "mixed" and x[0].share == 0.5
        scale = x[0].count.astype(float) * jax.random.uniform(x[0].seed)
        return (jnp.sum((x[0].weight - scale) ** 2), (x[1] - 2.0) ** 2)

    solution = dg.solve(dg.game(own), dg.Simultaneous(0.2), (block, 0))
    assert solution.result == dg.RESULTS.successful
    assert np.allclose(solution.strategy[0].weight, 3 * jax.random.uniform(block.seed))
    assert solution.strategy[0].count == 3 and solution.strategy[0].share == 0.5
    assert dg.dimensions((block, 0)) == (2, 1)


def test_modules_of_numbers_alone_move():
    class Policy(eqx.Module):
        mean: float
        scale: float

    game = dg.game(lambda x, args: {"a": (x["a"].mean - 1) ** 2 + (x["a"].scale - 2) ** 2})
    found = dg.solve(game, dg.Simultaneous(0.3), {"a": Policy(0, 1.0)}).strategy["a"]
    assert np.allclose((found.mean, found.scale), (1.0, 2.0))


@pytest.mark.full
def test_zero_sum_games_fields_and_sets_of_networks():
    critic = network(use_final_bias=False)
    payoff = dg.zero_sum(
        lambda x, args: x["critic"](jnp.ones(2))[0] * x["value"] - x["value"] ** 2,
        {"critic": dg.Box(-0.1, 0.1), "value": None},
        minimiser="critic",
    )
    x = {"critic": critic, "value": 1.0}
    found = dg.solve(payoff, dg.Simultaneous(0.1), x, max_steps=20).strategy
    weights = jax.tree.leaves(eqx.filter(found["critic"], eqx.is_inexact_array))
    assert all(jnp.all(jnp.abs(leaf) <= 0.1) for leaf in weights)
    assert callable(found["critic"])

    def field(x, args):
        return eqx.filter_grad(lambda x: jnp.sum(x[0](jnp.ones(2)) ** 2))(x)

    moved = dg.solve(field, dg.Simultaneous(0.01), (critic,), max_steps=5)
    assert moved.residual < dg.residual(field, (critic,)) and callable(moved.strategy[0])


def test_dropout_keeps_its_rate():
    """A Python number that `eqx.filter_grad` leaves alone."""
    net = eqx.nn.Sequential([eqx.nn.Linear(1, 1, key=jax.random.key(0)), eqx.nn.Dropout(0.5)])
    game = dg.game(lambda x, args: (jnp.sum(x[0](jnp.ones(1), key=args) ** 2),))
    found = dg.solve(game, dg.Simultaneous(0.1), (net,), jax.random.key(1), max_steps=3)
    assert found.strategy[0].layers[1].p == 0.5


@pytest.mark.parametrize(
    "x",
    [
        (1, 2),
        {"a": 1, "b": np.int64(2)},
        ({"u": 1}, [2]),
        [1, 2.0],
        (np.float32(1), np.int8(2)),
    ],
    ids=str,
)
def test_python_integers_are_numbers(x):
    leaves = jax.tree.leaves(dg.as_strategy(x))
    assert [float(leaf) for leaf in leaves] == [1.0, 2.0]
    assert all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves)
    game = dg.game(lambda x, args: dg.join(x, tuple(_square(block) for block in dg.blocks(x))))
    assert dg.residual(game, x) == pytest.approx(2 * np.sqrt(5.0))


def _square(block):
    return sum(leaf**2 for leaf in jax.tree.leaves(block))


def test_regions_are_of_numbers():
    for make in (certify.Box.around, certify.Ball):
        with pytest.raises(ValueError, match=r"equinox\.partition"):
            make(START, 0.1)


SETS = [
    ((dg.Box(0.5, 1.0), None), (0.5, 0.0)),
    ((None, dg.Box(0.5, 1.0)), (0.0, 0.5)),
    ([None, None], (0.0, 0.0)),
    (dg.Product((dg.Ball(1.0, 0.5), None)), (0.5, 0.0)),
    (None, (0.0, 0.0)),
    (dg.Product([None, dg.Box(0.25, jnp.inf)]), (0.0, 0.25)),
]


@pytest.mark.parametrize(("sets", "expected"), SETS, ids=range(len(SETS)))
def test_none_is_no_set(sets, expected):
    x = (1.0, 1.0) if not isinstance(sets, list) else [1.0, 1.0]
    if isinstance(sets, dg.Product) and isinstance(sets.sets, list):
        x = [1.0, 1.0]

    class Own(dg.Game):
        def costs(self, x, args=None):
            return dg.join(x, (x[0] ** 2, x[1] ** 2))

        def strategy_set(self, x):
            return sets

    for game in (Own(), dg.game(Own().costs, sets)):
        found = dg.solve(game, dg.Simultaneous(0.2), x).strategy
        assert np.allclose(found, expected, atol=1e-7)
    assert [type(own).__name__ for own in dg.player_sets(sets, x)].count("Euclidean") >= 1
