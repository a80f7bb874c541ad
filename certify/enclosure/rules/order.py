"""Rules for order: sorting, the largest entries, and their positions."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_entire
from certify.enclosure.registry import SMOOTH_RULES, EnclosureError, Operation, rule
from certify.enclosure.rules.integers import ends_of, integer_interval, unknown_in, wide


@rule("argmax", "argmin")
def argmax(op: Operation, x: Any) -> Interval:
    """Encloses the position of the first of the largest entries.

    It is between the first and the last entry that may be that one. An entry may be that one if it
    can exceed all before it and reach all after it.
    """
    (axis,) = op.params["axes"]
    dtype = np.dtype(op.params["index_dtype"])
    low, high = ends_of(x)
    unknown = jnp.any(jnp.broadcast_to(unknown_in(x), low.shape), axis)
    if low.dtype != jnp.float64:
        low, high, large = wide(x)
        unknown = unknown | jnp.any(jnp.broadcast_to(large, low.shape), axis)
    if op.primitive.name == "argmin":
        low, high = -high, -low
    least = -jnp.inf if low.dtype == jnp.float64 else np.iinfo(low.dtype).min
    size = low.shape[axis]
    edge = jnp.full_like(lax.slice_in_dim(low, 0, 1, axis=axis), least)
    before = jnp.concatenate([edge, lax.slice_in_dim(low, 0, size - 1, axis=axis)], axis)
    before = lax.cummax(before, axis)
    after = jnp.concatenate([lax.slice_in_dim(low, 1, size, axis=axis), edge], axis)
    after = lax.cummax(after, axis, reverse=True)
    first = jnp.arange(size).reshape([-1 if i == axis else 1 for i in range(low.ndim)]) == 0
    possible = ((high > before) | jnp.broadcast_to(first, low.shape)) & (high >= after)
    begin = jnp.argmax(possible, axis).astype(jnp.int64)
    end = size - 1 - jnp.argmax(lax.rev(possible, (axis,)), axis).astype(jnp.int64)
    return integer_interval(begin, end, unknown, dtype)


@rule("sort")
def sort(op: Operation, *operands: Any) -> list[Any]:
    """Sorts both ends, exactly: each order statistic is monotone in each entry.

    Where the order of the keys is decided, operands that move along with them are known; elsewhere
    each of their entries may be any of them.
    """
    axis, keys = op.params["dimension"], op.params["num_keys"]
    if keys != 1:
        raise EnclosureError("'sort' by several keys has no enclosure rule")
    key, *others = operands
    low, high = ends_of(key)
    unknown = jnp.broadcast_to(
        jnp.any(jnp.broadcast_to(unknown_in(key), low.shape), axis, keepdims=True), low.shape
    )
    sorted_low, sorted_high = (_only(op, end)[0] for end in (low, high))
    size = low.shape[axis]
    gaps = lax.slice_in_dim(sorted_high, 0, size - 1, axis=axis) < lax.slice_in_dim(
        sorted_low, 1, size, axis=axis
    )
    points = jnp.all(low == high, axis, keepdims=True) & op.params["is_stable"]
    decided = jnp.broadcast_to(jnp.all(gaps, axis, keepdims=True) | points, low.shape)
    first = Interval(sorted_low, sorted_high)
    if low.dtype == jnp.float64:
        first = where_entire(unknown, first)
    elif low.dtype != bool:
        first = integer_interval(sorted_low, sorted_high, unknown, low.dtype)
    return [first, *(_carried(op, low, other, axis, decided, unknown) for other in others)]


def _only(op: Operation, *operands: Any) -> list[Any]:
    params = op.params | {"num_keys": 1}
    return list(op.primitive.bind(*operands, **params))


def _carried(op: Operation, key: Any, other: Any, axis: int, decided: Any, undefined: Any) -> Any:
    low, high = ends_of(other)
    moved = [_only(op, key, end)[1] for end in (low, high)]
    smallest = jnp.broadcast_to(jnp.min(low, axis, keepdims=True), low.shape)
    largest = jnp.broadcast_to(jnp.max(high, axis, keepdims=True), low.shape)
    ends = jnp.where(decided, moved[0], smallest), jnp.where(decided, moved[1], largest)
    unknown = jnp.any(jnp.broadcast_to(unknown_in(other), low.shape), axis, keepdims=True)
    unknown = jnp.broadcast_to(unknown, low.shape) | undefined
    if low.dtype == jnp.float64:
        return where_entire(unknown, Interval(*ends))
    if low.dtype == bool:
        return Interval(ends[0] & ~unknown, ends[1] | unknown)
    return integer_interval(*ends, unknown, low.dtype)


@rule("sort", table=SMOOTH_RULES)
def smooth_sort(op: Operation, *operands: Any) -> list[Any]:
    """Sorts; kinks are at ties, so no number is known unless all keys are in disjoint intervals."""
    results, axis = sort(op, *operands), op.params["dimension"]
    size = results[0].shape[axis]
    first = lax.slice_in_dim(results[0].upper, 0, size - 1, axis=axis)
    second = lax.slice_in_dim(results[0].lower, 1, size, axis=axis)
    ties = jnp.any(~(first < second), axis, keepdims=True)
    return [
        where_entire(jnp.broadcast_to(ties, x.shape), x) if x.lower.dtype == jnp.float64 else x
        for x in results
    ]


@rule("top_k")
def top_k(op: Operation, x: Interval) -> list[Any]:
    """Returns the largest order statistics, and their places where no two of them may tie."""
    if x.lower.dtype != jnp.float64:
        raise EnclosureError("'top_k' has an enclosure rule for float64 only")
    axis, k = op.params.get("axis", x.ndim - 1), op.params["k"]
    unknown = jnp.any(x.is_unknown, axis, keepdims=True)
    (low, places), (high, _) = op.bind(x.lower), op.bind(x.upper)
    known = _apart(x, axis, k)
    wide = (jnp.broadcast_to(flag, low.shape) for flag in (unknown, known))
    unknown, known = wide
    size, dtype = x.shape[axis], places.dtype
    places = integer_interval(
        jnp.where(known, places, 0).astype(jnp.int64),
        jnp.where(known, places, size - 1).astype(jnp.int64),
        unknown,
        dtype,
    )
    return [where_entire(unknown, Interval(low, high)), places]


def _apart(x: Interval, axis: int, k: int) -> Any:
    """Returns whether the `k` largest entries cannot tie, with each other or with the rest."""
    size = x.shape[axis]
    low, high = jnp.sort(x.lower, axis), jnp.sort(x.upper, axis)
    first = max(0, size - k - 1)
    gaps = lax.slice_in_dim(high, first, size - 1, axis=axis) < lax.slice_in_dim(
        low, first + 1, size, axis=axis
    )
    return jnp.all(gaps, axis, keepdims=True)


@rule("top_k", table=SMOOTH_RULES)
def smooth_top_k(op: Operation, x: Interval) -> list[Any]:
    """Returns the largest entries; kinks are where they may tie."""
    values, places = top_k(op, x)
    axis = op.params.get("axis", x.ndim - 1)
    ties = jnp.broadcast_to(~_apart(x, axis, op.params["k"]), values.shape)
    return [where_entire(ties, values), places]
