"""Rules for functions of one number with steps or kinks: rounding, signs, remainders, bounds."""

from typing import Any

import jax.numpy as jnp

from certify.enclosure.elementary.arithmetic import div, mul, sub
from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_defined, where_entire
from certify.enclosure.registry import SMOOTH_RULES, EnclosureError, Operation, rule
from certify.enclosure.rules.logic import maximum, minimum


@rule("rem")
@where_defined
def rem(op: Operation, x: Interval, y: Interval) -> Interval:
    """Encloses the remainder: `x - k y` where the quotient, cut off, is surely `k`.

    Elsewhere only its sign and size are known. Nothing is known of a number that may overflow: the
    code's remainder is NaN then.
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
    """Returns `x / y` cut off towards zero, and whether it is one number on the whole interval."""
    quotient = div(op, x, y)
    low, high = (
        jnp.sign(end) * jnp.floor(jnp.abs(end)) for end in (quotient.lower, quotient.upper)
    )
    decided = (low == high) & (jnp.abs(low) < 2.0**52)
    return jnp.where(decided, low, 0.0), decided


@rule("stop_gradient")
def stop_gradient(op: Operation, x: Any) -> Any:
    """Returns the number itself."""
    return x


@rule("sign", "floor", "ceil", "round")
@where_defined
def step(op: Operation, x: Interval) -> Interval:
    """Applies a non-decreasing step function at both ends, exactly."""
    return Interval(op.bind(x.lower), op.bind(x.upper))


@rule("clamp")
def clamped(op: Operation, low: Any, x: Any, high: Any) -> Interval:
    """Encloses `min(max(x, low), high)`."""
    return minimum(op, maximum(op, x, low), high)


# Smooth mode.


@rule("sign", "floor", "ceil", "round", table=SMOOTH_RULES)
def smooth_step(op: Operation, x: Interval) -> Interval:
    """Encloses a step; it jumps where the ends have different values, so nothing is known there."""
    result = step(op, x)
    return where_entire(~(result.lower == result.upper), result)


@rule("clamp", table=SMOOTH_RULES)
def smooth_clamped(op: Operation, low: Any, x: Any, high: Any) -> Interval:
    """Clamps; kinks are where the argument may meet a bound, and booleans have none."""
    result = clamped(op, low, x, high)
    if result.lower.dtype == bool:
        return result
    at_low = (x.lower <= low.upper) & (low.lower <= x.upper)
    inner = where_entire(at_low, maximum(op, x, low))
    at_high = (inner.lower <= high.upper) & (high.lower <= inner.upper)
    return where_entire(at_high, minimum(op, inner, high))


@rule("rem", table=SMOOTH_RULES)
def smooth_rem(op: Operation, x: Interval, y: Interval) -> Interval:
    """Encloses a remainder, which jumps where the quotient passes an integer."""
    return where_entire(~_cut_quotient(op, x, y)[1], rem(op, x, y))


@rule("stop_gradient", table=SMOOTH_RULES)
def smooth_stop_gradient(op: Operation, x: Any) -> Any:
    """Raises: the number is known, but JAX's derivative is not that of the code."""
    raise EnclosureError(
        "'stop_gradient' is no part of a function to be differentiated: the result depends on it"
    )
