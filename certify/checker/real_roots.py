"""Real roots of polynomials with rational coefficients, all of them, by Sturm's theorem."""

from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm
from typing import NamedTuple

from .exact import Work

# A polynomial by its integer coefficients, the constant one first, without zeros at the end.
Coefficients = list[int]


class RootInterval(NamedTuple):
    """An interval `lower < x <= upper` with exactly one root, by dyadic rationals."""

    lower: Fraction
    upper: Fraction


class RealRoots:
    """The real roots of a polynomial that is not zero, in intervals that can be made smaller.

    Let p be squarefree, which the polynomial becomes by dividing by the greatest common divisor
    with its derivative: the roots are the same. The sequence `p, p', ...` of remainders with their
    signs changed has, at a point x, so many changes of sign (zeros left out); between a and b, with
    `p(a)` and `p(b)` zero or not, it loses one for each root in `(a, b]` (Sturm).
    """

    def __init__(self, polynomial: list[Fraction], work: Work) -> None:
        self._work = work
        coefficients = _whole(polynomial)
        if not coefficients:
            raise ValueError("RealRoots: the polynomial is zero.")
        common = _common_divisor(coefficients, _derivative(coefficients))
        self.squarefree = _quotient(coefficients, common)
        self._chain = [self.squarefree, _primitive(_derivative(self.squarefree))]
        while len(self._chain[-1]) > 1:
            rest = _primitive([-x for x in _remainder(self._chain[-2], self._chain[-1])])
            if not rest:
                break
            self._chain.append(rest)
        if not self._chain[-1]:
            self._chain.pop()
        self._longest = max(x.bit_length() for p in self._chain for x in p)

    def isolated(self) -> list[RootInterval]:
        """Returns disjoint intervals, in order, each with one root, that have all real roots."""
        first = abs(self.squarefree[-1])
        # Cauchy: every root is smaller in size than one plus the largest quotient.
        bound = Fraction(2 + max(map(abs, self.squarefree)) // first)
        bound = Fraction(1 << bound.numerator.bit_length())
        found, open_ = [], [(-bound, bound, self.changes(-bound), self.changes(bound))]
        while open_:
            low, high, more, fewer = open_.pop()
            if more - fewer == 1:
                found.append(RootInterval(low, high))
            elif more > fewer:
                middle = (low + high) / 2
                between = self.changes(middle)
                open_ += [(low, middle, more, between), (middle, high, between, fewer)]
        return sorted(found)

    def refined(self, root: RootInterval, width: Fraction) -> RootInterval:
        """Returns a part of the interval of a root, at most so wide, that still has it."""
        low, high = root
        sign = _sign(self.squarefree, high)
        if sign == 0:
            return RootInterval(max(low, high - width), high)
        while high - low > width:
            middle = (low + high) / 2
            self._pay(middle, len(self.squarefree))
            found = _sign(self.squarefree, middle)
            if found == 0:
                return RootInterval(max(low, middle - width), middle)
            low, high = (low, middle) if found == sign else (middle, high)
        return RootInterval(low, high)

    def changes(self, x: Fraction) -> int:
        """Returns how often the signs of the sequence change at a point."""
        self._pay(x, sum(map(len, self._chain)))
        signs = [s for s in (_sign(p, x) for p in self._chain) if s]
        return sum(s != t for s, t in pairwise(signs))

    def _pay(self, x: Fraction, terms: int) -> None:
        """Pays for values of polynomials of so many terms, before they are computed."""
        bits = x.denominator.bit_length() + x.numerator.bit_length() + self._longest
        self._work.pay(16 * terms * (1 + bits // 1000) ** 2)


def _sign(polynomial: Coefficients, x: Fraction) -> int:
    """Returns the sign of `p(n / d) d^degree`, by Horner's rule in integers; d is positive."""
    n, d = x.numerator, x.denominator
    total, power = 0, 1
    for coefficient in reversed(polynomial):
        total = total * n + coefficient * power
        power *= d
    return (total > 0) - (total < 0)


def _whole(polynomial: list[Fraction]) -> Coefficients:
    scale = lcm(*(x.denominator for x in polynomial)) if polynomial else 1
    return _primitive([int(x * scale) for x in polynomial])


def _primitive(polynomial: Coefficients) -> Coefficients:
    """Returns a polynomial divided by the (positive) divisor of its coefficients."""
    trimmed = list(polynomial)
    while trimmed and not trimmed[-1]:
        trimmed.pop()
    common = gcd(*trimmed)
    return [x // common for x in trimmed]


def _derivative(polynomial: Coefficients) -> Coefficients:
    return [k * x for k, x in enumerate(polynomial)][1:]


def _remainder(dividend: Coefficients, divisor: Coefficients) -> Coefficients:
    """Returns a positive multiple of the remainder of a division."""
    rest, lead = list(dividend), divisor[-1]
    while len(rest) >= len(divisor):
        top, shift = rest[-1], len(rest) - len(divisor)
        sign = 1 if lead > 0 else -1
        rest = [abs(lead) * x for x in rest]
        for k, x in enumerate(divisor):
            rest[shift + k] -= sign * top * x
        rest.pop()  # it is zero now
        while rest and not rest[-1]:
            rest.pop()
    return rest


def _common_divisor(left: Coefficients, right: Coefficients) -> Coefficients:
    left, right = _primitive(left), _primitive(right)
    while right:
        left, right = right, _primitive(_remainder(left, right))
    return left


def _quotient(dividend: Coefficients, divisor: Coefficients) -> Coefficients:
    """Returns the primitive polynomial that is a positive multiple of an exact quotient."""
    rest, found = [Fraction(x) for x in dividend], []
    while len(rest) >= len(divisor):
        factor = rest[-1] / divisor[-1]
        found.append(factor)
        shift = len(rest) - len(divisor)
        for k, x in enumerate(divisor):
            rest[shift + k] -= factor * x
        rest.pop()
    return _whole(found[::-1])
