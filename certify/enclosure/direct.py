"""The operations that every rule is made of, straight from JAX's primitives.

In `jax.numpy` each operation is a function of its own, which JAX traces, batches and inlines as
one; rules consist of little else. Here float64 arrays of one shape, and floats, go right to the
primitive in which `jax.numpy` would end, which is a little faster to trace; everything else goes to
`jax.numpy`.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax


def _binary(primitive: Callable, general: Callable) -> Callable[[Any, Any], Any]:
    def operation(x: Any, y: Any) -> Any:
        return (primitive if _match(x, y) else general)(x, y)

    return operation


def _match(x: Any, y: Any) -> bool:
    if isinstance(y, float):
        return _is_float64(x)
    if isinstance(x, float):
        return _is_float64(y)
    return _is_float64(x) and _is_float64(y) and x.shape == y.shape


def _is_float64(x: Any) -> bool:
    return getattr(x, "dtype", None) == _FLOAT64


_FLOAT64 = np.dtype(np.float64)

add = _binary(lax.add, jnp.add)
subtract = _binary(lax.sub, jnp.subtract)
multiply = _binary(lax.mul, jnp.multiply)
divide = _binary(lax.div, jnp.divide)
minimum = _binary(lax.min, jnp.minimum)
maximum = _binary(lax.max, jnp.maximum)
equal = _binary(lax.eq, jnp.equal)
less_equal = _binary(lax.le, jnp.less_equal)


def absolute(x: Any) -> Any:
    """Returns `|x|`."""
    return lax.abs(x) if _is_float64(x) else jnp.abs(x)


def both(p: Any, q: Any) -> Any:
    """Returns `p & q` for booleans of one shape."""
    return lax.bitwise_and(p, q)


def replace(x: Any, where: Any, number: float) -> Any:
    """Returns `x` with a number in some places: `jnp.where(where, number, x)`."""
    if _is_float64(x) and where.shape == x.shape:
        return lax.select(where, lax.full_like(x, number), x)
    return jnp.where(where, number, x)


def replace_nan(x: Any, number: float) -> Any:
    """Returns `x` with a number in place of NaN."""
    return replace(x, lax.ne(x, x), number)
