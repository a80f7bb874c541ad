"""Functions that were traced, and the system of equations that is to be made of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from certify.checker.graph import Graph, game_hash, read_graph
from certify.checker.reader import Reader, Unusable
from certify.checker.systems import System, read_system
from certify.graph.builder import GraphError
from certify.graph.floats import evaluate
from certify.graph.trace import graph_data
from certify.problem.field import FlatField
from certify.problem.fingerprint import fingerprint
from certify.problem.messages import coordinate_names, vector_in_words
from certify.problem.region import Box
from certify.problem.structure import describe
from certify.problem.traced_code import code_of
from certify.prove.mismatch import MismatchError, require_same
from certify.prove.no_proof import NoProof
from certify.prove.probes import probes
from dgames.strategy import Strategy, dimensions, player_names, ravel, unraveler

# Differences between code and graph count as rounding errors up to these shares of the largest
# number on the way and of the result, as in `certify.prove.differential`.
_OF_SCALE, _OF_VALUE = 1e-9, 1e-6
_OF_SCALE_LOW, _OF_VALUE_LOW = 2.0**-7, 2.0**-4


class PosedSystem(NamedTuple):
    """A system of equations, as the checker reads it, and the code that it was made from.

    Attributes:
        game: The part of a file that describes the system.
        system: The system.
        graph: The functions that it is made of.
        field: The same functions as traced code, on vectors, in place of costs.
        run: The user's own code of these functions, on vectors.
        point: A guess of the inputs, with fixed ones at their bounds.
    """

    game: dict[str, Any]
    system: System
    graph: Graph
    field: FlatField
    run: Callable
    point: np.ndarray

    def compare(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Runs the user's code at points of a box of inputs, and compares it with the graph.

        Raises:
            MismatchError: If they differ at a point, or the code is not finite there.
        """
        wide = np.maximum(upper, np.nextafter(lower, np.inf))
        unravel = self.field.unravel
        box = Box(unravel(jnp.asarray(lower)), unravel(jnp.asarray(wide)))
        points = np.clip(probes(self.field, box), lower, upper)
        ran = np.asarray(jax.jit(jax.vmap(self.run))(jnp.asarray(points)), np.float64)
        read = evaluate(self.graph, points)
        names = coordinate_names(self.field.names, self.field.sizes)

        def where(k: int, column: int) -> str:
            return f"at {vector_in_words(points[k], names, digits=17)} function {column}"

        finite = np.isfinite(ran)
        if not finite.all():
            k, column = map(int, np.argwhere(~finite)[0])
            raise MismatchError(
                f"certify: {where(k, column)} is not finite, where it was shown to be harmless in "
                "real arithmetic; the code divides by zero, overflows, or takes a branch that it "
                "should not."
            )
        low = bool(self.field.promoted)
        scale = (_OF_SCALE_LOW if low else _OF_SCALE) * read.scale[:, None]
        slack = scale + (_OF_VALUE_LOW if low else _OF_VALUE) * np.abs(ran)
        require_same("certify", ran, read.outputs, slack, where)


def posed(
    name: str,
    functions: Callable[[Strategy, Any], Any],
    example: Strategy,
    args: Any,
    description: dict[str, Any],
    point: np.ndarray,
    sets: list[Any] | None = None,
    read: Callable[[Reader, list[int]], System] = read_system,
) -> PosedSystem:
    """Traces functions, and poses a system of equations that is made of them.

    Args:
        name: The name of the system, for people.
        functions: From a strategy and `args` to an array, or several, of which each entry is a
            function.
        example: A strategy, for its structure.
        args: Passed to the functions.
        description: What the file says of the system.
        point: A guess of the inputs, as a vector.
        sets: What the file says of strategy sets; None if it says nothing.
        read: What reads the description of the system.

    Raises:
        NoProof: If the functions cannot be spelled out as a graph.
        ValueError: If they do not fit the strategy or use what nothing can be proved of.
    """
    code, notes = code_of(functions, example, args, "the functions")
    unravel = unraveler(example)

    def on_vectors(x: Any) -> Any:
        return core.jaxpr_as_fun(code)(*jax.tree.leaves(unravel(x)))

    def run(x: Any) -> Any:
        return ravel(functions(unravel(x), args))[0]

    field = FlatField(
        names=player_names(example),
        sizes=dimensions(example),
        name=name,
        hash=fingerprint(code),
        zero_sum=False,
        function=on_vectors,
        costs=on_vectors,
        unravel=unravel,
        is_gradient=False,
        promoted=notes,
    )
    try:
        graph = graph_data(field)
    except GraphError as error:
        raise NoProof(str(error).replace("the costs", "the functions")) from None
    game = {
        "name": name,
        "code": field.hash,
        "players": [
            {"name": own, "size": size} for own, size in zip(field.names, field.sizes, strict=True)
        ],
        "system": description,
        **({} if sets is None else {"sets": sets}),
        "structure": describe(example),
        "graph": graph,
    }
    game["hash"] = game_hash(game)
    try:
        system = read(Reader(game, "game"), list(field.sizes))
        functions_read = read_graph(Reader(graph), system.inputs, system.outputs)
    except Unusable as error:
        raise NoProof(str(error)) from None
    return PosedSystem(game, system, functions_read, field, run, point)
