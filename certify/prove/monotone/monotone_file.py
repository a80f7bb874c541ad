"""Turns cells on which a field is monotone into the contents of a file that the checker accepts."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from certify.checker import Unusable
from certify.checker.anchored import ONTO_SETS, UNCONSTRAINED, Theorem
from certify.checker.graph import game_hash
from certify.checker.monotone import (
    COMPACT,
    POINT,
    ZERO,
    MonotoneClaims,
    distance_above,
    points_inside,
)
from certify.checker.reader import FORMAT, MONOTONE, VERSION, Reader
from certify.checker.verdict import Rejected
from certify.claims.checked import Checked, NotAccepted
from certify.file.cells import integers
from certify.file.provenance import provenance
from certify.metric.cell_lipschitz import lipschitz_bounds
from certify.metric.cell_margin import margin_bounds
from certify.metric.metric import Metric
from certify.problem.corners import coordinates
from certify.problem.field import FlatField, compiled_value
from certify.problem.region import Region
from certify.prove.equilibrium import find_constrained, find_zero, residual_bound
from certify.prove.file_parts import (
    TRUSTED_BY_CELLS,
    game_in_file,
    graph_in_file,
    hexadecimal,
    metric_in_file,
)
from certify.prove.monotone.constant_entries import is_exact
from certify.prove.monotone.monotone_cells import MonotoneCells
from certify.prove.no_proof import NoProof
from certify.rounding import float_above, float_below

TRUSTED = (
    *TRUSTED_BY_CELLS,
    "Entries of families without any remainder, and values at a point without any error, rest on "
    "python-flint, and the graph of the costs in this file being that of their code.",
)
# Floating-point bounds on the Lipschitz constant are backed off by these shares of it.
_BACKOFFS = (2.0**-42, 2.0**-30, 2.0**-20)
# Bits of the inverse of a Jacobian in Krawczyk's test.
_INVERSE_BITS = 40
# Room for what is rounded on the way from distances to radii.
_ROOM = 1 - 2.0**-40
# The step `a = h L` where the bound is smallest, if that is not the largest one.
_BEST = {"extragradient": Fraction(7071, 10000)}


class Starts(NamedTuple):
    """The starts that a user asked for: a ball of the metric, of which the rest is chosen."""

    center: Float[np.ndarray, " n"] | None
    radius: float | None


class Solution(NamedTuple):
    """A solution as the file states it, and what shows that it is one."""

    stated: dict[str, Any]
    center: Float[np.ndarray, " n"]
    evidence: dict[str, Any]
    reach: float = 0.0


def proved(
    field: FlatField,
    region: Region,
    cells: MonotoneCells,
    weights: Float[np.ndarray, " n"],
    methods: Sequence[str],
    starts: Starts,
    seconds: str,
) -> Checked:
    """Returns contents that the checker has accepted.

    Raises:
        NoProof: If there is no proof; it says why.
    """
    solution, reason = _solution(field, region, cells, weights), ""
    for backoff in _BACKOFFS:
        try:
            return Checked(
                _contents(
                    field, region, cells, weights, methods, starts, solution, backoff, seconds
                )
            )
        except NotAccepted as rejection:
            reason = f"the bounds could not be proved exactly: {rejection}"
        except Unusable as error:
            raise NoProof(str(error)) from None
    raise NoProof(reason)


def _contents(
    field: FlatField,
    region: Region,
    cells: MonotoneCells,
    weights: np.ndarray,
    methods: Sequence[str],
    starts: Starts,
    solution: Solution,
    backoff: float,
    seconds: str,
) -> dict[str, Any]:
    families, metric = cells.in_numbers, Metric(weights)
    steepness = lipschitz_bounds(families, weights)
    scale = float(np.abs(metric.framed(families.centre)).max()) * len(weights)
    lipschitz = max(float(steepness.norm.max()) + backoff * scale, 1e-150)
    scaling = margin_bounds(families, weights, field.signs).scaling
    constraints = field.constraints if field.constraints.bind else None
    graph, without_graph = graph_in_file(field)
    data: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "kind": MONOTONE,
        "game": game_in_file(field, region, constraints, graph),
        "region": region.to_json(hexadecimal),
        "claims": {
            **metric_in_file(metric, field.sizes),
            "lipschitz": hexadecimal(lipschitz),
            "solution": solution.stated,
            "starts": {},
            "distance": hexadecimal(0.0),
            "methods": [],
        },
        **({"promoted": list(field.promoted)} if field.promoted else {}),
        "trusted": [*TRUSTED, *field.promoted],
        "provenance": {
            **provenance(),
            **({} if graph is not None else {"no_graph": without_graph}),
            "enclosure": cells.enclosure,
            "seconds": seconds,
        },
        "evidence": {
            "unit": cells.unit,
            "cells": cells.listed(scaling, steepness.scaling),
            **solution.evidence,
        },
    }
    data["game"]["hash"] = game_hash(data["game"])
    table = ONTO_SETS if constraints is not None else UNCONSTRAINED
    rules = {rule: theorem for rule, theorem in table.items() if rule[0] in methods}
    _put_starts(data, region, weights, starts, solution, rules, lipschitz)
    without = _put_methods(data, methods, rules)
    if methods and not data["claims"]["methods"]:
        raise NoProof(*(f"{name}: {why}" for name, why in without.items()))
    if without:
        data["provenance"]["methods_without_bound"] = without
    return data


def _put_starts(
    data: dict[str, Any],
    region: Region,
    weights: np.ndarray,
    starts: Starts,
    solution: Solution,
    rules: dict[tuple[str, str], Theorem],
    lipschitz: float,
) -> None:
    """States the starts, and how far they are from a solution."""
    claims = data["claims"]
    center = solution.center if starts.center is None else starts.center
    radius = starts.radius
    claims["starts"] = {"center": hexadecimal(center), "radius": hexadecimal(radius or 0.0)}
    if radius is None:
        if "sets" in data["game"]:
            radius = 0.0
            if starts.center is None:  # all of the sets
                radius = float_above(
                    MonotoneClaims(Reader(data)).farthest_above(
                        [Fraction(x) for x in center.tolist()]
                    )
                )
        else:
            steps = [_step(rule, known, lipschitz) for rule, known in rules.items()]
            reach = [
                float(known.reach(Fraction(h) * Fraction(lipschitz)))
                for h, known in zip(steps, rules.values(), strict=True)
            ]
            ball = region.largest_ball(solution.center, weights)
            gap = float(np.sqrt(weights @ (center - solution.center) ** 2))
            most = (ball - solution.reach) / max(reach, default=1.0)
            radius = (most - solution.reach - gap) * _ROOM
            if starts.center is not None:
                radius = 0.0
            if radius < 0:
                raise NoProof("the ball that the points of a method are in is not in the region")
        claims["starts"]["radius"] = hexadecimal(radius)
    try:
        claims["distance"] = hexadecimal(float_above(distance_above(MonotoneClaims(Reader(data)))))
    except Rejected as rejected:
        raise NoProof(*rejected.args) from None


def _put_methods(
    data: dict[str, Any], methods: Sequence[str], rules: dict[tuple[str, str], Theorem]
) -> dict[str, str]:
    """States what the theorems say of methods; returns why there is nothing about the others."""
    claims, without = MonotoneClaims(Reader(data)), dict[str, str]()
    for rule, known in rules.items():
        step = _step(rule, known, float(claims.lipschitz))
        bound = known.bound(Fraction(step), claims.lipschitz, claims.distance)
        if bound is None or not points_inside(claims, known, Fraction(step) * claims.lipschitz):
            without[rule[0]] = _outside(claims, known, step)
            continue
        without.pop(rule[0], None)
        data["claims"]["methods"].append(
            {
                "method": rule[0],
                "theorem": rule[1],
                **hexadecimal({"step": step, "constant": float_above(bound)}),
            }
        )
    stated = {entry["method"] for entry in data["claims"]["methods"]}
    for name in methods:
        if name not in stated and name not in without:
            onto = " onto strategy sets" if claims.sets else ""
            without[name] = f"there is no theorem on its steps{onto} along fields without a margin"
    return {name: why for name, why in without.items() if name not in stated}


def _outside(claims: MonotoneClaims, known: Theorem, step: float) -> str:
    """Says how far the points of a method may be from a solution, as they may leave the region."""
    if claims.sets:
        return "its points, which may leave the strategy sets, were not shown to be in the region"
    reach = float(known.reach(Fraction(step) * claims.lipschitz) * claims.distance)
    return (
        f"its points were not shown to be in the region: they may be {reach:.4g} from a solution, "
        "in the metric; take a larger region, or a smaller start_radius"
    )


def _step(rule: tuple[str, str], known: Theorem, lipschitz: float) -> float:
    share = _BEST.get(rule[0], known.limit)
    return float_below(share / Fraction(lipschitz))


def _solution(
    field: FlatField, region: Region, cells: MonotoneCells, weights: np.ndarray
) -> Solution:
    """Finds a solution, or that there is one.

    Raises:
        NoProof: If none is found.
    """
    constraints, middle = field.constraints, coordinates(region.center)
    if not constraints.bind:
        guess = find_zero(field, region)
        near = [middle] if guess is None else [middle, _rounded(guess), guess]
        for point in filter(lambda point: _contains(field, region, point), near):
            residual = _errors(field, point, np.zeros_like(point))
            if not residual.any():
                return _stated(POINT, point, residual)
        if guess is None or not _contains(field, region, guess):
            raise NoProof("no zero of the field was found in the region")
        return _isolated(cells, weights, guess, _errors(field, guess, np.zeros_like(guess)))
    if constraints.rows is not None or constraints.functions is not None:
        raise NoProof("nothing is known of shared constraints along fields without a margin")
    if not all(None not in extent for own in constraints.exact() for extent in own.extents):
        raise NoProof("the strategy sets are not bounded, so that there need not be a solution")
    inside = constraints.snapped(np.asarray(constraints.project(jnp.asarray(middle))))
    for point in _near_solutions(field, region, inside, _steepness(cells), weights):
        value = np.asarray(compiled_value(field)(point))
        residual = _errors(field, point, value)
        if not residual.any() and _solves(field, point, value):
            return _stated(POINT, point, residual, value)
    value = np.asarray(compiled_value(field)(inside))
    return _stated(COMPACT, inside, _errors(field, inside, value), value)


def _contains(field: FlatField, region: Region, point: np.ndarray) -> bool:
    """Says whether a point is in the region; what floating point gets wrong the checker notices."""
    return bool(region.contains(field.unravel(jnp.asarray(point))))


def _near_solutions(
    field: FlatField, region: Region, inside: np.ndarray, steepness: float, weights: np.ndarray
) -> Iterator[np.ndarray]:
    """Yields points of the strategy sets that may be solutions exactly, cheap ones first."""
    yield inside
    found = find_constrained(field, region, steepness, weights)
    if found is not None:
        yield field.constraints.snapped(_rounded(found[0]))
        yield found[0]


def _solves(field: FlatField, point: np.ndarray, value: np.ndarray) -> bool:
    """Says whether a point solves the variational inequality exactly, if F is that value there."""
    p, v = ([Fraction(x) for x in vector.tolist()] for vector in (point, value))
    for own, block in zip(field.constraints.exact(), field.constraints.coordinates, strict=True):
        if not own.contains(p[block]):
            return False
        defect = own.defect(p[block], v[block])
        if any(defect.errors) or defect.shift:
            return False
    return True


def _errors(field: FlatField, point: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Returns bounds on `|F(point) - value|`, all zero if it is exact."""
    exact = is_exact(field, point, value)
    return np.zeros_like(point) if exact else residual_bound(field, point, value)


def _rounded(point: np.ndarray) -> np.ndarray:
    """Returns a point of few bits, where the field may be exactly zero."""
    return np.round(point * 2.0**20) / 2.0**20 + 0.0


def _steepness(cells: MonotoneCells) -> float:
    return float(np.linalg.norm(cells.in_numbers.centre, 2, (-2, -1)).max())


def _stated(
    kind: str, point: np.ndarray, residual: np.ndarray, value: np.ndarray | None = None
) -> Solution:
    stated = {"kind": kind, "center": point, "residual": residual}
    further = {} if value is None else {"value": value}
    return Solution(hexadecimal({**stated, **further}), point, {})


def _isolated(
    cells: MonotoneCells, weights: np.ndarray, point: np.ndarray, residual: np.ndarray
) -> Solution:
    """States a zero in a box around a point, by Krawczyk's test with the families of the cells."""
    families = cells.in_numbers
    around = np.abs(np.asarray(families.generators)).sum(1) + families.remainder
    inside = _cells_at(cells, point)
    middle = np.asarray(families.centre)[inside].mean(0)
    try:
        inverse = np.linalg.inv(middle)
    except np.linalg.LinAlgError:
        raise NoProof("the Jacobian is singular at the zero that was found") from None
    unit = min(int(np.ceil(np.log2(np.abs(inverse).max()))) - _INVERSE_BITS, 0)
    whole = np.rint(np.ldexp(inverse, -unit))
    inverse, identity = np.ldexp(whole, unit), np.eye(len(point))
    spread = np.max(
        [
            np.abs(identity - inverse @ families.centre[k]) + np.abs(inverse) @ around[k]
            for k in inside
        ],
        axis=0,
    )
    spread += 1e-14 * (identity + np.abs(inverse) @ np.abs(middle))
    base = 1.01 * (np.abs(inverse) @ residual) + 4 * np.spacing(np.abs(point)) + 1e-150
    reach = np.linalg.solve(identity - spread, base)
    if np.abs(np.linalg.eigvals(spread)).max() >= 1 or not (reach > 0).all():
        raise NoProof("Krawczyk's test does not hold around the zero that was found")
    stated = {"kind": ZERO, "center": point, "residual": residual, "reach": reach}
    size = float(np.sqrt(weights @ reach**2))
    evidence = {"inverse": {"unit": unit, "matrix": integers(whole)}}
    return Solution(hexadecimal(stated), point, evidence, size)


def _cells_at(cells: MonotoneCells, point: np.ndarray) -> list[int]:
    """Returns the numbers of the cells that a small box around a point meets."""
    room = 1e-9 * (1 + np.abs(point))
    return [
        k
        for k, (lower, upper) in enumerate(cells.corners)
        if ((lower - room <= point) & (point <= upper + room)).all()
    ]
