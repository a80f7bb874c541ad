"""The function `sin(x) / x` with its derivatives of every order, smooth at zero.

    s^(k)(x) = int_0^1 t^k cos(t x + k pi / 2) dt

Hence `|s^(k)| <= 1 / (k + 1)`, and `s^(k)` is monotone in `|x|` up to pi for even `k`, monotone in
`x` up to half of that for odd `k`: there the integrand of the next derivative keeps its sign.
"""

import math
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np

from certify.enclosure.elementary import arithmetic
from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_entire, widened
from certify.enclosure.registry import BARE
from certify.rounding import EPSILON

# Up to the first number `compute` uses a power series with this many terms, beyond it a recursion.
_NEAR, _TERMS = 2.0, 18
# The place of the least value, the least value, and the largest value beyond that place.
_FIRST_MINIMUM, _LEAST, _NEXT = 4.4934, -0.2172336283, 0.1283745536


class Sinc:
    """The function `sin(x) / x` with its derivatives (see `univariate.Univariate`)."""

    def compute(self, x: Any, order: int) -> Any:
        """Computes by a power series near zero, else by `x s^(k) + k s^(k-1) = sin^(k)(x)`."""
        return jnp.where(jnp.abs(x) <= _NEAR, self._near(x, order), self._far(x, order))

    @staticmethod
    def _near(x: Any, order: int) -> Any:
        x = jnp.clip(x, -_NEAR, _NEAR)
        first = (order + 1) // 2
        result = jnp.zeros_like(x)
        for m in reversed(range(first, first + _TERMS)):
            factor = Fraction(math.perm(2 * m, order), math.factorial(2 * m + 1))
            result = result * (x * x) + (-1) ** m * float(factor)
        return result * x if order % 2 else result

    @staticmethod
    def _far(x: Any, order: int) -> Any:
        x = jnp.where(jnp.abs(x) <= _NEAR, _NEAR, x)
        sine, cosine = jnp.sin(x), jnp.cos(x)
        waves = (sine, cosine, -sine, -cosine)
        result = sine / x
        for k in range(1, order + 1):
            result = (waves[k % 4] - k * result) / x
        return result

    @staticmethod
    def _error(order: int) -> float:
        """Bounds the error of `compute`.

        Near zero the terms of the series sum up to less than cosh(2) < 4, the next one is less than
        `2^34 / 34!`, and Horner's scheme has less than `4 _TERMS` operations, each of which loses
        half a unit. In the recursion sines are within four units and each step loses three of
        numbers below `1 + k`, and divides by two at least.
        """
        far = 4.0 * EPSILON
        for k in range(1, order + 1):
            far = (4.0 * EPSILON + k * far) / _NEAR + 4.0 * (1 + k) * EPSILON
        return max(2.0 * far, 4.0 * (4 * _TERMS) * EPSILON)

    def _at(self, x: Any, order: int) -> Interval:
        value = self.compute(x, order)
        error = jnp.full_like(value, self._error(order))
        return widened(value, value, error, error)

    def enclose(self, x: Interval, order: int) -> Interval:
        """Encloses exactly up to rounding where monotone, else by the mean value theorem.

        Nothing is known of a number that may overflow: the code's result is NaN then.
        """
        most = float(np.nextafter(1.0 / (order + 1), 1.0))
        if x.is_point:
            result = self._at(x.lower, order)
        else:
            first, last = self._at(x.lower, order), self._at(x.upper, order)
            low = jnp.minimum(first.lower, last.lower)
            high = jnp.maximum(first.upper, last.upper)
            if order % 2 == 0:
                centre = self._at(jnp.zeros_like(low), order)
                inside = (x.lower <= 0) & (x.upper >= 0)
                low = jnp.where(inside, jnp.minimum(low, centre.lower), low)
                high = jnp.where(inside, jnp.maximum(high, centre.upper), high)
            if order == 0:
                far = x.magnitude > _FIRST_MINIMUM
                low = jnp.where(far, jnp.minimum(low, _LEAST), low)
                high = jnp.where(far, jnp.maximum(high, _NEXT), high)
            else:
                far = x.magnitude > (3.14 if order % 2 == 0 else 1.57)
                mean = self._by_mean_value(x, order)
                low, high = jnp.where(far, mean.lower, low), jnp.where(far, mean.upper, high)
            result = Interval(low, high)
        result = Interval(jnp.maximum(result.lower, -most), jnp.minimum(result.upper, most))
        return where_entire(jnp.isinf(x.magnitude), result)

    def _by_mean_value(self, x: Interval, order: int) -> Interval:
        middle = jnp.clip(0.5 * x.lower + 0.5 * x.upper, x.lower, x.upper)
        centre = Interval.point(middle)
        most = jnp.full_like(middle, float(np.nextafter(1.0 / (order + 2), 1.0)))
        away = arithmetic.sub(BARE, x, centre)
        change = arithmetic.mul(BARE, Interval(-most, most), away)
        return arithmetic.add(BARE, self._at(middle, order), change)
