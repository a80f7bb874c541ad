"""Powers and roots."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure.elementary import decimals
from certify.enclosure.elementary.arithmetic import corners, mul, sub
from certify.enclosure.elementary.record import Elementary, monotone
from certify.enclosure.elementary.samples import SIGN, SMALL, WIDE, S, T, mixed, with_hard
from certify.enclosure.interval import Interval, is_concrete
from certify.enclosure.margins import (
    ErrorMargin,
    clamp_lower,
    outward,
    units,
    where_defined,
    where_entire,
)
from certify.enclosure.registry import BARE, EnclosureError, Operation

# Powers of integers.


@where_defined
def square(op: Operation, x: Interval) -> Interval:
    """Encloses `x^2`, without the overestimate of `x * x`."""
    return integer_power(x, 2)


@where_defined
def integer_pow(op: Operation, x: Interval) -> Interval:
    """Encloses `x^n` for an integer `n`: monotone on each side of zero."""
    return integer_power(x, op.params["y"])


def integer_power(x: Interval, exponent: int) -> Interval:
    """Encloses `x^n` for an integer `n`, for use by other rules."""
    if exponent == 0:
        return Interval.point(jnp.ones_like(x.lower))
    if exponent == 1:
        return x
    lower = upper = lax.integer_pow(x.lower, exponent)
    if not x.is_point:
        at_upper = lax.integer_pow(x.upper, exponent)
        lower, upper = jnp.minimum(lower, at_upper), jnp.maximum(lower, at_upper)
    # Repeated products, and a division when the exponent is negative, lose less than two units for
    # each factor.
    result = outward(lower, upper, 2.0 * abs(exponent) + 1.0)
    straddles = (x.lower <= 0) & (x.upper >= 0)
    if exponent % 2 == 0:
        result = clamp_lower(result, 0.0)
        result = Interval(jnp.where(straddles, 0.0, result.lower), result.upper)
    return where_entire(straddles, result) if exponent < 0 else result


def integer_slope(x: Interval, exponent: int, order: int) -> Interval:
    """Encloses the derivatives of `x^n` for an integer `n`."""
    factor = math.prod(exponent - k for k in range(order))
    if factor == 0:
        return Interval.point(jnp.zeros_like(x.lower))
    point = Interval.point(jnp.array(float(factor)))
    return mul(BARE, point, integer_power(x, exponent - order))


def reciprocal(x: Interval, order: int) -> Interval:
    """Encloses the derivatives of `1 / x`."""
    factor = Interval.point(jnp.array((-1.0) ** order * math.factorial(order)))
    return mul(BARE, factor, integer_power(x, -1 - order))


# Powers of floats.


@where_defined
def power(op: Operation, x: Interval, y: Any) -> Interval:
    """Encloses `x^y` for positive `x`: monotone in each argument, with extremes at the corners.

    Nothing is known where `x` may be negative, or zero with an exponent that may be non-positive,
    unless the exponent is an integer, as in `x**3.0`.
    """
    if not isinstance(y, Interval):
        raise EnclosureError(
            "'pow' with an integer array as exponent has no enclosure rule; give a Python integer "
            "or a float64 exponent"
        )
    integers = integral_exponents(y)
    if integers is not None:
        return at_exponents(y, [(n, integer_power(x, n)) for n in integers], x.shape)
    result = clamp_lower(outward(*corners(lax.pow, x, y), units("pow")), 0.0)
    return where_entire((x.lower < 0) | ((x.lower == 0) & (y.lower <= 0)), result)


def smooth_power(op: Operation, x: Interval, y: Any) -> Interval:
    """Encloses `x^y`: smooth for positive `x`, or everywhere if `y` is known to be natural."""
    result = power(op, x, y)
    natural = integral_exponents(y)
    if natural is not None:
        return result
    return where_entire(jnp.broadcast_to(x.lower <= 0.0, result.shape), result)


def _power_slope(op: Operation, x: Interval, order: int, exponent: Interval) -> Interval:
    """Encloses the derivatives of `x^y` for constant `y` and positive `x`, or integers `y`."""
    integers = integral_exponents(exponent)
    if integers is not None:
        cases = [(n, integer_slope(x, n, order)) for n in integers]
        return at_exponents(exponent, cases, x.shape)
    result = power(op, x, sub(BARE, exponent, Interval.point(jnp.array(float(order)))))
    for k in range(order):
        factor = sub(BARE, exponent, Interval.point(jnp.array(float(k))))
        result = mul(BARE, result, factor)
    return where_entire(x.lower <= 0, result) if order else result


# Powers are repeated products if they have at most this many different exponents, all of them
# integers and at most as large as the second number.
_MOST_EXPONENTS, _LARGEST_EXPONENT = 8, 64


def integral_exponents(y: Any) -> tuple[int, ...] | None:
    """Returns the different exponents of a power if they are few known integers, else None."""
    if not (isinstance(y, Interval) and y.is_point and is_concrete(y)):
        return None
    exponents = np.unique(np.asarray(y.lower))
    if not (np.abs(exponents) <= _LARGEST_EXPONENT).all():
        return None
    if (exponents != np.round(exponents)).any():
        return None
    return tuple(int(n) for n in exponents) if 0 < exponents.size <= _MOST_EXPONENTS else None


def at_exponents(y: Interval, cases: Sequence[tuple[int, Interval]], shape: Any) -> Interval:
    """Chooses, entry by entry, the case that belongs to the exponent."""
    shape = jnp.broadcast_shapes(shape, y.shape)
    exponents = np.broadcast_to(np.asarray(y.lower), shape)
    lower, upper = (jnp.broadcast_to(getattr(cases[0][1], end), shape) for end in _ENDS)
    for n, case in cases[1:]:
        lower, upper = (
            jnp.where(exponents == n, getattr(case, end), value)
            for end, value in zip(_ENDS, (lower, upper), strict=True)
        )
    return Interval(lower, upper)


_ENDS = ("lower", "upper")

# Roots.


def _half_integer(twice: int) -> Any:
    """Returns the derivatives of `x^(twice / 2)`, by powers of `1 / sqrt(x)`."""

    def slopes(op: Operation, x: Interval, order: int) -> Interval:
        factor = math.prod(0.5 * twice - k for k in range(order))
        result = integer_power(RSQRT.enclose(x), 2 * order - twice)
        return mul(BARE, Interval.point(jnp.array(factor)), result)

    return slopes


_cbrt = jax.custom_jvp(lax.cbrt)


@_cbrt.defjvp
def _(primals: Any, tangents: Any) -> Any:
    root = _cbrt(*primals)
    return root, tangents[0] / (3.0 * jnp.square(root))


_BASE = np.where(S < 0.5, WIDE, np.where(S < 0.8, 1.0 + 0.5 * SMALL, 0.5 + T))
_EXPONENT = SIGN * 708.0 * np.roll(T, 5) / np.maximum(np.abs(np.log(_BASE)), 1e-30)

SQUARE = Elementary("square", lax.square, square, graph=lambda b, x: b.node("power", x, 2))
INTEGER_POW = Elementary(
    "integer_pow",
    lax.integer_pow,
    integer_pow,
    slopes=lambda op, x, order: integer_slope(x, op.params["y"], order),
)
POW = Elementary(
    "pow",
    lax.pow,
    power,
    ErrorMargin(8.0, "measured 0.50, 0.94 where XLA multiplies out a constant power"),
    smooth=smooth_power,
    exact=lambda x, y: (y * x.ln()).exp(),
    sample=(_BASE, _EXPONENT),
    slopes=_power_slope,
    graph="pow",
)
SQRT = monotone(
    "sqrt",
    lax.sqrt,
    ErrorMargin(2.0, "rounded; one unit to spare"),
    values=(0.0, math.inf),
    outside=lambda x: x.lower < 0,
    rough=lambda x: x.lower <= 0.0,
    exact=lambda x: x.sqrt(),
    sample=(mixed(0.6, WIDE, 0.5 + 3.5 * T),),
    slopes=_half_integer(1),
    graph="sqrt",
    floats=(np.sqrt, lambda x: 0.5 / np.sqrt(x)),
)
RSQRT = monotone(
    "rsqrt",
    lax.rsqrt,
    ErrorMargin(4.0, "measured 0.64, 0.96 elsewhere"),
    decreasing=True,
    values=(0.0, math.inf),
    outside=lambda x: x.lower <= 0,
    exact=lambda x: 1 / x.sqrt(),
    sample=SQRT.sample,
    slopes=_half_integer(-1),
    graph=lambda b, x: b.node("power", b.node("sqrt", x), -1),
)
CBRT = monotone(
    "cbrt",
    lax.cbrt,
    ErrorMargin(200.0, "measured 59 one number at a time, as exp(log(x) / 3); 2.5 in vectors"),
    # Its derivative, divided by zero there, shows that it is not smooth at zero.
    rough=lambda x: (x.lower <= 0.0) & (x.upper >= 0.0),
    exact=decimals.cbrt,
    sample=with_hard(SIGN * WIDE, 9.60261720812218e307, -1.9465955974052932e306, 2.3e-308),
    differentiable=_cbrt,
)
RECORDS = (SQUARE, INTEGER_POW, POW, SQRT, RSQRT, CBRT)
