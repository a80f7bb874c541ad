"""Finds the multipliers of shared rows at an equilibrium, and what can be claimed of them."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from certify.checker.exact import root_above
from certify.checker.reader import Reader
from certify.checker.shared_rows import (
    ACTIVE,
    EQUALITY,
    INACTIVE,
    NASH,
    NORMALISED,
    POSSIBLE,
    VARIATIONAL,
    Shared,
    simplices,
    surely_free,
)
from certify.checker.verdict import Rejected
from certify.graph.shared_graph import shared_data
from certify.problem.constraints import Constraints
from certify.problem.linear_rows import LinearRows
from certify.problem.region import Region
from certify.prove.function_bounds import function_bounds
from certify.prove.no_proof import NoProof

# How far inside the boundary of functions a point may be, relatively, in the order tried.
_INWARD = (2.0**-52, 2.0**-50, 2.0**-47, 2.0**-44, 2.0**-40)
# Multipliers below this share of the forces that they balance are taken for zero.
_NEGLIGIBLE = 1e-10
# Radii of multipliers are larger by this factor than what floating point says of them.
_ROOM = 1 + 2.0**-12


class SharedParts(NamedTuple):
    """What a file has on shared rows: a part of its claims, and one of its evidence."""

    claims: dict[str, Any]
    evidence: dict[str, Any]


def refined(
    constraints: Constraints,
    point: Float[np.ndarray, " n"],
    value: Float[np.ndarray, " n"],
    multipliers: Float[np.ndarray, " constraints"],
    weights: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " constraints"]:
    """Returns multipliers that balance the field at a point as well as floats can.

    Args:
        constraints: The sets, the rows and the functions.
        point: A point near the equilibrium, in the sets.
        value: F there.
        multipliers: Multipliers that nearly balance it, those of functions after those of rows.
        weights: The metric, one weight for each coordinate.
    """
    matrix, equal = constraints.lines_at(point), constraints.is_equality
    kept = np.where(_negligible(matrix, multipliers, weights * value) & ~equal, 0.0, multipliers)
    held = np.flatnonzero(equal | (kept != 0))
    free = _free(constraints, point)
    lines = np.vstack([matrix[held], _sums(constraints)])[:, free]
    if not lines.size:
        return kept
    best = np.linalg.lstsq(lines.T, -(weights * value)[free], rcond=None)[0][: len(held)]
    better = kept.copy()
    better[held] = best
    return better if (better >= 0)[~equal].all() else kept


def moved_inside(
    constraints: Constraints,
    region: Region,
    point: Float[np.ndarray, " n"],
    multipliers: Float[np.ndarray, " constraints"],
    value: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """Moves a point on the boundary of functions inward until they are proved not to be positive.

    How far that is decides how sharply the equilibrium is enclosed: as little as rounding allows.

    Raises:
        NoProof: If no such point was found.
    """
    functions, rows = constraints.functions, constraints.rows
    assert functions is not None and rows is not None
    matrix = constraints.lines_at(point)
    touching = ~_negligible(matrix, multipliers, value)
    touching[: len(rows.bounds)] |= rows.is_equality
    held, free = np.flatnonzero(touching), _free(constraints, point)
    lines = np.vstack([matrix[held], _sums(constraints)])[:, free]
    values = np.asarray(functions.values(jnp.asarray(point)))
    gaps = np.concatenate([rows.bounds - rows.matrix @ point, -values])
    scale = np.abs(matrix) @ np.abs(point) + np.abs(gaps)
    scale[: len(rows.bounds)] = 0.0
    ones = np.ones_like(point)
    for share in _INWARD:
        wanted = np.zeros(len(lines))
        wanted[: len(held)] = (gaps - share * scale)[held]
        near = point.copy()
        near[free] += np.linalg.lstsq(lines, wanted, rcond=None)[0] if len(held) else 0.0
        near = constraints.snapped(near)
        bounds = function_bounds(constraints, region, near, ones)
        shared = shared_at(constraints, multipliers, bounds)
        try:
            own = constraints.exact(), constraints.coordinates
            center = [Fraction(x) for x in near.tolist()]
            inside = shared.feasible(center, *own)
            moves = [y - c for y, c in zip(inside, center, strict=True)]
            shift = root_above(sum((m * m for m in moves), Fraction(0)))
            assert shared.functions is not None
            shared.functions.gap([Fraction(1)] * len(center), shift)
        except Rejected:
            continue
        return near
    raise NoProof("no point near the equilibrium was proved to satisfy all shared constraints")


def shared_at(
    constraints: Constraints,
    multipliers: Float[np.ndarray, " constraints"],
    bounds: dict[str, Any] | None,
) -> Shared:
    """Returns shared constraints as the checker reads them, of which nothing is claimed yet.

    Args:
        constraints: The constraints.
        multipliers: Their multipliers, those of functions after those of rows.
        bounds: What is proved of the functions, see `function_bounds`; None if there are none.
    """
    rows = constraints.rows
    assert rows is not None
    count, states = len(rows.bounds), [EQUALITY if e else POSSIBLE for e in rows.is_equality]
    claims = {"notion": NORMALISED, "multipliers": _hex(multipliers[:count]), "states": states}
    evidence = {}
    if bounds is not None:
        claims["functions"] = [POSSIBLE] * len(bounds["values"])
        evidence = {"functions": {**_hex(bounds), "multipliers": _hex(multipliers[count:])}}
    sizes = [len(own.extents) for own in constraints.exact()]
    data = shared_data(constraints)
    return Shared(Reader(data), Reader(claims), Reader(evidence), sizes)


def shared_parts(
    constraints: Constraints,
    point: Float[np.ndarray, " n"],
    value: Float[np.ndarray, " n"],
    residual: Float[np.ndarray, " n"],
    multipliers: Float[np.ndarray, " constraints"],
    bounds: dict[str, Any] | None,
    weights: Sequence[float],
    lipschitz: float,
    radius: float,
) -> SharedParts:
    """Returns the claims on shared constraints, and what proves them.

    Args:
        constraints: The sets and the rows.
        point: The centre of the ball that contains the equilibrium.
        value: About F there.
        residual: Bounds on the errors of the value.
        multipliers: About the multipliers of the equilibrium.
        bounds: What is proved of the functions in this metric; None if there are none.
        weights: The metric, one weight for each player.
        lipschitz: The Lipschitz constant.
        radius: The radius of the ball.
    """
    rows, shared = constraints.rows, shared_at(constraints, multipliers, bounds)
    assert rows is not None
    multipliers, of_functions = np.split(multipliers, [len(rows.bounds)])
    sets = constraints.exact()
    sizes = [len(own.extents) for own in sets]
    spread = np.repeat(weights, sizes)
    exact = [Fraction(w) for w in spread.tolist()]
    center, ball = [Fraction(x) for x in point.tolist()], Fraction(radius)
    states = [
        EQUALITY
        if row.is_equality
        else INACTIVE
        if not multiplier and row.is_beyond(center, exact, ball)
        else POSSIBLE
        for row, multiplier in zip(shared.rows, multipliers, strict=True)
    ]
    evidence: dict[str, Any] = {}
    curved = []
    if shared.functions is not None and bounds is not None:
        curved = [
            INACTIVE if not m and shared.functions.is_below(k, exact, ball) else POSSIBLE
            for k, m in enumerate(of_functions.tolist())
        ]
        evidence = {"functions": {**_hex(bounds), "multipliers": _hex(of_functions)}}
    claims: dict[str, Any] = {
        "notion": _notion(rows, weights, sizes, states, curved),
        "multipliers": _hex(multipliers),
        "states": states,
        **({"functions": curved} if curved else {}),
    }
    free = surely_free(center, [end for own in sets for end in own.extents], exact, ball)
    unknown = [j for j, state in enumerate(states) if state != INACTIVE]
    groups = _sums(constraints)
    groups = groups[(groups[:, free] != 0).any(1)]
    lines = np.vstack([rows.matrix[unknown], groups])[:, free]
    apart = set(curved) <= {INACTIVE} and unknown and free
    if not apart or np.linalg.matrix_rank(lines) < len(lines):
        return SharedParts(claims, evidence)
    inverse = np.linalg.pinv(lines.T)
    force = spread * value
    balance = force[free] + multipliers[unknown] @ rows.matrix[unknown][:, free]
    levels = -(inverse @ balance)[len(unknown) :]
    start = np.concatenate([multipliers[unknown], levels])
    drift = np.sqrt(spread[free]) * lipschitz * radius + spread[free] * residual[free]
    middle = np.abs(inverse @ (force[free] + start @ lines))
    loss = np.abs(np.eye(len(lines)) - inverse @ lines.T) + 2.0**-50 * (
        np.abs(inverse) @ np.abs(lines.T)
    )
    rounding = 2.0**-48 * (np.abs(inverse) @ (np.abs(force[free]) + np.abs(start) @ np.abs(lines)))
    gap = middle + np.abs(inverse) @ drift + rounding
    reach = np.linalg.solve(np.eye(len(lines)) - loss, gap) * _ROOM + 1e-300
    if not (np.isfinite(reach).all() and (reach > 0).all()):
        return SharedParts(claims, evidence)
    whole = np.zeros(len(multipliers))
    whole[unknown] = reach[: len(unknown)]
    claims["radius"] = _hex(whole)
    claims["states"] = [
        ACTIVE if state == POSSIBLE and multiplier > far else state
        for state, multiplier, far in zip(states, multipliers, whole, strict=True)
    ]
    evidence["shared"] = _hex(
        {"inverse": inverse, "levels": levels, "level_radius": reach[len(unknown) :]}
    )
    return SharedParts(claims, evidence)


def _notion(
    rows: LinearRows,
    weights: Sequence[float],
    sizes: Sequence[int],
    states: Sequence[str],
    curved: Sequence[str],
) -> str:
    apart = not rows.couple(sizes) or set(states) == {INACTIVE}
    if apart and set(curved) <= {INACTIVE}:
        return NASH
    return VARIATIONAL if all(w == 1.0 for w in weights) else NORMALISED


def _sums(constraints: Constraints) -> Float[np.ndarray, "groups n"]:
    """Returns a row of ones for each simplex."""
    found = simplices(constraints.exact(), constraints.coordinates)
    sums = np.zeros((len(found), constraints.coordinates[-1].stop))
    for row, group in zip(sums, found, strict=True):
        row[list(group)] = 1.0
    return sums


def _negligible(
    matrix: Float[np.ndarray, "constraints n"],
    multipliers: Float[np.ndarray, " constraints"],
    force: Float[np.ndarray, " n"],
) -> Bool[np.ndarray, " constraints"]:
    """Says which multipliers are zero, up to roundings of what they balance."""
    return np.abs(matrix).max(1) * np.abs(multipliers) <= _NEGLIGIBLE * np.abs(force).max()


def _free(constraints: Constraints, point: Float[np.ndarray, " n"]) -> list[int]:
    """Returns the coordinates that are not on a bound of their set at a point."""
    extents = [end for own in constraints.exact() for end in own.extents]
    return [k for k, ends in enumerate(extents) if float(point[k]) not in ends]


def _hex(numbers: Any) -> Any:
    """Writes floats as the file holds them, in arrays, lists and dictionaries."""
    if isinstance(numbers, dict):
        return {key: _hex(value) for key, value in numbers.items()}
    if isinstance(numbers, list) or getattr(numbers, "ndim", 0):
        return [_hex(x) for x in numbers]
    return float(numbers).hex()
