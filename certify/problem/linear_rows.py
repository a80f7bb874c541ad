"""Shared linear constraints in coordinates, and how a certificate states them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

import dgames as dg
from certify.problem.region import Region


@dataclass(frozen=True)
class LinearRows:
    """The rows `A x <= b` and `A x = b` on vectors, in the order in which they were given.

    Attributes:
        matrix: A.
        bounds: b.
        is_equality: Which rows are equations.
    """

    matrix: Float[np.ndarray, "rows n"]
    bounds: Float[np.ndarray, " rows"]
    is_equality: Bool[np.ndarray, " rows"]

    @classmethod
    def of(cls, game: dg.Game | dg.AbstractField, region: Region) -> "LinearRows | None":
        """Returns the rows of a game or a field; None if it has no shared constraints at all.

        Raises:
            ValueError: If a number in a row is not finite, or all numbers are zero.
        """
        shared, size = game.shared_constraints(region.example), region.dimension
        parts = [(np.zeros((0, size)), np.zeros(0), np.zeros(0, bool))]
        for constraint in shared:
            if not isinstance(constraint, dg.Polyhedron):
                continue
            # The centre is in float64, so that rows are not rounded to lower precision.
            rows = constraint.rows(region.center)
            for matrix, bounds, equal in ((rows.A, rows.b, False), (rows.A_eq, rows.b_eq, True)):
                numbers = np.asarray(matrix, np.float64), np.asarray(bounds, np.float64)
                parts.append((*numbers, np.full(len(bounds), equal)))
        if not shared:
            return None
        matrix, bounds, equal = (np.concatenate(part) for part in zip(*parts, strict=True))
        if not (np.isfinite(matrix).all() and np.isfinite(bounds).all()):
            raise ValueError("certify: a shared constraint has a number that is not finite.")
        empty = ~matrix.any(1)
        if empty.any():
            raise ValueError(
                f"certify: row {int(empty.argmax())} of the shared constraints is zero; leave it "
                "out, or it cannot be satisfied."
            )
        return cls(matrix, bounds, equal)

    def couple(self, sizes: Sequence[int]) -> bool:
        """Says whether any row involves more than one player."""
        if not len(self.matrix):
            return False
        ends = np.cumsum([0, *sizes])[:-1]
        return bool((np.add.reduceat(self.matrix != 0, ends, axis=1) > 0).sum(1).max() > 1)

    def contain(self, lower: Float[np.ndarray, " n"], upper: Float[np.ndarray, " n"]) -> bool:
        """Says whether every point of a box satisfies all rows, exactly."""
        if self.is_equality.any():
            return False
        for row, bound in zip(self.matrix, self.bounds, strict=True):
            ends = np.where(row > 0, upper, lower)
            most = np.flatnonzero(row)
            if not np.isfinite(ends[most]).all():
                return False
            total = sum(
                (Fraction(float(row[k])) * Fraction(float(ends[k])) for k in most), Fraction()
            )
            if total > Fraction(float(bound)):
                return False
        return True

    def to_json(self, number: Callable[[float], str]) -> list[dict[str, Any]]:
        """Returns the description of the rows in a certificate file."""
        return [
            {
                "columns": np.flatnonzero(row).tolist(),
                "values": [number(x) for x in row[row != 0].tolist()],
                "bound": number(bound),
                "equality": equal,
            }
            for row, bound, equal in zip(
                self.matrix, self.bounds.tolist(), self.is_equality.tolist(), strict=True
            )
        ]
