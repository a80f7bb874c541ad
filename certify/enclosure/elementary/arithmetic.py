"""Addition, multiplication and their inverses."""

from typing import Any

import numpy as np
from jax import lax

from certify.enclosure import direct
from certify.enclosure.elementary.record import Elementary
from certify.enclosure.elementary.samples import SIGN, S, T
from certify.enclosure.interval import Interval
from certify.enclosure.margins import ErrorMargin, outward, units, where_entire
from certify.enclosure.registry import Operation


def add(op: Operation, x: Interval, y: Interval) -> Interval:
    """Adds: `[a, b] + [c, d] = [a + c, b + d]`."""
    return outward(direct.add(x.lower, y.lower), direct.add(x.upper, y.upper), units("add"))


def sub(op: Operation, x: Interval, y: Interval) -> Interval:
    """Subtracts: `[a, b] - [c, d] = [a - d, b - c]`."""
    return outward(
        direct.subtract(x.lower, y.upper), direct.subtract(x.upper, y.lower), units("add")
    )


def neg(op: Operation, x: Interval) -> Interval:
    """Negates exactly."""
    return Interval.point(-x.lower) if x.is_point else Interval(-x.upper, -x.lower)


def mul(op: Operation, x: Interval, y: Interval) -> Interval:
    """Multiplies: extremes are among products of ends; `0 * inf` is NaN, hence `[-inf, inf]`."""
    return outward(*corners(direct.multiply, x, y), units("mul"))


def div(op: Operation, x: Interval, y: Interval) -> Interval:
    """Divides corner by corner; nothing is known where the denominator may vanish.

    Nothing is known beyond 2^1021 either, where XLA's reciprocal of a constant could be flushed to
    zero.
    """
    quotient = outward(*corners(direct.divide, x, y), units("div"))
    vanishing = (y.lower <= 0) & (y.upper >= 0)
    return where_entire(vanishing | (y.magnitude > 2.0**1021), quotient)


def corners(operation: Any, x: Interval, y: Interval) -> tuple[Any, Any]:
    """Returns the smallest and largest value of a binary operation over the endpoints."""
    xs = [x.lower] if x.is_point else [x.lower, x.upper]
    ys = [y.lower] if y.is_point else [y.lower, y.upper]
    values = [operation(a, b) for a in xs for b in ys]
    lower = upper = values[0]
    for value in values[1:]:
        lower, upper = direct.minimum(lower, value), direct.maximum(upper, value)
    return lower, upper


_X = np.where(S < 0.5, SIGN * np.exp2(1000.0 * T - 500.0), 1.0 + T)
_Y = np.roll(SIGN, 3) * np.exp2(4.0 * S - 2.0)

ADD = Elementary(
    "add",
    lax.add,
    add,
    ErrorMargin(1.0, "rounded"),
    exact=lambda x, y: x + y,
    sample=(_X, _Y * np.abs(_X)),
    graph=lambda b, x, y: b.add(x, y),
    aliases=("add_any",),
)
SUB = Elementary("sub", lax.sub, sub, graph=lambda b, x, y: b.sub(x, y))
NEG = Elementary("neg", lax.neg, neg, graph="neg")
MUL = Elementary(
    "mul",
    lax.mul,
    mul,
    ErrorMargin(1.0, "rounded"),
    exact=lambda x, y: x * y,
    sample=(_X, _Y),
    graph=lambda b, x, y: b.mul(x, y),
)
DIV = Elementary(
    "div",
    lax.div,
    div,
    ErrorMargin(3.0, "rounded; XLA may multiply by a rounded reciprocal of a constant instead"),
    exact=lambda x, y: x / y,
    sample=(_X, _Y),
    graph=lambda b, x, y: b.div(x, y),
)
RECORDS = (ADD, SUB, NEG, MUL, DIV)
