"""The costs of a game as an expression graph of real numbers: what a certificate file speaks of.

The traced code is run on arrays of nodes, equation by equation (`primitives`). There are graphs of
two kinds, by what makes the nodes: with a node for each entry of an array (`ScalarNodes`), for
proofs by cells, or for each array (`ArrayNodes`), for proofs by terms. What does not depend on the
strategies and is an integer or a boolean is computed; real constants become nodes and are left
exact.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core, source_info_util

from certify.checker.graph import Graph, read_graph
from certify.checker.reader import Reader, Unusable
from certify.enclosure.programs.inline import anchored
from certify.enclosure.programs.walk import LONGEST_WHILE, bound, repeated, unrolled, walk
from certify.enclosure.programs.written_out import expansion
from certify.enclosure.registry import EnclosureError
from certify.enclosure.rules.structural import MOVES
from certify.graph.array_nodes import ArrayNodes
from certify.graph.builder import GraphError, pruned
from certify.graph.moves import MOVED
from certify.graph.nodes import AbstractNodes, Order, Real
from certify.graph.primitives import RULES, select
from certify.graph.scalar_nodes import ScalarNodes
from certify.problem.field import FlatField


def expression_graph(costs: Callable, dimension: int) -> dict[str, Any]:
    """Returns the graph of a function of vectors, of numbers, as it stands in a certificate file.

    Args:
        costs: From vectors of shape (dimension,) to a list of scalars, or of arrays with an entry
            per player; traceable, in float64.
        dimension: The number of inputs.

    Raises:
        GraphError: If the code uses a primitive that has no counterpart, or is too long.

    Example:
        >>> graph = expression_graph(lambda x: [x[0] * x[1] + 2.0], 2)
        >>> graph["nodes"], graph["outputs"]
        ([['mul', 0, 1], ['constant', '0x1.0000000000000p+1'], ['add', 2, 3]], [4])
    """
    return _traced(ScalarNodes(dimension), costs)


def array_graph(costs: Callable, dimension: int) -> dict[str, Any]:
    """Returns the graph of arrays of a function of vectors, as it stands in a certificate file.

    Args:
        costs: As in `expression_graph`.
        dimension: The number of inputs.

    Raises:
        GraphError: If the code uses a primitive that has no counterpart, or is too long.

    Example:
        >>> import jax.numpy as jnp
        >>> data = jnp.array([[1.0, 2.0], [3.0, 4.0]])
        >>> graph = array_graph(lambda x: [jnp.sum(jnp.tanh(data @ x))], 2)
        >>> [node[0] for node in graph["nodes"]]
        ['inputs', 'array', 'reshape', 'matmul', 'reshape', 'tanh', 'sum']
    """
    return _traced(ArrayNodes(dimension), costs)


@functools.lru_cache(maxsize=32)
def graph_data(field: FlatField) -> dict[str, Any]:
    """Returns the graph of a game's costs, or of a field, for its file; may raise GraphError."""
    return expression_graph(field.costs, field.dimension)


@functools.lru_cache(maxsize=32)
def graph_of(field: FlatField) -> Graph:
    """Returns the graph as the checker reads it."""
    data = graph_data(field)
    return read_graph(Reader(data), field.dimension, len(data["outputs"]))


@functools.lru_cache(maxsize=8)
def array_data(field: FlatField) -> dict[str, Any]:
    """Returns the graph of arrays of a game's costs, or of a field; may raise GraphError."""
    return array_graph(field.costs, field.dimension)


@functools.lru_cache(maxsize=8)
def arrays_of(field: FlatField) -> Graph:
    """Returns that graph as the checker reads it; may raise GraphError."""
    data = array_data(field)
    shapes = jax.eval_shape(field.costs, jax.ShapeDtypeStruct((field.dimension,), np.float64))
    outputs = sum(math.prod(output.shape) for output in shapes)
    try:
        return read_graph(Reader(data), field.dimension, outputs)
    except Unusable as error:
        raise GraphError(f"the checker cannot read the graph of the costs: {error}") from None


def _traced(nodes: AbstractNodes, costs: Callable) -> dict[str, Any]:
    closed = jax.make_jaxpr(costs)(jax.ShapeDtypeStruct((nodes.builder.inputs,), np.float64))
    try:
        closed = anchored(closed)
    except EnclosureError as error:
        raise GraphError(str(error)) from error
    results = _run(nodes, closed, [nodes.inputs()])
    outputs = [number for x in results for number in nodes.outputs(nodes.real(x))]
    return pruned(nodes.builder, outputs)


def _run(nodes: AbstractNodes, closed: core.ClosedJaxpr, operands: list[Any]) -> list[Any]:
    return walk(closed, operands, functools.partial(_equation, nodes))


# Primitives that are exact on real numbers that are known.
_EXACT = {*MOVES, "iota", "convert_element_type", "select_n", "neg", "abs", "sign"}


def _equation(nodes: AbstractNodes, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    name = equation.primitive.name
    inner = expansion(equation)
    if inner is not None:
        return _run(nodes, inner, operands)
    if name in _CONTROL:
        return _CONTROL[name](nodes, equation, operands)
    known = not any(isinstance(x, Real | Order) for x in operands)
    reals = any(atom.aval.dtype == np.float64 for atom in equation.outvars)  # pyright: ignore
    if known and (not reals or name in _EXACT):
        with jax.ensure_compile_time_eval():
            return bound(equation, map(jnp.asarray, operands))
    if name in MOVED:
        return _moved(nodes, equation, operands)
    if name in RULES:
        return [RULES[name](nodes, equation, *operands)]
    place = source_info_util.summarize(equation.source_info)
    raise GraphError(f"the costs use {name} (in {place}), for which graphs have no operation")


def _moved(nodes: AbstractNodes, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    """Applies the primitive to nodes; both sides of predicates are moved alike."""
    count = MOVED[equation.primitive.name]
    entries, places = (operands, []) if count is None else (operands[:count], operands[count:])
    if any(isinstance(x, Real | Order) for x in places):
        raise GraphError("the costs choose a place in an array by real numbers")
    if any(isinstance(x, Order) for x in entries):
        sides = zip(*(nodes.order(x) for x in entries), strict=True)
        ends = [nodes.moved(equation, side, places) for side in sides]
        return [Order(*pair) for pair in zip(*ends, strict=True)]
    return nodes.moved(equation, [nodes.real(x) for x in entries], places)


def _branch(nodes: AbstractNodes, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    index, *rest = operands
    cases = equation.params["branches"]
    if not isinstance(index, Order):
        taken = cases[int(np.clip(np.asarray(index), 0, len(cases) - 1))]
        return _run(nodes, taken, rest)
    results = [_run(nodes, case, rest) for case in cases]
    return [select(nodes, equation, index, *case) for case in zip(*results, strict=True)]


def _scan(nodes: AbstractNodes, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    """Unrolls a loop round by round."""
    return unrolled(
        equation,
        operands,
        functools.partial(_run, nodes),
        functools.partial(_entry, nodes),
        functools.partial(_stacked, nodes),
    )


def _entry(nodes: AbstractNodes, x: Any, k: int) -> Any:
    if isinstance(x, Order):
        return Order(*(_entry(nodes, end, k) for end in x))
    if not isinstance(x, Real):
        return np.asarray(x)[k]
    shape, size = x.shape[1:], math.prod(x.shape[1:])
    return nodes.taken(x, np.asarray(k * size + np.arange(size).reshape(shape)))


def _stacked(nodes: AbstractNodes, entries: Sequence[Any]) -> Any:
    if any(isinstance(x, Order) for x in entries):
        sides = zip(*(nodes.order(x) for x in entries), strict=True)
        return Order(*(_stacked(nodes, side) for side in sides))
    if not any(isinstance(x, Real) for x in entries):
        return np.stack([np.asarray(x) for x in entries])
    reals = [nodes.real(x) for x in entries]
    return nodes.reshaped(nodes.joined(reals), (len(reals), *reals[0].shape))


def _while(nodes: AbstractNodes, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    """Unrolls a loop while its condition, which must not depend on real numbers, holds."""

    def goes_on(value: Any) -> bool:
        if isinstance(value, Real | Order):
            raise GraphError("the costs have a loop that ends when real numbers say so")
        return bool(np.asarray(value))

    last = repeated(equation, operands, functools.partial(_run, nodes), goes_on)
    if last is None:
        raise GraphError(f"the costs have a loop of more than {LONGEST_WHILE} rounds")
    return last


_CONTROL: dict[str, Callable] = {"cond": _branch, "scan": _scan, "while": _while}
