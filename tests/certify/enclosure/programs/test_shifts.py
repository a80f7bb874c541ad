"""Shifts that cancel, and those that only look like it."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from certify.enclosure.programs.shifts import all_cancel


def cancels(function):
    return all_cancel(jax.make_jaxpr(function)(jnp.arange(3.0)))


def shift(x):
    return lax.stop_gradient(jnp.max(x))


def same_twice(x):
    m = shift(x)
    return x - m + m


def logsumexp(x):
    m = shift(x)
    return jnp.log(jnp.sum(jnp.exp(x - m))) + m


def softmax(x):
    powers = jnp.exp(x - shift(x))
    return powers / jnp.sum(powers)


@pytest.mark.parametrize("function", [same_twice, logsumexp, softmax])
def test_what_cancels(function):
    assert cancels(function)


def two_numbers(x):
    """Which are not the same."""
    return x - lax.stop_gradient(x[0]) + lax.stop_gradient(x[1])


def one_for_each_entry(x):
    m = lax.stop_gradient(x)
    return jnp.log(jnp.sum(jnp.exp(x - m))) + m[0]


def half(x):
    m = shift(x)
    return x - m + 0.5 * m


def a_sum_of_different_powers(x):
    m = shift(x)
    return jnp.log(jnp.exp(x[0] - m) + jnp.exp(x[1] - 2.0 * m)) + m


@pytest.mark.parametrize(
    "function", [two_numbers, one_for_each_entry, half, a_sum_of_different_powers]
)
def test_what_does_not(function):
    assert not cancels(function)
