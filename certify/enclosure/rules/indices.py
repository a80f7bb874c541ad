"""Rules for choices by integers that depend on the box.

An undecided index may select any entry in its range, so every position is tried.
"""

import functools
import itertools
import math
import operator
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_entire
from certify.enclosure.registry import RULES, SMOOTH_RULES, EnclosureError, Operation
from certify.enclosure.rules.integers import (
    PREFIX,
    convert_element_type,
    ends_of,
    integer_interval,
    integer_rule,
    is_integer,
    unknown_in,
    wide,
)

# An undecided index is tried at this many positions at most.
_MOST_POSITIONS = 256


@integer_rule("select_n")
def select_n(op: Operation, which: Any, *cases: Any) -> Interval:
    """Returns the hull of the cases that remain possible; the index may be an undecided integer."""
    first, last, unknown = wide(which)
    unknown = unknown | (first < 0) | (last >= len(cases))
    flags = [
        jnp.broadcast_to((first <= k) & (k <= last), case.shape) for k, case in enumerate(cases)
    ]
    intervals = [Interval(*ends_of(case)) for case in cases]
    return _joined(intervals, flags, jnp.broadcast_to(unknown, cases[0].shape))


@integer_rule("dynamic_slice")
def dynamic_slice(op: Operation, x: Any, *starts: Any) -> Any:
    """Returns the hull over every possible start; starts are moved inside, as JAX does."""
    sizes, shape = op.params["slice_sizes"], x.shape
    last = [n - size for n, size in zip(shape, sizes, strict=True)]
    ends, unknown = _moved_inside(starts, last)
    places = positions([most + 1 for most in last])

    def at(array: Any, position: Any) -> Any:
        return lax.slice(array, position, [p + n for p, n in zip(position, sizes, strict=True)])

    def possible(position: Any) -> Any:
        return functools.reduce(
            operator.and_,
            [(low <= p) & (p <= high) for (low, high), p in zip(ends, position, strict=True)],
        )

    return _hull(x, places, at, lambda p, like: jnp.broadcast_to(possible(p), like.shape), unknown)


def _moved_inside(starts: Any, last: list[int]) -> tuple[list[Any], Any]:
    """Returns the ends of each start, moved inside as JAX does, and whether any is unknown."""
    require_room(starts[0], last)
    bounds = [wide(start) for start in starts]
    ends = [
        (jnp.clip(low, 0, most), jnp.clip(high, 0, most))
        for (low, high, _), most in zip(bounds, last, strict=True)
    ]
    return ends, functools.reduce(operator.or_, [unknown for _, _, unknown in bounds])


def require_room(indices: Any, last: list[int]) -> None:
    """Raises unless the type of the indices has room for every position."""
    dtype = ends_of(indices)[0].dtype
    if max(last, default=0) > np.iinfo(dtype).max:
        raise EnclosureError(
            f"an index of type {dtype} into {max(last) + 1} positions depends on the box; "
            "make it int32"
        )


@integer_rule("dynamic_update_slice")
def dynamic_update_slice(op: Operation, x: Any, update: Any, *starts: Any) -> Interval:
    """Returns the hull over every possible start; starts are moved inside, as JAX does."""
    last = [n - size for n, size in zip(x.shape, update.shape, strict=True)]
    ends, unknown = _moved_inside(starts, last)
    (a, b), (c, d) = ends_of(x), ends_of(update)
    cases, flags = [], []
    for place in positions([most + 1 for most in last]):
        cases.append(
            Interval(lax.dynamic_update_slice(a, c, place), lax.dynamic_update_slice(b, d, place))
        )
        here = [(low <= p) & (p <= high) for (low, high), p in zip(ends, place, strict=True)]
        flags.append(jnp.broadcast_to(functools.reduce(operator.and_, here), x.shape))
    return _joined(cases, flags, jnp.broadcast_to(unknown, x.shape))


@integer_rule("gather")
def gather(op: Operation, x: Any, indices: Any) -> Any:
    """Returns the hull over every possible position; nothing is known outside the array."""
    numbers, sizes = op.params["dimension_numbers"], op.params["slice_sizes"]
    low, high, unknown = wide(indices)
    most = [x.shape[axis] - sizes[axis] for axis in numbers.start_index_map]
    require_room(indices, most)
    row = (1,) * (low.ndim - 1) + (-1,)
    inside = (low >= 0) & (high <= jnp.asarray(most, jnp.int64).reshape(row))
    outside = ~jnp.all(inside & ~unknown, -1)
    places = positions([n + 1 for n in most])

    def spread(flags: Any, like: Any) -> Any:
        """Broadcasts flags of the index array along the axes of the result that are not offsets."""
        axes = [i for i in range(like.ndim) if i not in numbers.offset_dims]
        return jnp.broadcast_to(lax.broadcast_in_dim(flags, like.shape, axes), like.shape)

    def at(array: Any, position: Any) -> Any:
        where = jnp.asarray(position, low.dtype).reshape(row)
        return op.bind(array, jnp.broadcast_to(where, low.shape))

    def possible(position: Any, like: Any) -> Any:
        where = jnp.asarray(position, low.dtype).reshape(row)
        return spread(jnp.all((low <= where) & (where <= high), -1), like)

    return _hull(x, places, at, possible, lambda like: spread(outside, like))


def positions(sizes: list[int]) -> list[tuple[int, ...]]:
    """Returns all positions in an array of these sizes; raises if there are too many."""
    if math.prod(sizes) > _MOST_POSITIONS:
        raise EnclosureError(
            f"an index into {math.prod(sizes)} positions depends on the box; "
            f"{_MOST_POSITIONS} are possible"
        )
    return list(itertools.product(*map(range, sizes)))


def _hull(x: Any, places: Any, at: Any, possible: Any, undefined: Any) -> Any:
    low, high = ends_of(x)
    parts = [(at(low, p), at(high, p), p) for p in places]
    like = parts[0][0]
    flags = [possible(p, like) for _, _, p in parts]
    undefined = undefined(like) if callable(undefined) else undefined
    cases = [Interval(a, b) for a, b, _ in parts]
    return _joined(cases, flags, jnp.broadcast_to(undefined, like.shape))


def _joined(cases: list[Interval], flags: list[Any], undefined: Any) -> Interval:
    """Returns the hull of the possible cases; nothing is known where one of them is unknown."""
    result, seen = cases[0], flags[0]
    bad = undefined | (seen & unknown_in(result))
    for flag, case in zip(flags[1:], cases[1:], strict=True):
        low = jnp.where(seen, jnp.minimum(result.lower, case.lower), case.lower)
        high = jnp.where(seen, jnp.maximum(result.upper, case.upper), case.upper)
        result = Interval(jnp.where(flag, low, result.lower), jnp.where(flag, high, result.upper))
        bad, seen = bad | (flag & unknown_in(case)), seen | flag
    bad = bad | ~seen
    if result.lower.dtype == bool:
        return Interval(result.lower & ~bad, result.upper | bad)
    if result.lower.dtype == jnp.float64:
        return where_entire(bad, result)
    return integer_interval(result.lower, result.upper, bad, result.lower.dtype)


# Smooth mode: a number that an undecided integer chooses may jump.


@integer_rule("convert_element_type", "select_n", table=SMOOTH_RULES)
def smooth_entrywise(op: Operation, which: Any, *cases: Any) -> Interval:
    """Applies the plain rule, except that nothing is known where the integer is undecided."""
    name = op.primitive.name
    result = (select_n if name == "select_n" else convert_element_type)(op, which, *cases)
    if result.lower.dtype != jnp.float64 or not isinstance(which, Interval):
        return result
    return where_entire(jnp.broadcast_to(which.lower != which.upper, result.shape), result)


@integer_rule(
    "dynamic_slice",
    "dynamic_update_slice",
    "gather",
    "scatter-add",
    "scatter_add",
    "scatter-sub",
    "scatter_sub",
    table=SMOOTH_RULES,
)
def smooth_selection(op: Operation, x: Any, *indices: Any) -> Any:
    """Applies the plain rule, except that nothing is known if any index is undecided."""
    result = RULES[PREFIX + op.primitive.name](op, x, *indices)
    jumps = [jnp.any(i.lower != i.upper) for i in indices if is_integer(i)]
    if result.lower.dtype != jnp.float64 or not jumps:
        return result
    return where_entire(
        jnp.broadcast_to(functools.reduce(operator.or_, jumps), result.shape), result
    )
