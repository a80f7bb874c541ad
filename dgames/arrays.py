"""Parameters of games as arrays."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array


def as_float(value: Any) -> Array:
    """Converts to a JAX array: of the default float dtype, unless it is a float array already."""
    if hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jnp.floating):
        return value if isinstance(value, jax.Array) else jnp.asarray(value)
    return jnp.asarray(value, jnp.result_type(float))


def is_known(value: Any) -> bool:
    """Whether an array's values can be looked at, that is, it is not traced."""
    return not isinstance(value, Tracer)
