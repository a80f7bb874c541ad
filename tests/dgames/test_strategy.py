"""Joint strategies."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import dgames as dg
from dgames.strategy import norm


class Pair(NamedTuple):
    buyer: Array
    seller: Array


class Teams(eqx.Module):
    red: dict
    blue: Array


STRATEGIES = {
    "tuple": ((jnp.ones(2), jnp.zeros(())), ("0", "1"), (2, 1)),
    "list": ([jnp.ones(2), jnp.zeros((2, 3))], ("0", "1"), (2, 6)),
    "dict": ({"b": jnp.ones(1), "a": jnp.ones(4)}, ("a", "b"), (4, 1)),
    "integer keys": ({2: jnp.ones(1), 1: jnp.ones(4)}, ("1", "2"), (4, 1)),
    "named tuple": (Pair(jnp.ones(3), jnp.ones(())), ("buyer", "seller"), (3, 1)),
    "module": (Teams({"u": jnp.ones(2), "v": jnp.ones(1)}, jnp.ones(5)), ("red", "blue"), (3, 5)),
    "same object twice": ((jnp.ones(2),) * 2, ("0", "1"), (2, 2)),
    "one player": ((jnp.ones(2),), ("0",), (2,)),
}


@pytest.mark.parametrize("x, names, sizes", STRATEGIES.values(), ids=STRATEGIES)
def test_players_blocks_and_round_trips(x, names, sizes):
    assert dg.player_names(x) == names
    assert dg.dimensions(x) == sizes
    assert len(dg.blocks(x)) == len(names)
    assert eqx.tree_equal(dg.join(x, dg.blocks(x)), x) is not False
    vector, unravel = dg.ravel(x)
    assert vector.shape == (sum(sizes),)
    assert eqx.tree_equal(unravel(vector), x)
    # Players come in order, whatever a block looks like inside.
    first = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(dg.blocks(x)[0])])
    assert jnp.array_equal(vector[: sizes[0]], first)


def test_join_holds_anything_and_keeps_the_container():
    assert dg.join(Pair(jnp.ones(3), jnp.ones(2)), ("low", "high")) == Pair("low", "high")  # pyright: ignore
    assert dg.join({"b": 1.0, "a": 2.0}, (None, "x")) == {"a": None, "b": "x"}


def test_ravel_widens_and_unravel_narrows():
    x = (jnp.ones(2, jnp.bfloat16), jnp.ones(3, jnp.float32))
    vector, unravel = dg.ravel(x)
    assert vector.dtype == jnp.float32
    assert [leaf.dtype for leaf in unravel(vector)] == [jnp.bfloat16, jnp.float32]


def test_as_strategy_converts_and_forgets_weak_types():
    x = dg.as_strategy({"a": 1.0, "b": np.ones(2, np.float32), "c": jnp.asarray(0.5)})
    assert x["a"].dtype == jnp.float64 and x["b"].dtype == jnp.float32
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(x))


BAD = {
    "bare array": (jnp.ones(3), "no players"),
    "number": (1.0, "no players"),
    "none": (None, "no players"),
    "empty": ({}, "no players"),
    "player without arrays": ({"a": 1.0, "b": []}, "player 'b' has none"),
    "integers": ({"a": jnp.ones(2, jnp.int32), "b": 1.0}, "player 'a' has int32"),
    "integer": ((jnp.array(1), 2.0), "player '0' has int64.*astype"),
    "a function": ((jnp.tanh, 2.0), "player '0' has .*: tanh; only an equinox.Module"),
    "booleans": ((jnp.array(True), 1.0), "player '0' has bool"),
    "complex": ((1.0, jnp.array(1j)), "player '1' has complex128"),
    "text": ((1.0, "up"), "player '1' has str"),
    "nan": ((1.0, jnp.array([0.0, jnp.nan])), "finite; player '1'"),
    "infinite": ({"a": {"u": jnp.inf}}, "finite; player 'a'"),
}


@pytest.mark.parametrize("x, message", BAD.values(), ids=BAD)
def test_malformed_strategies_say_what_is_wrong(x, message):
    with pytest.raises(ValueError, match=message) as error:
        dg.check_strategy(x)
    assert "\n" not in str(error.value)


def test_traced_values_are_not_looked_at():
    @jax.jit
    def check(x):
        dg.check_strategy(x)
        return x

    assert jnp.isnan(check((jnp.nan,))[0])


def test_norm_has_a_derivative_at_zero_and_enough_digits():
    assert jnp.array_equal(jax.grad(lambda v: norm((v,)))(jnp.zeros(3)), jnp.zeros(3))
    assert norm((jnp.full(2000, 0.1, jnp.bfloat16),)).dtype == jnp.float32
    expected = np.linalg.norm(np.full(2000, float(jnp.bfloat16(0.1))))
    assert np.isclose(norm((jnp.full(2000, 0.1, jnp.bfloat16),)), expected, rtol=1e-5)
