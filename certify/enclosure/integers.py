"""Integers that depend on the box: positions of extremes, orders, counts.

They are intervals too, of integers: `argmax` is between the first and the last entry that can be
the largest. An index that is undecided selects any entry in its range. Where an integer is not even
defined, because the numbers it comes from are not, it is the whole range of its type.

Code computes modulo a power of two. Here bounds are computed in 64 bits, from ends of at most 30,
and an integer whose bounds leave its type may have wrapped around: it is the whole range of its
type too. So no interval is ever inverted.
"""

import functools
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_entire
from certify.enclosure.registry import RULES, SMOOTH_RULES, EnclosureError, Operation, Rule, rule

# An undecided index is tried at every position, at most so many.
_MOST_POSITIONS = 256
# Integers beyond this are treated as unknown, so that none below can overflow: 2^30 fits any type
# that indices have.
_LARGEST = 2**30

# Rules for operations on such integers stand in the table under the name of the primitive with this
# before it.
PREFIX = "integers: "


def _integer_rule(*names: str, table: dict[str, Rule] = RULES) -> Callable[[Rule], Rule]:
    return rule(*(PREFIX + name for name in names), table=table)


def is_integer(x: Any) -> bool:
    """Whether this is an interval of integers."""
    return isinstance(x, Interval) and jnp.issubdtype(x.lower.dtype, jnp.integer)


def ends_of(x: Any) -> tuple[Any, Any]:
    """Both ends of an interval; a known array is both itself."""
    return (x.lower, x.upper) if isinstance(x, Interval) else (x, x)


def unknown_in(x: Any) -> Any:
    """Entrywise: is nothing known?"""
    low, high = ends_of(x)
    if not jnp.issubdtype(low.dtype, jnp.integer):
        return x.is_unknown if low.dtype == jnp.float64 and isinstance(x, Interval) else False
    least, most = _whole(low.dtype)
    return (high == most) | (low == least) if least < 0 else high == most


def _whole(dtype: Any) -> tuple[Any, Any]:
    """The least and the largest number of a type, in that type."""
    info = np.iinfo(dtype)
    return np.asarray(info.min, dtype), np.asarray(info.max, dtype)


def integer_interval(low: Any, high: Any, unknown: Any, dtype: Any) -> Interval:
    """An interval of integers, the whole type where nothing is known or bounds leave the type.

    Args:
        low: Integers of any type that has room for them.
        high: Likewise.
        unknown: Where nothing is known.
        dtype: The type of the code's integers, which wrap around.
    """
    info = np.iinfo(dtype)
    least, most = max(info.min, -_LARGEST), min(info.max, _LARGEST)
    bad = unknown | (low < least) | (high > most) | (low > high)
    low, high = (jnp.where(bad, 0, end).astype(dtype) for end in (low, high))
    return Interval(
        *(jnp.where(bad, *ends) for ends in zip(_whole(dtype), (low, high), strict=True))
    )


def wide(x: Any) -> tuple[Any, Any, Any]:
    """Both ends in 64 bits and whether nothing is known; zeros where that is so.

    Beyond `_LARGEST` nothing is known, so that neither sums nor products of two ends overflow.
    """
    low, high = ends_of(x)
    if low.dtype == bool:
        return low.astype(jnp.int64), high.astype(jnp.int64), jnp.zeros(low.shape, bool)
    info, unknown = np.iinfo(low.dtype), unknown_in(x)
    if info.max > _LARGEST:
        unknown = unknown | (high > _LARGEST)
    if info.min < -_LARGEST:
        unknown = unknown | (low < -_LARGEST)
    low, high = (jnp.where(unknown, 0, end).astype(jnp.int64) for end in (low, high))
    return low, high, unknown


def to_integer(x: Interval, dtype: Any) -> Interval:
    """From undecided booleans, numbers (cut off towards zero: monotone) or other integers.

    What a number beyond the type becomes is up to the machine, so it may be anything.
    """
    if x.lower.dtype != jnp.float64:
        return integer_interval(*wide(x), np.dtype(dtype))
    large = ~((jnp.abs(x.lower) <= _LARGEST) & (jnp.abs(x.upper) <= _LARGEST))
    low, high = (jnp.where(large, 0.0, end).astype(jnp.int64) for end in ends_of(x))
    return integer_interval(low, high, unknown_in(x) | large, np.dtype(dtype))


@_integer_rule("add", "sub", "mul", "max", "min")
def arithmetic(op: Operation, x: Any, y: Any) -> Interval:
    """The extremes are at the corners."""
    (a, b, of_x), (c, d, of_y) = wide(x), wide(y)
    corners = [op.bind(*jnp.broadcast_arrays(u, v)) for u in (a, b) for v in (c, d)]
    low = jnp.minimum(jnp.minimum(*corners[:2]), jnp.minimum(*corners[2:]))
    high = jnp.maximum(jnp.maximum(*corners[:2]), jnp.maximum(*corners[2:]))
    return integer_interval(low, high, of_x | of_y, ends_of(x)[0].dtype)


@_integer_rule("neg")
def neg(op: Operation, x: Interval) -> Interval:
    """Exact, unless it wraps around."""
    low, high, unknown = wide(x)
    return integer_interval(-high, -low, unknown, x.lower.dtype)


@_integer_rule("clamp")
def clamp(op: Operation, low: Any, x: Any, high: Any) -> Interval:
    """Monotone in each argument."""
    bounds = [wide(z) for z in (low, x, high)]
    first, last = (
        jnp.minimum(jnp.maximum(bounds[1][side], bounds[0][side]), bounds[2][side])
        for side in (0, 1)
    )
    unknown = functools.reduce(operator.or_, [bound[2] for bound in bounds])
    return integer_interval(first, last, unknown, ends_of(x)[0].dtype)


@_integer_rule("reduce_sum", "cumsum", "reduce_max", "reduce_min", "cummax", "cummin")
def monotone(op: Operation, x: Interval) -> Interval:
    """Monotone in each entry; with one unknown entry everything is."""
    low, high, unknown = wide(x)
    return integer_interval(op.bind(low), op.bind(high), jnp.any(unknown), x.lower.dtype)


@_integer_rule("lt", "le", "gt", "ge", "eq", "ne")
def compared(op: Operation, x: Any, y: Any) -> Interval:
    """Decided where every pair compares alike."""
    (a, b), (c, d) = ends_of(x), ends_of(y)
    name = op.primitive.name
    if name in ("gt", "ge"):
        (a, b), (c, d) = (c, d), (a, b)
    if name in ("lt", "gt"):
        return Interval(b < c, a < d)
    if name in ("le", "ge"):
        return Interval(b <= c, a <= d)
    equal = Interval((a == b) & (c == d) & (a == c), (a <= d) & (c <= b))
    return equal if name == "eq" else Interval(~equal.upper, ~equal.lower)


@_integer_rule("convert_element_type")
def convert_element_type(op: Operation, x: Interval) -> Interval:
    """To another type of integers, to float64, or to a boolean."""
    target, unknown = np.dtype(op.params["new_dtype"]), unknown_in(x)
    if target == np.float64:
        low, high = (end.astype(target) for end in ends_of(x))
        return where_entire(unknown, Interval(low, high))
    if target == np.dtype(bool):
        zero = jnp.zeros_like(x.lower)
        return Interval((x.lower > zero) | (x.upper < zero), (x.lower != zero) | (x.upper != zero))
    if not np.issubdtype(target, np.integer):
        raise EnclosureError(
            f"an integer that depends on the box is converted to {target}; keep it in float64"
        )
    return to_integer(x, target)


@_integer_rule("select_n")
def select_n(op: Operation, which: Any, *cases: Any) -> Interval:
    """The hull of the cases that remain possible; the choice may be an undecided integer."""
    first, last, unknown = wide(which)
    unknown = unknown | (first < 0) | (last >= len(cases))
    flags = [
        jnp.broadcast_to((first <= k) & (k <= last), case.shape) for k, case in enumerate(cases)
    ]
    intervals = [Interval(*ends_of(case)) for case in cases]
    return _joined(intervals, flags, jnp.broadcast_to(unknown, cases[0].shape))


@_integer_rule("dynamic_slice")
def dynamic_slice(op: Operation, x: Any, *starts: Any) -> Any:
    """The hull over every possible start; starts are moved inside, as JAX does."""
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
    """The ends of each start between zero and the last possible one, and if one is unknown."""
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


@_integer_rule("dynamic_update_slice")
def dynamic_update_slice(op: Operation, x: Any, update: Any, *starts: Any) -> Interval:
    """The hull over every possible start; starts are moved inside, as JAX does."""
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


@_integer_rule("gather")
def gather(op: Operation, x: Any, indices: Any) -> Any:
    """The hull over every possible position; nothing is known outside the array."""
    numbers, sizes = op.params["dimension_numbers"], op.params["slice_sizes"]
    low, high, unknown = wide(indices)
    most = [x.shape[axis] - sizes[axis] for axis in numbers.start_index_map]
    require_room(indices, most)
    row = (1,) * (low.ndim - 1) + (-1,)
    inside = (low >= 0) & (high <= jnp.asarray(most, jnp.int64).reshape(row))
    outside = ~jnp.all(inside & ~unknown, -1)
    places = positions([n + 1 for n in most])

    def spread(flags: Any, like: Any) -> Any:
        """Flags of the index array along the axes of the result that are not offsets."""
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
    """All positions in an array of these sizes, if they are few."""
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
    """The hull of the cases that are possible; nothing is known where one of them is not."""
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


# Smooth mode: what an undecided integer chooses may jump.


@_integer_rule("convert_element_type", "select_n", table=SMOOTH_RULES)
def smooth_entrywise(op: Operation, which: Any, *cases: Any) -> Interval:
    """Nothing is known where the integer is undecided."""
    name = op.primitive.name
    result = (select_n if name == "select_n" else convert_element_type)(op, which, *cases)
    if result.lower.dtype != jnp.float64 or not isinstance(which, Interval):
        return result
    return where_entire(jnp.broadcast_to(which.lower != which.upper, result.shape), result)


@_integer_rule(
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
    """Nothing is known if any index is undecided."""
    result = RULES[PREFIX + op.primitive.name](op, x, *indices)
    jumps = [jnp.any(i.lower != i.upper) for i in indices if is_integer(i)]
    if result.lower.dtype != jnp.float64 or not jumps:
        return result
    return where_entire(
        jnp.broadcast_to(functools.reduce(operator.or_, jumps), result.shape), result
    )
