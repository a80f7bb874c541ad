"""A simplex tableau of integers, pivoted without fractions and without cycles.

The system is `A x + s = b` with integers `A`, `b >= 0`, variables `x >= 0` and slacks `s >= 0`. All
entries share one positive denominator, the determinant of the basis, so that a pivot multiplies and
divides integers without a remainder (Bareiss, 1968; Edmonds, 1967).

Ties of the ratio test are broken as if `b_i` were larger by `e^i` for a tiny positive `e` (the
lexicographic rule of Dantzig, Orden and Wolfe, 1955). With `e` tiny enough no basic variable is
zero then: the basic solutions are vertices of a simple polytope near the one that is asked for.
"""

import math
from collections.abc import Sequence
from fractions import Fraction


class Tableau:
    """The tableau at one basis.

    Variables are numbered: first those of `x`, then the slacks.

    Attributes:
        rows: One row of integers per basic variable: coefficients of all variables, then `b`.
        basis: The basic variable of each row.
        denominator: What all entries are to be divided by.
    """

    def __init__(self, rows: list[list[int]], basis: list[int], denominator: int, columns: int):
        self.rows, self.basis, self.denominator = rows, basis, denominator
        self._order = (-1, *range(columns, columns + len(rows)))
        self._columns = columns

    @classmethod
    def of(cls, matrix: Sequence[Sequence[int]], right: Sequence[int]) -> "Tableau":
        """Returns the tableau at which `x` is zero and all slacks are basic."""
        count, columns = len(matrix), len(matrix[0])
        unit = [[int(i == j) for j in range(count)] for i in range(count)]
        rows = [[*map(int, row), *e, int(b)] for row, e, b in zip(matrix, unit, right, strict=True)]
        return cls(rows, list(range(columns, columns + count)), 1, columns)

    def leaving(self, column: int) -> int | None:
        """Returns the row whose variable leaves the basis when one enters, or None if none does.

        It is the first one to become zero, once `b_i` is `b_i + e^i`; there are no ties.
        """
        rows = self.rows
        candidates = [r for r, row in enumerate(rows) if row[column] > 0]
        for q in self._order:
            if len(candidates) <= 1:
                break
            kept = [candidates[0]]
            for r in candidates[1:]:
                best = rows[kept[0]]
                difference = rows[r][q] * best[column] - best[q] * rows[r][column]
                if difference < 0:
                    kept = [r]
                elif difference == 0:
                    kept.append(r)
            candidates = kept
        return candidates[0] if candidates else None

    def pivoted(self, row: int, column: int) -> "Tableau":
        """Returns the tableau at which the variable of a column replaces that of a row."""
        pivot_row, denominator = self.rows[row], self.denominator
        pivot = pivot_row[column]
        rows = []
        for r, own in enumerate(self.rows):
            factor = own[column]
            if r == row:
                rows.append(own)
            elif factor:
                rows.append(
                    [
                        (a * pivot - factor * b) // denominator
                        for a, b in zip(own, pivot_row, strict=True)
                    ]
                )
            else:
                rows.append([a * pivot // denominator for a in own])
        basis = [*self.basis]
        basis[row] = column
        return Tableau(rows, basis, pivot, self._columns)

    def maximised(self, cost: Sequence[int]) -> tuple["Tableau", list[Fraction]]:
        """Maximises a linear function that is bounded, by the simplex method.

        Args:
            cost: Its coefficients: integers, one for each variable of `x`.

        Returns:
            The tableau at a maximum, and the multipliers of the rows, which prove it.
        """
        tableau, whole = self, [*cost, *[0] * len(self.rows)]
        while True:
            # Reduced costs of all variables, times the denominator.
            reduced = [value * tableau.denominator for value in whole]
            for row, variable in zip(tableau.rows, tableau.basis, strict=True):
                if whole[variable]:
                    reduced = [r - whole[variable] * a for r, a in zip(reduced, row, strict=False)]
            column = max(range(len(reduced)), key=reduced.__getitem__)
            if reduced[column] <= 0:
                break
            leaving = tableau.leaving(column)
            assert leaving is not None, "the function is bounded"
            tableau = tableau.pivoted(leaving, column)
        return tableau, [Fraction(-r, tableau.denominator) for r in reduced[self._columns :]]

    def values(self) -> list[Fraction]:
        """Returns the values of all variables at the basis."""
        result = [Fraction(0)] * (self._columns + len(self.rows))
        for row, variable in zip(self.rows, self.basis, strict=True):
            result[variable] = Fraction(row[-1], self.denominator)
        return result

    def direction(self) -> tuple[int, ...]:
        """Returns x at the basis, times a positive number: coprime integers, or zeros."""
        result = [0] * self._columns
        for row, variable in zip(self.rows, self.basis, strict=True):
            if variable < self._columns:
                result[variable] = row[-1]
        common = math.gcd(*result) or 1
        return tuple(value // common for value in result)

    def zeros(self) -> int:
        """Returns which variables are zero at the basis, as the bits of an integer."""
        mask = (1 << (self._columns + len(self.rows))) - 1
        for row, variable in zip(self.rows, self.basis, strict=True):
            if row[-1]:
                mask &= ~(1 << variable)
        return mask
