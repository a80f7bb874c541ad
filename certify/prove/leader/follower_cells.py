"""Measures cells of leader's and followers' strategies by the followers' margin on them."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.prove.leader.leader_problem import LeaderProblem, Ranges
from certify.search.measure import Cell, Measured, Merit


class FollowerCell(NamedTuple):
    """What is known on a cell.

    Attributes:
        ranges: The enclosure of G_y, or None if the costs are not shown to be smooth.
        margin: A margin that it proves, up to roundings.
        scaling: The vector that proves it.
    """

    ranges: Ranges | None
    margin: float
    scaling: Float[np.ndarray, " m"]


class FollowerMeasure:
    """A measure of cells of X x Y, by the margin of G(x, .) in weights.

    Args:
        problem: The problem.
        weights: One weight per coordinate of y.
    """

    def __init__(self, problem: LeaderProblem, weights: Float[np.ndarray, " m"]) -> None:
        self.problem, self.roots = problem, np.sqrt(weights)

    def __call__(self, cell: Cell) -> Measured[FollowerCell]:
        """Returns what is known of a cell."""
        ends = zip(cell.lower.tolist(), cell.upper.tolist(), strict=True)
        box = [(Fraction(low), Fraction(high)) for low, high in ends]
        widths = cell.upper - cell.lower
        found = self.problem.slopes(box)
        if found is None:
            merit = Merit(-np.inf, 1.0, widths)
            return Measured(FollowerCell(None, -np.inf, np.ones(self.problem.m)), (merit,))
        turn = self.roots[:, None] / self.roots[None, :]
        centre, radius = found.middle * turn, found.radius * turn
        centre, radius = (centre + centre.T) / 2, (radius + radius.T) / 2
        values, vectors = np.linalg.eigh(radius + 1e-300)
        scaling = np.abs(vectors[:, -1]) + 1e-6 if values[-1] > 1e-200 else np.ones(len(radius))
        peak = float(np.linalg.eigvalsh(centre)[0])
        lowered = centre - np.diag(radius @ scaling / scaling)
        margin = float(np.linalg.eigvalsh(lowered)[0])
        cellwise = FollowerCell(found, margin, scaling / self.roots)
        return Measured(cellwise, (Merit(margin, peak, self._scores(cell)),))

    def _scores(self, cell: Cell) -> Float[np.ndarray, " n"]:
        """Returns how much G_y changes along each coordinate, by values at the ends."""
        middle = (cell.lower + cell.upper) / 2
        scores = []
        for axis in range(len(middle)):
            matrices = []
            for end in (cell.lower[axis], cell.upper[axis]):
                point = middle.copy()
                point[axis] = end
                sides = [(Fraction(p), Fraction(p)) for p in point.tolist()]
                found = self.problem.slopes(sides)
                matrices.append(None if found is None else found.middle)
            one, other = matrices
            if one is None or other is None:
                scores.append(1.0)
            else:
                scores.append(float(np.abs(one - other).sum()))
        width = self.problem.upper - self.problem.lower
        return np.array(scores) + 1e-9 * (cell.upper - cell.lower) / width
