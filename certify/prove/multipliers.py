"""Finds the multipliers of shared rows at an equilibrium, and what can be claimed of them."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

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
from certify.problem.constraints import Constraints
from certify.problem.linear_rows import LinearRows

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
    multipliers: Float[np.ndarray, " rows"],
    weights: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " rows"]:
    """Returns multipliers that balance the field at a point as well as floats can.

    Args:
        constraints: The sets and the rows.
        point: A point near the equilibrium, in the sets.
        value: F there.
        multipliers: Multipliers that nearly balance it.
        weights: The metric, one weight for each coordinate.
    """
    rows = constraints.rows
    assert rows is not None
    sizes = np.abs(rows.matrix).max(1) * np.abs(multipliers)
    small = sizes <= _NEGLIGIBLE * np.abs(weights * value).max()
    kept = np.where(small & ~rows.is_equality, 0.0, multipliers)
    held = np.flatnonzero(rows.is_equality | (kept != 0))
    extents = [end for own in constraints.exact() for end in own.extents]
    free = [k for k, ends in enumerate(extents) if float(point[k]) not in ends]
    lines = np.vstack([rows.matrix[held], _sums(constraints)])[:, free]
    if not lines.size:
        return kept
    best = np.linalg.lstsq(lines.T, -(weights * value)[free], rcond=None)[0][: len(held)]
    better = kept.copy()
    better[held] = best
    return better if (better >= 0)[~rows.is_equality].all() else kept


def shared_rows(constraints: Constraints, multipliers: Float[np.ndarray, " rows"]) -> Shared | None:
    """Returns the rows as the checker reads them, of which nothing is claimed yet."""
    rows = constraints.rows
    if rows is None:
        return None
    states = [EQUALITY if equal else POSSIBLE for equal in rows.is_equality]
    claims = {"notion": NORMALISED, "multipliers": _hex(multipliers), "states": states}
    sizes = [len(own.extents) for own in constraints.exact()]
    return Shared(Reader(rows.to_json(float.hex)), Reader(claims), sizes)


def shared_parts(
    constraints: Constraints,
    point: Float[np.ndarray, " n"],
    value: Float[np.ndarray, " n"],
    residual: Float[np.ndarray, " n"],
    multipliers: Float[np.ndarray, " rows"],
    weights: Sequence[float],
    lipschitz: float,
    radius: float,
) -> SharedParts:
    """Returns the claims on shared rows, and what proves them.

    Args:
        constraints: The sets and the rows.
        point: The centre of the ball that contains the equilibrium.
        value: About F there.
        residual: Bounds on the errors of the value.
        multipliers: About the multipliers of the equilibrium.
        weights: The metric, one weight for each player.
        lipschitz: The Lipschitz constant.
        radius: The radius of the ball.
    """
    rows, shared = constraints.rows, shared_rows(constraints, multipliers)
    assert rows is not None and shared is not None
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
    claims: dict[str, Any] = {
        "notion": _notion(rows, weights, sizes, states),
        "multipliers": _hex(multipliers),
        "states": states,
    }
    free = surely_free(center, [end for own in sets for end in own.extents], exact, ball)
    unknown = [j for j, state in enumerate(states) if state != INACTIVE]
    groups = _sums(constraints)
    groups = groups[(groups[:, free] != 0).any(1)]
    lines = np.vstack([rows.matrix[unknown], groups])[:, free]
    if not unknown or not free or np.linalg.matrix_rank(lines) < len(lines):
        return SharedParts(claims, {})
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
        return SharedParts(claims, {})
    whole = np.zeros(len(multipliers))
    whole[unknown] = reach[: len(unknown)]
    claims["radius"] = _hex(whole)
    claims["states"] = [
        ACTIVE if state == POSSIBLE and multiplier > far else state
        for state, multiplier, far in zip(states, multipliers, whole, strict=True)
    ]
    evidence = {
        "inverse": [_hex(row) for row in inverse],
        "levels": _hex(levels),
        "level_radius": _hex(reach[len(unknown) :]),
    }
    return SharedParts(claims, {"shared": evidence})


def _notion(
    rows: LinearRows, weights: Sequence[float], sizes: Sequence[int], states: Sequence[str]
) -> str:
    if not rows.couple(sizes) or set(states) == {INACTIVE}:
        return NASH
    return VARIATIONAL if all(w == 1.0 for w in weights) else NORMALISED


def _sums(constraints: Constraints) -> Float[np.ndarray, "groups n"]:
    """Returns a row of ones for each simplex."""
    found = simplices(constraints.exact(), constraints.coordinates)
    sums = np.zeros((len(found), constraints.coordinates[-1].stop))
    for row, group in zip(sums, found, strict=True):
        row[list(group)] = 1.0
    return sums


def _hex(numbers: Any) -> list[str]:
    return [float(x).hex() for x in numbers]
