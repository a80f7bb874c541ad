"""Positive definiteness the slow and obvious way, in rational numbers: an oracle for tests."""

from fractions import Fraction


def eliminated(matrix: list[list[int]]) -> list[Fraction]:
    """The pivots of rational elimination, up to the first that is not positive."""
    rows = [[Fraction(x) for x in row] for row in matrix]
    pivots = []
    for k, pivot_row in enumerate(rows):
        pivots.append(pivot_row[k])
        if pivots[-1] <= 0:
            break
        for i in range(k + 1, len(rows)):
            factor = rows[i][k] / pivots[-1]
            rows[i] = [x - factor * y for x, y in zip(rows[i], pivot_row, strict=True)]
    return pivots


def exactly_positive_definite(matrix: list[list[int]]) -> bool:
    """Says whether a symmetric matrix is positive definite."""
    return all(pivot > 0 for pivot in eliminated(matrix))


def last_schur_complement(matrix: list[list[int]]) -> Fraction:
    """By how much the last diagonal entry is too large for the matrix to be singular.

    The matrix without its last row and column is positive definite.
    """
    return eliminated(matrix)[-1]
