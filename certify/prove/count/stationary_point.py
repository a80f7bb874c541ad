"""One stationary point: a box around it with one zero of its equations, and what it is."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

from certify.checker.cells import Corner
from certify.checker.count import CountedCell, Faces
from certify.checker.exact import Work
from certify.checker.krawczyk import definite
from certify.checker.rederive import PRECISION
from certify.checker.rederive_zero import SystemBounds
from certify.checker.stationary_points import Pins, StationarySystem
from certify.file.cells import integers
from certify.prove.file_parts import hexadecimal
from certify.prove.no_proof import NoProof
from certify.prove.zero.evidence_of_zero import KrawczykSearch, conditions_at, interval_matrix
from certify.prove.zero.newton import bounds_on, exact_corners, linearised, near_zero
from certify.prove.zero.posed_system import PosedSystem
from certify.prove.zero.zero_file import corners_in_file

# The unit of second derivatives where there are no equations, so that none is found.
_UNIT = -100
# Directions of descent are rounded to so many steps.
_STEPS = 2**20
# Newton's method is given up unless so many steps shrink them to this share.
_TRIALS, _FAST = 4, 0.02


@dataclass(frozen=True)
class FoundPoint:
    """A stationary point, as the file has it.

    Attributes:
        pins: Which coordinates are pinned.
        free: The numbers of the free coordinates.
        box: The box of the free coordinates with one zero, exactly.
        whole: The smaller box of it, in all coordinates.
        is_inside: Whether it is in the region; None if that is not shown.
        claim: The entry of the claims.
        evidence: The entry of the evidence.
    """

    pins: Pins
    free: list[int]
    box: tuple[Corner, Corner]
    whole: tuple[Corner, Corner]
    is_inside: bool | None
    claim: dict[str, Any]
    evidence: dict[str, Any]

    def covers(self, cell: CountedCell, faces: Faces) -> bool:
        """Says whether the file may say of a cell that it is in the box of this point."""
        return (
            cell.pins == self.pins
            and all(
                low <= cell.lower[k] and cell.upper[k] <= high
                for k, low, high in zip(self.free, *self.box, strict=True)
            )
            and not any(faces.reaches(cell, k, at) for k in self.free for at in ("lower", "upper"))
        )

    def has(self, point: np.ndarray) -> bool:
        """Says whether a point of the free coordinates is in the box."""
        return all(low <= x <= high for x, low, high in zip(point, *self.box, strict=True))


def point_in(
    posed: PosedSystem, faces: Faces, pins: Pins, start: np.ndarray, known: list[FoundPoint]
) -> FoundPoint:
    """Returns the stationary point to which Newton's method comes.

    Args:
        posed: The field, with all coordinates free.
        faces: The region.
        pins: Which coordinates are pinned.
        start: The free coordinates of the start.
        known: The points that were found before; one of them may be it.

    Raises:
        NoProof: If none is enclosed.
    """
    all_free = posed.system
    assert isinstance(all_free, StationarySystem)
    ends = (faces.lower, faces.upper)
    system = StationarySystem(all_free.sizes, all_free.of_costs, pins, ends)
    posed = posed._replace(system=system)
    if system.unknowns:
        near = near_zero(posed, _attracted(posed, start))
        for other in known:
            if other.pins == pins and other.has(near):
                return other
        search = KrawczykSearch(posed, near)
        found = search.isolated(None)
        box, zero, unit = (found.lower, found.upper), found.zero, found.unit
        evidence = {
            "center": hexadecimal(search.point),
            "residual": hexadecimal(search.residual),
            "unit": unit,
            "jacobian": found.jacobian,
            "inverse": {"unit": search.inverse_unit, "matrix": integers(search.inverse)},
        }
    else:
        none = np.zeros(0)
        box, zero, unit = (none, none), (none, none), _UNIT
        evidence = {
            "center": [],
            "residual": [],
            "unit": unit,
            "jacobian": {"centre": [], "remainder": []},
            "inverse": {"unit": unit, "matrix": []},
        }
    inside = _is_inside(system, faces, zero)
    with ctx.workprec(PRECISION):
        here = bounds_on(posed, *zero)
        if not here.is_smooth:
            raise NoProof("the functions were not shown to be smooth at a point")
        conditions = conditions_at(here)
        if not all(bound > 0 for bound in conditions):
            raise NoProof("a pinned coordinate does not stay at its end")
        nature, curvature = _nature(here, system, unit)
    exact_zero = exact_corners(*zero)
    return FoundPoint(
        pins,
        system.free,
        exact_corners(*box),
        (system.inputs_of(exact_zero[0]), system.inputs_of(exact_zero[1])),
        inside,
        {
            "fixed": [{"coordinate": k, "at": pins[k]} for k in system.fixed],
            "box": corners_in_file(*box),
            "zero": corners_in_file(*zero),
            "inside": inside,
            "nature": nature,
        },
        evidence | {"bounds": hexadecimal(conditions), "curvature": curvature},
    )


def _attracted(posed: PosedSystem, point: np.ndarray) -> np.ndarray:
    """Returns where a few steps of Newton's method come to.

    Raises:
        NoProof: If they do not converge as fast as they do to a regular zero.
    """
    sizes = []
    for _ in range(_TRIALS):
        value, jacobian = linearised(posed, point)
        try:
            step = np.linalg.solve(jacobian, value)
        except np.linalg.LinAlgError:
            raise NoProof("the Jacobian is singular on the way to a zero") from None
        point = point - step
        sizes.append(np.abs(step).max())
        if not np.isfinite(point).all():
            break
    if not sizes[-1] <= _FAST * sizes[0] + 1e-12 * (1 + np.abs(point).max()):
        raise NoProof("Newton's method is slow, or does not converge")
    return point


def _is_inside(
    system: StationarySystem, faces: Faces, zero: tuple[np.ndarray, np.ndarray]
) -> bool | None:
    """Says whether a point is in the region, in the interior of the sets in free coordinates."""
    inside, outside = True, False
    for k, a, b in zip(system.free, *zero, strict=True):
        low, high = faces.lower[k], faces.upper[k]
        outside = outside or b < low or high < a
        inside = inside and low <= Fraction(a) and Fraction(b) <= high
        inside = inside and not (faces.at_lower[k] and a == low)
        inside = inside and not (faces.at_upper[k] and b == high)
    return None if inside == outside else inside


def _nature(
    here: SystemBounds, system: StationarySystem, unit: int
) -> tuple[str, list[dict[str, Any]]]:
    """Returns what is shown of second derivatives of costs at a point, and the evidence."""
    if not system.of_costs:
        return "unsettled", []
    entries, natures = [], []
    for player in range(len(system.sizes)):
        rows = [[here.value(terms) for terms in row] for row in system.curvature(player)]
        matrix = interval_matrix(rows, unit)
        size = len(rows)
        entries.append({"matrix": matrix, "direction": []})
        if not size:
            continue
        centre, radius = (_square(matrix[part], size) for part in ("centre", "remainder"))
        if definite(centre, radius, Work()):
            natures.append("local")
            continue
        values = np.array([[float(x * Fraction(2) ** unit) for x in row] for row in centre])
        _, vectors = np.linalg.eigh(values)
        direction = [round(x) for x in (vectors[:, 0] * _STEPS).tolist()]
        bent = sum(
            v * w * centre[i][j] + abs(v * w) * radius[i][j]
            for i, v in enumerate(direction)
            for j, w in enumerate(direction)
        )
        natures.append("descent" if bent < 0 else "unsettled")
        if bent < 0:
            entries[-1]["direction"] = direction
    if "descent" in natures:
        return "descent", entries
    if "unsettled" in natures:
        return "unsettled", []
    return "local", entries


def _square(entries: list[int], size: int) -> list[list[int]]:
    return [entries[i * size : (i + 1) * size] for i in range(size)]
