"""Which code is affine in its argument, operation by operation."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from certify.enclosure.registry import EnclosureError
from certify.prove.direct.linearity import require_affine

AFFINE = {
    "a combination": lambda x: 2.0 * x[::-1] - x / 3.0 + 1.0,
    "a matrix": lambda x: jnp.arange(9.0).reshape(3, 3) @ x,
    "a choice by a constant": lambda x: jnp.where(jnp.array([True, False, True]), x, 2.0 * x),
    "a first power": lambda x: lax.integer_pow(x, 1),
    "a sum": lambda x: jnp.cumsum(x) + jnp.sum(x),
    "a call": lambda x: jax.jit(lambda y: y - 0.5 * y[0])(x),
}
OTHER = {
    "a product": lambda x: x * x[::-1],
    "an inner product": lambda x: jnp.full(3, x @ x),
    "a choice": lambda x: jnp.where(x > 0.0, x, 2.0 * x),
    "a choice by a number": lambda x: lax.select_n(x > 0.0, x, -x),
    "a power": lambda x: lax.integer_pow(x, 2),
    "a quotient": lambda x: 1.0 / (2.0 + x),
    "a cast": lambda x: x.astype(jnp.float32).astype(jnp.float64),
    "a kink": jnp.abs,
    "a call": lambda x: jax.jit(lambda y: y * y)(x),
}


def read(function):
    return jax.make_jaxpr(function)(jnp.ones(3))


@pytest.mark.parametrize("name", AFFINE)
def test_affine_code_is_let_pass(name):
    require_affine(read(AFFINE[name]))


@pytest.mark.parametrize("name", OTHER)
def test_other_code_is_refused(name):
    with pytest.raises(EnclosureError, match="not linear"):
        require_affine(read(OTHER[name]))


def test_a_choice_by_what_moves_is_no_affine_code():
    """The predicate itself, as a number: no comparison comes before it."""

    def chosen(x, which):
        return lax.select_n(which, x, 2.0 * x)

    closed = jax.make_jaxpr(chosen)(jnp.ones(3), jnp.ones(3, bool))
    with pytest.raises(EnclosureError, match="'select_n'"):
        require_affine(closed)
