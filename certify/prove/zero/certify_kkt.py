"""Proves that a point is a generalised Nash equilibrium, without monotonicity."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import dgames as dg
from certify.claims.isolated_zero import IsolatedZero
from certify.problem.constraints import Constraints
from certify.problem.corners import coordinates, corner
from certify.problem.naming import game_name
from certify.problem.region import Box
from certify.prove.file_parts import hexadecimal
from certify.prove.no_proof import NoProof
from certify.prove.zero.certify_zero import cell_budget, check_radius
from certify.prove.zero.newton import start
from certify.prove.zero.posed_system import PosedSystem, posed
from certify.prove.zero.zero_file import RegionToCover, proved
from certify.search.budget import Budget
from certify.search.search_options import Search
from dgames.constraints.shared_constraints import (
    Polyhedron,
    SharedConstraint,
    SharedConstraints,
    check_shared,
)
from dgames.strategy import Strategy, blocks, player_names, ravel


def certify_kkt(
    game: dg.Game,
    guess: Strategy,
    region: Box | None = None,
    *,
    multipliers: Float[Array, " active"] | None = None,
    active: Any = None,
    tolerance: float = 1e-6,
    radius: float | None = None,
    args: Any = None,
    search: Search = Search(),
) -> IsolatedZero:
    """Proves that a point near a guess is a generalised Nash equilibrium, without monotonicity.

    The constraints of the game are its strategy sets, which have to be boxes, and its
    `shared_constraints`, of all players or of some. The guess says which of them are active; this
    makes a square system of the conditions of Karush, Kuhn and Tucker, whose zero is enclosed by
    the test of Krawczyk, see `certify_zero`. A certificate with status "proved" says that

    - the system has exactly one zero in a box: there is no other point with these active
      constraints and bounds that obeys the conditions;
    - at it multipliers are positive and all other constraints hold strictly;
    - with a region, each player's Lagrangian is convex in the player's own strategy on all of it,
      so the point is a generalised Nash equilibrium within the region: no player has a better
      strategy there that obeys that player's constraints.

    Nothing is said about other equilibria. Constraints of several players have one multiplier for
    all of them. Strict complementarity is needed: a constraint that is active with the multiplier
    zero leaves the status "undecided". The theorem and its proof are in
    `certify/checker/systems.py`.

    Args:
        game: Costs and constraints, of smooth primitives.
        guess: A joint strategy near the equilibrium. Coordinates within the tolerance of a bound
            are taken to be there, and constraints within it to be active.
        region: The box of deviations; without it no equilibrium is claimed, but the conditions.
        multipliers: A guess of the multipliers of active constraints; by default, from least
            squares.
        active: Which constraints are active: a boolean for each row of all inequalities, in the
            order of `shared_constraints`. By default, the guess says.
        tolerance: See the guess; relative to one and the size of the numbers.
        radius: The half-width of the box of all unknowns, multipliers too; by default, the largest
            one of some that are tried for which the test holds.
        args: Passed to costs and constraints; fixed.
        search: How long and how finely the region is cut into cells. By default: up to 256 cells.

    Returns:
        An `IsolatedZero`; its file has been accepted by the independent checker if it is "proved".
        "undecided" says why there is no proof.

    Raises:
        ValueError: If the arguments do not fit together, or a strategy set is no box.
        EnclosureError: If a function uses derivative rules of its own.

    Example:
        >>> import certify, dgames as dg
        >>> line = dg.SharedConstraint(lambda x, args: x[0] + x[1] - 1.0)
        >>> game = dg.game(lambda x, args: ((x[0] - 1.0) ** 2, (x[1] - 0.5) ** 2), shared=line)
        >>> region = certify.Box((-9.0, -9.0), (9.0, 9.0))
        >>> found = certify.certify_kkt(game, (0.75, 0.25), region)
        >>> found.status, found.multipliers.lower.round(9).tolist()
        ('proved', [0.5])
    """
    check_radius("certify_kkt", radius)
    budget = cell_budget("certify_kkt", search)
    if not isinstance(game, dg.Game):
        raise ValueError("certify_kkt: give a game, whose costs and constraints are the system")
    example = corner("guess", guess)
    shared = game.shared_constraints(example)
    check_shared(shared, example, args)
    try:
        task = _posed(game, example, shared, args, active, tolerance)
        known = None if multipliers is None else np.asarray(multipliers, np.float64)
        covered = None if region is None else _covered(region, example, budget)
        contents = proved(task, start(task, known), radius, covered)
        return IsolatedZero("proved", contents=contents)
    except NoProof as end:
        return IsolatedZero("undecided", end.reasons)


def _posed(
    game: dg.Game,
    example: Strategy,
    shared: SharedConstraints,
    args: Any,
    active: Any,
    tolerance: float,
) -> PosedSystem:
    """Poses the conditions for the active constraints that the guess says."""
    sets = Constraints.of(game, Box.around(example, 1.0))
    sets.require_known()
    if any(type(own) not in (dg.Euclidean, dg.Box) for own in sets.sets):
        raise ValueError(
            "certify_kkt: strategy sets have to be boxes; write other ones as shared constraints "
            "of one player, such as dg.SharedConstraint(function, players=name)."
        )

    def functions(x: Any, args: Any) -> list[Any]:
        return [*_costs(game, x, args), *(_values(each, x, args) for each in shared)]

    x = coordinates(example)
    lower, upper = _bounds(sets)
    close = tolerance * (1 + np.abs(x))
    at_lower, at_upper = np.abs(x - lower) <= close, np.abs(x - upper) <= close
    point = np.where(at_lower, lower, np.where(at_upper, upper, x))
    roles, players = _rows(shared, example, args, active, tolerance)
    if (at_lower | at_upper).all() and not {"active", "equation"} & set(roles):
        raise NoProof("every coordinate of the guess is at a bound, so there is no equation")
    description = {
        "kind": "equilibrium",
        "constraints": [
            {"players": own, "role": role} for own, role in zip(players, roles, strict=True)
        ],
        "fixed": [
            {"coordinate": k, "at": "lower" if at_lower[k] else "upper"}
            for k in np.flatnonzero(at_lower | at_upper).tolist()
        ],
    }
    return posed(
        game_name(game),
        functions,
        example,
        args,
        description,
        point,
        sets.to_json(hexadecimal),
    )


def _costs(game: dg.Game, x: Strategy, args: Any) -> list[Any]:
    costs = game.costs(x, args)
    if isinstance(costs, dg.Stacked):
        return [costs.blocks]
    return [jnp.asarray(cost) for cost in blocks(costs)]


def _values(constraint: Polyhedron | SharedConstraint, x: Strategy, args: Any) -> Any:
    """Returns the rows of a constraint: inequalities first, then equations."""
    if isinstance(constraint, SharedConstraint):
        return constraint.values(x, args)
    rows, vector = constraint.rows(x), ravel(x)[0]
    return jnp.concatenate([rows.A @ vector - rows.b, rows.A_eq @ vector - rows.b_eq])


def _rows(
    shared: SharedConstraints, x: Strategy, args: Any, active: Any, tolerance: float
) -> tuple[list[str], list[list[int]]]:
    """Returns the role of each row of the constraints, and the players whom it binds."""
    names, roles, players = list(player_names(x)), list[str](), list[list[int]]()
    close = list[bool]()
    for constraint in shared:
        values = np.asarray(_values(constraint, x, args))
        equations, own = 0, list(range(len(names)))
        if isinstance(constraint, Polyhedron):
            equations = len(constraint.rows(x).b_eq)
        elif constraint.players is not None:
            own = [names.index(name) for name in constraint.players]
        count = len(values) - equations
        close += (values[:count] > -tolerance * (1 + np.abs(coordinates(x)).max())).tolist()
        roles += ["inequality"] * count + ["equation"] * equations
        players += [own] * len(values)
    if active is not None:
        close = np.asarray(active, bool).ravel().tolist()
        if len(close) != roles.count("inequality"):
            raise ValueError(
                f"certify_kkt: active has {len(close)} entries; there are "
                f"{roles.count('inequality')} rows of inequalities"
            )
    known = iter(close)
    named = [
        role if role == "equation" else ("active" if next(known) else "inactive") for role in roles
    ]
    return named, players


def _bounds(sets: Constraints) -> tuple[np.ndarray, np.ndarray]:
    """Returns the bounds of all coordinates, infinite where there are none."""
    extents = [extent for own in sets.exact() for extent in own.extents]
    lower = np.array([-np.inf if least is None else float(least) for least, _ in extents])
    upper = np.array([np.inf if most is None else float(most) for _, most in extents])
    return lower, upper


def _covered(region: Box, example: Strategy, budget: Budget) -> RegionToCover:
    if not isinstance(region, Box) or player_names(region.lower) != player_names(example):
        raise ValueError("certify_kkt: the region is a certify.Box of the players of the guess")
    return RegionToCover(*region.bounds(), budget)
