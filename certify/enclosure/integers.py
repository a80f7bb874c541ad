"""Integers that depend on the box: positions of extremes, orders, counts.

They are intervals too, of integers: `argmax` is between the first and the last entry that can be
the largest. An index that is undecided selects any entry in its range. Where an integer is not even
defined, because the numbers it comes from are not, it is the whole range of its type.
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

from .interval import Interval
from .registry import RULES, SMOOTH_RULES, EnclosureError, Operation, Rule, rule
from .rounding import where_entire

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
    info = np.iinfo(low.dtype)
    largest = high == info.max
    return largest | (low == info.min) if info.min < 0 else largest


def integer_interval(low: Any, high: Any, unknown: Any, dtype: Any) -> Interval:
    """An interval of integers, the whole type where nothing is known or numbers are large."""
    info = np.iinfo(dtype)
    limit = min(_LARGEST, info.max)
    bad = unknown | (jnp.abs(low) > limit) | (jnp.abs(high) > limit)
    low, high = (jnp.where(bad, 0, end).astype(dtype) for end in (low, high))
    return Interval(jnp.where(bad, info.min, low), jnp.where(bad, info.max, high))


def to_integer(x: Interval, dtype: Any) -> Interval:
    """From undecided booleans, numbers (cut off towards zero: monotone) or other integers."""
    low, high = x.lower, x.upper
    unknown = unknown_in(x)
    if low.dtype == jnp.float64:
        large = ~((jnp.abs(low) <= _LARGEST) & (jnp.abs(high) <= _LARGEST))
        unknown, low, high = (
            unknown | large,
            jnp.where(large, 0.0, low),
            jnp.where(large, 0.0, high),
        )
    elif low.dtype != bool:
        low, high = (jnp.where(unknown, 0, end) for end in (low, high))
    return integer_interval(low.astype(jnp.int64), high.astype(jnp.int64), unknown, np.dtype(dtype))


@_integer_rule("add", "sub", "mul", "max", "min")
def arithmetic(op: Operation, x: Any, y: Any) -> Interval:
    """The extremes are at the corners; small numbers do not overflow."""
    dtype = ends_of(x)[0].dtype
    unknown = unknown_in(x) | unknown_in(y)
    (a, b), (c, d) = (
        tuple(jnp.where(unknown, 0, end).astype(jnp.int64) for end in ends_of(z)) for z in (x, y)
    )
    corners = [op.bind(u, v) for u in (a, b) for v in (c, d)]
    low = jnp.minimum(jnp.minimum(*corners[:2]), jnp.minimum(*corners[2:]))
    high = jnp.maximum(jnp.maximum(*corners[:2]), jnp.maximum(*corners[2:]))
    return integer_interval(low, high, unknown, dtype)


@_integer_rule("neg")
def neg(op: Operation, x: Interval) -> Interval:
    """Exact."""
    unknown = unknown_in(x)
    low, high = (jnp.where(unknown, 0, end) for end in ends_of(x))
    return integer_interval(-high, -low, unknown, x.lower.dtype)


@_integer_rule("clamp")
def clamp(op: Operation, low: Any, x: Any, high: Any) -> Interval:
    """Monotone in each argument."""
    first, last = (op.bind(*(ends_of(z)[side] for z in (low, x, high))) for side in (0, 1))
    unknown = unknown_in(x) | unknown_in(low) | unknown_in(high)
    return integer_interval(first, last, unknown, first.dtype)


@_integer_rule("reduce_sum", "cumsum", "reduce_max", "reduce_min", "cummax", "cummin")
def monotone(op: Operation, x: Interval) -> Interval:
    """Monotone in each entry; with one unknown entry everything is."""
    unknown = jnp.any(unknown_in(x))
    low, high = (op.bind(jnp.where(unknown, 0, end)) for end in ends_of(x))
    return integer_interval(low, high, unknown, low.dtype)


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
    first, last = ends_of(which)
    if first.dtype == bool:
        first, last = first.astype(jnp.int32), last.astype(jnp.int32)
    flags = [
        jnp.broadcast_to((first <= k) & (k <= last), case.shape) for k, case in enumerate(cases)
    ]
    intervals = [Interval(*ends_of(case)) for case in cases]
    return _joined(intervals, flags, jnp.broadcast_to(unknown_in(which), cases[0].shape))


@_integer_rule("dynamic_slice")
def dynamic_slice(op: Operation, x: Any, *starts: Any) -> Any:
    """The hull over every possible start; starts are moved inside, as JAX does."""
    sizes, shape = op.params["slice_sizes"], x.shape
    last = [n - size for n, size in zip(shape, sizes, strict=True)]
    unknown = functools.reduce(operator.or_, [unknown_in(start) for start in starts])
    ends = [
        [jnp.clip(end, 0, most) for end in ends_of(s)] for s, most in zip(starts, last, strict=True)
    ]
    places = positions([most + 1 for most in last])

    def at(array: Any, position: Any) -> Any:
        return lax.slice(array, position, [p + n for p, n in zip(position, sizes, strict=True)])

    def possible(position: Any) -> Any:
        return functools.reduce(
            operator.and_,
            [(low <= p) & (p <= high) for (low, high), p in zip(ends, position, strict=True)],
        )

    return _hull(x, places, at, lambda p, like: jnp.broadcast_to(possible(p), like.shape), unknown)


@_integer_rule("dynamic_update_slice")
def dynamic_update_slice(op: Operation, x: Any, update: Any, *starts: Any) -> Interval:
    """The hull over every possible start; starts are moved inside, as JAX does."""
    last = [n - size for n, size in zip(x.shape, update.shape, strict=True)]
    unknown = functools.reduce(operator.or_, [unknown_in(start) for start in starts])
    ends = [
        [jnp.clip(e, 0, most) for e in ends_of(s)] for s, most in zip(starts, last, strict=True)
    ]
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
    low, high = ends_of(indices)
    most = [x.shape[axis] - sizes[axis] for axis in numbers.start_index_map]
    inside = (low >= 0) & (
        high <= jnp.asarray(most, high.dtype).reshape((1,) * (low.ndim - 1) + (-1,))
    )
    outside = ~jnp.all(inside, -1)
    places = positions([n + 1 for n in most])

    def spread(flags: Any, like: Any) -> Any:
        """Flags of the index array along the axes of the result that are not offsets."""
        axes = [i for i in range(like.ndim) if i not in numbers.offset_dims]
        return jnp.broadcast_to(lax.broadcast_in_dim(flags, like.shape, axes), like.shape)

    def at(array: Any, position: Any) -> Any:
        where = jnp.asarray(position, low.dtype).reshape((1,) * (low.ndim - 1) + (-1,))
        return op.bind(array, jnp.broadcast_to(where, low.shape))

    def possible(position: Any, like: Any) -> Any:
        where = jnp.asarray(position, low.dtype).reshape((1,) * (low.ndim - 1) + (-1,))
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


@_integer_rule("dynamic_slice", "dynamic_update_slice", "gather", table=SMOOTH_RULES)
def smooth_selection(op: Operation, x: Any, *indices: Any) -> Any:
    """Nothing is known if any index is undecided."""
    result = RULES[PREFIX + op.primitive.name](op, x, *indices)
    jumps = [jnp.any(i.lower != i.upper) for i in indices if is_integer(i)]
    if result.lower.dtype != jnp.float64 or not jumps:
        return result
    return where_entire(
        jnp.broadcast_to(functools.reduce(operator.or_, jumps), result.shape), result
    )
