"""Turns a system and a point near its zero into the contents of a file that the checker accepts."""

import time
from typing import Any, NamedTuple

import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

from certify.checker import Unusable
from certify.checker.reader import FORMAT, VERSION, ZERO
from certify.checker.rederive import PRECISION
from certify.checker.systems import EquilibriumSystem, System
from certify.claims.checked import Checked, NotAccepted
from certify.file.cells import integers
from certify.file.provenance import provenance
from certify.problem.messages import coordinate_names
from certify.prove.file_parts import hexadecimal
from certify.prove.no_proof import NoProof
from certify.prove.zero.evidence_of_zero import (
    Cells,
    Isolation,
    KrawczykSearch,
    conditions_at,
    forms_over,
)
from certify.prove.zero.newton import bounds_on, near_zero
from certify.prove.zero.posed_system import PosedSystem
from certify.search.budget import Budget

TRUSTED = (
    "Statement (B) of certify/checker/krawczyk.py: that the Jacobian of the equations is in the "
    "stated interval matrix on the box, that residual, conditions and forms are as stated. Level 2 "
    "of the checker re-derives it from the functions in this file; else it rests on the same code, "
    "which found them: on python-flint, and the graph in this file being that of their code.",
    "The functions mean the real-valued functions that their code spells out, with constants taken "
    "exactly.",
    "The checker and the Python interpreter that runs it.",
)


class RegionToCover(NamedTuple):
    """A box of inputs on which the forms of a system are to hold, and how long to try.

    Attributes:
        lower: The lower corner.
        upper: The upper corner.
        budget: How many cells it may be cut into, and for how long.
    """

    lower: np.ndarray
    upper: np.ndarray
    budget: Budget


def proved(
    posed: PosedSystem,
    point: np.ndarray,
    radius: float | None,
    region: RegionToCover | None = None,
) -> Checked:
    """Returns contents that the checker has accepted.

    Args:
        posed: The system.
        point: A guess of the unknowns.
        radius: The half-width of the box; None for the largest one that is found.
        region: The region of the inputs on which forms are to hold; None for none.

    Raises:
        NoProof: If there is no proof; it says why.
        MismatchError: If the functions are not what was read from their code.
    """
    began = time.perf_counter()
    try:
        point = near_zero(posed, point)
        search = KrawczykSearch(posed, point)
        found = search.isolated(radius)
        evidence = evidence_in_file(posed, search, found, region)
    except Unusable as error:
        raise NoProof(str(error)) from None
    data = {
        "format": FORMAT,
        "version": VERSION,
        "kind": ZERO,
        "game": posed.game,
        "claims": {
            "box": corners_in_file(found.lower, found.upper),
            "zero": corners_in_file(*found.zero),
            **({} if region is None else {"region": corners_in_file(region.lower, region.upper)}),
        },
        **({"promoted": list(posed.field.promoted)} if posed.field.promoted else {}),
        "trusted": [*TRUSTED, *posed.field.promoted],
        "provenance": {**provenance(), "seconds": f"{time.perf_counter() - began:.2f}"},
        "evidence": evidence,
    }
    try:
        contents = Checked(data)
    except NotAccepted as rejection:
        raise NoProof(f"the checker did not accept it: {rejection}") from None
    except Unusable as error:
        raise NoProof(str(error)) from None
    ends = [_inputs(posed, end) for end in (found.lower, found.upper)]
    posed.compare(ends[0], ends[1])
    if region is not None:
        posed.compare(region.lower, region.upper)
    return contents


def evidence_in_file(
    posed: PosedSystem,
    search: KrawczykSearch,
    found: Isolation,
    region: RegionToCover | None = None,
) -> dict[str, Any]:
    """Returns what proves that there is one zero, and what is said of it.

    Raises:
        NoProof: If the conditions are not shown at the zero, or the forms on the region.
    """
    system = posed.system
    with ctx.workprec(PRECISION):
        here = bounds_on(posed, *found.zero)
        if not here.is_smooth:
            raise NoProof("the functions were not shown to be smooth at the zero")
        conditions = conditions_at(here)
        _require_conditions(posed, found, conditions)
        forms = forms_over(here, found.unit) if region is None and system.local else []
    covering: dict[str, Any] = {"forms": [form.entry for form in forms]}
    if region is not None:
        _require_inside(posed, found, region)
        cells = Cells(posed, found.zero, found.unit, region.budget)
        covering = {"cells": cells.covering(region.lower, region.upper)}
    return {
        "center": hexadecimal(search.point),
        "residual": hexadecimal(search.residual),
        "unit": found.unit,
        "jacobian": found.jacobian,
        "inverse": {"unit": search.inverse_unit, "matrix": integers(search.inverse)},
        "bounds": hexadecimal(conditions),
        **covering,
    }


def _require_conditions(posed: PosedSystem, found: Isolation, conditions: list[float]) -> None:
    """Raises unless conditions and multipliers are positive and inputs where they have to be."""
    system = posed.system
    names = coordinate_names(posed.field.names, posed.field.sizes)
    for number, bound in enumerate(conditions):
        if bound > 0:
            continue
        what = f"condition {number}"
        if isinstance(system, EquilibriumSystem):
            what = _condition_in_words(system, number, names)
        raise NoProof(f"{what} was not shown: its lower bound is {bound:.3g}")
    for k in system.multipliers:
        low, high = float(found.zero[0][k]), float(found.zero[1][k])
        if not low > 0:
            shown = (
                f"is negative, at most {high:.3g}" if high < 0 else "is not shown to be positive"
            )
            raise NoProof(f"the multiplier of {_constraint_in_words(system, k)} {shown}")
    lower, upper = (_inputs(posed, end) for end in found.zero)
    for name, a, b, (least, most) in zip(names, lower, upper, system.extents, strict=True):
        if (least is not None and a < least) or (most is not None and b > most):
            raise NoProof(f"the zero was not shown to be within the bounds of {name}")


def _constraint_in_words(system: System, unknown: int) -> str:
    """Names the active constraint whose multiplier an unknown is."""
    assert isinstance(system, EquilibriumSystem)  # no other system has multipliers to be positive
    row = next(c.output for c in system.constraints if c.multiplier == unknown)
    return f"active constraint {row - len(system.sizes)}"


def _condition_in_words(system: EquilibriumSystem, number: int, names: list[str]) -> str:
    if number < len(system.inactive):
        row = system.inactive[number].output - len(system.sizes)
        return f"that constraint {row} is inactive"
    coordinate, at = system.fixed[number - len(system.inactive)]
    return f"that the multiplier of the {at} bound of {names[coordinate]} is positive"


def _require_inside(posed: PosedSystem, found: Isolation, region: RegionToCover) -> None:
    lower, upper = (_inputs(posed, end) for end in found.zero)
    if (lower < region.lower).any() or (upper > region.upper).any():
        raise NoProof("the zero is not in the region")


def _inputs(posed: PosedSystem, unknowns: np.ndarray) -> np.ndarray:
    """Returns the inputs of the graph as floats, given the unknowns; fixed ones are floats."""
    places = posed.system.places
    return np.array([unknowns[p] if isinstance(p, int) else float(p) for p in places])


def corners_in_file(lower: np.ndarray, upper: np.ndarray) -> dict[str, list[str]]:
    """Returns a box as data."""
    return {"lower": hexadecimal(lower), "upper": hexadecimal(upper)}
