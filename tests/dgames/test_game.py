"""Games, their pseudo-gradients and their Jacobians."""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest
from jaxtyping import Array

import dgames as dg


class Duopoly(dg.Game):
    slope: float = 1.0

    def costs(self, x, args=None):
        price = 10.0 - self.slope * (x["a"] + x["b"])
        return {"a": -x["a"] * price + x["a"] ** 2, "b": -x["b"] * price + 0.5 * x["b"] ** 2}


class Cubic(dg.Game):
    """Three players with blocks of different shapes and a nested one."""

    weight: Array

    def costs(self, x, args=None):
        a, b, c = x["a"], x["b"]["u"], x["c"]
        v = x["b"]["v"]
        total = jnp.sum(a) + jnp.sum(b) + v + jnp.sum(jnp.sin(c))
        return {
            "a": jnp.sum(a**3) * v + self.weight * total**2,
            "b": jnp.sum(b**2) * jnp.sum(a) + jnp.exp(v) * jnp.sum(c),
            "c": jnp.sum(c**4) + total * jnp.sum(b * b),
        }


CUBIC = Cubic(jnp.array(0.5))
X = {
    "a": jnp.array([0.3, -0.4]),
    "b": {"u": jnp.array([1.0, 0.2, -0.1]), "v": jnp.array(0.7)},
    "c": jnp.array([[0.5, -1.0]]),
}


def matching(x, args=None):
    return jnp.sum(x["x"] * jnp.sin(x["y"])) + jnp.sum(x["x"] ** 3)


def test_pseudo_gradient_matches_the_hand_computed_one():
    field = dg.pseudo_gradient(Duopoly())
    value = field({"a": 2.0, "b": 3.0})
    assert value["a"] == -(10 - 5) + 2 + 4 and value["b"] == -(10 - 5) + 3 + 3


def test_pseudo_gradient_is_each_players_own_gradient():
    value = dg.pseudo_gradient(CUBIC)(X)
    assert jax.tree.structure(value) == jax.tree.structure(X)
    for name in X:
        own = jax.grad(lambda block, name=name: CUBIC.costs({**X, name: block})[name])(X[name])
        for got, expected in zip(jax.tree.leaves(value[name]), jax.tree.leaves(own), strict=True):
            assert np.allclose(got, expected, atol=1e-14)


def test_one_block_is_that_block():
    field = dg.pseudo_gradient(CUBIC)
    for i, block in enumerate(dg.blocks(field(X))):
        assert all(
            jax.tree.leaves(jax.tree.map(lambda a, b: np.allclose(a, b), field.block(X, i), block))
        )


def test_zero_sum_is_the_general_game_with_both_signs():
    x = {"x": jnp.array([0.3, 2.0]), "y": jnp.array([-1.0, 0.5])}
    short = dg.zero_sum(matching)
    long = dg.game(lambda x, args: {"x": matching(x), "y": -matching(x)})
    assert eqx.tree_equal(short.costs(x), long.costs(x))
    for a, b in zip(
        jax.tree.leaves(dg.pseudo_gradient(short)(x)),
        jax.tree.leaves(dg.pseudo_gradient(long)(x)),
        strict=True,
    ):
        assert np.allclose(a, b, atol=1e-15)


def count(jaxpr, name):
    return sum(eqn.primitive.name == name for eqn in jaxpr.jaxpr.eqns)


def test_costs_are_linearised_once():
    """The forward pass appears once, however many players there are; zero-sum pulls back once."""

    def shared(x, args=None):
        common = jnp.exp(sum(x))
        return tuple((i + 1.0) * common * block for i, block in enumerate(x))

    x = tuple(jnp.array(0.1 * i) for i in range(6))
    assert count(jax.make_jaxpr(dg.pseudo_gradient(dg.game(shared)))(x), "exp") == 1
    duel = dg.zero_sum(lambda x, args: jnp.exp(x[0] * x[1]))
    jaxpr = jax.make_jaxpr(dg.pseudo_gradient(duel))((x[0], x[1]))
    assert count(jaxpr, "exp") == 1 and len(jaxpr.jaxpr.eqns) <= 10


def test_field_of_python_numbers_and_numpy_arrays():
    value = dg.pseudo_gradient(dg.game(lambda x, args: (x[0] ** 2, (x[1] * x[0]).sum())))(
        (1.0, np.ones(2))
    )
    assert value[0] == 2.0 and value[1].tolist() == [1.0, 1.0]


def test_args_reach_the_costs():
    field = dg.pseudo_gradient(dg.game(lambda x, args: (args * x[0],)))
    assert field((1.0,), 3.0)[0] == 3.0


def test_parameters_of_a_game_can_be_differentiated():
    def force(weight):
        return dg.pseudo_gradient(Cubic(weight))(X)["c"].sum()

    step = 1e-6
    slope = (force(jnp.array(0.5 + step)) - force(jnp.array(0.5 - step))) / (2 * step)
    assert np.isclose(jax.grad(force)(jnp.array(0.5)), slope, atol=1e-8)


@pytest.mark.full
def test_jacobian_blocks_are_finite_differences():
    J = dg.jacobian_blocks(CUBIC, X)
    vector, unravel = dg.ravel(X)
    field = dg.pseudo_gradient(CUBIC)
    dense = jnp.concatenate([jnp.concatenate([J[i][j] for j in X], axis=1) for i in X])
    shapes = {i: {j: J[i][j].shape for j in X} for i in X}
    sizes = {"a": 2, "b": 4, "c": 2}
    assert shapes == {i: {j: (sizes[i], sizes[j]) for j in X} for i in X}
    for k in range(vector.size):
        e = jnp.zeros_like(vector).at[k].set(1e-5)
        above, below = (dg.ravel(field(unravel(vector + s * e)))[0] for s in (1, -1))
        assert np.allclose(dense[:, k], (above - below) / 2e-5, atol=1e-8)


@pytest.mark.full
def test_jacobian_operator_is_the_same_matrix(key):
    operator = dg.jacobian_operator(CUBIC, X)
    J = dg.jacobian_blocks(CUBIC, X)
    dense = jnp.concatenate([jnp.concatenate([J[i][j] for j in X], axis=1) for i in X])
    vector, unravel = dg.ravel(X)
    v = jax.random.normal(key, vector.shape)
    assert np.allclose(dg.ravel(operator.mv(unravel(v)))[0], dense @ v)
    assert np.allclose(dg.ravel(operator.T.mv(unravel(v)))[0], dense.T @ v)
    assert not lx.is_symmetric(operator)


def test_jacobian_blocks_under_jit_and_without_promotion():
    x = {"a": jnp.ones(2, jnp.float32), "b": jnp.ones(3, jnp.float32)}
    game = dg.game(lambda x, args: {"a": (x["a"] ** 2).sum() * x["b"].sum(), "b": x["b"].prod()})
    J = eqx.filter_jit(dg.jacobian_blocks)(game, x)
    assert J["a"]["b"].shape == (2, 3) and J["a"]["b"].dtype == jnp.float32


MALFORMED = {
    "vector cost": (lambda x, args: (x[0], x[1].sum()), "cost of player '0' must be a scalar"),
    "missing player": (lambda x, args: (x[0].sum(),), "no cost for player '1'"),
    "extra player": (lambda x, args: (x[0].sum(),) * 3, "a cost for '2', who is no player"),
    "single value": (lambda x, args: x[0].sum(), "a single value of shape"),
    "array of costs": (lambda x, args: jnp.ones(2), r"a single value of shape \(2,\)"),
    "integer cost": (lambda x, args: (jnp.array(1), x[1].sum()), "player '0'.*dtype int"),
    "complex cost": (
        lambda x, args: (x[0].sum().astype(complex), x[1].sum()),
        "player '0'.*complex",
    ),
    "nested cost": (lambda x, args: ({"u": x[0].sum()}, x[1].sum()), "player '0'.*type dict"),
}


@pytest.mark.parametrize("costs, message", MALFORMED.values(), ids=MALFORMED)
def test_malformed_costs_say_what_is_wrong(costs, message):
    x = (jnp.ones(2), jnp.ones(3))
    for use in (dg.check_game, dg.jacobian_blocks, dg.jacobian_operator):
        with pytest.raises(ValueError, match=message) as error:
            use(dg.game(costs), x)
        assert "\n" not in str(error.value)


def test_malformed_zero_sum_games():
    with pytest.raises(ValueError, match="two players, but the strategy has 3: a, b, c"):
        dg.check_game(dg.zero_sum(lambda x, args: x["a"]), dict(a=1.0, b=1.0, c=1.0))
    with pytest.raises(ValueError, match=r"the payoff must be a scalar, but it has shape \(2,\)"):
        dg.check_game(dg.zero_sum(lambda x, args: x[0]), (jnp.ones(2), jnp.ones(2)))


def test_malformed_sets_are_found_early():
    game = dg.game(lambda x, args: (x[0], x[1]), (dg.Euclidean(),))
    with pytest.raises(ValueError, match="each of the players 0, 1; got 0"):
        dg.check_game(game, (1.0, 1.0))


def test_as_field():
    game = dg.zero_sum(matching)
    assert isinstance(dg.as_field(game), dg.PseudoGradient)
    field = dg.FunctionField(lambda x, args: x)
    assert dg.as_field(field) is field
    assert isinstance(dg.as_field(lambda x, args: x), dg.FunctionField)
    with pytest.raises((ValueError, TypeError)):  # the latter from the runtime type checks
        dg.as_field(3)  # pyright: ignore


@pytest.mark.parametrize(
    "fn, message",
    [
        (lambda x, args: list(x), "structure"),
        (lambda x, args: (x[0], x[1].astype(jnp.float32)), "float32"),
        (lambda x, args: (x[0], x[1][:1]), r"\[1\]"),
    ],
)
def test_fields_must_keep_structure_and_dtypes(fn, message):
    with pytest.raises(ValueError, match=message):
        dg.jacobian_blocks(fn, (jnp.ones(2), jnp.ones(3)))
