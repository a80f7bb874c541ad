"""Directed rounding of exact numbers to float64, and the units of float64."""

import decimal
from fractions import Fraction
from typing import Any

import numpy as np

# The distance from 1 to the next float64, and the smallest normal number.
EPSILON = 2.0**-52
TINY = float(np.finfo(np.float64).tiny)


def float_below(x: Fraction) -> float:
    """Returns the largest float64 that is at most `x`."""
    value = float(x)
    return value if Fraction(value) <= x else float(np.nextafter(value, -np.inf))


def float_above(x: Fraction) -> float:
    """Returns the smallest float64 that is at least `x`."""
    return -float_below(-x)


def root_above(square: Fraction) -> float:
    """Returns a float64 whose square is at least `square`, and hardly more."""
    root = float(square) ** 0.5
    while Fraction(root) ** 2 < square:
        root = float(np.nextafter(root, np.inf))
    return root


def next_above(value: Any) -> Any:
    """Returns the next larger float64 of each value; an operation rounds by less than that."""
    return np.nextafter(value, np.inf)


def next_below(value: Any) -> Any:
    """Returns the next smaller float64 of each value."""
    return np.nextafter(value, -np.inf)


def raised(value: Any, operations: int) -> Any:
    """Bounds from above a result of non-negative numbers after so many rounded operations."""
    return value * (1.0 + (operations + 2) * EPSILON) + (operations + 2) * 4.0 * TINY


# Enough digits for a relative error that no float64 sees.
_DIGITS = 50
_DOWN = decimal.Context(prec=_DIGITS, rounding=decimal.ROUND_FLOOR)
_UP = decimal.Context(prec=_DIGITS, rounding=decimal.ROUND_CEILING)


def exp_below(x: Fraction) -> Fraction:
    """Returns a lower bound on `exp(x)`, `x <= 1000`; it is zero where floats have no such number.

    The functions of `decimal` are correctly rounded, so that the next number bounds the result.
    """
    if x < -744:
        return Fraction(0)
    return Fraction(_DOWN.next_minus(_DOWN.exp(_decimal(x, _DOWN))))


def exp_above(x: Fraction) -> Fraction:
    """Returns an upper bound on `exp(x)`, `x <= 1000`, and at least the smallest float64."""
    if x < -744:
        x = Fraction(-744)
    return Fraction(_UP.next_plus(_UP.exp(_decimal(x, _UP))))


def log_below(x: Fraction) -> Fraction:
    """Returns a lower bound on the natural logarithm of a positive number."""
    return Fraction(_DOWN.next_minus(_DOWN.ln(_decimal(x, _DOWN))))


def log_above(x: Fraction) -> Fraction:
    """Returns an upper bound on the natural logarithm of a positive number."""
    return Fraction(_UP.next_plus(_UP.ln(_decimal(x, _UP))))


def _decimal(x: Fraction, context: decimal.Context) -> decimal.Decimal:
    """Rounds a fraction to a decimal number, to the side of the context."""
    return context.divide(decimal.Decimal(x.numerator), decimal.Decimal(x.denominator))
