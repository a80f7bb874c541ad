"""Integers that depend on the box: positions of extremes, orders, counts.

They too are intervals, of integers: `argmax` is between the first and the last entry that can be
the largest. Where an integer is not even defined, because the numbers that it comes from are not,
its interval is the whole range of its type.

Code computes modulo a power of two. Here bounds are computed in 64 bits, from ends of at most 30,
and an integer whose bounds leave its type may have wrapped around, so its interval is the whole
range of its type too. So no interval is ever inverted.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_entire
from certify.enclosure.registry import RULES, EnclosureError, Operation, Rule, rule

# Integers beyond this are treated as unknown, so that nothing below can overflow: 2^30 fits any
# type that indices have.
_LARGEST = 2**30

# In the table, rules for operations on such integers have the name of the primitive after this
# prefix.
PREFIX = "integers: "


def integer_rule(*names: str, table: dict[str, Rule] = RULES) -> Callable[[Rule], Rule]:
    """Registers the decorated function as the rule of these primitives for integers."""
    return rule(*(PREFIX + name for name in names), table=table)


def is_integer(x: Any) -> bool:
    """Returns whether `x` is an interval of integers."""
    return isinstance(x, Interval) and jnp.issubdtype(x.lower.dtype, jnp.integer)


def ends_of(x: Any) -> tuple[Any, Any]:
    """Returns both ends of an interval; for a known array both are the array itself."""
    return (x.lower, x.upper) if isinstance(x, Interval) else (x, x)


def unknown_in(x: Any) -> Any:
    """Returns, entry by entry, whether nothing is known."""
    low, high = ends_of(x)
    if not jnp.issubdtype(low.dtype, jnp.integer):
        return x.is_unknown if low.dtype == jnp.float64 and isinstance(x, Interval) else False
    least, most = _whole(low.dtype)
    return (high == most) | (low == least) if least < 0 else high == most


def _whole(dtype: Any) -> tuple[Any, Any]:
    """Returns the least and the largest number of a type, in that type."""
    info = np.iinfo(dtype)
    return np.asarray(info.min, dtype), np.asarray(info.max, dtype)


def integer_interval(low: Any, high: Any, unknown: Any, dtype: Any) -> Interval:
    """Returns an interval of integers: the whole type where unknown or where bounds leave the type.

    Args:
        low: Lower bounds: integers of any type that has room for them.
        high: Upper bounds: likewise.
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
    """Returns both ends in 64 bits, zero where nothing is known, and whether that is so.

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
    """Converts undecided booleans, other integers, or numbers (cut off towards zero: monotone).

    What a number beyond the type becomes depends on the machine, so it may be anything.
    """
    if x.lower.dtype != jnp.float64:
        return integer_interval(*wide(x), np.dtype(dtype))
    large = ~((jnp.abs(x.lower) <= _LARGEST) & (jnp.abs(x.upper) <= _LARGEST))
    low, high = (jnp.where(large, 0.0, end).astype(jnp.int64) for end in ends_of(x))
    return integer_interval(low, high, unknown_in(x) | large, np.dtype(dtype))


@integer_rule("add", "sub", "mul", "max", "min")
def arithmetic(op: Operation, x: Any, y: Any) -> Interval:
    """Encloses an operation on integers, whose extremes are at the corners."""
    (a, b, of_x), (c, d, of_y) = wide(x), wide(y)
    corners = [op.bind(*jnp.broadcast_arrays(u, v)) for u in (a, b) for v in (c, d)]
    low = jnp.minimum(jnp.minimum(*corners[:2]), jnp.minimum(*corners[2:]))
    high = jnp.maximum(jnp.maximum(*corners[:2]), jnp.maximum(*corners[2:]))
    return integer_interval(low, high, of_x | of_y, ends_of(x)[0].dtype)


@integer_rule("neg")
def neg(op: Operation, x: Interval) -> Interval:
    """Negates exactly, unless the result wraps around."""
    low, high, unknown = wide(x)
    return integer_interval(-high, -low, unknown, x.lower.dtype)


@integer_rule("clamp")
def clamp(op: Operation, low: Any, x: Any, high: Any) -> Interval:
    """Clamps integers: the result is monotone in each argument."""
    bounds = [wide(z) for z in (low, x, high)]
    first, last = (
        jnp.minimum(jnp.maximum(bounds[1][side], bounds[0][side]), bounds[2][side])
        for side in (0, 1)
    )
    unknown = functools.reduce(operator.or_, [bound[2] for bound in bounds])
    return integer_interval(first, last, unknown, ends_of(x)[0].dtype)


@integer_rule("reduce_sum", "cumsum", "reduce_max", "reduce_min", "cummax", "cummin")
def monotone(op: Operation, x: Interval) -> Interval:
    """Encloses a function that is monotone in each entry; one unknown entry makes all unknown."""
    low, high, unknown = wide(x)
    return integer_interval(op.bind(low), op.bind(high), jnp.any(unknown), x.lower.dtype)


@integer_rule("lt", "le", "gt", "ge", "eq", "ne")
def compared(op: Operation, x: Any, y: Any) -> Interval:
    """Compares integers: the result is decided where every pair compares alike."""
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


@integer_rule("convert_element_type")
def convert_element_type(op: Operation, x: Interval) -> Interval:
    """Converts integers to another type of integers, to float64, or to booleans."""
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
