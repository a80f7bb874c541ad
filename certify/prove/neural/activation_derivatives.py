"""Activations with their first two derivatives, as code to be enclosed.

Enclosures take the constants of code exactly, but floats are not `sqrt 2` or `pi`. Here these are
computed from whole numbers, as in `1 / sqrt(arctan 1) = 2 / sqrt(pi)`, so that the functions are
those of the books and not those of JAX, which differ from them by rounding errors.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Derivatives(NamedTuple):
    """An elementwise function and its first two derivatives, at sharpness one."""

    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    curvature: Callable[[Any], Any]


def _logistic(x: Any) -> tuple[Any, Any]:
    """Returns the logistic function p and 1 - p, without cancellation."""
    return jax.nn.sigmoid(x), jax.nn.sigmoid(-x)


def _sech_squared(x: Any) -> Any:
    p, q = _logistic(2.0 * x)
    return 4.0 * (p * q)


def _logistic_slope(x: Any) -> Any:
    p, q = _logistic(x)
    return p * q


def _logistic_curvature(x: Any) -> Any:
    p, q = _logistic(x)
    return p * q * (q - p)


def _silu_slope(x: Any) -> Any:
    p, q = _logistic(x)
    return p + x * (p * q)


def _silu_curvature(x: Any) -> Any:
    p, q = _logistic(x)
    return p * q * (2.0 + x * (q - p))


def _bell(x: Any) -> Any:
    """Returns the derivative of erf, `2 exp(-x^2) / sqrt(pi)`."""
    return jnp.exp(-(x**2)) / jnp.sqrt(jnp.arctan(1.0))


def _erf_of_half(x: Any) -> Any:
    return jax.lax.erf(x / jnp.sqrt(2.0))


def _gauss(x: Any) -> Any:
    """Returns the density of the Gaussian, `exp(-x^2 / 2) / sqrt(2 pi)`."""
    return jnp.exp(-0.5 * x**2) / jnp.sqrt(8.0 * jnp.arctan(1.0))


DERIVATIVES: dict[str, Derivatives] = {
    "tanh": Derivatives(jnp.tanh, _sech_squared, lambda x: -2.0 * (jnp.tanh(x) * _sech_squared(x))),
    "softplus": Derivatives(jax.nn.softplus, jax.nn.sigmoid, _logistic_slope),
    "sigmoid": Derivatives(jax.nn.sigmoid, _logistic_slope, _logistic_curvature),
    "silu": Derivatives(lambda x: x * jax.nn.sigmoid(x), _silu_slope, _silu_curvature),
    "gelu": Derivatives(
        lambda x: 0.5 * x * (1.0 + _erf_of_half(x)),
        lambda x: 0.5 * (1.0 + _erf_of_half(x)) + x * _gauss(x),
        lambda x: _gauss(x) * (2.0 - x**2),
    ),
    "erf": Derivatives(jax.lax.erf, _bell, lambda x: -2.0 * (x * _bell(x))),
    "sin": Derivatives(jnp.sin, jnp.cos, lambda x: -jnp.sin(x)),
    "identity": Derivatives(lambda x: x, jnp.ones_like, jnp.zeros_like),
}
