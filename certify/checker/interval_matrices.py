"""Matrices of rational intervals, by their centres and radii."""

from fractions import Fraction
from math import lcm
from typing import NamedTuple

from .exact import positive_definite

Rows = list[list[Fraction]]


def product(left: Rows, right: Rows) -> Rows:
    """Returns the product of two matrices."""
    columns = list(zip(*right, strict=True))
    return [
        [
            sum((x * y for x, y in zip(row, column, strict=True) if x), Fraction(0))
            for column in columns
        ]
        for row in left
    ]


def plus(left: Rows, right: Rows) -> Rows:
    """Returns the sum of two matrices."""
    return [[x + y for x, y in zip(*rows, strict=True)] for rows in zip(left, right, strict=True)]


def absolute(matrix: Rows) -> Rows:
    """Returns the matrix of absolute values."""
    return [[abs(x) for x in row] for row in matrix]


def identity(size: int) -> Rows:
    """Returns the identity."""
    return [[Fraction(i == j) for j in range(size)] for i in range(size)]


def column(vector: list[Fraction]) -> Rows:
    """Returns a vector as a matrix of one column."""
    return [[x] for x in vector]


def flat(matrix: Rows) -> list[Fraction]:
    """Returns the entries of a matrix, row by row."""
    return [x for row in matrix for x in row]


class RationalIntervalMatrix(NamedTuple):
    """All real matrices that differ from `centre` by at most `radius`, entry by entry."""

    centre: Rows
    radius: Rows

    def times(self, right: Rows) -> "RationalIntervalMatrix":
        """Returns an enclosure of the product with an exact matrix on the right."""
        return RationalIntervalMatrix(
            product(self.centre, right), product(self.radius, absolute(right))
        )

    def after(self, left: Rows) -> "RationalIntervalMatrix":
        """Returns an enclosure of the product with an exact matrix on the left."""
        return RationalIntervalMatrix(
            product(left, self.centre), product(absolute(left), self.radius)
        )

    def plus(self, other: "RationalIntervalMatrix") -> "RationalIntervalMatrix":
        """Returns an enclosure of the sum."""
        return RationalIntervalMatrix(
            plus(self.centre, other.centre), plus(self.radius, other.radius)
        )

    def shifted(self, matrix: Rows) -> "RationalIntervalMatrix":
        """Returns the sum with an exact matrix."""
        return RationalIntervalMatrix(plus(self.centre, matrix), self.radius)

    def widened(self, more: Rows) -> "RationalIntervalMatrix":
        """Returns the same matrix with larger radii."""
        return RationalIntervalMatrix(self.centre, plus(self.radius, more))

    def block(self, rows: slice, columns: slice) -> "RationalIntervalMatrix":
        """Returns a part."""
        return RationalIntervalMatrix(*([row[columns] for row in m[rows]] for m in self))

    def transposed(self) -> "RationalIntervalMatrix":
        """Returns the transposed matrix."""
        return RationalIntervalMatrix(
            *([list(line) for line in zip(*m, strict=True)] for m in self)
        )

    def magnitude(self) -> Rows:
        """Returns the largest absolute value of each entry."""
        return plus(absolute(self.centre), self.radius)

    def is_positive(self, scaling: list[Fraction]) -> bool:
        """Says whether `A + A'` is proved positive definite for every A of the interval matrix.

        For any positive t, `|E| <= R` with a symmetric R implies `E >= -diag((R t)_i / t_i)`, see
        `exact.family_positive_definite`.
        """
        turned = self.transposed()
        middle, loose = plus(self.centre, turned.centre), plus(self.radius, turned.radius)
        for i, row in enumerate(loose):
            middle[i][i] -= sum(r * t for r, t in zip(row, scaling, strict=True)) / scaling[i]
        scale = lcm(*(x.denominator for row in middle for x in row))
        return positive_definite([[int(x * scale) for x in row] for row in middle])
