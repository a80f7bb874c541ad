"""Rounding to the safe side: from exact numbers to float64, and the units of float64."""

from fractions import Fraction
from typing import Any

import numpy as np

# The distance from 1 to the next float64, and the smallest normal number.
EPSILON = 2.0**-52
TINY = float(np.finfo(np.float64).tiny)


def float_below(x: Fraction) -> float:
    """The largest float64 that is at most `x`."""
    value = float(x)
    return value if Fraction(value) <= x else float(np.nextafter(value, -np.inf))


def float_above(x: Fraction) -> float:
    """The smallest float64 that is at least `x`."""
    return -float_below(-x)


def root_above(square: Fraction) -> float:
    """A float64 whose square is at least `square`, and hardly more."""
    root = float(square) ** 0.5
    while Fraction(root) ** 2 < square:
        root = float(np.nextafter(root, np.inf))
    return root


def next_above(value: Any) -> Any:
    """The next larger float64 of each: what a rounded operation gives is less than that away."""
    return np.nextafter(value, np.inf)


def next_below(value: Any) -> Any:
    """The next smaller float64 of each."""
    return np.nextafter(value, -np.inf)


def raised(value: Any, operations: int) -> Any:
    """An upper bound on what non-negative numbers give in this many rounded operations."""
    return value * (1.0 + (operations + 2) * EPSILON) + (operations + 2) * 4.0 * TINY
