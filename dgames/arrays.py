"""Converts parameters of games to arrays."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array


def as_float(value: Any) -> Array:
    """Converts a value to a floating-point array, of the default dtype unless it has one."""
    if hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jnp.floating):
        return value if isinstance(value, jax.Array) else jnp.asarray(value)
    return jnp.asarray(value, jnp.result_type(float))


def is_known(value: Any) -> bool:
    """Returns whether the values of an array are at hand, that is, whether it is not traced."""
    return not isinstance(value, Tracer)
