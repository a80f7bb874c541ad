"""The evidence of a file about a zero: a box around it, matrices in integers, and cells."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Float

from certify.checker.exact import Work
from certify.checker.intervals import BallInterval
from certify.checker.krawczyk import definite, semidefinite
from certify.checker.matrices import Matrix
from certify.checker.rederive import PRECISION
from certify.checker.rederive_zero import SystemBounds, expansions_of
from certify.prove.file_parts import hexadecimal
from certify.prove.no_proof import NoProof
from certify.prove.zero.newton import bounds_on, exact_corners, linearised, singular_reason
from certify.prove.zero.posed_system import PosedSystem
from certify.rounding import float_below
from certify.search.budget import Budget

# Bits of the integers in a file, below the largest number of the Jacobian and of its inverse.
_BITS, _INVERSE_BITS = 100, 60
# The radii that are tried: powers of two, then one between the last two.
_SMALLEST, _LARGEST, _BETWEEN = -40, 30, 2.0**0.5
# Room for what floating point rounds here.
_ROOM = 1e-9

Balls = list[list[BallInterval]]
Integers = dict[str, list[int]]


class Isolation(NamedTuple):
    """A box around a zero in which a Krawczyk test holds, as far as floating point can tell.

    Attributes:
        lower: The lower corner of the box.
        upper: The upper corner of the box.
        zero: The corners of the box of the zero.
        unit: The exponent of the unit of integers.
        jacobian: The interval matrix of the Jacobian on the box, as in the file.
    """

    lower: np.ndarray
    upper: np.ndarray
    zero: tuple[np.ndarray, np.ndarray]
    unit: int
    jacobian: Integers


class KrawczykSearch:
    """The search for a box around a point near a zero.

    Args:
        posed: The system.
        point: A point near the zero.

    Raises:
        NoProof: If the Jacobian is singular there.
    """

    def __init__(self, posed: PosedSystem, point: Float[np.ndarray, " n"]):
        self.posed, self.point = posed, point
        jacobian = linearised(posed, point).jacobian
        singular = singular_reason(jacobian, "at the zero")
        if singular:
            raise NoProof(singular)
        self.inverse_unit, self.inverse = _rounded_floats(np.linalg.inv(jacobian), _INVERSE_BITS)
        self.unit = int(np.ceil(np.log2(np.abs(jacobian).max()))) - _BITS
        with ctx.workprec(PRECISION):
            here = bounds_on(posed, point, point)
            equations = map(posed.system.equation, range(posed.system.unknowns))
            self.residual = np.array([_above(here.value(terms)) for terms in equations])

    def isolated(self, radius: float | None) -> Isolation:
        """Returns a box of the given radius, or the largest one for which the test holds.

        Raises:
            NoProof: If there is none.
        """
        if radius is not None:
            found, worst = self._tried(radius)
            if found is None:
                raise NoProof(
                    f"Krawczyk's test does not hold for the box of radius {radius:g}"
                    + (f": |I - Y J| is up to {worst:.3g}" if np.isfinite(worst) else "")
                )
            return found
        best, worst, size = None, np.inf, np.abs(self.point).max()
        exponent = -10
        first, worst = self._tried(2.0**exponent)
        step = 1 if first is not None else -1
        best = first
        while _SMALLEST <= exponent + step <= _LARGEST:
            exponent += step
            found, worst = self._tried(2.0**exponent)
            if step > 0 and found is None:
                break
            best = found if found is not None else best
            if step < 0 and found is not None:
                break
        if best is None:
            raise NoProof(
                "Krawczyk's test holds for no box around the zero"
                + (f": |I - Y J| is up to {worst:.3g}" if np.isfinite(worst) else "")
                + (
                    f" for the smallest one, in which numbers of size {size:.3g} are rounded"
                    if np.isfinite(size)
                    else ""
                )
            )
        half = float((best.upper - best.lower).max() / 2)
        between, _ = self._tried(half * _BETWEEN)
        return best if between is None else between

    def _tried(self, radius: float) -> tuple[Isolation | None, float]:
        """Returns the box of a radius if the test holds, and the largest row of |I - Y J|."""
        lower, upper = self.point - radius, self.point + radius
        if not (lower < self.point).all() or not (self.point < upper).all():
            return None, np.inf
        with ctx.workprec(PRECISION):
            found = bounds_on(self.posed, lower, upper)
            if not found.is_smooth:
                return None, np.inf
            jacobian = interval_matrix(found.jacobian(), self.unit)
        n = len(self.point)
        centre, remainder = (
            _as_floats(jacobian[part], self.unit).reshape(n, n) for part in ("centre", "remainder")
        )
        inverse = np.ldexp(self.inverse, self.inverse_unit)
        spread = np.abs(np.eye(n) - inverse @ centre) + np.abs(inverse) @ remainder
        spread += 1e-15 * (1 + np.abs(inverse) @ np.abs(centre))
        worst = float(spread.sum(1).max())
        start = np.abs(inverse) @ self.residual
        reach = np.maximum(self.point - lower, upper - self.point)
        if not (start + spread @ reach < reach * (1 - _ROOM)).all():
            return None, worst
        zero = self._zero(spread, start)
        if zero is None or (zero[0] < lower).any() or (zero[1] > upper).any():
            return None, worst
        return Isolation(lower, upper, zero, self.unit, jacobian), worst

    def _zero(self, spread: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Returns the corners of a small box of the zero: a little more than a fixed point of K."""
        base = 1.01 * start + 4 * np.spacing(np.abs(self.point)) + 1e-300
        reach = np.linalg.solve(np.eye(len(base)) - spread, base)
        if not (reach > 0).all():
            return None
        return self.point - reach, self.point + reach


class FormEvidence(NamedTuple):
    """One form in the file, or the reason why it was not shown to be definite."""

    entry: dict[str, Any]
    shown: bool


def forms_over(found: SystemBounds, unit: int) -> list[FormEvidence]:
    """Returns the forms of a system over a box, for the file, and whether they are definite."""
    work, result = Work(), []
    for number, form in enumerate(found.system.forms):
        matrix = interval_matrix(found.form(number, form), unit)
        entry: dict[str, Any] = {"matrix": matrix}
        shape = (form.size, form.size)
        centre, remainder = (_matrix(matrix[part], shape) for part in ("centre", "remainder"))
        if form.rows:
            rows = interval_matrix(found.rows(number, form), unit)
            across = _as_floats(rows["centre"], unit).reshape(form.rows, form.size)
            own = _as_floats(matrix["centre"], unit).reshape(shape)
            entry |= {"rows": rows, "weight": hexadecimal(_weight(own, across))}
            result.append(FormEvidence(entry, True))  # the checker decides
            continue
        test = semidefinite if form.semidefinite else definite
        result.append(FormEvidence(entry, test(centre, remainder, work)))
    return result


def _weight(own: np.ndarray, across: np.ndarray) -> float:
    """Returns a weight for which `S + weight B'B` is well conditioned, a power of two."""
    squares = across.T @ across
    scale = np.abs(own).max() / max(np.abs(squares).max(), 1e-300) if own.any() else 1.0
    weights = 2.0 ** np.round(np.log2(max(scale, 2.0**-900)) + np.arange(-8, 24))
    spectra = [np.linalg.eigvalsh(own + weight * squares) for weight in weights]
    quotients = [values[0] / max(abs(values[-1]), 1e-300) for values in spectra]
    return float(weights[int(np.argmax(quotients))])


def interval_matrix(found: Balls, unit: int) -> Integers:
    """Returns an interval matrix in integers, outward; exact entries have no remainder."""
    centre, remainder = [], []
    for row in found:
        for entry in row:
            low, high = (x * Fraction(2) ** -unit for x in ends(entry))
            least, most = low.__floor__(), high.__ceil__()
            middle = (least + most) // 2
            exact = low == high == middle
            centre.append(middle)
            remainder.append(0 if exact else max(most - middle, middle - least) + 1)
    return {"centre": centre, "remainder": remainder}


def ends(entry: BallInterval) -> tuple[Fraction, Fraction]:
    """Returns the ends of an interval, outward."""
    low, high = entry.low.lower().man_exp(), entry.high.upper().man_exp()
    return (
        Fraction(int(low[0])) * Fraction(2) ** int(low[1]),
        Fraction(int(high[0])) * Fraction(2) ** int(high[1]),
    )


def conditions_at(found: SystemBounds) -> list[float]:
    """Returns lower bounds on the conditions of a system."""
    system = found.system
    lows = [ends(found.value(system.condition(k)))[0] for k in range(system.conditions)]
    return [float_below(low) for low in lows]


class Cells:
    """The search for cells that cover a region, on each of which the forms are definite.

    Args:
        posed: The system.
        zero: The corners of the box of the zero, for the multipliers.
        unit: The exponent of the unit of integers.
        budget: How many cells there may be, and how long the search.
    """

    def __init__(
        self, posed: PosedSystem, zero: tuple[np.ndarray, np.ndarray], unit: int, budget: Budget
    ):
        self.posed, self.unit, self.budget = posed, unit, budget
        self.zero = exact_corners(*zero)

    def covering(self, lower: np.ndarray, upper: np.ndarray) -> list[dict[str, Any]]:
        """Returns the cells of a file in their order.

        Raises:
            NoProof: If there would be too many.
        """
        pending, nodes, leaves = [(lower, upper)], [], 0
        while pending:
            low, high = pending.pop()
            with ctx.workprec(PRECISION):
                found = self._bounds(low, high)
                forms = forms_over(found, self.unit) if found.is_smooth else []
            if forms and all(form.shown for form in forms):
                nodes.append({"forms": [form.entry for form in forms]})
                leaves += 1
                continue
            failing = self._failing(forms)
            spent = self.budget.spent(leaves + len(pending) + 1)
            if spent:
                raise NoProof(f"{failing}; {spent}")
            with ctx.workprec(PRECISION):
                axis = self._axis(low, high, found)
            at = 0.5 * low[axis] + 0.5 * high[axis]
            if not low[axis] < at < high[axis]:
                raise NoProof(failing)
            nodes.append({"split": axis, "at": float(at).hex()})
            below, above = high.copy(), low.copy()
            below[axis] = above[axis] = at
            pending += [(above, high), (low, below)]
        return nodes

    def _bounds(self, low: np.ndarray, high: np.ndarray) -> SystemBounds:
        posed = self.posed
        corners, expansions = exact_corners(low, high), expansions_of(posed.system)
        return SystemBounds(posed.graph, posed.system, expansions, corners, self.zero)

    def _failing(self, forms: Sequence[FormEvidence]) -> str:
        if not forms:
            return "the functions were not shown to be smooth on the region"
        names = [form.name for form in self.posed.system.forms]
        name = next(name for name, form in zip(names, forms, strict=True) if not form.shown)
        return f"{name} was not shown to be convex on the region"

    def _axis(self, low: np.ndarray, high: np.ndarray, found: SystemBounds) -> int:
        """Returns the input along which the forms vary most on a cell, or else the widest."""
        half, system = 0.5 * high - 0.5 * low, self.posed.system
        scores = np.zeros(len(low))
        if found.is_smooth:
            for number, form in enumerate(system.forms):
                for i in range(form.size):
                    for j in range(i + 1):
                        for k in np.flatnonzero(half):
                            slope = found.along(system.entry(number, i, j), int(k))
                            scores[k] += float(slope.magnitude().upper()) * half[k]
        return int(np.argmax(scores if scores.any() else half))


def _above(entry: BallInterval) -> float:
    """Bounds the size of a number from above, with room for radii in another order."""
    return float(np.nextafter(float(entry.magnitude().upper()) * (1 + 2.0**-16), np.inf))


def _rounded_floats(matrix: np.ndarray, bits: int) -> tuple[int, np.ndarray]:
    """Returns the exponent of a unit, and a matrix rounded to multiples of it."""
    unit = int(np.ceil(np.log2(np.abs(matrix).max()))) - bits
    return unit, np.rint(np.ldexp(matrix, -unit)) + 0.0


def _as_floats(entries: list[int], unit: int) -> np.ndarray:
    scale = Fraction(2) ** unit
    return np.array([float(x * scale) for x in entries])


def _matrix(entries: list[int], shape: tuple[int, int]) -> Matrix:
    rows, columns = shape
    return [entries[i * columns : (i + 1) * columns] for i in range(rows)]
