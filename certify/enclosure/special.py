"""Rules for the error function, cube roots and functions with steps."""

from jax import lax

from .elementwise import increasing
from .interval import Interval
from .logic import maximum, minimum
from .registry import SMOOTH_RULES, Operation, rule
from .rounding import clamp, margin, outward, where_defined, where_entire


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


@rule("sign", "floor", "ceil", "round")
@where_defined
def step(op: Operation, x: Interval) -> Interval:
    """Non-decreasing and exact."""
    return Interval(op.bind(x.lower), op.bind(x.upper))


@rule("clamp")
def clamped(op: Operation, low: Interval, x: Interval, high: Interval) -> Interval:
    """`min(max(x, low), high)`."""
    return minimum(op, maximum(op, x, low), high)


# Smooth mode.


@rule("sign", "floor", "ceil", "round", table=SMOOTH_RULES)
def smooth_step(op: Operation, x: Interval) -> Interval:
    """Jumps where the ends have different values: nothing is known there."""
    result = step(op, x)
    return where_entire(~(result.lower == result.upper), result)


@rule("clamp", table=SMOOTH_RULES)
def smooth_clamped(op: Operation, low: Interval, x: Interval, high: Interval) -> Interval:
    """Kinks where the argument may meet a bound."""
    at_low = (x.lower <= low.upper) & (low.lower <= x.upper)
    inner = where_entire(at_low, maximum(op, x, low))
    at_high = (inner.lower <= high.upper) & (high.lower <= inner.upper)
    return where_entire(at_high, minimum(op, inner, high))
