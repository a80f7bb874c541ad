"""The costs of a game as an expression graph of real numbers: what a certificate file speaks of.

The traced code is run on arrays of nodes, equation by equation. There are graphs of two kinds, by
what makes the nodes: of numbers (`ScalarNodes`), and of arrays (`ArrayNodes`). What does not depend
on the strategies and is an integer or a boolean is computed; real constants become nodes and are
left exact.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core, source_info_util

from certify.checker.graph import Graph, read_graph
from certify.checker.reader import Reader, Unusable
from certify.enclosure.elementary import GRAPH
from certify.enclosure.programs.inline import anchored
from certify.enclosure.programs.walk import LONGEST_WHILE, bound, repeated, unrolled, walk
from certify.enclosure.programs.written_out import expansion
from certify.enclosure.registry import EnclosureError
from certify.enclosure.rules.structural import MOVES
from certify.graph.array_nodes import ArrayNodes
from certify.graph.builder import Builder, GraphError, pruned
from certify.graph.moves import MOVED
from certify.graph.nodes import AbstractNodes, Real
from certify.graph.scalar_nodes import ScalarNodes
from certify.problem.field import FlatField


class Order(NamedTuple):
    """An array of predicates: whether the real number `low` is less than `high`, entry by entry.

    Where they are equal either answer is right: a proof never gets there. As integers, predicates
    are 0 and 1; nothing else is done with them than to move them about and to choose by them.
    """

    low: Real
    high: Real


def expression_graph(costs: Callable, dimension: int) -> dict[str, Any]:
    """Returns the graph of a function of vectors, as it stands in a certificate file.

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
    outputs = [number for x in results for number in nodes.outputs(_real(nodes, x))]
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
    if name in _RULES:
        return [_RULES[name](nodes, equation, *operands)]
    place = source_info_util.summarize(equation.source_info)
    raise GraphError(f"the costs use {name} (in {place}), for which graphs have no operation")


def _real(nodes: AbstractNodes, value: Any) -> Real:
    """Returns an array of real numbers as nodes."""
    if isinstance(value, Real):
        return value
    if isinstance(value, Order):
        raise GraphError("the costs use comparisons of real numbers as numbers")
    array = np.asarray(value)
    if array.dtype != np.float64:
        raise GraphError(f"the costs use numbers of type {array.dtype} that are not known")
    return nodes.constant(array)


def _order(nodes: AbstractNodes, value: Any) -> Order:
    """Returns predicates as they are; true booleans become `0 < 1`, and false ones `1 < 0`."""
    if isinstance(value, Order):
        return value
    array = np.asarray(value)
    if (array.dtype != bool and not np.isin(array, (0, 1)).all()) or array.dtype.kind == "f":
        raise GraphError("the costs mix predicates with other numbers")
    return Order(*(nodes.constant(np.where(array, *ends)) for ends in ((0.0, 1.0), (1.0, 0.0))))


def _moved(nodes: AbstractNodes, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    """Applies the primitive to nodes; both sides of predicates are moved alike."""
    count = MOVED[equation.primitive.name]
    entries, places = (operands, []) if count is None else (operands[:count], operands[count:])
    if any(isinstance(x, Real | Order) for x in places):
        raise GraphError("the costs choose a place in an array by real numbers")
    if any(isinstance(x, Order) for x in entries):
        sides = zip(*(_order(nodes, x) for x in entries), strict=True)
        ends = [nodes.moved(equation, side, places) for side in sides]
        return [Order(*pair) for pair in zip(*ends, strict=True)]
    return nodes.moved(equation, [_real(nodes, x) for x in entries], places)


def _each(nodes: AbstractNodes, function: Callable[..., int], *operands: Any) -> Real:
    """Applies a function of a builder and numbers of nodes, entry by entry."""
    reals = [_real(nodes, x) for x in operands]
    shape = np.broadcast_shapes(*(x.shape for x in reals))
    columns = [nodes.entries(nodes.repeated(x, shape)) for x in reals]
    entries = [function(nodes.builder, *row) for row in zip(*columns, strict=True)]
    return nodes.collected(entries, shape)


def _entrywise(function: Callable[..., int]) -> Callable:
    """Returns the rule made from a function of a builder and numbers of nodes."""
    return lambda nodes, equation, *operands: _each(nodes, function, *operands)


def _sign(b: Builder, x: int) -> int:
    return b.node("choose", x, *map(b.constant, (0.0, -1.0, 1.0)))


def _logaddexp(b: Builder, x: int, y: int) -> int:
    return b.log(b.add(b.node("exp", x), b.node("exp", y)))


def _power(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> Real:
    return _each(nodes, lambda b, number: b.node("power", number, equation.params["y"]), x)


def _dot(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any, y: Any) -> Real:
    """Makes a product of (stacks of) matrices, in the order of `lax.dot_general`."""
    contracted, batch = equation.params["dimension_numbers"]
    factors, kept = [], []
    for z, inner, stack, is_left in zip((x, y), contracted, batch, (True, False), strict=True):
        z = _real(nodes, z)
        free = [k for k in range(len(z.shape)) if k not in stack and k not in inner]
        sides = (free, inner) if is_left else (inner, free)
        sizes = [math.prod(z.shape[k] for k in axes) for axes in sides]
        number = [math.prod(z.shape[k] for k in stack)] if stack else []
        arranged = nodes.transposed(z, [*stack, *sides[0], *sides[1]])
        factors.append(nodes.reshaped(arranged, (*number, *sizes)))
        kept += [z.shape[k] for k in ([*stack, *free] if is_left else free)]
    return nodes.reshaped(nodes.matmul(*factors), tuple(kept))


def _summed(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> Real:
    return nodes.summed(_real(nodes, x), equation.params["axes"])


def _reduced(function: Callable[[Builder, Sequence[int]], int]) -> Callable:
    """Returns the rule that makes one number of those along some axes."""

    def rule(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> Real:
        rows = nodes.rows(_real(nodes, x), equation.params["axes"])
        return nodes.collected([function(nodes.builder, row) for row in rows], _shape(equation))

    return rule


def _cumulated(combine: Callable[[Builder, int, int], int]) -> Callable:
    """Returns the rule that combines numbers along an axis one after the other, and keeps all."""

    def rule(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> Real:
        axes, step = (equation.params["axis"],), -1 if equation.params["reverse"] else 1
        function = functools.partial(combine, nodes.builder)
        sums = [
            number
            for row in nodes.rows(_real(nodes, x), axes)
            for number in [*itertools.accumulate(row[::step], function)][::step]
        ]
        return nodes.collected(sums, _shape(equation), axes)

    return rule


def _shape(equation: core.JaxprEqn) -> tuple[int, ...]:
    result: Any = equation.outvars[0].aval
    return result.shape


def _solution(nodes: AbstractNodes, equation: core.JaxprEqn, a: Any, b: Any) -> Real:
    """Solves by elimination without exchanging rows, or by Cramer's rule for two unknowns.

    A system whose leading minors may vanish is refused by the checker, though it may have a
    solution.
    """
    a, b = _real(nodes, a), _real(nodes, b)
    axes, n = (len(a.shape) - 2, len(a.shape) - 1), a.shape[-1]
    solve = _cramer if n == 2 else _eliminate
    entries: list[int] = []
    for matrix, values in zip(nodes.rows(a, axes), nodes.rows(b, axes), strict=True):
        system = (
            [numbers[k : k + size] for k in range(0, len(numbers), size)]
            for numbers, size in ((matrix, n), (values, b.shape[-1]))
        )
        entries += [x for row in solve(nodes.builder, *system) for x in row]
    return nodes.collected(entries, b.shape, axes)


def _cramer(b: Builder, a: list[list[int]], values: list[list[int]]) -> list[list[int]]:
    (p, q), (r, s) = a
    determinant = b.sub(b.mul(p, s), b.mul(q, r))
    first = [b.sub(b.mul(s, u), b.mul(q, v)) for u, v in zip(*values, strict=True)]
    second = [b.sub(b.mul(p, v), b.mul(r, u)) for u, v in zip(*values, strict=True)]
    return [[b.node("div", x, determinant) for x in row] for row in (first, second)]


def _eliminate(b: Builder, a: list[list[int]], values: list[list[int]]) -> list[list[int]]:
    n = len(a)
    rows = [[*row, *value] for row, value in zip(a, values, strict=True)]
    for k in range(n):
        for i in range(k + 1, n):
            factor = b.node("div", rows[i][k], rows[k][k])
            rows[i] = [
                *rows[i][: k + 1],
                *(
                    b.sub(x, b.mul(factor, y))
                    for x, y in zip(rows[i][k + 1 :], rows[k][k + 1 :], strict=True)
                ),
            ]
    found: list[list[int]] = [[] for _ in range(n)]
    for k in reversed(range(n)):
        for column, value in enumerate(rows[k][n:]):
            terms = [b.mul(rows[k][j], found[j][column]) for j in range(k + 1, n)]
            found[k].append(b.node("div", b.sub(value, b.sum(terms)), rows[k][k]))
    return found


def _less(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any, y: Any) -> Order:
    return Order(*(nodes.repeated(_real(nodes, z), _shape(equation)) for z in (x, y)))


def _greater(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any, y: Any) -> Order:
    low, high = _less(nodes, equation, x, y)
    return Order(high, low)


def _not(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> Order:
    if equation.invars[0].aval.dtype != bool:  # pyright: ignore
        raise GraphError("the costs negate numbers bit by bit")
    return Order(x.high, x.low)


def _select(nodes: AbstractNodes, equation: core.JaxprEqn, which: Any, *cases: Any) -> Any:
    if not isinstance(which, Order):
        reals = [_real(nodes, case) for case in cases]
        size = math.prod(reals[0].shape)
        index = np.broadcast_to(np.asarray(which, int), reals[0].shape)
        places = index * size + np.arange(size).reshape(index.shape)
        return nodes.taken(nodes.joined(reals), places)
    if len(cases) != 2:
        raise GraphError("the costs choose between more than two cases by real numbers")
    if any(isinstance(case, Order) for case in cases):
        raise GraphError("the costs choose between predicates by real numbers")
    shape = _real(nodes, cases[0]).shape
    ends = (nodes.repeated(end, shape) for end in which)
    return _each(nodes, lambda b, *parts: b.node("choose", *parts), *ends, cases[1], cases[0])


def _converted(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> Any:
    """Converts types: real numbers stay, and a predicate may become an integer to branch by."""
    new = equation.params["new_dtype"]
    if isinstance(x, Order) and new == np.float64:
        one, zero = (nodes.constant(np.full(x.low.shape, value)) for value in (1.0, 0.0))
        return _select(nodes, equation, x, zero, one)
    if isinstance(x, Order) or new == np.float64:
        return x  # 0 and 1 are the same numbers in all types of integers
    raise GraphError(f"the costs turn real numbers into {new}")


def _finite(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> np.ndarray:
    """Real numbers are finite where they are defined, which stays an obligation of their parts."""
    return np.ones(_real(nodes, x).shape, bool)


def _anchor(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> Real:
    """`anchored` has shown that its value is irrelevant: any number may take its place."""
    return nodes.constant(np.zeros(_real(nodes, x).shape))


def _branch(nodes: AbstractNodes, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    index, *rest = operands
    cases = equation.params["branches"]
    if not isinstance(index, Order):
        taken = cases[int(np.clip(np.asarray(index), 0, len(cases) - 1))]
        return _run(nodes, taken, rest)
    results = [_run(nodes, case, rest) for case in cases]
    return [_select(nodes, equation, index, *case) for case in zip(*results, strict=True)]


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
        sides = zip(*(_order(nodes, x) for x in entries), strict=True)
        return Order(*(_stacked(nodes, side) for side in sides))
    if not any(isinstance(x, Real) for x in entries):
        return np.stack([np.asarray(x) for x in entries])
    reals = [_real(nodes, x) for x in entries]
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

# Primitives that work entry by entry, as functions of a builder and nodes.
_ENTRYWISE: dict[str, Callable[..., int]] = {
    **GRAPH,
    "max": Builder.larger,
    "min": Builder.smaller,
    "abs": lambda b, x: b.node("abs", x),
    "sign": _sign,
    "logaddexp": _logaddexp,
    "clamp": lambda b, low, x, high: b.smaller(b.larger(x, low), high),
}

_RULES: dict[str, Callable] = {
    **{name: _entrywise(function) for name, function in _ENTRYWISE.items()},
    "integer_pow": _power,
    "dot_general": _dot,
    "reduce_sum": _summed,
    "reduce_prod": _reduced(lambda b, row: functools.reduce(b.mul, row, b.constant(1.0))),
    "reduce_max": _reduced(lambda b, row: functools.reduce(b.larger, row, b.constant(-math.inf))),
    "reduce_min": _reduced(lambda b, row: functools.reduce(b.smaller, row, b.constant(math.inf))),
    "cumsum": _cumulated(Builder.add),
    "cumprod": _cumulated(Builder.mul),
    "solution": _solution,
    **dict.fromkeys(("lt", "le"), _less),
    **dict.fromkeys(("gt", "ge"), _greater),
    "not": _not,
    "is_finite": _finite,
    "select_n": _select,
    "convert_element_type": _converted,
    "anchor": _anchor,
}
