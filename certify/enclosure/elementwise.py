"""Rules for smooth elementwise primitives: arithmetic, powers, exponentials, saturations."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure import direct
from certify.enclosure.interval import Interval, is_concrete
from certify.enclosure.registry import EnclosureError, Operation, rule
from certify.enclosure.rounding import (
    clamp,
    clamp_lower,
    margin,
    outward,
    where_defined,
    where_entire,
)


@rule("add", "add_any")
def add(op: Operation, x: Interval, y: Interval) -> Interval:
    """`[a, b] + [c, d] = [a + c, b + d]`."""
    return outward(direct.add(x.lower, y.lower), direct.add(x.upper, y.upper), margin("add"))


@rule("sub")
def sub(op: Operation, x: Interval, y: Interval) -> Interval:
    """`[a, b] - [c, d] = [a - d, b - c]`."""
    return outward(
        direct.subtract(x.lower, y.upper), direct.subtract(x.upper, y.lower), margin("add")
    )


@rule("neg")
def neg(op: Operation, x: Interval) -> Interval:
    """Exact."""
    return Interval.point(-x.lower) if x.is_point else Interval(-x.upper, -x.lower)


@rule("mul")
def mul(op: Operation, x: Interval, y: Interval) -> Interval:
    """The extremes are among the products of endpoints; `0 * inf` is NaN, hence `[-inf, inf]`."""
    return outward(*_corners(direct.multiply, x, y), margin("mul"))


@rule("square")
@where_defined
def square(op: Operation, x: Interval) -> Interval:
    """`x^2`, without the overestimate of `x * x`."""
    return integer_power(x, 2)


@rule("div")
def div(op: Operation, x: Interval, y: Interval) -> Interval:
    """Corner quotients; nothing is known when the denominator may vanish.

    Nor beyond 2^1021, where XLA's reciprocal of a constant could be flushed to zero.
    """
    quotient = outward(*_corners(direct.divide, x, y), margin("div"))
    vanishing = (y.lower <= 0) & (y.upper >= 0)
    return where_entire(vanishing | (y.magnitude > 2.0**1021), quotient)


def _corners(operation: Any, x: Interval, y: Interval) -> tuple[Any, Any]:
    """Smallest and largest value of a binary operation over the endpoints."""
    xs = [x.lower] if x.is_point else [x.lower, x.upper]
    ys = [y.lower] if y.is_point else [y.lower, y.upper]
    values = [operation(a, b) for a in xs for b in ys]
    lower = upper = values[0]
    for value in values[1:]:
        lower, upper = direct.minimum(lower, value), direct.maximum(upper, value)
    return lower, upper


@rule("integer_pow")
@where_defined
def integer_pow(op: Operation, x: Interval) -> Interval:
    """`x^n` for an integer `n`: monotone on each side of zero."""
    return integer_power(x, op.params["y"])


def integer_power(x: Interval, exponent: int) -> Interval:
    """`x^n` for an integer `n`, for use by other rules."""
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


@rule("pow")
@where_defined
def power(op: Operation, x: Interval, y: Any) -> Interval:
    """`x^y` for positive `x`: monotone in each argument, so its extremes are at the corners.

    Nothing is known when `x` may be negative, or zero with an exponent that may be non-positive;
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
    result = clamp_lower(outward(*_corners(lax.pow, x, y), margin("pow")), 0.0)
    return where_entire((x.lower < 0) | ((x.lower == 0) & (y.lower <= 0)), result)


# Powers with at most so many different integers, none of them larger, are repeated products.
_MOST_EXPONENTS, _LARGEST_EXPONENT = 8, 64


def integral_exponents(y: Any) -> tuple[int, ...] | None:
    """The different exponents of a power if they are few known integers, else None."""
    if not (isinstance(y, Interval) and y.is_point and is_concrete(y)):
        return None
    found = np.unique(np.asarray(y.lower))
    if not (np.abs(found) <= _LARGEST_EXPONENT).all() or (found != np.round(found)).any():
        return None
    return tuple(int(n) for n in found) if 0 < found.size <= _MOST_EXPONENTS else None


def at_exponents(y: Interval, cases: Sequence[tuple[int, Interval]], shape: Any) -> Interval:
    """Entry by entry that of the cases which belongs to the exponent."""
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


@rule("sqrt")
def sqrt(op: Operation, x: Interval) -> Interval:
    """Nothing is known when the argument may be negative."""
    return where_entire(x.lower < 0, clamp_lower(increasing(lax.sqrt, x, margin("sqrt")), 0.0))


@rule("rsqrt")
def rsqrt(op: Operation, x: Interval) -> Interval:
    """`1 / sqrt(x)`, decreasing."""
    result = clamp_lower(outward(lax.rsqrt(x.upper), lax.rsqrt(x.lower), margin("rsqrt")), 0.0)
    return where_entire(x.lower <= 0, result)


@rule("exp")
@where_defined
def exp(op: Operation, x: Interval) -> Interval:
    """Increasing and positive."""
    return clamp_lower(increasing(lax.exp, x, margin("exp")), 0.0)


@rule("exp2")
@where_defined
def exp2(op: Operation, x: Interval) -> Interval:
    """Increasing and positive."""
    return clamp_lower(increasing(lax.exp2, x, margin("exp2")), 0.0)


@rule("log")
def log(op: Operation, x: Interval) -> Interval:
    """Nothing is known when the argument may be negative; at zero the lower end is -inf."""
    return where_entire(x.lower < 0, increasing(lax.log, x, margin("log")))


@rule("log1p")
def log1p(op: Operation, x: Interval) -> Interval:
    """Nothing is known when `1 + x` may be negative."""
    return where_entire(x.lower < -1, increasing(lax.log1p, x, margin("log1p")))


@rule("expm1")
@where_defined
def expm1(op: Operation, x: Interval) -> Interval:
    """Increasing, above -1."""
    return clamp_lower(increasing(lax.expm1, x, margin("expm1")), -1.0)


@rule("tanh")
@where_defined
def tanh(op: Operation, x: Interval) -> Interval:
    """Increasing, within [-1, 1]."""
    return clamp(increasing(lax.tanh, x, margin("tanh")), -1.0, 1.0)


@rule("logistic")
@where_defined
def logistic(op: Operation, x: Interval) -> Interval:
    """`1 / (1 + exp(-x))`: increasing, within [0, 1]."""
    return clamp(increasing(lax.logistic, x, margin("logistic")), 0.0, 1.0)


def increasing(function: Any, x: Interval, units: float) -> Interval:
    """An increasing function, evaluated at the endpoints."""
    lower = function(x.lower)
    return outward(lower, lower if x.is_point else function(x.upper), units)
