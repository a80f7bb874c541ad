"""Rules for the error function, cube roots and functions with steps."""

from typing import Any

import jax.numpy as jnp
from jax import lax

from certify.enclosure.elementwise import div, increasing, mul, sub
from certify.enclosure.interval import Interval
from certify.enclosure.logic import maximum, minimum
from certify.enclosure.registry import SMOOTH_RULES, EnclosureError, Operation, rule
from certify.enclosure.rounding import clamp, margin, outward, where_defined, where_entire
from certify.rounding import EPSILON, TINY


@rule("erf")
@where_defined
def erf(op: Operation, x: Interval) -> Interval:
    """Increasing, within [-1, 1]."""
    return clamp(increasing(lax.erf, x, margin("erf")), -1.0, 1.0)


@rule("erfc")
@where_defined
def erfc(op: Operation, x: Interval) -> Interval:
    """Decreasing, within [0, 2]."""
    return clamp(outward(lax.erfc(x.upper), lax.erfc(x.lower), margin("erfc")), 0.0, 2.0)


@rule("cbrt")
@where_defined
def cbrt(op: Operation, x: Interval) -> Interval:
    """Increasing; its derivative, divided by zero there, shows that it is not smooth at zero."""
    return increasing(lax.cbrt, x, margin("cbrt"))


@rule("erf_inv")
def erf_inv(op: Operation, x: Interval) -> Interval:
    """Increasing; bounds are guessed and kept if the error function confirms them.

    Nothing is known where the argument may leave [-1, 1].
    """

    def bound(end: Any, side: float) -> Any:
        guess, found = lax.erf_inv(end), side * jnp.full(end.shape, jnp.inf)
        for step in reversed(_STEPS):
            candidate = guess + side * (step * jnp.abs(guess) + step * TINY / EPSILON)
            reached = erf(op, Interval.point(candidate))
            confirmed = reached.upper <= end if side < 0 else reached.lower >= end
            found = jnp.where(confirmed, candidate, found)
        return found

    return where_entire(~(x.magnitude <= 1.0), Interval(bound(x.lower, -1.0), bound(x.upper, 1.0)))


# How far, relatively, bounds of inverse functions are put from their guess, in turn.
_STEPS = (2.0**-48, 2.0**-44, 2.0**-38, 2.0**-30, 2.0**-20)


@rule("rem")
@where_defined
def rem(op: Operation, x: Interval, y: Interval) -> Interval:
    """`x - k y` where the quotient, cut off, is surely `k`; else sign and size alone are known.

    Nothing is known of a number that may overflow: the code's remainder is NaN then.
    """
    k, decided = _cut_quotient(op, x, y)
    exact = sub(op, x, mul(op, Interval.point(k), y))
    size = jnp.minimum(y.magnitude, x.magnitude)
    low = jnp.where(x.lower < 0, -size, 0.0)
    high = jnp.where(x.upper > 0, size, 0.0)
    result = Interval(
        jnp.where(decided, jnp.maximum(exact.lower, low), low),
        jnp.where(decided, jnp.minimum(exact.upper, high), high),
    )
    undefined = (y.lower <= 0) & (y.upper >= 0)
    return where_entire(undefined | jnp.isinf(x.magnitude), result)


def _cut_quotient(op: Operation, x: Interval, y: Interval) -> tuple[Any, Any]:
    """`x / y` cut off towards zero, and whether that is one number all over."""
    quotient = div(op, x, y)
    low, high = (
        jnp.sign(end) * jnp.floor(jnp.abs(end)) for end in (quotient.lower, quotient.upper)
    )
    decided = (low == high) & (jnp.abs(low) < 2.0**52)
    return jnp.where(decided, low, 0.0), decided


@rule("stop_gradient")
def stop_gradient(op: Operation, x: Any) -> Any:
    """The number itself."""
    return x


@rule("sign", "floor", "ceil", "round")
@where_defined
def step(op: Operation, x: Interval) -> Interval:
    """Non-decreasing and exact."""
    return Interval(op.bind(x.lower), op.bind(x.upper))


@rule("clamp")
def clamped(op: Operation, low: Any, x: Any, high: Any) -> Interval:
    """`min(max(x, low), high)`."""
    return minimum(op, maximum(op, x, low), high)


# Smooth mode.


@rule("sign", "floor", "ceil", "round", table=SMOOTH_RULES)
def smooth_step(op: Operation, x: Interval) -> Interval:
    """Jumps where the ends have different values: nothing is known there."""
    result = step(op, x)
    return where_entire(~(result.lower == result.upper), result)


@rule("clamp", table=SMOOTH_RULES)
def smooth_clamped(op: Operation, low: Any, x: Any, high: Any) -> Interval:
    """Kinks where the argument may meet a bound; booleans have none."""
    result = clamped(op, low, x, high)
    if result.lower.dtype == bool:
        return result
    at_low = (x.lower <= low.upper) & (low.lower <= x.upper)
    inner = where_entire(at_low, maximum(op, x, low))
    at_high = (inner.lower <= high.upper) & (high.lower <= inner.upper)
    return where_entire(at_high, minimum(op, inner, high))


@rule("rem", table=SMOOTH_RULES)
def smooth_rem(op: Operation, x: Interval, y: Interval) -> Interval:
    """Jumps where the quotient passes an integer."""
    return where_entire(~_cut_quotient(op, x, y)[1], rem(op, x, y))


@rule("stop_gradient", table=SMOOTH_RULES)
def smooth_stop_gradient(op: Operation, x: Any) -> Any:
    """The number, but JAX's derivative is not that of the code."""
    raise EnclosureError(
        "'stop_gradient' is no part of a function to be differentiated: the result depends on it"
    )
