"""Upper bounds of non-negative numbers, whose sums, products and roots are upper bounds again."""

from typing import Any

import numpy as np

from certify.rounding import TINY, next_above


class Upper:
    """Non-negative float64 numbers, arithmetic with which is rounded up, in NumPy.

    Each operation is correctly rounded, so that the next float above its result bounds the exact
    one. Zero is exact: it stays zero in products and sums. A product below the smallest normal
    number counts as that number, in case the processor flushes it to zero.

    >>> float((Upper(0.1) * Upper(0.1)).value) > 0.1 * 0.1
    True
    """

    __array_ufunc__ = None

    def __init__(self, value: Any):
        self.value = np.asarray(value, np.float64)

    def __getitem__(self, index: Any) -> "Upper":
        return Upper(self.value[index])

    def __add__(self, other: Any) -> "Upper":
        a, b = self.value, _value(other)
        return Upper(np.where(a == 0.0, b, np.where(b == 0.0, a, next_above(a + b))))

    def __mul__(self, other: Any) -> "Upper":
        a, b = self.value, _value(other)
        with np.errstate(invalid="ignore"):
            product = next_above(np.maximum(a * b, TINY))
        return Upper(np.where((a == 0.0) | (b == 0.0), 0.0, product))

    def __truediv__(self, other: Any) -> "Upper":
        """The quotient by positive numbers, exact ones."""
        a = self.value
        return Upper(np.where(a == 0.0, 0.0, next_above(np.maximum(a / _value(other), TINY))))

    __radd__, __rmul__ = __add__, __mul__

    def minimum(self, other: Any) -> "Upper":
        """The smaller one of two upper bounds, which is one too."""
        return Upper(np.minimum(self.value, _value(other)))

    def root(self) -> "Upper":
        """The square root."""
        return Upper(np.where(self.value == 0.0, 0.0, next_above(np.sqrt(self.value))))

    def sum(self, axis: int) -> "Upper":
        """The sum along an axis, whatever its order: n terms are rounded n - 1 times."""
        total, terms = self.value.sum(axis), self.value.shape[axis]
        return Upper(np.where(total == 0.0, 0.0, total * (1.0 + (terms + 2) * 2.0**-52)))


def _value(other: Any) -> Any:
    return other.value if isinstance(other, Upper) else np.asarray(other, np.float64)
