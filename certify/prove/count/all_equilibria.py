"""Proves how many stationary points, zeros or equilibria there are, and encloses all of them."""

import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import dgames as dg
from certify.checker import Unusable
from certify.checker.count import Faces
from certify.checker.count_profiles import NormalForm
from certify.checker.payoffs import Payoffs
from certify.checker.reader import COUNT, FORMAT, VERSION, Reader
from certify.checker.stationary_points import StationarySystem, read_stationary
from certify.claims.checked import Checked, NotAccepted
from certify.claims.equilibrium_count import EquilibriumCount
from certify.file.provenance import provenance
from certify.problem.constraints import Constraints
from certify.problem.corners import coordinates
from certify.problem.exact_types import is_pseudo_gradient
from certify.problem.naming import game_name
from certify.problem.no_shared import require_no_shared
from certify.problem.payoff_tables import KNOWN, game_terms, tables_data
from certify.problem.region import Box
from certify.problem.stationary_functions import costs_in_list, values_in_list
from certify.prove.arguments import check_search
from certify.prove.count.cell_search import CellSearch
from certify.prove.count.profile_search import ProfileSearch
from certify.prove.file_parts import hexadecimal
from certify.prove.no_proof import NoProof
from certify.prove.policies.all_policies import require_same_costs
from certify.prove.zero.posed_system import PosedSystem, posed
from certify.prove.zero.zero_file import corners_in_file
from certify.search.search_options import Search

# The most cells, unless the caller says otherwise.
_CELLS = 4096

TRUSTED = (
    "Statement (B) of certify/checker/count.py: that the field is as stated on cells, and the "
    "equations of each point on its box. Level 2 of the checker re-derives it from the functions "
    "in this file; else it rests on the same code, which found them: on python-flint, and the "
    "graph in this file being that of their code.",
    "The functions mean the real-valued functions that their code spells out, with constants taken "
    "exactly.",
    "The checker and the Python interpreter that runs it.",
)
_TABLES = "The payoffs in this file being those of the game that is meant."


def all_zeros(
    system: Callable[[Any, Any], Any] | dg.Game | dg.AbstractField,
    region: Box | tuple[Any, Any],
    *,
    args: Any = None,
    search: Search = Search(),
) -> EquilibriumCount:
    """Encloses all zeros of a field, or of a function from R^n to R^n, in a box, and counts them.

    Branch and bound cuts the box into cells. On most of them a weighted sum of the entries of F is
    shown to be positive, so there is no zero; the others are in boxes in which the test of
    Krawczyk shows exactly one zero each (see `certify_zero`). With status "proved", the file says
    that there are exactly so many zeros, and where: see `certify/checker/count.py`.

    A zero at which the Jacobian is singular, or on the border of the region, leaves the status
    "undecided"; `partial` then holds what is proved: at least so many zeros, and all others in some
    cells.

    Args:
        system: A function `(z, args)` that returns an array, or a pytree, of as many numbers as z
            has, from smooth primitives; or a game or field, whose field it then is: strategy sets
            play no part.
        region: The box: a `Box` of what the function takes, such as joint strategies; or the lower
            and the upper corner, two arrays, for a function of one array.
        args: Passed to the function; fixed.
        search: How long and how finely the region is cut into cells. By default: up to 4096 cells.

    Returns:
        An `EquilibriumCount`; its file has been accepted by the independent checker if it is
        "proved".

    Raises:
        ValueError: If function and region do not fit together.
        EnclosureError: If the function uses derivative rules of its own.

    Example:
        >>> import certify, jax.numpy as jnp
        >>> circle = lambda z, args: jnp.stack([z[0] ** 2 + z[1] ** 2 - 2.0, z[0] - z[1]])
        >>> found = certify.all_zeros(circle, (jnp.full(2, -3.0), jnp.full(2, 3.0)))
        >>> found.status, found.count
        ('proved', 2)
    """
    wrapped = isinstance(region, tuple)
    if wrapped:
        region = Box(*({"z": jnp.asarray(end)} for end in region))
    _check("all_zeros", region, search)
    if isinstance(system, dg.Game | dg.AbstractField):
        return _counted("all_zeros", system, region, args, search, with_sets=False)
    if not callable(system):
        raise ValueError("all_zeros: the system is no function (z, args)")
    name = getattr(system, "__name__", "")
    name = name if name.isidentifier() else type(system).__name__

    def own(z: Any, args: Any) -> Any:
        return system(z["z"] if wrapped else z, args)

    return _searched(name, values_in_list(own), region, args, search, "field", None)


def all_equilibria(
    game: dg.Game, region: Box | None = None, *, args: Any = None, search: Search = Search()
) -> EquilibriumCount:
    """Encloses all Nash equilibria of a game in normal form, or all stationary points in a box.

    For a `MatrixGame` of two or more players (or another game that `game_terms` knows) and no
    region, these are the equilibria in mixed strategies. The tree of cells prunes actions that are
    worse than another one on a cell, so no supports are listed; everything is exact, and the file
    needs no level 2 (see `certify/checker/count_profiles.py`). Otherwise:

    A joint strategy is stationary if no player's cost falls to first order along any feasible move:
    where costs are convex in the own strategy, these are the Nash equilibria, and in general all
    of them are among these. Points on the faces of the strategy sets, which have to be boxes, are
    found, too. For each point the file says whether it is a strict local Nash equilibrium
    ("local"), no equilibrium at all, not even a local one ("descent"), or neither ("unsettled").
    With status "proved" the list is complete: see `certify/checker/count.py`.

    Points that are degenerate (a singular Jacobian, or a coordinate at its bound whose derivative
    is zero there) leave the status "undecided"; `partial` then holds what is proved.

    Args:
        game: A game with tables of payoffs, or one with costs of smooth primitives.
        region: A box; its part in the strategy sets counts. None for tables of payoffs.
        args: Passed to the costs; fixed.
        search: How long and how finely the region is cut into cells. By default: up to 4096 cells.

    Returns:
        An `EquilibriumCount`; its file has been accepted by the independent checker if it is
        "proved".

    Raises:
        ValueError: If the arguments do not fit together, a strategy set is no box, or the game has
            shared constraints.
        EnclosureError: If the costs use derivative rules of their own.

    Example:
        >>> import certify, dgames as dg
        >>> game = dg.game(lambda x, args: (x[0] ** 4 - x[0] ** 2 + x[0] * x[1], x[1] ** 2))
        >>> found = certify.all_equilibria(game, certify.Box((-2.0, -2.0), (2.0, 2.0)))
        >>> found.count, sorted(point.nature for point in found.points)
        (3, ['descent', 'local', 'local'])
        >>> certify.all_equilibria(dg.games.MatrixGame.matching_pennies()).count
        1
    """
    if region is None and type(game) in game_terms.registry:
        return profiles(game, search)
    if not isinstance(game, dg.Game | dg.AbstractField):
        raise ValueError("all_equilibria: give a game; for a function there is all_zeros")
    region = _check("all_equilibria", region, search)
    return _counted("all_equilibria", game, region, args, search, with_sets=True)


def _check(caller: str, region: Any, search: Search) -> Box:
    check_search(caller, search)
    search.require_unused(caller, "tightness", "checkpoint", "batch_size", "n_jobs")
    if type(region) is not Box:
        raise ValueError(f"{caller}: the region is a box, such as certify.Box(lower, upper)")
    return region


def _counted(
    caller: str,
    game: dg.Game | dg.AbstractField,
    region: Box,
    args: Any,
    search: Search,
    *,
    with_sets: bool,
) -> EquilibriumCount:
    """Counts the stationary points of a game or a field."""
    given = dg.as_field(game)
    require_no_shared(caller, given, region.center)
    sets = None
    if with_sets:
        sets = Constraints.of(given, region, args)
        sets.require_known()
        if any(type(own) not in (dg.Euclidean, dg.Box) for own in sets.sets):
            raise ValueError(f"{caller}: strategy sets have to be boxes, or everything.")
    of_costs = is_pseudo_gradient(given)
    functions = costs_in_list(given.game) if of_costs else values_in_list(given)
    name = game_name(given.game if of_costs else game)
    return _searched(name, functions, region, args, search, "costs" if of_costs else "field", sets)


def _searched(
    name: str,
    functions: Callable,
    region: Box,
    args: Any,
    search: Search,
    of: str,
    sets: Constraints | None,
) -> EquilibriumCount:
    """Searches for all points, and has the checker accept what is found."""
    began = time.perf_counter()
    budget = search.filled(_CELLS, 0.5).budget
    example = region.center
    size = sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(functions, example, args)))
    if of == "field" and size != region.dimension:
        raise ValueError(
            f"all_zeros: the system has {size} equations in {region.dimension} unknowns"
        )
    try:
        task = posed(
            name,
            functions,
            example,
            args,
            {"kind": "stationary", "of": of},
            coordinates(example),
            None if sets is None else sets.to_json(hexadecimal),
            read_stationary,
        )
        lower, upper = _clipped(task, *region.bounds())
        exact = [[Fraction(x) for x in end.tolist()] for end in (lower, upper)]
        assert isinstance(task.system, StationarySystem)
        cells = CellSearch(task, Faces.of(task.system, *exact), budget, search.progress)
        nodes = cells.run()
        task.compare(lower, upper)
    except (NoProof, Unusable) as end:
        reasons = end.reasons if isinstance(end, NoProof) else (str(end),)
        return EquilibriumCount("undecided", reasons)
    data = {
        "format": FORMAT,
        "version": VERSION,
        "kind": COUNT,
        "game": task.game,
        "claims": {
            "region": corners_in_file(lower, upper),
            "zeros": [point.claim for point in cells.points],
            "count": sum(bool(point.is_inside) for point in cells.points),
            "open": len(cells.open),
        },
        **({"promoted": list(task.field.promoted)} if task.field.promoted else {}),
        "trusted": [*TRUSTED, *task.field.promoted],
        "provenance": {**provenance(), "seconds": f"{time.perf_counter() - began:.2f}"},
        "evidence": {"zeros": [point.evidence for point in cells.points], "cells": nodes},
    }
    return finished(data, cells.reason)


def profiles(game: dg.Game, search: Search) -> EquilibriumCount:
    """Searches for all equilibria of a game with tables of payoffs."""
    caller, began = "all_equilibria", time.perf_counter()
    check_search(caller, search)
    search.require_unused(caller, "tightness", "checkpoint", "batch_size", "n_jobs")
    data = tables_data(game)
    file = Reader(data, "game")
    try:
        payoffs = Payoffs(file["sizes"], file["terms"])
        if type(game) not in KNOWN:
            require_same_costs(game, payoffs)
        cells = ProfileSearch(
            NormalForm(payoffs), search.filled(_CELLS, 0.5).budget, search.progress
        )
        nodes = cells.run()
    except Unusable as end:
        return EquilibriumCount("undecided", (str(end),))
    contents = {
        "format": FORMAT,
        "version": VERSION,
        "kind": COUNT,
        "game": data,
        "claims": {
            "zeros": [point.claim for point in cells.points],
            "count": len(cells.points),
            "open": len(cells.open),
        },
        "trusted": [_TABLES, TRUSTED[-1]],
        "provenance": {**provenance(), "seconds": f"{time.perf_counter() - began:.2f}"},
        "evidence": {"zeros": [point.evidence for point in cells.points], "cells": nodes},
    }
    return finished(contents, cells.reason)


def finished(data: dict[str, Any], reason: str) -> EquilibriumCount:
    """Returns the certificate of the contents of a file: "proved" if no cell is open."""
    try:
        found = EquilibriumCount("proved", contents=Checked(data))
    except (NotAccepted, Unusable) as rejection:
        return EquilibriumCount("undecided", (f"the checker did not accept it: {rejection}",))
    if found.is_complete:
        return found
    words = f"{len(found.open_cells)} cells are open, beside {found.at_least} points: {reason}"
    return EquilibriumCount("undecided", (words,), partial=found)


def _clipped(
    task: PosedSystem, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the part of the region in the strategy sets."""
    ends = task.system.extents
    low = np.array([-np.inf if a is None else float(a) for a, _ in ends])
    high = np.array([np.inf if b is None else float(b) for _, b in ends])
    lower, upper = np.maximum(lower, low), np.minimum(upper, high)
    if not (lower < upper).all():
        raise ValueError("all_equilibria: the region has no interior in the strategy sets")
    return lower, upper
