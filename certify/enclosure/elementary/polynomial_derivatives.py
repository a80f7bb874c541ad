"""Functions whose derivatives are polynomials, in the function or times a weight.

Up to a positive weight, each derivative is a polynomial with integer coefficients,

    s^(k) = P_k w_k,

found from the one before by a linear combination of `P_k'` and `P_k`. Hence the critical points of
`s^(k)` are the roots of `P_(k+1)`, which are enclosed rigorously: the range over an interval is the
hull of the values at the ends and at the critical points in between.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from certify.enclosure.elementary.arithmetic import mul
from certify.enclosure.elementary.polynomial import (
    Polynomial,
    differentiated,
    enclosed_value,
    plus,
    real_roots,
    times,
    value,
)
from certify.enclosure.interval import Interval
from certify.enclosure.registry import BARE


class Saturation(NamedTuple):
    """A monotone function `y` with `y' = D(y)`: its derivatives are polynomials in `y` itself.

    Attributes:
        function: `y` in floating point.
        enclosed: Encloses `y`.
        slope: `D`.
    """

    function: Callable
    enclosed: Callable[[Interval], Interval]
    slope: Polynomial

    def polynomial(self, order: int) -> Polynomial:
        """Returns `P_k`, where `P_0(y) = y` and `P_(k+1) = P_k' D`."""
        p: Polynomial = (0, 1)
        for _ in range(order):
            p = times(differentiated(p), self.slope)
        return p

    def compute(self, x: Any, order: int) -> Any:
        """Returns a polynomial of the function."""
        return value(self.polynomial(order), self.function(x))

    def enclose(self, x: Interval, order: int) -> Interval:
        """Returns the range of a polynomial over the range of the function."""
        y = self.enclosed(x)
        if order == 0:
            return y
        p = self.polynomial(order)
        return hull(functools.partial(enclosed_value, p), y, differentiated(p))


class Power(NamedTuple):
    """A polynomial in the variable itself.

    Attributes:
        coefficients: The coefficients, with that of the lowest power first.
    """

    coefficients: Polynomial

    def polynomial(self, order: int) -> Polynomial:
        """Returns the derivative of that order."""
        p = self.coefficients
        for _ in range(order):
            p = differentiated(p)
        return p

    def compute(self, x: Any, order: int) -> Any:
        """Evaluates it by Horner's scheme."""
        return value(self.polynomial(order), x)

    def enclose(self, x: Interval, order: int) -> Interval:
        """Returns the hull over ends and critical points."""
        p = self.polynomial(order)
        return hull(functools.partial(enclosed_value, p), x, differentiated(p))


class Bell(NamedTuple):
    """A function whose first derivative is a positive even weight, up to sign.

    With `w_k = q w_(k+1)` and `w_k' = r_k w_(k+1)` the derivatives are `P_k w_k`, where `P_1 = +-1`
    and `P_(k+1) = P_k' q + P_k r_k`.

    Attributes:
        function: The function in floating point.
        enclosed: Encloses it.
        sign: `P_1`.
        ratio: `q`.
        decay: `r_k` as a function of `k`.
        weight: Encloses `w_k`.
        float_weight: `w_k` in floating point.
    """

    function: Callable
    enclosed: Callable[[Interval], Interval]
    sign: int
    ratio: Polynomial
    decay: Callable[[int], Polynomial]
    weight: Callable[[Interval, int], Interval]
    float_weight: Callable[[Any, int], Any]

    def polynomial(self, order: int) -> Polynomial:
        """Returns `P_k` for `k >= 1`."""
        p: Polynomial = (self.sign,)
        for k in range(1, order):
            p = plus(times(differentiated(p), self.ratio), times(p, self.decay(k)))
        return p

    def compute(self, x: Any, order: int) -> Any:
        """Returns a polynomial times a weight."""
        if order == 0:
            return self.function(x)
        return value(self.polynomial(order), x) * self.float_weight(x, order)

    def enclose(self, x: Interval, order: int) -> Interval:
        """Returns the hull over ends and critical points."""
        if order == 0:
            return self.enclosed(x)

        def at(x: Interval) -> Interval:
            return mul(BARE, enclosed_value(self.polynomial(order), x), self.weight(x, order))

        return hull(at, x, self.polynomial(order + 1))


def hull(at: Callable, x: Interval, slope: Polynomial) -> Interval:
    """Returns the hull of values at the ends and at the roots of the derivative in the interval."""
    if x.is_point:
        return at(x)
    ends = at(Interval.point(jnp.stack([x.lower, x.upper])))
    lower, upper = jnp.min(ends.lower, 0), jnp.max(ends.upper, 0)
    for (first, last), least, most in _extremes(at, slope):
        reached = (x.lower <= last) & (x.upper >= first)
        lower = jnp.where(reached, jnp.minimum(lower, least), lower)
        upper = jnp.where(reached, jnp.maximum(upper, most), upper)
    return Interval(lower, upper)


def _extremes(at: Callable, slope: Polynomial) -> list[tuple[tuple[float, float], float, float]]:
    """Returns brackets of the critical points, with bounds of the values in them."""
    if len(slope) < 2:
        return []
    brackets = real_roots(slope)
    with jax.ensure_compile_time_eval():
        first, last = jnp.asarray(brackets).T
        values = at(Interval(first, last))
        lower, upper = np.asarray(values.lower).tolist(), np.asarray(values.upper).tolist()
    return list(zip(brackets, lower, upper, strict=True))
