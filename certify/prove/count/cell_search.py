"""Branch and bound for all stationary points in a box: cells, each with what is shown of it."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, final

import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]
from typing_extensions import override

from certify.checker.count import CountedCell, Faces, halves
from certify.checker.rederive import PRECISION
from certify.checker.rederive_count import FieldBounds, cell_bounds, cell_expansions
from certify.checker.stationary_points import StationarySystem
from certify.prove.count.stationary_point import FoundPoint, point_in
from certify.prove.count.widest_first import (
    CONTRACTING,
    NARROWEST,
    AbstractWidestFirst,
    Node,
)
from certify.prove.no_proof import NoProof
from certify.prove.zero.evidence_of_zero import ends
from certify.prove.zero.posed_system import PosedSystem
from certify.rounding import float_below
from certify.search.budget import Budget
from certify.search.progress import Progress


@final
class CellSearch(AbstractWidestFirst[CountedCell, FoundPoint]):
    """The search for all stationary points in a box.

    Args:
        posed: The field, with all coordinates free.
        faces: The region.
        budget: How many cells there may be, and how long the search.
        progress: Called every few cells.
    """

    def __init__(
        self,
        posed: PosedSystem,
        faces: Faces,
        budget: Budget,
        progress: Callable[[Progress], None] | None = None,
    ):
        super().__init__(budget, progress)
        assert isinstance(posed.system, StationarySystem)
        self.posed, self.faces = posed, faces
        self.system, self.expansions = posed.system, cell_expansions(posed.system)
        self.widths = _floats(faces.upper) - _floats(faces.lower)
        self._on_border: list[FoundPoint] = []

    @override
    def root(self) -> CountedCell:
        return self.faces.root()

    @override
    def width(self, cell: CountedCell) -> float:
        return float(self._shares(cell).max())

    def _shares(self, cell: CountedCell) -> np.ndarray:
        """Widths of a cell as shares of those of the region."""
        return (_floats(cell.upper) - _floats(cell.lower)) / self.widths

    @override
    def judged(self, cell: CountedCell) -> tuple[Node, list[CountedCell]]:
        with ctx.workprec(PRECISION):
            return self._judged(cell)

    def _judged(self, cell: CountedCell) -> tuple[Node, list[CountedCell]]:
        covered = self._covered(cell)
        if covered is not None:
            return covered, []
        free = [k for k, pin in enumerate(cell.pins) if pin is None]
        if not free:
            return self._found(cell, np.zeros(0)) or {"open": True}, []
        bounds = cell_bounds(self.posed.graph, self.system, self.expansions, cell)
        if bounds.is_smooth:
            shown = self._by_sign(cell, bounds, free) or self._by_inverse(cell, bounds, free)
            if shown is not None:
                return shown
        return self._cut(cell, free)

    def _by_sign(
        self, cell: CountedCell, bounds: FieldBounds, free: list[int]
    ) -> tuple[Node, list[CountedCell]] | None:
        """Excludes a cell, or pins a coordinate, by the sign of one entry of the field."""
        pins: list[tuple[Node, list[CountedCell]]] = []
        for k in free:
            for sign, end in ((1, "lower"), (-1, "upper")):
                bound = _least(bounds, {k: Fraction(sign)})
                if bound <= 0:
                    continue
                if not self.faces.reaches(cell, k, end):
                    return self._weights({k: float(sign)}, bound), []
                node = {"pin": k, "at": end, "bound": bound.hex()}
                pins.append((node, [self.faces.pinned(cell, k, end)]))
        return pins[0] if pins else None

    def _by_inverse(
        self, cell: CountedCell, bounds: FieldBounds, free: list[int]
    ) -> tuple[Node, list[CountedCell]] | None:
        """Excludes a cell by a row of the inverse Jacobian, or finds a point near it."""
        slopes = [[bounds.slope(k, j) for j in free] for k in free]
        centre = np.array([[_middle(x) for x in row] for row in slopes])
        radius = np.array([[_radius(x) for x in row] for row in slopes])
        if not (np.isfinite(centre).all() and np.isfinite(radius).all()):
            return None
        try:
            inverse = np.linalg.inv(centre)
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(inverse).all():
            return None
        for row in inverse:
            scale = np.abs(row).max()
            if not 0 < scale < np.inf:
                continue
            for sign in (1.0, -1.0):
                own = (sign * row / scale).tolist()
                weights = {k: y for k, y in zip(free, own, strict=True) if y}
                if not all(self._allowed(cell, k, y) for k, y in weights.items()):
                    continue
                bound = _least(bounds, {k: Fraction(y) for k, y in weights.items()})
                if bound > 0:
                    return self._weights(weights, bound), []
        spread = np.abs(inverse) @ radius
        if spread.sum(1).max() < CONTRACTING:
            found = self._found(cell, _floats(bounds.middle)[free])
            if found is not None:
                return found, []
        return None

    def _allowed(self, cell: CountedCell, k: int, weight: float) -> bool:
        return not self.faces.reaches(cell, k, "lower" if weight > 0 else "upper")

    def _weights(self, weights: dict[int, float], bound: float) -> Node:
        values = [weights.get(k, 0.0).hex() for k in range(self.system.inputs)]
        return {"weights": values, "bound": bound.hex()}

    def _found(self, cell: CountedCell, start: np.ndarray) -> Node | None:
        """Looks for a point near a cell; returns what is then said of the cell, if anything."""
        if any(p.pins == cell.pins and p.has(start) for p in self._on_border):
            return None
        try:
            found = point_in(self.posed, self.faces, cell.pins, start, self.points)
        except NoProof:
            return None
        if found.is_inside is None:
            self._on_border.append(found)
            self.reason = "a point is on the border of the region, or of a set, or too close to it"
            return None
        known = [p for p in self.points if not _apart(p.whole, found.whole)]
        useful = found.is_inside or found.covers(cell, self.faces)
        if not known and useful:
            self.points.append(found)
        return self._covered(cell)

    def _covered(self, cell: CountedCell) -> Node | None:
        for number, point in enumerate(self.points):
            if point.covers(cell, self.faces):
                return {"zero": number}
        return None

    def _cut(self, cell: CountedCell, free: list[int]) -> tuple[Node, list[CountedCell]]:
        width = self._shares(cell)
        axis = max(free, key=lambda k: width[k])
        at = float(0.5 * float(cell.lower[axis]) + 0.5 * float(cell.upper[axis]))
        if width[axis] <= NARROWEST or not cell.lower[axis] < at < cell.upper[axis]:
            self.reason = self.reason or (
                "the smallest cells are not settled: a point there is degenerate, or not isolated"
            )
            return {"open": True}, []
        return {"split": axis, "at": at.hex()}, list(halves(cell, axis, Fraction(at)))


def _least(bounds: FieldBounds, weights: dict[int, Fraction]) -> float:
    """Returns a lower bound on a sum over the cell, rounded down."""
    found = bounds.least(weights)
    if not found.low.is_finite():
        return -np.inf
    return float_below(ends(found)[0]) if found.low > 0 else -np.inf


def _middle(x: Any) -> float:
    return 0.5 * (float(x.low.mid()) + float(x.high.mid()))


def _radius(x: Any) -> float:
    return 0.5 * (float(x.high.mid()) - float(x.low.mid()))


def _floats(corner: list[Fraction]) -> np.ndarray:
    return np.array([float(x) for x in corner])


def _apart(
    one: tuple[list[Fraction], list[Fraction]], other: tuple[list[Fraction], list[Fraction]]
) -> bool:
    return any(a < b for a, b in zip(one[1], other[0], strict=True)) or any(
        a < b for a, b in zip(other[1], one[0], strict=True)
    )
