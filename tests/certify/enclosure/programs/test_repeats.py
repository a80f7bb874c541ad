"""Code that computes something twice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from certify.enclosure import Interval, enclose
from certify.enclosure.programs.repeats import without_dead_code, without_repeats


def count(function, *shapes):
    jaxpr = jax.make_jaxpr(function)(*(jnp.zeros(shape) for shape in shapes)).jaxpr
    return len(jaxpr.eqns), len(without_repeats(jaxpr).eqns)


def test_equal_equations_become_one():
    assert count(lambda x: jnp.sin(x) * 2.0 + jnp.sin(x) * 2.0, 3) == (5, 3)
    assert count(lambda x, y: x * y - y * x, 3, 3) == (3, 2)
    # Other parameters, literals, operands or their order make another number.
    assert count(lambda x: (x**2) * (x**3), 3) == (3, 3)
    assert count(lambda x: (x + 0.0) * (x + (-0.0)), 3) == (3, 3)
    assert count(lambda x, y: (x - y) * (y - x), 3, 3) == (3, 3)
    assert count(lambda x: jnp.sum(x, axis=0) * jnp.sum(x, axis=1), (2, 2)) == (3, 3)
    repeated, once = count(jax.hessian(lambda x: jnp.tanh(x) * jnp.exp(x)), ())
    assert once < repeated


def test_repeated_code_is_correlated():
    """Differences of equal expressions vanish, products of equal ones are squares."""
    x = Interval(-1.0, 2.0)
    box = enclose(lambda x: jnp.sin(x) * x - x * jnp.sin(x))(x)
    assert float(box.lower) == float(box.upper) == 0.0
    assert float(enclose(lambda x: (x - 0.5) * (x - 0.5))(x).lower) == 0.0
    # What is undefined stays so.
    assert bool(enclose(lambda x: 1.0 / x - 1.0 / x)(x).is_unknown)


@pytest.mark.full
def test_results_are_the_same():
    def function(x):
        return jnp.stack([jnp.tanh(x @ x), jnp.exp(-jnp.sum(x * x)) * jnp.tanh(x @ x)])

    closed = jax.make_jaxpr(jax.jacfwd(jax.jacfwd(function)))(jnp.zeros(3))
    again = closed.replace(jaxpr=without_repeats(closed.jaxpr))
    x = jnp.array([0.3, -0.2, 0.5])
    for code in (again, without_dead_code(again)):
        (result,) = core.jaxpr_as_fun(code)(x)
        np.testing.assert_allclose(result, jax.jacfwd(jax.jacfwd(function))(x), rtol=1e-13)


def test_dead_code():
    closed = jax.make_jaxpr(lambda x: (jnp.exp(x), jnp.sin(x))[1])(1.0)
    assert [e.primitive.name for e in without_dead_code(closed).jaxpr.eqns] == ["sin"]
