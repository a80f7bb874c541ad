"""Taylor coefficients of elementary functions on intervals, in powers of `v = x - u`."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from math import factorial
from typing import Any

from flint import arb, arb_series  # pyright: ignore[reportMissingTypeStubs]

from .intervals import (
    UNKNOWN,
    ZERO,
    BallInterval,
    cos,
    cosh,
    exact,
    increasing,
    real_power,
    sin,
    tan,
)

# The number of pieces into which the argument of an elementary function is cut to bound its
# derivatives, because their formulas name the argument more than once.
_PIECES = 8

# The coefficients up to an order of a function, at every point of an interval.
Series = Callable[[BallInterval, int], list[BallInterval]]


def series_over(series: Series, u: BallInterval, order: int) -> list[BallInterval]:
    """Returns the coefficients of a function on an interval, as unions of those on its pieces."""
    if u.is_point or not u.is_finite():
        return series(u, order)
    width = (u.high - u.low) / _PIECES
    cuts = [u.low, *(u.low + k * width for k in range(1, _PIECES)), u.high]
    found, *others = (series(BallInterval(a, b), order) for a, b in pairwise(cuts))
    for piece in others:
        found = [a.union(b) for a, b in zip(found, piece, strict=True)]
    return found


def power_series(u: BallInterval, exponent: int, order: int) -> list[BallInterval]:
    """Returns the coefficients of `(u + v)^n = sum_k binomial(n, k) u^(n - k) v^k`."""
    series, factor = [ZERO] * (order + 1), Fraction(1)
    for k in range(order + 1):
        if factor:
            series[k] = (u ** (exponent - k)).times(factor)
        factor = factor * (exponent - k) / (k + 1)
    return series


def real_power_series(u: BallInterval, power: Any, order: int) -> list[BallInterval]:
    """Returns the coefficients of a real power with its exponent in a ball, for positive u."""
    series, factor = [], arb(1)
    for k in range(order + 1):
        series.append(real_power(u, power - k) * BallInterval(factor, factor))
        factor = factor * (power - k) / (k + 1)
    return series


def _share(x: BallInterval, k: int) -> BallInterval:
    return x.times(Fraction(1, factorial(k))) if k > 1 else x


def _exp(u: BallInterval, order: int) -> list[BallInterval]:
    value = increasing("exp")(u)
    return [_share(value, k) for k in range(order + 1)]


def _log(u: BallInterval, order: int) -> list[BallInterval]:
    if not u.low > 0:
        return [UNKNOWN] * (order + 1)
    slopes = ((u**-k).times(Fraction((-1) ** (k + 1), k)) for k in range(1, order + 1))
    return [increasing("log")(u), *slopes]


def _sqrt(u: BallInterval, order: int) -> list[BallInterval]:
    result, factor = [], Fraction(1)
    for k in range(order + 1):
        result.append(real_power(u, exact(Fraction(1, 2) - k)).times(factor))
        factor = factor * (Fraction(1, 2) - k) / (k + 1)
    return result


def _cycle(order: int, *values: BallInterval) -> list[BallInterval]:
    return [_share(values[k % len(values)], k) for k in range(order + 1)]


def _sin(u: BallInterval, order: int) -> list[BallInterval]:
    sine, cosine = sin(u), cos(u)
    return _cycle(order, sine, cosine, -sine, -cosine)


def _cos(u: BallInterval, order: int) -> list[BallInterval]:
    sine, cosine = sin(u), cos(u)
    return _cycle(order, cosine, -sine, -cosine, sine)


def _sinh(u: BallInterval, order: int) -> list[BallInterval]:
    return _cycle(order, increasing("sinh")(u), cosh(u))


def _cosh(u: BallInterval, order: int) -> list[BallInterval]:
    return _cycle(order, cosh(u), increasing("sinh")(u))


def _tanh(u: BallInterval, order: int) -> list[BallInterval]:
    """Uses that `t = tanh u` has the slope `s = 1 - t^2 = cosh(u)^-2`."""
    return _tangent(increasing("tanh")(u), cosh(u) ** -2, order, -1)


def _tan(u: BallInterval, order: int) -> list[BallInterval]:
    """Uses that `t = tan u` has the slope `s = 1 + t^2`."""
    t = tan(u)
    return _tangent(t, t**2 + BallInterval.point(1), order, 1)


def _tangent(t: BallInterval, s: BallInterval, order: int, sign: int) -> list[BallInterval]:
    """Returns the coefficients of a function t of u with the slope `s = 1 + sign t^2`.

    If its k-th derivative is `s p(t)`, the next one is `s (s p'(t) + 2 sign t p(t))`, again s times
    a polynomial in t.
    """
    result, p = [t], [1]
    for k in range(1, order + 1):
        value = ZERO
        for exponent, c in enumerate(p):
            if c:
                value = value + (t**exponent).times(c)
        result.append(_share(s * value, k))
        longer = [0] * (len(p) + 1)
        for exponent, c in enumerate(p):
            longer[exponent + 1] += 2 * sign * c
            if exponent:
                longer[exponent - 1] += exponent * c
                longer[exponent + 1] += sign * exponent * c
        p = longer
    return result


def _by_slope(name: str) -> Series:
    """Returns the series of an increasing function whose derivatives python-flint computes."""

    def series(u: BallInterval, order: int) -> list[BallInterval]:
        middle, radius = (u.low + u.high) / 2, (u.high - u.low) / 2
        ball = middle + arb(0, 1) * radius
        found = getattr(arb_series([ball, 1], prec=order + 1), name)().coeffs()
        found = [BallInterval(c, c) for c in [*found, *[arb(0)] * (order + 1 - len(found))]]
        return [increasing(name)(u), *found[1:]]

    return series


def _acos(u: BallInterval, order: int) -> list[BallInterval]:
    """Returns the coefficients of `pi / 2 - asin`."""
    first, *others = _by_slope("asin")(u, order)
    half = arb.pi() / 2
    return [BallInterval(half, half) - first, *(-x for x in others)]


SERIES: dict[str, Series] = {
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "sin": _sin,
    "cos": _cos,
    "tan": _tan,
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": _tanh,
    "atan": _by_slope("atan"),
    "asin": _by_slope("asin"),
    "acos": _acos,
    "erf": _by_slope("erf"),
}
