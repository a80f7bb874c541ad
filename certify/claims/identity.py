"""Compares the game of a certificate with a given one, whose code is traced for that."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

import dgames as dg
from certify.enclosure.programs.plain import plain
from certify.file.contents import Contents
from certify.graph.builder import GraphError
from certify.graph.shared_graph import shared_data
from certify.graph.trace import array_graph, expression_graph
from certify.problem.constraints import Constraints
from certify.problem.exact_types import is_pseudo_gradient, unweighted
from certify.problem.field import flat_field
from certify.problem.fingerprint import fingerprint
from certify.problem.messages import clipped
from certify.problem.payoff_tables import game_data
from certify.problem.region import Ball, Box, Everywhere, Policies, Region
from certify.problem.structure import rebuild
from certify.problem.traced_code import code_of, traced_code
from dgames.game import is_zero_sum
from dgames.strategy import Strategy, dimensions, player_names, ravel


def described_strategy(data: Contents) -> Strategy:
    """Returns a joint strategy of zeros, with the structure that a file describes."""
    size = sum(player["size"] for player in data["game"]["players"])
    return rebuild(data["game"]["structure"], np.zeros(size))


def policies_difference(data: Contents, game: dg.Game | dg.AbstractField) -> str | None:
    """Compares the payoff tables of a file about policies with those of a game."""
    given = dg.as_field(game)
    inner = given.game if is_pseudo_gradient(given) else None
    if type(inner) is dg.Regularised and game_data(inner) == data["game"]:
        return None
    return "its payoffs, temperature or references are others"


def difference(
    data: Contents,
    game: dg.Game | dg.AbstractField,
    x: Strategy,
    args: Any = None,
) -> str | None:
    """Says how a game differs from that of a certificate file; returns None if it does not.

    The costs are the same if their traced code gives the expression graph of the file, which is
    what level 2 rests on; that a file without a graph states the hash of the code has to do.

    Args:
        data: The contents of the file.
        game: A game or a field.
        x: A joint strategy, of which only players and shapes matter.
        args: Passed to the costs, or to the field.

    Raises:
        ValueError: If the game is of a kind of which nothing can be proved, as in
            `certify.certify`.
    """
    said, given = data["game"], dg.as_field(unweighted(game)[0])
    x = jax.tree.map(lambda leaf: jnp.zeros(jnp.shape(leaf), jnp.result_type(leaf)), x)
    players = [(player["name"], player["size"]) for player in said["players"]]
    found = [*zip(player_names(x), dimensions(x), strict=True)]
    if players != found:
        return f"its players and coordinates are {_counted(players)}, not {_counted(found)}"
    of_costs = is_pseudo_gradient(given)
    if of_costs == ("field" in said):
        return f"it is about {'a field' if of_costs else 'the costs of a game'}"
    if of_costs and is_zero_sum(given.game) != said.get("zero_sum", False):
        return f"its game is {'not ' if is_zero_sum(given.game) else ''}zero-sum by construction"
    code = traced_code(given, x, args)
    if "natural" in said:
        same = fingerprint(code) == said.get("code") and _same_natural(data, given, x, args)
    else:
        same = same_function(said, code, x)
    if not same:
        return f"{'its costs are' if of_costs else 'its field is'} another function"
    return _other_sets(data, given, x, args)


def field_difference(
    data: Contents, game: dg.Game | dg.AbstractField, x: Strategy, args: Any
) -> str | None:
    """Says whether a field differs from that of a file about the equations `F(x) = 0`."""
    field = dg.as_field(game)
    return function_difference(data, lambda x, args: [ravel(field(x, args))[0]], x, args, "field")


def function_difference(
    data: Contents, functions: Callable, x: Strategy, args: Any, name: str = "functions"
) -> str | None:
    """Says whether functions, as a list of arrays, differ from those that a file spells out."""
    said = data["game"]
    players = [(player["name"], player["size"]) for player in said["players"]]
    found = [*zip(player_names(x), dimensions(x), strict=True)]
    if players != found:
        return f"its players and coordinates are {_counted(players)}, not {_counted(found)}"
    code, _ = code_of(functions, x, args, "the functions")
    verb = "are other" if name == "functions" else "is another"
    noun = "functions" if name == "functions" else "function"
    return None if same_function(said, code, x) else f"its {name} {verb} {noun}"


def same_function(said: Contents, code: core.ClosedJaxpr, x: Strategy) -> bool:
    """Says whether traced code is the function that a file describes.

    Anyone can write the hash of any code into a file; so where there is a graph, it decides.
    """
    if "graph" in said:
        vector, unravel = ravel(x)
        return _same_graph(
            said["graph"],
            lambda v: core.jaxpr_as_fun(code)(*jax.tree.leaves(unravel(v))),
            vector.size,
        )
    return fingerprint(code) == said.get("code")


def _same_natural(data: Contents, given: dg.AbstractField, x: Strategy, args: Any) -> bool:
    """Compares what a file says of a natural gradient, with costs of policies as its graph."""
    said, field = data["game"], flat_field(given, region_of(data, x), args)
    if field.natural is None or list(field.natural.groups) != data["region"].get("groups"):
        return False
    temperature, reference = field.natural.temperature, field.natural.reference
    numbers = {"temperature": temperature.hex(), "reference": [r.hex() for r in reference]}
    same = said["natural"] == numbers
    return same and (
        "graph" not in said or _same_graph(said["graph"], field.costs, field.dimension)
    )


def _counted(players: list[tuple[str, int]]) -> str:
    shown = ", ".join(f"{clipped(name)} ({size})" for name, size in players[:6])
    return shown if len(players) <= 6 else f"{shown} and {len(players) - 6} more"


def _same_graph(said: Contents, costs: Callable, size: int) -> bool:
    """Says whether a function of vectors has the graph of a file, of numbers or of arrays."""
    trace = array_graph if any(node[0] == "inputs" for node in said["nodes"]) else expression_graph
    for function in (costs, plain(costs)):
        try:
            graph = trace(function, size)
        except GraphError:
            continue
        if all(graph[part] == said[part] for part in ("nodes", "outputs")):
            return True
    return False


def _other_sets(data: Contents, given: dg.AbstractField, x: Strategy, args: Any) -> str | None:
    """Compares the strategy sets, as methods have to project onto those of the certificate."""
    region = region_of(data, x)
    constraints = Constraints.of(given, region, args)
    constraints.require_known()
    if "sets" in data["game"]:
        if constraints.to_json(lambda number: float(number).hex()) != data["game"]["sets"]:
            return "its strategy sets are others"
        if shared_data(constraints) != data["game"].get("shared"):
            return "its shared constraints are others"
        return None
    left = constraints.outside(region)
    return None if left is None else f"its region leaves {left}, of which it says nothing"


def region_of(data: Contents, x: Strategy) -> Region:
    """Returns the region of a certificate file, in joint strategies structured like `x`."""
    region, unravel = data["region"], ravel(x)[1]

    def strategy(name: str) -> Strategy:
        return unravel(jnp.asarray(np.array([float.fromhex(end) for end in region[name]])))

    if region["kind"] == "policies":
        return Policies(x)
    if region["kind"] == "everywhere":
        return Everywhere(x)
    if region["kind"] == "box":
        return Box(strategy("lower"), strategy("upper"))
    return Ball(strategy("center"), float.fromhex(region["radius"]))
