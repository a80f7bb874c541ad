"""Boxes around the followers' answer, on which the leader's reduced cost is enclosed."""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from certify.checker.interval_matrices import RationalIntervalMatrix
from certify.checker.stackelberg import LeaderCell, Reduced, reduced
from certify.checker.verdict import Rejected
from certify.prove.leader.leader_problem import LeaderProblem
from certify.rounding import float_above
from certify.search.measure import Cell, Measured, Merit

Vector = Float[np.ndarray, " n"]
Point = Float[np.ndarray, " all"]

# Bits below the largest entry of a Jacobian that files have.
_BITS = 80
# Boxes are enlarged so many times until the answer is proved to be inside.
_ROUNDS = 8


class ProvedCell(NamedTuple):
    """A leader's cell, as in a file, and what it proves; both None where nothing is proved."""

    entry: dict[str, Any] | None
    cell: LeaderCell | None
    found: Reduced | None


NOTHING = ProvedCell(None, None, None)


def solved(problem: LeaderProblem, point: Point, fixed: int, steps: int = 12) -> Point | None:
    """Returns a zero of the last entries of Phi by Newton's method, the first `fixed` held."""
    for _ in range(steps):
        found = problem.at(point)
        if found is None:
            return None
        value, matrix = found[0][fixed:], found[1][fixed:, fixed:]
        try:
            step = np.linalg.solve(matrix, value)
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(step).all():
            return None
        point = np.concatenate([point[:fixed], point[fixed:] - step])
        if np.abs(step).max() <= 1e-13 * (1 + np.abs(point).max()):
            break
    return point


def proved_cell(
    problem: LeaderProblem,
    unit: int,
    lower: Vector,
    upper: Vector,
    point: Point,
    rows: int,
) -> ProvedCell:
    """Finds a box around the answer for x in a cell, and encloses f^'' there.

    Args:
        problem: The problem.
        unit: The exponent of the unit of the Jacobians.
        lower: The lower corner of the cell.
        upper: The upper corner.
        point: (x, y, w) with x in the cell and the answer to it.
        rows: How many of the last entries of Phi are bounded at the point.
    """
    n, m = problem.n, problem.m
    at = problem.at(point)
    if at is None:
        return NOTHING
    _, matrix, bounds, _ = at
    own, psi = slice(0, n), slice(n, None)
    try:
        inverse = np.linalg.inv(matrix[psi, psi])
    except np.linalg.LinAlgError:
        return NOTHING
    slope, left = -inverse @ matrix[psi, own], -matrix[own, psi] @ inverse
    reach = np.maximum(upper - point[:n], point[:n] - lower)
    sides = np.abs(slope) @ reach
    residual = [float_above(bound * (1 + Fraction(1, 2**20))) for bound in bounds[-rows:]]
    room = 0.05 * sides + 1e-14 * (1 + np.abs(point[n:])) + 1e-3 * sides.max()
    for _ in range(_ROUNDS):
        low, high = point[n:] - sides - room, point[n:] + sides + room
        low[:m] = np.maximum(low[:m], problem.lower[n:])
        high[:m] = np.minimum(high[:m], problem.upper[n:])
        if not (low < point[n:]).all() or not (point[n:] < high).all():
            return NOTHING
        box = [
            (Fraction(a), Fraction(b)) for a, b in zip([*lower, *low], [*upper, *high], strict=True)
        ]
        ranges = problem.jacobian(box)
        if ranges is None:
            return NOTHING
        scale = np.maximum(room, 1e-300)
        entry = {
            **ranges.entry(unit),
            "lower": _hexes(low),
            "upper": _hexes(high),
            "point": _hexes(point),
            "residual": _hexes(residual),
            "slope": _hexes(slope),
            "inverse": _hexes(inverse),
            "left": _hexes(left),
            "scale": _hexes(scale),
            "scaling": _hexes(np.ones(n)),
        }
        cell = _cell(entry, unit, lower, upper, n + 2 * m, n)
        try:
            found = reduced(cell, n)
        except Rejected:
            # The box is enlarged towards where Newton's operator maps it.
            loose = np.abs(inverse) @ (ranges.radius[psi, own] @ reach) + np.abs(inverse) @ (
                ranges.radius[psi, psi] @ (sides + room)
            )
            room = np.maximum(1.5 * room, 2 * loose)
            continue
        scaling = _perron(np.array([[float(x) for x in row] for row in found.bends.radius]))
        entry["scaling"] = _hexes(scaling)
        scaled = cell._replace(scaling=[Fraction(x) for x in scaling.tolist()])
        return ProvedCell(entry, scaled, found)
    return NOTHING


def _perron(radius: Float[np.ndarray, "n n"]) -> Vector:
    values, vectors = np.linalg.eigh((radius + radius.T) / 2 + 1e-300)
    return np.abs(vectors[:, -1]) + 1e-6 if values[-1] > 1e-200 else np.ones(len(radius))


def _cell(
    entry: dict[str, Any], unit: int, lower: Vector, upper: Vector, size: int, n: int
) -> LeaderCell:
    def numbers(name: str) -> list[Fraction]:
        return [Fraction(float.fromhex(x)) for x in entry[name]]

    def rows(values: list[Fraction], width: int) -> list[list[Fraction]]:
        return [values[i : i + width] for i in range(0, len(values), width)]

    scale, k = Fraction(2) ** unit, size - n
    return LeaderCell(
        "the cell",
        [*map(Fraction, lower.tolist()), *numbers("lower")],
        [*map(Fraction, upper.tolist()), *numbers("upper")],
        numbers("point"),
        numbers("residual"),
        RationalIntervalMatrix(
            *(rows([x * scale for x in entry[p]], size) for p in ("centre", "remainder"))
        ),
        rows(numbers("slope"), n),
        rows(numbers("inverse"), k),
        rows(numbers("left"), k),
        numbers("scale"),
        numbers("scaling"),
    )


def _hexes(values: Any) -> list[str]:
    return [float(x).hex() for x in np.ravel(values)]


def curvatures(found: Reduced, scaling: list[Fraction]) -> tuple[float, float]:
    """Returns bounds on the eigenvalues of f^'', in floats."""
    centre, radius = (np.array([[float(x) for x in row] for row in part]) for part in found.bends)
    t = np.array([float(x) for x in scaling])
    centre, radius = (centre + centre.T) / 2, (radius + radius.T) / 2
    loss = np.diag(radius @ t / t)
    return float(np.linalg.eigvalsh(centre - loss)[0]), float(np.linalg.eigvalsh(centre + loss)[-1])


class LeaderMeasure:
    """A measure of cells of X, by the curvature of the reduced cost.

    Args:
        problem: The problem.
        unit: The exponent of the unit of the Jacobians.
        optimum: (x*, y*, w*), near which answers are looked for.
    """

    def __init__(self, problem: LeaderProblem, unit: int, optimum: Point) -> None:
        self.problem, self.unit, self.optimum = problem, unit, optimum
        n = problem.n
        at = problem.at(optimum)
        assert at is not None
        self.slope = -np.linalg.solve(at[1][n:, n:], at[1][n:, :n])

    def __call__(self, cell: Cell) -> Measured[ProvedCell]:
        """Returns what is known of a cell."""
        n = self.problem.n
        middle = (cell.lower + cell.upper) / 2
        guess = self.optimum[n:] + self.slope @ (middle - self.optimum[:n])
        point = solved(self.problem, np.concatenate([middle, guess]), n)
        widths = (cell.upper - cell.lower) / (self.problem.upper - self.problem.lower)[:n]
        nothing = Measured(NOTHING, (Merit(-np.inf, 1.0, widths),))
        if point is None:
            return nothing
        rows = 2 * self.problem.m
        found = proved_cell(self.problem, self.unit, cell.lower, cell.upper, point, rows)
        if found.found is None or found.cell is None:
            return nothing
        low, _ = curvatures(found.found, found.cell.scaling)
        at = self.problem.at(point)
        assert at is not None
        slope = -np.linalg.solve(at[1][n:, n:], at[1][n:, :n])
        bend = at[1][:n, :n] + at[1][:n, n:] @ slope
        peak = float(np.linalg.eigvalsh((bend + bend.T) / 2)[0])
        return Measured(found, (Merit(low, peak, widths),))


def unit_of(problem: LeaderProblem, point: Point) -> int:
    """Returns a unit for Jacobians: about 2^-80 of their largest entry."""
    at = problem.at(point)
    assert at is not None
    return int(np.ceil(np.log2(max(np.abs(at[1]).max(), 2.0**-900)))) - _BITS
