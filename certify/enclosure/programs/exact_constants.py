"""Arithmetic of constants that floats do without any error.

`0.5 * (3.0 - 1.0)` is 1, not an interval around it; code uses such numbers as positions.
"""

import operator
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from certify.enclosure.interval import Interval
from certify.rounding import TINY

_ARITHMETIC: dict[str, Callable] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}
_MOST_ENTRIES = 32


def exact_result(name: str, operands: Sequence[Any]) -> np.ndarray | None:
    """Returns the result of an operation on known points if rational arithmetic finds the same."""
    if name not in _ARITHMETIC or len(operands) != 2:
        return None
    if not all(isinstance(x, Interval) and x.is_point for x in operands):
        return None
    x, y = (np.asarray(operand.lower) for operand in operands)
    if x.dtype != np.float64 or y.dtype != np.float64 or x.size * y.size == 0:
        return None
    x, y = np.broadcast_arrays(x, y)
    if x.size > _MOST_ENTRIES or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    operation = _ARITHMETIC[name]
    with np.errstate(all="ignore"):
        result = np.asarray(operation(x, y))
    rows = zip(x.ravel().tolist(), y.ravel().tolist(), result.ravel().tolist(), strict=True)
    return result if all(_is_exact(operation, *row) for row in rows) else None


def _is_exact(operation: Callable, x: float, y: float, result: float) -> bool:
    if (
        not np.isfinite(result)
        or 0 < abs(result) < TINY
        or (operation is operator.truediv and not y)
    ):
        return False
    return operation(Fraction(x), Fraction(y)) == Fraction(result)
