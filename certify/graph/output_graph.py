"""A function of the outputs of two networks and a datum, as an expression graph."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend import core

from certify.graph.trace import expression_graph
from certify.problem.traced_code import code_of


class OutputGraph(NamedTuple):
    """A function of outputs as a file has it.

    Attributes:
        graph: The graph, whose inputs are the outputs of both networks, then a datum.
        datum: How many numbers a datum has.
        promoted: What was not float64, sentences.
    """

    graph: dict[str, Any]
    datum: int
    promoted: tuple[str, ...]


def traced_outputs(fn: Callable, sizes: tuple[int, int], example: Any) -> OutputGraph:
    """Traces a function `(outputs, outputs, datum)`.

    Args:
        fn: The function.
        sizes: The numbers of outputs of both networks.
        example: One datum, in float64.

    Raises:
        GraphError: If the function has no expression graph.
        EnclosureError: If nothing can be proved of its code.
    """
    leaves, structure = jax.tree.flatten(example)
    shapes = [np.shape(leaf) for leaf in leaves]
    counts = [int(np.prod(shape)) for shape in shapes]
    ends, (first, second) = np.cumsum(counts)[:-1].tolist(), sizes
    code, promoted = code_of(
        lambda given, _: [fn(*given)],
        (np.zeros(first), np.zeros(second), structure.unflatten(leaves)),
        None,
        "the function of outputs",
    )
    shape = [atom.aval.shape for atom in code.jaxpr.outvars]  # pyright: ignore
    if shape != [()]:
        raise ValueError(
            f"the function of outputs returns one number; got arrays of the shapes {shape}"
        )

    def numbers(v: Any) -> Any:
        parts = jax.numpy.split(v[first + second :], ends)
        pieces = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=False)]
        return core.jaxpr_as_fun(code)(v[:first], v[first : first + second], *pieces)

    graph = expression_graph(numbers, first + second + sum(counts))
    return OutputGraph(graph, sum(counts), promoted)
