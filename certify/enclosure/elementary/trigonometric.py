"""Circular functions and their inverses, and `sin(x) / x`."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure.elementary import decimals
from certify.enclosure.elementary.arithmetic import add
from certify.enclosure.elementary.polynomial_derivatives import Bell
from certify.enclosure.elementary.powers import integer_power, square
from certify.enclosure.elementary.record import Elementary, monotone
from certify.enclosure.elementary.samples import (
    ANGLES,
    NEAR_ONE,
    SIGN,
    SIGNED_WIDE,
    S,
    T,
    mixed,
    with_small,
)
from certify.enclosure.elementary.sinc import Sinc
from certify.enclosure.interval import Interval
from certify.enclosure.margins import (
    ErrorMargin,
    clamp,
    outward,
    units,
    where_defined,
    where_entire,
)
from certify.enclosure.registry import BARE, Operation
from certify.rounding import EPSILON

# Upper bounds of pi and half of it.
PI_UP = float(np.nextafter(np.pi, np.inf))
HALF_PI_UP = float(np.nextafter(np.pi / 2, np.inf))

# Arguments beyond this are not reduced: quarter turns are still counted to a thousandth here.
LARGEST_ANGLE = 2.0**40


def _may_contain(x: Interval, offset: float, period: float) -> Any:
    """Returns whether `offset pi + k period pi` may lie in the interval for some integer `k`.

    Multiples of pi are counted in floats: `x / pi` loses less than four units of 2^-52 by rounding
    `1 / pi` and three operations, and subtracting the offset one more; twice that is allowed. An
    interval widened so can only contain more, and beyond `LARGEST_ANGLE` it contains everything.
    """
    scale = 1.0 / (np.pi * period)

    def turns(end: Any) -> tuple[Any, Any]:
        count = end * scale - offset / period
        return count, (jnp.abs(count) + 1.0) * (16.0 * EPSILON)

    (low, low_error), (high, high_error) = turns(x.lower), turns(x.upper)
    none = jnp.floor(high + high_error) < jnp.ceil(low - low_error)
    return ~none | (x.magnitude > LARGEST_ANGLE)


def _wave(name: str, function: Callable, highest: float, x: Interval) -> Interval:
    """Encloses sine or cosine, whose maxima are at `highest pi + 2 k pi`.

    They are monotone between extremes. Nothing is known of a number that may overflow: the code's
    result is NaN then.
    """
    first = last = function(x.lower)
    if not x.is_point:
        at_upper = function(x.upper)
        first, last = jnp.minimum(first, at_upper), jnp.maximum(first, at_upper)
    ends = clamp(outward(first, last, units(name)), -1.0, 1.0)
    result = Interval(
        jnp.where(_may_contain(x, highest + 1.0, 2.0), -1.0, ends.lower),
        jnp.where(_may_contain(x, highest, 2.0), 1.0, ends.upper),
    )
    return where_entire(jnp.isinf(x.magnitude), result)


def sin(op: Operation, x: Interval) -> Interval:
    """Encloses sine by its ends, and by 1 or -1 where a maximum or minimum may be inside."""
    return _wave("sin", lax.sin, 0.5, x)


def cos(op: Operation, x: Interval) -> Interval:
    """Encloses cosine by its ends, and by 1 or -1 where a maximum or minimum may be inside."""
    return _wave("cos", lax.cos, 0.0, x)


def _turned(quarters: int) -> Callable:
    """Returns the derivatives of sine turned by so many quarters, each a quarter turn further."""

    def slopes(op: Operation, x: Interval, order: int) -> Interval:
        turn = (order + quarters) % 4
        result = (cos if turn % 2 else sin)(BARE, x)
        return result if turn < 2 else Interval(-result.upper, -result.lower)

    return slopes


@where_defined
def atan2(op: Operation, y: Interval, x: Interval) -> Interval:
    """Encloses the angle of `(x, y)`, unknown where it may be zero or on the negative half-axis.

    On a box that avoids both, the angle is monotone along each edge and has no stationary point, so
    its extremes are at the corners.
    """
    angles = [lax.atan2(b, a) for a in (x.lower, x.upper) for b in (y.lower, y.upper)]
    stacked = jnp.stack(angles)
    result = outward(jnp.min(stacked, 0), jnp.max(stacked, 0), units("atan2"))
    cut = (x.lower <= 0) & (y.lower <= 0) & (y.upper >= 0)
    return where_entire(cut, clamp(result, -PI_UP, PI_UP))


def square_plus_one(x: Interval) -> Interval:
    """Encloses `x^2 + 1`."""
    return add(BARE, square(BARE, x), Interval.point(jnp.ones(())))


SIN = Elementary(
    "sin",
    lax.sin,
    sin,
    ErrorMargin(4.0, "measured 0.51, up to 2^1000"),
    exact=decimals.sin,
    sample=with_small(ANGLES),
    slopes=_turned(0),
    graph="sin",
    floats=(np.sin, np.cos),
)
COS = Elementary(
    "cos",
    lax.cos,
    cos,
    ErrorMargin(4.0, "measured 0.51, up to 2^1000"),
    exact=decimals.cos,
    sample=with_small(ANGLES),
    slopes=_turned(1),
    graph="cos",
    floats=(np.cos, lambda x: -np.sin(x)),
)
TAN = monotone(
    "tan",
    lax.tan,
    ErrorMargin(4.0, "measured 0.51, 1.0 one number at a time"),
    # It increases between its poles.
    outside=lambda x: _may_contain(x, 0.5, 1.0),
    exact=decimals.tan,
    sample=with_small(ANGLES, 4.822408652565195e-07),
    graph="tan",
    floats=(np.tan, lambda x: 1 + np.tan(x) ** 2),
)
ASIN = monotone(
    "asin",
    lax.asin,
    ErrorMargin(4.0, "measured 0.89"),
    values=(-HALF_PI_UP, HALF_PI_UP),
    outside=lambda x: x.magnitude > 1.0,
    rough=lambda x: ~(x.magnitude < 1.0),
    exact=decimals.asin,
    sample=with_small(mixed(0.4, NEAR_ONE, 2.0 * T - 1.0), -0.008493615681177307),
    graph="asin",
    floats=(np.arcsin, lambda x: 1 / np.sqrt(1 - x * x)),
)
ACOS = monotone(
    "acos",
    lax.acos,
    ErrorMargin(4.0, "measured 1.2"),
    decreasing=True,
    values=(0.0, PI_UP),
    outside=lambda x: x.magnitude > 1.0,
    rough=lambda x: ~(x.magnitude < 1.0),
    exact=decimals.acos,
    sample=with_small(mixed(0.4, NEAR_ONE, 2.0 * T - 1.0), 0.9998772365308556, 0.9994928782882719),
    graph="acos",
    floats=(np.arccos, lambda x: -1 / np.sqrt(1 - x * x)),
)
ATAN = monotone(
    "atan",
    lax.atan,
    ErrorMargin(4.0, "measured 0.50, 1.03 fused with others"),
    values=(-HALF_PI_UP, HALF_PI_UP),
    exact=decimals.atan,
    sample=with_small(mixed(0.4, SIGNED_WIDE, 6.0 * T - 3.0)),
    derivatives=Bell(
        lax.atan,
        lambda x: ATAN.enclose(x),
        1,
        (1, 0, 1),
        lambda k: (0, -2 * k),
        lambda x, k: integer_power(square_plus_one(x), -k),
        lambda x, k: (1.0 + x * x) ** -k,
    ),
    graph="atan",
    floats=(np.arctan, lambda x: 1 / (1 + x * x)),
)
ATAN2 = Elementary(
    "atan2",
    lax.atan2,
    atan2,
    ErrorMargin(4.0, "measured 0.99"),
    exact=decimals.atan2,
    sample=(SIGN * np.exp2(900.0 * T - 450.0), np.roll(SIGN, 3) * np.exp2(900.0 * S - 450.0)),
)
SINC = Elementary("sinc", derivatives=Sinc())
RECORDS = (SIN, COS, TAN, ASIN, ACOS, ATAN, ATAN2, SINC)
