"""Rules for circular and hyperbolic functions and their inverses."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure.elementwise import increasing
from certify.enclosure.interval import Interval
from certify.enclosure.registry import Operation, rule
from certify.enclosure.rounding import (
    clamp,
    clamp_lower,
    margin,
    outward,
    where_defined,
    where_entire,
)
from certify.rounding import EPSILON

# Floats that enclose pi and its half, and an upper bound on pi.
_HALF_PI_UP = float(np.nextafter(np.pi / 2, np.inf))
_PI_UP = float(np.nextafter(np.pi, np.inf))

# Arguments beyond this are not reduced: quarter turns are still counted to a thousandth here.
LARGEST_ANGLE = 2.0**40


def _may_contain(x: Interval, offset: float, period: float) -> Any:
    """Whether `offset pi + k period pi` may lie in the interval for some integer `k`.

    Multiples of pi are counted in floats: `x / pi` loses less than four units of 2^-52 by rounding
    `1 / pi` and three operations, subtracting the offset one more; twice that is allowed. An
    interval widened so can only contain more, and beyond `LARGEST_ANGLE` it contains everything.
    """
    scale = 1.0 / (np.pi * period)

    def turns(end: Any) -> tuple[Any, Any]:
        count = end * scale - offset / period
        return count, (jnp.abs(count) + 1.0) * (16.0 * EPSILON)

    (low, low_error), (high, high_error) = turns(x.lower), turns(x.upper)
    none = jnp.floor(high + high_error) < jnp.ceil(low - low_error)
    return ~none | (x.magnitude > LARGEST_ANGLE)


def _wave(function: Callable, x: Interval, units: float, highest: float) -> Interval:
    """Sine or cosine, whose maxima are at `highest pi + 2 k pi`; monotone between extremes.

    Nothing is known of a number that may overflow: the code's result is NaN then.
    """
    first = last = function(x.lower)
    if not x.is_point:
        at_upper = function(x.upper)
        first, last = jnp.minimum(first, at_upper), jnp.maximum(first, at_upper)
    ends = clamp(outward(first, last, units), -1.0, 1.0)
    result = Interval(
        jnp.where(_may_contain(x, highest + 1.0, 2.0), -1.0, ends.lower),
        jnp.where(_may_contain(x, highest, 2.0), 1.0, ends.upper),
    )
    return where_entire(jnp.isinf(x.magnitude), result)


@rule("sin")
@where_defined
def sin(op: Operation, x: Interval) -> Interval:
    """Its ends, and 1 or -1 where the interval may contain a maximum or minimum."""
    return _wave(lax.sin, x, margin("sin"), 0.5)


@rule("cos")
@where_defined
def cos(op: Operation, x: Interval) -> Interval:
    """Its ends, and 1 or -1 where the interval may contain a maximum or minimum."""
    return _wave(lax.cos, x, margin("cos"), 0.0)


@rule("tan")
@where_defined
def tan(op: Operation, x: Interval) -> Interval:
    """Increasing between its poles; nothing is known where the interval may contain one."""
    return where_entire(_may_contain(x, 0.5, 1.0), increasing(lax.tan, x, margin("tan")))


@rule("asin")
def asin(op: Operation, x: Interval) -> Interval:
    """Increasing; nothing is known where the argument may leave [-1, 1]."""
    result = clamp(increasing(lax.asin, x, margin("asin")), -_HALF_PI_UP, _HALF_PI_UP)
    return where_entire(x.magnitude > 1.0, result)


@rule("acos")
def acos(op: Operation, x: Interval) -> Interval:
    """Decreasing; nothing is known where the argument may leave [-1, 1]."""
    result = outward(lax.acos(x.upper), lax.acos(x.lower), margin("acos"))
    return where_entire(x.magnitude > 1.0, clamp(result, 0.0, _PI_UP))


@rule("atan")
@where_defined
def atan(op: Operation, x: Interval) -> Interval:
    """Increasing, within `[-pi/2, pi/2]`."""
    return clamp(increasing(lax.atan, x, margin("atan")), -_HALF_PI_UP, _HALF_PI_UP)


@rule("atan2")
@where_defined
def atan2(op: Operation, y: Interval, x: Interval) -> Interval:
    """The angle of `(x, y)`; nothing is known where it may be zero or on the negative half-axis.

    On a box that avoids both the angle is monotone along each edge and has no stationary point, so
    its extremes are at the corners.
    """
    angles = [lax.atan2(b, a) for a in (x.lower, x.upper) for b in (y.lower, y.upper)]
    stacked = jnp.stack(angles)
    result = outward(jnp.min(stacked, 0), jnp.max(stacked, 0), margin("atan2"))
    cut = (x.lower <= 0) & (y.lower <= 0) & (y.upper >= 0)
    return where_entire(cut, clamp(result, -_PI_UP, _PI_UP))


@rule("sinh")
@where_defined
def sinh(op: Operation, x: Interval) -> Interval:
    """Increasing."""
    return increasing(lax.sinh, x, margin("sinh"))


@rule("cosh")
@where_defined
def cosh(op: Operation, x: Interval) -> Interval:
    """Even, increasing in the absolute value, at least 1."""
    size = _absolute(x)
    return clamp_lower(increasing(lax.cosh, size, margin("cosh")), 1.0)


def _absolute(x: Interval) -> Interval:
    a, b = jnp.abs(x.lower), jnp.abs(x.upper)
    straddles = (x.lower <= 0) & (x.upper >= 0)
    return Interval(jnp.where(straddles, 0.0, jnp.minimum(a, b)), jnp.maximum(a, b))


@rule("asinh")
@where_defined
def asinh(op: Operation, x: Interval) -> Interval:
    """Increasing."""
    return increasing(lax.asinh, x, margin("asinh"))


@rule("acosh")
def acosh(op: Operation, x: Interval) -> Interval:
    """Increasing; nothing is known where the argument may be below 1."""
    result = clamp_lower(increasing(lax.acosh, x, margin("acosh")), 0.0)
    return where_entire(x.lower < 1.0, result)


@rule("atanh")
def atanh(op: Operation, x: Interval) -> Interval:
    """Increasing; nothing is known where the argument may leave [-1, 1], infinite at its ends."""
    return where_entire(x.magnitude > 1.0, increasing(lax.atanh, x, margin("atanh")))
