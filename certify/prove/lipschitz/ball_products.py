"""Matrices of numbers known up to a radius, and their products with every rounding error paid.

The only assumption about NumPy is that sums of products are rounded to nearest, in any order
(Higham, *Accuracy and Stability of Numerical Algorithms*, sections 3.1 and 3.5): the sum of `d`
products is off by at most `d 2^-53 / (1 - d 2^-53)` times the sum of their sizes, and by underflow.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.rounding import EPSILON, TINY, next_above, raised


class BallMatrix(NamedTuple):
    """All real matrices, or vectors, whose entries differ from the centre by at most the radius.

    Attributes:
        centre: Floats.
        radius: Non-negative floats of the same shape.
    """

    centre: Float[np.ndarray, "*shape"]
    radius: Float[np.ndarray, "*shape"]

    @classmethod
    def exact(cls, values: Float[np.ndarray, "*shape"]) -> "BallMatrix":
        """The floats themselves."""
        return cls(values, np.zeros_like(values))

    @property
    def size(self) -> Float[np.ndarray, "*shape"]:
        """Bounds the size of each entry from above."""
        sizes = np.abs(self.centre)
        return raised(sizes + self.radius, 2) if self.radius.any() else sizes

    @property
    def transposed(self) -> "BallMatrix":
        """The transposed matrix."""
        return BallMatrix(self.centre.T, self.radius.T)

    def scaled(self, exponent: int) -> "BallMatrix":
        """Multiplies by a power of two; what underflows is added to the radius."""
        with np.errstate(under="ignore"):
            centre, radius = (np.ldexp(part, exponent) for part in self)
            same = [np.ldexp(part, -exponent) for part in (centre, radius)]
        lost = (same[0] != self.centre) | (same[1] != self.radius)
        return BallMatrix(centre, np.where(lost, next_above(radius + 2 * TINY), radius))


def product(left: BallMatrix, right: BallMatrix) -> BallMatrix:
    """Encloses a product of matrices, or of a matrix and a vector.

    >>> half = BallMatrix(np.full((1, 1), 0.5), np.full((1, 1), 0.25))
    >>> found = product(half, half)
    >>> bool(found.centre[0, 0] - found.radius[0, 0] <= 0.0625), found.centre.tolist()
    (True, [[0.25]])
    """
    count = left.centre.shape[-1]
    centre = left.centre @ right.centre
    sizes, others = left.size, right.size
    radius = raised(sizes @ others, 4 * count) * (count + 2) * EPSILON + 16 * count * TINY
    if left.radius.any():
        radius = radius + raised(left.radius @ others, 4 * count)
    if right.radius.any():
        radius = radius + raised(sizes @ right.radius, 4 * count)
    return BallMatrix(centre, raised(radius, 4))


def rescaled(matrix: BallMatrix, factor: float) -> BallMatrix:
    """Encloses a matrix times a float."""
    if factor == 1.0:
        return matrix
    centre = factor * matrix.centre
    radius = raised(abs(factor) * matrix.radius + np.abs(centre) * EPSILON, 4)
    return BallMatrix(centre, radius)


def total(left: BallMatrix, right: BallMatrix) -> BallMatrix:
    """Encloses a sum."""
    centre = left.centre + right.centre
    return BallMatrix(centre, raised(left.radius + right.radius + np.abs(centre) * EPSILON, 4))
