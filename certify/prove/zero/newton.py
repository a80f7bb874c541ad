"""Newton's method for a system of equations, from a guess; what it finds proves nothing."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Float

from certify.checker.cells import Corner
from certify.checker.rederive import PRECISION
from certify.checker.rederive_zero import SystemBounds, bounds_over, expansions_of
from certify.prove.no_proof import NoProof
from certify.prove.zero.posed_system import PosedSystem

# The most steps; a step of this share of the point says that a zero is near, and some more follow.
_STEPS, _CLOSE, _POLISHING = 60, 1e-8, 2
# Singular values below this share of the largest one are counted as zero.
SINGULAR = 1e-13


class Linearisation(NamedTuple):
    """The equations and their Jacobian at a point, in floating point."""

    value: Float[np.ndarray, " n"]
    jacobian: Float[np.ndarray, "n n"]


def bounds_on(posed: PosedSystem, lower: np.ndarray, upper: np.ndarray) -> SystemBounds:
    """Returns bounds over a box of unknowns; to be called at the precision of the checker."""
    corners = exact_corners(lower, upper)
    return bounds_over(posed.graph, posed.system, expansions_of(posed.system), corners)


def exact_corners(lower: np.ndarray, upper: np.ndarray) -> tuple[Corner, Corner]:
    """Returns the corners of a box as fractions."""
    return [Fraction(x) for x in lower.tolist()], [Fraction(x) for x in upper.tolist()]


def linearised(posed: PosedSystem, point: Float[np.ndarray, " n"]) -> Linearisation:
    """Returns the equations and their Jacobian at a point.

    Raises:
        NoProof: If the functions are not smooth there.
    """
    with ctx.workprec(PRECISION):
        found = bounds_on(posed, point, point)
        if not found.is_smooth:
            raise NoProof("the functions were not shown to be smooth near the guess")
        system = posed.system
        value = [float(found.value(system.equation(k)).low.mid()) for k in range(system.unknowns)]
        jacobian = [[float(x.low.mid()) for x in row] for row in found.jacobian()]
    return Linearisation(np.array(value), np.array(jacobian))


def start(
    posed: PosedSystem, multipliers: Float[np.ndarray, " multipliers"] | None = None
) -> Float[np.ndarray, " n"]:
    """Returns a guess of all unknowns, given one of the inputs of the graph.

    The equations are linear in the multipliers: without a guess these come from least squares.
    """
    places, unknowns = posed.system.places, posed.system.unknowns
    found = np.zeros(unknowns)
    known = [(place, k) for k, place in enumerate(places) if isinstance(place, int)]
    for place, k in known:
        found[place] = posed.point[k]
    rest = np.setdiff1d(np.arange(unknowns), [place for place, _ in known])
    if multipliers is not None:
        found[rest] = multipliers
    elif len(rest):
        value, jacobian = linearised(posed, found)
        found[rest] = np.linalg.lstsq(jacobian[:, rest], -value)[0]
    return found


def near_zero(posed: PosedSystem, point: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Returns a point near a zero, by Newton's method.

    Raises:
        NoProof: If no zero is found.
    """
    close, jacobian = 0, np.eye(len(point))
    for _ in range(_STEPS):
        value, jacobian = linearised(posed, point)
        try:
            step = np.linalg.solve(jacobian, value)
        except np.linalg.LinAlgError:
            break
        if not np.isfinite(step).all():
            break
        point = point - step
        close += np.abs(step).max() <= _CLOSE * (1 + np.abs(point).max())
        if close > _POLISHING:
            return point
    reason = singular_reason(jacobian, "where Newton's method came to")
    raise NoProof("Newton's method found no zero near the guess", *([reason] if reason else []))


def singular_reason(jacobian: Float[np.ndarray, "n n"], where: str) -> str:
    """Returns a sentence if a Jacobian is singular as far as floating point can tell, else ""."""
    if not np.isfinite(jacobian).all():
        return ""
    values = np.linalg.svd(jacobian, compute_uv=False)
    if values[-1] > SINGULAR * values[0]:
        return ""
    return (
        f"the Jacobian of the system is singular, or nearly so, {where}: its smallest singular "
        f"value is about {values[-1]:.1e}, its largest {values[0]:.1e} (estimates)"
    )
