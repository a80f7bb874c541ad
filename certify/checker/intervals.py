"""Intervals with ends in ball arithmetic: ranges of elementary functions, rounded outward.

An end is a ball of python-flint with a radius of the size of roundings; the interval reaches from
somewhere in the lower ball to somewhere in the upper one, so ends need no directed rounding. Balls
alone would not do for wide ranges: the square of 1/2 +- 1/2 would be 1/4 +- 3/4. Where a function
is undefined or nothing is known, ends are not finite, and stay so.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from flint import arb, fmpq  # pyright: ignore[reportMissingTypeStubs]

# Squaring doubles exponents, whose length is unlimited: a few thousand would fill the memory.
_MAX_EXPONENT = 2**30


def exact(x: Fraction | int) -> Any:
    """Returns a ball around a rational number, of radius zero around a dyadic one that fits."""
    x = x if isinstance(x, Fraction) else Fraction(x)
    return arb(fmpq(x.numerator, x.denominator))


def _whole_power(ball: Any, exponent: int) -> Any:
    """Returns a positive power of a ball; python-flint knows nothing of it around a middle of 0."""
    if ball.mid() != 0 or ball.is_exact():
        return ball**exponent
    radius = abs(ball).upper() ** exponent
    return arb(0, radius)


class BallInterval:
    """All real numbers from one in the ball `low` to one in the ball `high`."""

    __slots__ = ("high", "low")

    def __init__(self, low: Any, high: Any) -> None:
        self.low, self.high = low, high

    @classmethod
    def of(cls, low: Fraction | int, high: Fraction | int) -> "BallInterval":
        """Makes the interval between two rational numbers."""
        return cls(exact(low), exact(high))

    @classmethod
    def exp(cls, x: Fraction) -> "BallInterval":
        """Makes an interval around the exponential of a rational number."""
        ball = exact(x).exp()
        return cls(ball, ball)

    @classmethod
    def point(cls, x: Fraction | int) -> "BallInterval":
        """Makes the interval of one rational number."""
        ball = exact(x)
        return cls(ball, ball)

    def is_finite(self) -> bool:
        """Says whether both ends are finite, so that something is known of them."""
        return self.low.is_finite() and self.high.is_finite()

    def moderate(self) -> "BallInterval":
        """Returns the interval, or UNKNOWN if an end is absurdly large or close to zero."""
        if self.is_finite():
            parts = (part for end in (self.low, self.high) for part in (end.mid(), end.rad()))
            if all(abs(int(part.man_exp()[1])) < _MAX_EXPONENT for part in parts):
                return self
        return UNKNOWN

    @property
    def is_point(self) -> bool:
        """Whether all its numbers are in one ball; then results of operations are such balls."""
        return self.low is self.high

    def __add__(self, other: "BallInterval") -> "BallInterval":
        low = self.low + other.low
        if self.is_point and other.is_point:
            return BallInterval(low, low)
        return BallInterval(low, self.high + other.high)

    def __sub__(self, other: "BallInterval") -> "BallInterval":
        return BallInterval(self.low - other.high, self.high - other.low)

    def __neg__(self) -> "BallInterval":
        low = -self.high
        return BallInterval(low, low if self.is_point else -self.low)

    def __mul__(self, other: "BallInterval") -> "BallInterval":
        a, b, c, d = self.low, self.high, other.low, other.high
        if a is b and c is d:
            product = a * c
            return BallInterval(product, product)
        if a >= 0:
            if c >= 0:
                return BallInterval(a * c, b * d)
            if d <= 0:
                return BallInterval(b * c, a * d)
            return BallInterval(b * c, b * d) if c < 0 < d else _hull(a * c, a * d, b * c, b * d)
        if b <= 0 and (c >= 0 or d <= 0 or c < 0 < d):
            return -(-self * other)
        if c >= 0 or d <= 0:
            return other * self
        return _hull(a * c, a * d, b * c, b * d)

    def __pow__(self, exponent: int) -> "BallInterval":
        """Returns the range of an integer power; UNKNOWN for a negative one around 0."""
        if exponent == 0:
            return BallInterval.point(1) if self.is_finite() else self
        if exponent < 0:
            if not (self.low > 0 or self.high < 0):
                return UNKNOWN
            low = 1 / self.high
            inverse = BallInterval(low, low if self.is_point else 1 / self.low)
            return inverse if exponent == -1 else inverse**-exponent
        low = _whole_power(self.low, exponent)
        if self.is_point:
            return BallInterval(low, low)
        high = _whole_power(self.high, exponent)
        if exponent % 2 or self.low >= 0:
            return BallInterval(low, high)
        if self.high <= 0:
            return BallInterval(high, low)
        return BallInterval(arb(0), low.max(high)) if self.is_finite() else UNKNOWN

    def times(self, factor: Fraction | int) -> "BallInterval":
        """Returns the product with a rational number."""
        return self * BallInterval.point(factor)

    def magnitude(self) -> Any:
        """Returns a ball whose upper end no number of the interval exceeds in size."""
        return abs(self.low).max(abs(self.high))

    def meet(self, other: "BallInterval") -> "BallInterval":
        """Returns the intersection of two intervals around the same numbers."""
        return BallInterval(self.low.max(other.low), self.high.min(other.high))

    def sharp(self) -> "BallInterval":
        """Returns the interval between numbers without radii, which would grow when it is moved."""
        return BallInterval(self.low.lower(), self.high.upper())

    def union(self, other: "BallInterval") -> "BallInterval":
        """Returns the smallest interval that contains both."""
        return BallInterval(self.low.min(other.low), self.high.max(other.high))


UNKNOWN = BallInterval(arb.nan(), arb.nan())
ZERO = BallInterval.point(0)


def _hull(*values: Any) -> BallInterval:
    low = high = values[0]
    for value in values[1:]:
        low, high = low.min(value), high.max(value)
    return BallInterval(low, high)


def increasing(name: str) -> Callable[[BallInterval], BallInterval]:
    """Returns the range map of an increasing function; python-flint knows its domain."""

    def image(x: BallInterval) -> BallInterval:
        low = getattr(x.low, name)()
        found = BallInterval(low, low if x.is_point else getattr(x.high, name)())
        return found if found.is_finite() else UNKNOWN

    return image


def real_power(x: BallInterval, exponent: Any) -> BallInterval:
    """Returns the range of `x^a`, monotone in x, for positive x and a number a in a ball."""
    if not x.low > 0:
        return UNKNOWN
    return _hull(x.low**exponent, x.high**exponent)


def cosh(x: BallInterval) -> BallInterval:
    """Returns the range of cosh, which is even and has its minimum at 0."""
    return increasing("cosh")(_magnitudes(x))


def _magnitudes(x: BallInterval) -> BallInterval:
    if x.low >= 0:
        return x
    return -x if x.high <= 0 else BallInterval(arb(0), (-x.low).max(x.high))


def cos(x: BallInterval) -> BallInterval:
    """Returns the range of the cosine, which is 1 at whole turns and -1 halfway between."""
    return _wave(x, "cos", 0, 2)


def sin(x: BallInterval) -> BallInterval:
    """Returns the range of the sine, which is 1 after a quarter of a turn and -1 after three."""
    return _wave(x, "sin", 1, 3)


def _wave(x: BallInterval, name: str, crest: int, trough: int) -> BallInterval:
    """Returns the range of a wave that is 1 and -1 after so many quarters of each turn.

    The range is between the values at the ends, unless the wave passes its crest or its trough.
    """
    if not x.is_finite():
        return UNKNOWN
    low, high, turn = x.low, x.high, 2 * arb.pi()
    ends = _hull(getattr(low, name)(), getattr(high, name)())

    def passes(quarters: int) -> bool:
        shift = arb(quarters) / 4
        return not _none_between(low / turn - shift, high / turn - shift)

    top = arb(1) if passes(crest) else ends.high
    return BallInterval(arb(-1) if passes(trough) else ends.low, top)


def tan(x: BallInterval) -> BallInterval:
    """Returns the range of the tangent, which increases between two poles."""
    pi, half = arb.pi(), arb(1) / 2
    if not (x.is_finite() and _none_between(x.low / pi - half, x.high / pi - half)):
        return UNKNOWN
    return increasing("tan")(x)


def _none_between(low: Any, high: Any) -> bool:
    """Says whether certainly no integer is in an interval."""
    below, above = low.floor(), high.floor()
    return bool(below == above) and bool(low > below)
