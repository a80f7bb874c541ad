"""Primitives that are run as the simpler operations they stand for.

Convolutions become products of matrices: a library may compute them otherwise, by transforms
perhaps, which an error bound of their terms would not cover. The derivatives are then those of
simple operations too.
"""

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from certify.enclosure.programs.determinants import cholesky
from certify.enclosure.programs.known_functions import known_function
from certify.enclosure.programs.walk import CALLS, body
from certify.enclosure.registry import EnclosureError
from certify.enclosure.rules.softmax import logaddexp

# A window or a running sum of more entries than this is refused, because each has its own equation.
_LONGEST = 512


def convolution(
    x: Any,
    kernel: Any,
    *,
    window_strides: Any,
    padding: Any,
    lhs_dilation: Any,
    rhs_dilation: Any,
    dimension_numbers: Any,
    feature_group_count: int,
    batch_group_count: int,
    **_: Any,
) -> Any:
    """Computes `lax.conv_general_dilated` by one slice per entry of the window and one product."""
    if batch_group_count != 1:
        raise EnclosureError("a convolution with groups of batches has no enclosure rule")
    of_x, of_kernel, of_out = dimension_numbers
    x, kernel = jnp.transpose(x, of_x), jnp.transpose(kernel, of_kernel)
    window = kernel.shape[2:]
    edges = [
        (low, high, inner - 1) for (low, high), inner in zip(padding, lhs_dilation, strict=True)
    ]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *edges])
    reach = [(size - 1) * step + 1 for size, step in zip(window, rhs_dilation, strict=True)]
    counts = [
        max(0, (size - far) // stride + 1)
        for size, far, stride in zip(x.shape[2:], reach, window_strides, strict=True)
    ]
    parts = []
    for offset in _offsets(window):
        start = [k * step for k, step in zip(offset, rhs_dilation, strict=True)]
        stop = [a + (n - 1) * s + 1 for a, n, s in zip(start, counts, window_strides, strict=True)]
        parts.append(lax.slice(x, (0, 0, *start), (*x.shape[:2], *stop), (1, 1, *window_strides)))
    groups, features = feature_group_count, kernel.shape[0] // feature_group_count
    terms = kernel.shape[1] * math.prod(window)
    patches = jnp.stack(parts, 2)  # batch, feature, offset, places
    patches = patches.reshape((x.shape[0], groups, terms, math.prod(counts)))
    weights = kernel.reshape((groups, features, terms))
    # group, out feature, batch, places
    product = lax.dot_general(weights, patches, (((2,), (2,)), ((0,), (1,))))
    product = product.reshape((groups * features, x.shape[0], *counts))
    product = jnp.swapaxes(product, 0, 1)
    return jnp.transpose(product, np.argsort(np.asarray(of_out)).tolist())


def _offsets(window: Any) -> list[tuple[int, ...]]:
    if math.prod(window) > _LONGEST:
        raise EnclosureError(f"a window of {math.prod(window)} entries is too large to enclose")
    return list(itertools.product(*map(range, window)))


def _windows(x: Any, edge: float, params: dict[str, Any]) -> list[Any]:
    """Returns the entries of each window, one array for each place in it."""
    window, strides = params["window_dimensions"], params["window_strides"]
    edges = [
        (low, high, inner - 1)
        for (low, high), inner in zip(params["padding"], params["base_dilation"], strict=True)
    ]
    x = lax.pad(x, jnp.asarray(edge, x.dtype), edges)
    steps = params["window_dilation"]
    counts = [
        (size - (n - 1) * step - 1) // stride + 1
        for size, n, step, stride in zip(x.shape, window, steps, strides, strict=True)
    ]
    parts = []
    for offset in _offsets(window):
        start = [k * step for k, step in zip(offset, steps, strict=True)]
        stop = [a + (n - 1) * s + 1 for a, n, s in zip(start, counts, strides, strict=True)]
        parts.append(lax.slice(x, start, stop, strides))
    return parts


def window_sum(x: Any, **params: Any) -> Any:
    """Sums over sliding windows."""
    return jnp.sum(jnp.stack(_windows(x, 0.0, params)), 0)


def window_max(x: Any, **params: Any) -> Any:
    """Returns the largest entry of each sliding window."""
    return jnp.max(jnp.stack(_windows(x, -jnp.inf, params)), 0)


def window_min(x: Any, **params: Any) -> Any:
    """Returns the smallest entry of each sliding window."""
    return jnp.min(jnp.stack(_windows(x, jnp.inf, params)), 0)


def cumlogsumexp(x: Any, *, axis: int, reverse: bool) -> Any:
    """Computes a running logsumexp by one `logaddexp` after the other."""
    size = x.shape[axis]
    if size > _LONGEST:
        raise EnclosureError(f"a running logsumexp of {size} entries is too long to enclose")
    entries = [lax.index_in_dim(x, k, axis, keepdims=False) for k in range(size)]
    entries = entries[::-1] if reverse else entries
    found = list(itertools.accumulate(entries, logaddexp))
    return jnp.stack(found[::-1] if reverse else found, axis)


WRITTEN_OUT: dict[str, Callable] = {
    "conv_general_dilated": convolution,
    "reduce_window_sum": window_sum,
    "reduce_window_max": window_max,
    "reduce_window_min": window_min,
    "cumlogsumexp": cumlogsumexp,
    "cholesky": lambda a, **_: cholesky(a),
}


def expansion(equation: core.JaxprEqn) -> core.ClosedJaxpr | None:
    """Returns the code of a known function, of a primitive spelled out or of a call.

    It is None for all other equations, control flow too, which are to be taken as they are.
    """
    name = equation.primitive.name
    function = known_function(equation)
    if function is None and name in WRITTEN_OUT:
        function = functools.partial(WRITTEN_OUT[name], **equation.params)
    if function is None:
        return body(equation) if name in CALLS else None
    avals: list[Any] = [atom.aval for atom in equation.invars]
    return jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in avals))
