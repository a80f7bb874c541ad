"""Ranges of the first derivatives of functions of one variable, for linearising them.

Over an interval, and up to rounding; unknown where the interval leaves the domain.
"""

import math
from collections.abc import Callable

import jax.numpy as jnp

from certify.enclosure import elementwise, trigonometric
from certify.enclosure import known_functions as known
from certify.enclosure.interval import Interval
from certify.enclosure.registry import BARE, Operation
from certify.enclosure.rounding import where_entire
from certify.enclosure.univariate import FUNCTIONS


def reciprocal(x: Interval, order: int) -> Interval:
    """Derivatives of `1 / x`."""
    factor = Interval.point(jnp.array((-1.0) ** order * math.factorial(order)))
    return elementwise.mul(BARE, factor, elementwise.integer_power(x, -1 - order))


def softplus(x: Interval, order: int) -> Interval:
    """Derivatives of `log(1 + exp(x))`."""
    if order == 0:
        zero = Interval.point(jnp.zeros(x.shape))
        return known.enclose_logaddexp(BARE, x, zero)
    return FUNCTIONS["logistic"].enclose(x, order - 1)


def _power(op: Operation, x: Interval, order: int, exponent: Interval) -> Interval:
    """Derivatives of `x^y` for a constant `y` and positive `x`, or integers `y`."""
    integers = elementwise.integral_exponents(exponent)
    if integers is not None:
        cases = [(n, integer_slope(x, n, order)) for n in integers]
        return elementwise.at_exponents(exponent, cases, x.shape)
    result = elementwise.power(
        op, x, elementwise.sub(BARE, exponent, Interval.point(jnp.array(float(order))))
    )
    for k in range(order):
        factor = elementwise.sub(BARE, exponent, Interval.point(jnp.array(float(k))))
        result = elementwise.mul(BARE, result, factor)
    return where_entire(x.lower <= 0, result) if order else result


def _integer_pow(op: Operation, x: Interval, order: int) -> Interval:
    return integer_slope(x, op.params["y"], order)


def integer_slope(x: Interval, exponent: int, order: int) -> Interval:
    """Derivatives of `x^n` for an integer `n`."""
    factor = math.prod(exponent - k for k in range(order))
    if factor == 0:
        return Interval.point(jnp.zeros_like(x.lower))
    point = Interval.point(jnp.array(float(factor)))
    return elementwise.mul(BARE, point, elementwise.integer_power(x, exponent - order))


def _half_integer(x: Interval, twice: int, order: int) -> Interval:
    """Derivatives of `x^(twice / 2)`, by powers of `1 / sqrt(x)`."""
    factor = math.prod(0.5 * twice - k for k in range(order))
    root = elementwise.rsqrt(BARE, x)
    power = elementwise.integer_power(root, 2 * order - twice)
    return elementwise.mul(BARE, Interval.point(jnp.array(factor)), power)


def _cycle(*rules: tuple[Callable, int]) -> Callable:
    def of(op: Operation, x: Interval, order: int) -> Interval:
        name, sign = rules[order % len(rules)]
        result = name(BARE, x)
        return result if sign > 0 else Interval(-result.upper, -result.lower)

    return of


def _logarithm(offset: float) -> Callable:
    def of(op: Operation, x: Interval, order: int) -> Interval:
        if order == 0:
            return (elementwise.log1p if offset else elementwise.log)(BARE, x)
        shifted = elementwise.add(BARE, x, Interval.point(jnp.array(offset)))
        result = reciprocal(shifted if offset else x, order - 1)
        return Interval(
            jnp.where(x.lower <= -offset, -jnp.inf, result.lower),
            jnp.where(x.lower <= -offset, jnp.inf, result.upper),
        )

    return of


def _expm1(op: Operation, x: Interval, order: int) -> Interval:
    return (elementwise.exp if order else elementwise.expm1)(BARE, x)


def _known(name: str) -> Callable:
    return lambda op, x, order: FUNCTIONS[name].enclose(x, order)


def _derivative(op: Operation, x: Interval, order: int) -> Interval:
    return FUNCTIONS[op.params["function"]].enclose(x, op.params["order"] + order)


# From the operation, an interval and an order to the range of the derivative of that order.
RANGES: dict[str, Callable] = {
    "exp": _cycle((elementwise.exp, 1)),
    "expm1": _expm1,
    "log": _logarithm(0.0),
    "log1p": _logarithm(1.0),
    "sqrt": lambda op, x, order: _half_integer(x, 1, order),
    "rsqrt": lambda op, x, order: _half_integer(x, -1, order),
    "integer_pow": _integer_pow,
    "pow": _power,
    "sin": _cycle(
        (trigonometric.sin, 1),
        (trigonometric.cos, 1),
        (trigonometric.sin, -1),
        (trigonometric.cos, -1),
    ),
    "cos": _cycle(
        (trigonometric.cos, 1),
        (trigonometric.sin, -1),
        (trigonometric.cos, -1),
        (trigonometric.sin, 1),
    ),
    "sinh": _cycle((trigonometric.sinh, 1), (trigonometric.cosh, 1)),
    "cosh": _cycle((trigonometric.cosh, 1), (trigonometric.sinh, 1)),
    "derivative": _derivative,
    **{name: _known(name) for name in ("tanh", "logistic", "erf", "erfc", "atan", "asinh")},
}
