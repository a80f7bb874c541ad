"""Operations that go straight to primitives compute what `jax.numpy` computes, to the bit."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from certify.enclosure import direct

NUMBERS = np.array([0.0, -0.0, 1.0, -3.5, 1e300, 5e-324, -2.3e-308, np.inf, -np.inf, np.nan])
PAIRS = np.array(list(itertools.product(NUMBERS, NUMBERS))).T
BINARY = ["add", "subtract", "multiply", "divide", "minimum", "maximum", "equal", "less_equal"]


def same(found, expected):
    assert found.dtype == expected.dtype
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    # Signs of zeros count, those of NaN do not.
    assert np.array_equal(found, expected, equal_nan=found.dtype == np.float64)
    assert np.array_equal(np.signbit(found)[found == 0], np.signbit(expected)[expected == 0])


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    ours, theirs = getattr(direct, name), getattr(jnp, name)
    x, y = map(jnp.asarray, PAIRS)
    same(ours(x, y), theirs(x, y))
    for number in (2.0, -0.0, np.inf):
        same(ours(x, number), theirs(x, number))
        same(ours(number, x), theirs(number, x))


@pytest.mark.parametrize("name", BINARY)
def test_other_operands_go_to_numpy(name):
    """Shapes that are broadcast, integers."""
    ours, theirs = getattr(direct, name), getattr(jnp, name)
    column = jnp.asarray(NUMBERS)[:, None]
    same(ours(column, column.T), theirs(column, column.T))
    whole = jnp.arange(4)
    same(ours(whole, whole), theirs(whole, whole))
    assert ours(2.0, 3.0) == theirs(2.0, 3.0)


def test_replacing():
    x = jnp.asarray(NUMBERS)
    same(direct.absolute(x), jnp.abs(x))
    same(direct.replace_nan(x, -np.inf), jnp.where(jnp.isnan(x), -jnp.inf, x))
    for where in (x > 0.0, jnp.asarray(True)):
        same(direct.replace(x, where, 7.0), jnp.where(where, 7.0, x))
    same(direct.both(x > 0.0, x < 2.0), (x > 0.0) & (x < 2.0))
