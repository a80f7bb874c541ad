"""Branch and bound for all Nash equilibria of a game in normal form, in rational numbers."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple, final

import numpy as np
from typing_extensions import override

from certify.checker.cells import Corner
from certify.checker.count_profiles import (
    NormalForm,
    ProfileCell,
    SupportSystem,
    contraction,
    covers,
    excludes,
    played,
)
from certify.prove.count.widest_first import (
    CONTRACTING,
    NARROWEST,
    AbstractWidestFirst,
    Node,
)
from certify.prove.file_parts import hexadecimal
from certify.prove.zero.zero_file import corners_in_file
from certify.search.budget import Budget
from certify.search.progress import Progress

# Newton's method: the most steps, and the size of the last one.
_STEPS, _CLOSE = 12, 1e-13
# Half-widths of boxes around a zero that are tried, from the largest one.
_RADII = [2.0**-k for k in range(24)]
# Weights are rounded to so many steps, for short numbers.
_WEIGHT_STEPS = 2**12


class FoundProfile(NamedTuple):
    """An equilibrium, as the file has it.

    Attributes:
        system: The equations of its supports.
        box: The box in which there is no other zero of these.
        zero: The smaller box that it is in.
        claim: The entry of the claims.
        evidence: The entry of the evidence.
    """

    system: SupportSystem
    box: tuple[Corner, Corner]
    zero: tuple[Corner, Corner]
    claim: dict[str, Any]
    evidence: dict[str, Any]


@final
class ProfileSearch(AbstractWidestFirst[ProfileCell, FoundProfile]):
    """The search for all equilibria of a game in normal form.

    Args:
        game: The game.
        budget: How many cells there may be, and how long the search.
        progress: Called every few cells.
    """

    def __init__(
        self,
        game: NormalForm,
        budget: Budget,
        progress: Callable[[Progress], None] | None = None,
    ):
        super().__init__(budget, progress)
        self.game = game

    @override
    def root(self) -> ProfileCell:
        return self.game.root()

    @override
    def width(self, cell: ProfileCell) -> float:
        return max(_widths(cell))

    @override
    def judged(self, cell: ProfileCell) -> tuple[Node, list[ProfileCell]]:
        covered = self._covered(cell)
        if covered is not None:
            return covered, []
        pin = self._pin(cell)
        if pin is not None:
            k, b = pin
            return {"pin": k, "better": b}, self.game.without(cell, k)
        system = played(self.game, cell)
        if system is not None:
            shown = self._by_equations(cell, system)
            if shown is not None:
                return shown, []
        widths = _widths(cell)
        axis = int(np.argmax(widths))
        at = 0.5 * float(cell.lower[axis]) + 0.5 * float(cell.upper[axis])
        if widths[axis] <= NARROWEST or not cell.lower[axis] < at < cell.upper[axis]:
            self.reason = self.reason or (
                "the smallest cells are not settled: the game is degenerate there"
            )
            return {"open": True}, []
        return {"split": axis, "at": at.hex()}, self.game.halves(cell, axis, Fraction(at))

    def _pin(self, cell: ProfileCell) -> tuple[int, int] | None:
        """Returns an action that is not played in a cell, and a better one.

        An action without which the cell is empty comes first. Floating point says what to try.
        """
        found, game = None, self.game
        lower, upper = _floats(cell.lower), _floats(cell.upper)
        for k, i in enumerate(game.owners):
            if cell.pinned[k] or (found is not None and cell.lower[k] == 0):
                continue
            for b in range(game.sizes[i]):
                if game.starts[i] + b == k or not game.gain(k, b, lower, upper)[0] > 0:
                    continue
                if game.gain(k, b, cell.lower, cell.upper)[0] > 0:
                    if cell.lower[k] > 0:
                        return k, b
                    found = k, b
                    break
        return found

    def _covered(self, cell: ProfileCell) -> Node | None:
        for number, point in enumerate(self.points):
            if covers(point.system, point.box, cell):
                return {"zero": number}
        return None

    def _by_equations(self, cell: ProfileCell, system: SupportSystem) -> Node | None:
        """Excludes a cell in which all that is not pinned is played, or finds a point near it."""
        lower = [float(cell.lower[k]) for k in system.unknowns]
        upper = [float(cell.upper[k]) for k in system.unknowns]
        point = 0.5 * (np.array(lower) + np.array(upper))
        n = len(point)
        if n:
            inverse = _inverse(system, point)
            if inverse is None:
                return None
            slopes: Any = system.jacobian(_any(lower), _any(upper))
            value = np.array(system.values(_any(point.tolist())), float)
            ends = np.array(slopes, float)
            for row in inverse:
                row = np.rint(row / np.abs(row).max() * _WEIGHT_STEPS) / _WEIGHT_STEPS
                spread = np.maximum(row[:, None] * ends[..., 0], row[:, None] * ends[..., 1]).sum(0)
                least = np.minimum(row[:, None] * ends[..., 0], row[:, None] * ends[..., 1]).sum(0)
                spread = np.maximum(np.abs(spread), np.abs(least))
                if abs(row @ value) > spread @ (0.5 * (np.array(upper) - np.array(lower))):
                    weights = _exact(row)
                    if excludes(system, weights, cell):
                        return {"weights": hexadecimal(row)}
            radius = 0.5 * (ends[..., 1] - ends[..., 0])
            if (np.abs(inverse) @ radius).sum(1).max() >= CONTRACTING:
                return None
            near = _near_zero(system, point)
            if near is None or self._has(system, near):
                return None
            point = near
        found = enclosed(system, point)
        if found is not None:
            self.points.append(found)
        return self._covered(cell)

    def _has(self, system: SupportSystem, near: np.ndarray) -> bool:
        """Says whether a zero is one that was found before."""
        return any(
            known.system.supports == system.supports
            and all(a <= x <= b for a, x, b in zip(known.box[0], near, known.box[1], strict=True))
            for known in self.points
        )


def enclosed(system: SupportSystem, point: np.ndarray) -> FoundProfile | None:
    """Returns an equilibrium with boxes around it; None if none is shown near a point."""
    n, center = len(point), _exact(point)
    inverse = _inverse(system, point) if n else np.zeros((0, 0))
    if inverse is None:
        return None
    for radius in _RADII:
        lower, upper = point - radius, point + radius
        if n and not _contracts(system, point, inverse, radius):
            continue
        box = _exact(lower), _exact(upper)
        loose, moved = contraction(system, center, _rows(inverse), *box)
        spread = np.array([[float(x) for x in row] for row in moved]).reshape(n, n)
        base = 1.01 * np.abs([float(x) for x in loose]) + 4 * np.spacing(np.abs(point)) + 1e-300
        if n and not (base + spread.sum(1) * radius < radius * (1 - 1e-9)).all():
            continue
        reach = np.linalg.solve(np.eye(n) - spread, base) if n else np.zeros(0)
        if not ((reach > 0) & (reach < radius)).all():
            continue
        zero = point - reach, point + reach
        smaller = _exact(zero[0]), _exact(zero[1])
        if not system.is_strict(*smaller):
            return None
        claim = {
            "support": [list(own) for own in system.supports],
            "box": corners_in_file(lower, upper),
            "zero": corners_in_file(*zero),
        }
        evidence = {"center": hexadecimal(point), "inverse": hexadecimal(inverse.ravel())}
        return FoundProfile(system, box, smaller, claim, evidence)
    return None


def _contracts(
    system: SupportSystem, point: np.ndarray, inverse: np.ndarray, radius: float
) -> bool:
    """Says whether a Krawczyk test may hold for a radius, in floating point."""
    lower, upper = _any((point - radius).tolist()), _any((point + radius).tolist())
    ends = np.array(system.jacobian(lower, upper), float)
    return bool((np.abs(inverse) @ (0.5 * (ends[..., 1] - ends[..., 0]))).sum(1).max() < 1)


def _near_zero(system: SupportSystem, point: np.ndarray) -> np.ndarray | None:
    """Returns where Newton's method comes to; None if it does not converge."""
    for _ in range(_STEPS):
        inverse = _inverse(system, point)
        if inverse is None:
            return None
        step = inverse @ np.array(system.values(_any(point.tolist())), float)
        point = point - step
        if not np.isfinite(point).all() or np.abs(point).max() > 4:
            return None
        if np.abs(step).max() <= _CLOSE:
            return point
    return None


def _inverse(system: SupportSystem, point: np.ndarray) -> np.ndarray | None:
    """Returns about the inverse of the Jacobian at a point; None if it is singular."""
    center = _any(point.tolist())
    try:
        inverse = np.linalg.inv(np.array(system.jacobian(center, center), float)[..., 0])
    except np.linalg.LinAlgError:
        return None
    return inverse if np.isfinite(inverse).all() else None


def _any(values: list[float]) -> Any:
    """Passes floats where the checker has fractions; what it then returns proves nothing."""
    return values


def _floats(corner: Corner) -> Any:
    return [float(x) for x in corner]


def _widths(cell: ProfileCell) -> list[float]:
    return [float(b - a) for a, b in zip(cell.lower, cell.upper, strict=True)]


def _exact(point: np.ndarray) -> Corner:
    return [Fraction(x) for x in point.tolist()]


def _rows(matrix: np.ndarray) -> list[Corner]:
    return [_exact(row) for row in matrix]
