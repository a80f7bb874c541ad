"""Parameters of games as arrays."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array


def as_float(value: Any) -> Array:
    """Converts to a JAX array: of the default float dtype, unless it is a float array already."""
    if hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jnp.floating):
        return value if isinstance(value, jax.Array) else jnp.asarray(value)
    return jnp.asarray(value, jnp.result_type(float))
