"""The costs of a game as an expression graph of real numbers: what a certificate file speaks of.

The traced code works on arrays; here it is run on arrays of node numbers. Primitives that move
entries about move the numbers; arithmetic makes new nodes. What does not depend on the strategies
and is an integer or a boolean is computed; real constants become nodes and are left exact.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from certify.checker.graph import Graph, read_graph
from certify.checker.reader import Reader
from certify.enclosure.programs.inline import anchored
from certify.enclosure.programs.walk import bound, unrolled, walk
from certify.enclosure.programs.written_out import expansion
from certify.enclosure.registry import EnclosureError
from certify.graph.builder import Builder, GraphError, pruned
from certify.graph.moves import moved
from certify.graph.tracing import (
    ENTRYWISE,
    EXACT,
    MOVED,
    branch_of,
    no_operation,
    repeated_while_known,
)
from certify.problem.field import FlatField


class _Nodes(NamedTuple):
    """A real array: the number of a node for each entry."""

    numbers: np.ndarray


class _Order(NamedTuple):
    """An array of predicates: whether the real number `low` is less than `high`, entry by entry.

    Where they are equal either answer is right: a proof never gets there. As integers, predicates
    are 0 and 1; nothing else is done with them than to move them about and to choose by them.
    """

    low: np.ndarray
    high: np.ndarray


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
    closed = jax.make_jaxpr(costs)(jax.ShapeDtypeStruct((dimension,), np.float64))
    try:
        closed = anchored(closed)
    except EnclosureError as error:
        raise GraphError(str(error)) from error
    builder = Builder(dimension)
    results = _run(builder, closed, [_Nodes(np.arange(dimension))])
    outputs = [number for x in results for number in _real(builder, x).numbers.ravel().tolist()]
    return pruned(builder, outputs)


@functools.lru_cache(maxsize=32)
def graph_data(field: FlatField) -> dict[str, Any]:
    """Returns the graph of a game's costs, or of a field, for its file; may raise GraphError."""
    return expression_graph(field.costs, field.dimension)


@functools.lru_cache(maxsize=32)
def graph_of(field: FlatField) -> Graph:
    """Returns the graph as the checker reads it."""
    data = graph_data(field)
    return read_graph(Reader(data), field.dimension, len(data["outputs"]))


def _run(builder: Builder, closed: core.ClosedJaxpr, operands: list[Any]) -> list[Any]:
    def evaluate(equation: core.JaxprEqn, inputs: list[Any]) -> list[Any]:
        return _equation(builder, equation, inputs)

    return walk(closed, operands, evaluate)


def _equation(builder: Builder, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    symbolic = any(isinstance(x, _Nodes | _Order) for x in operands)
    inner = expansion(equation)
    if inner is not None:
        return _run(builder, inner, operands)
    if name in _CONTROL:
        return _CONTROL[name](builder, equation, operands)
    reals = any(atom.aval.dtype == np.float64 for atom in equation.outvars)  # pyright: ignore
    if not symbolic and (not reals or name in EXACT):
        with jax.ensure_compile_time_eval():
            return bound(equation, map(jnp.asarray, operands))
    if name in MOVED:
        return _moved(builder, equation, operands)
    if name == "not" and equation.invars[0].aval.dtype != bool:  # pyright: ignore
        raise GraphError("the costs negate numbers bit by bit")
    if name in _RULES:
        result = _RULES[name](builder, params, *operands)
        return result if isinstance(result, list) else [result]
    raise no_operation(equation)


def _real(builder: Builder, value: Any) -> _Nodes:
    """Returns an array of real numbers as nodes."""
    if isinstance(value, _Nodes):
        return value
    array = np.asarray(value)
    if isinstance(value, _Order) or array.dtype != np.float64:
        raise GraphError(f"the costs use numbers of type {array.dtype} that are not known")
    numbers = [builder.constant(x) for x in array.ravel().tolist()]
    return _Nodes(np.array(numbers, np.int64).reshape(array.shape))


def _moved(builder: Builder, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    """Applies the primitive to numbers of nodes; both sides of predicates are moved alike."""
    count = MOVED[equation.primitive.name]
    entries, places = (operands, []) if count is None else (operands[:count], operands[count:])
    if any(isinstance(x, _Nodes | _Order) for x in places):
        raise GraphError("the costs choose a place in an array by real numbers")
    if any(isinstance(x, _Order) for x in entries):
        orders = [_order(builder, x) for x in entries]
        sides = [
            moved(equation, [getattr(order, side) for order in orders], places)
            for side in _Order._fields
        ]
        return [_Order(*ends) for ends in zip(*sides, strict=True)]
    return [
        _Nodes(array)
        for array in moved(equation, [_real(builder, x).numbers for x in entries], places)
    ]


def _order(builder: Builder, value: Any) -> _Order:
    """Returns predicates as they are; true booleans become `0 < 1`, and false ones `1 < 0`."""
    if isinstance(value, _Order):
        return value
    array = np.asarray(value)
    if (array.dtype != bool and not np.isin(array, (0, 1)).all()) or array.dtype.kind == "f":
        raise GraphError("the costs mix predicates with other numbers")
    ends = [builder.constant(0.0), builder.constant(1.0)]
    return _Order(np.where(array, *ends), np.where(array, *ends[::-1]))


def _entrywise(function: Callable[..., int]) -> Callable:
    """Returns the rule made from a function of a builder and numbers of nodes."""

    def rule(builder: Builder, params: Any, *operands: Any) -> _Nodes:
        arrays = np.broadcast_arrays(*(_real(builder, x).numbers for x in operands))
        entries = [
            function(builder, *row)
            for row in zip(*(a.ravel().tolist() for a in arrays), strict=True)
        ]
        return _Nodes(np.array(entries, np.int64).reshape(arrays[0].shape))

    return rule


def _one(builder: Builder) -> int:
    return builder.constant(1.0)


def _sign(b: Builder, x: int) -> int:
    return b.node("choose", x, b.constant(0.0), b.constant(-1.0), _one(b))


def _dot(builder: Builder, params: Any, x: Any, y: Any) -> _Nodes:
    """Spells out products and sums entry by entry, in the order of `lax.dot_general`."""
    (cx, cy), (bx, by) = params["dimension_numbers"]
    x, y = (_real(builder, z).numbers for z in (x, y))

    def arranged(z: np.ndarray, batch: Any, contracted: Any) -> tuple[np.ndarray, list[int]]:
        free = [k for k in range(z.ndim) if k not in batch and k not in contracted]
        shape = [z.shape[k] for k in free]
        z = z.transpose(*batch, *free, *contracted)
        sizes = [math.prod(z.shape[: len(batch)]), math.prod(shape)]
        return z.reshape(*sizes, -1), shape

    batch = [x.shape[k] for k in bx]
    (x, of_x), (y, of_y) = arranged(x, bx, cx), arranged(y, by, cy)
    entries = [
        builder.sum([builder.mul(a, b) for a, b in zip(row, column, strict=True)])
        for one, other in zip(x.tolist(), y.tolist(), strict=True)
        for row in one
        for column in other
    ]
    return _Nodes(np.array(entries, np.int64).reshape((*batch, *of_x, *of_y)))


def _reduced(function: Callable[[Builder, Sequence[int]], int]) -> Callable:
    def rule(builder: Builder, params: Any, x: Any) -> _Nodes:
        numbers, axes = _real(builder, x).numbers, params["axes"]
        kept = [k for k in range(numbers.ndim) if k not in axes]
        shape = [numbers.shape[k] for k in kept]
        rows = numbers.transpose(*kept, *axes).reshape(math.prod(shape), -1).tolist()
        entries = [function(builder, row) for row in rows]
        return _Nodes(np.array(entries, np.int64).reshape(shape))

    return rule


def _cumulated(function: Callable[[Builder], Callable[[int, int], int]]) -> Callable:
    def rule(builder: Builder, params: Any, x: Any) -> _Nodes:
        numbers = np.moveaxis(_real(builder, x).numbers, params["axis"], -1)
        step = -1 if params["reverse"] else 1
        rows = numbers.reshape(-1, numbers.shape[-1]).tolist()
        entries = [[*itertools.accumulate(row[::step], function(builder))][::step] for row in rows]
        result = np.array(entries, np.int64).reshape(numbers.shape)
        return _Nodes(np.moveaxis(result, -1, params["axis"]))

    return rule


def _solution(builder: Builder, params: Any, a: Any, b: Any) -> _Nodes:
    """Solves by elimination without exchanging rows, or by Cramer's rule for two unknowns.

    A system whose leading minors may vanish is refused by the checker, though it may have a
    solution.
    """
    a, b = (_real(builder, z).numbers for z in (a, b))
    n = a.shape[-1]
    systems = zip(a.reshape(-1, n, n).tolist(), b.reshape(-1, n, b.shape[-1]).tolist(), strict=True)
    solve = _cramer if n == 2 else _eliminate
    entries = [solve(builder, rows, values) for rows, values in systems]
    return _Nodes(np.array(entries, np.int64).reshape(b.shape))


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


def _compared(swapped: bool) -> Callable:
    def rule(builder: Builder, params: Any, x: Any, y: Any) -> _Order:
        x, y = np.broadcast_arrays(*(_real(builder, z).numbers for z in (x, y)))
        return _Order(y, x) if swapped else _Order(x, y)

    return rule


def _select(builder: Builder, params: Any, which: Any, *cases: Any) -> Any:
    if not isinstance(which, _Order):
        numbers = [_real(builder, case).numbers for case in cases]
        index = np.broadcast_to(np.asarray(which, int), numbers[0].shape)
        # NumPy makes plain numbers of arrays without axes.
        return _Nodes(np.asarray(np.choose(index, numbers)))
    if len(cases) != 2:
        raise GraphError("the costs choose between more than two cases by real numbers")
    if any(isinstance(case, _Order) for case in cases):
        raise GraphError("the costs choose between predicates by real numbers")
    choose = _entrywise(lambda b, *parts: b.node("choose", *parts))
    shape = _real(builder, cases[0]).numbers.shape
    ends = [_Nodes(np.broadcast_to(end, shape)) for end in which]
    return choose(builder, params, *ends, cases[1], cases[0])


def _converted(builder: Builder, params: Any, x: Any) -> Any:
    """Converts types: real numbers stay, and a predicate may become an integer to branch by."""
    if isinstance(x, _Order) and params["new_dtype"] == np.float64:
        ones = [np.full(x.low.shape, builder.constant(value)) for value in (1.0, 0.0)]
        return _select(builder, params, x, _Nodes(ones[1]), _Nodes(ones[0]))
    if isinstance(x, _Order) or params["new_dtype"] == np.float64:
        return x  # 0 and 1 are the same numbers in all types of integers
    raise GraphError(f"the costs turn real numbers into {params['new_dtype']}")


def _not(builder: Builder, params: Any, x: Any) -> _Order:
    return _Order(x.high, x.low)


def _branch(builder: Builder, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    index, *rest = operands
    params, cases = equation.params, equation.params["branches"]
    if not isinstance(index, _Order):
        return _run(builder, branch_of(equation, index), rest)
    results = [_run(builder, case, rest) for case in cases]
    return [_select(builder, params, index, *case) for case in zip(*results, strict=True)]


def _scan(builder: Builder, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    """Unrolls a loop round by round."""
    return unrolled(
        equation,
        operands,
        functools.partial(_run, builder),
        _entry,
        functools.partial(_stacked, builder),
    )


def _entry(x: Any, k: int) -> Any:
    if isinstance(x, _Order):
        return _Order(np.asarray(x.low[k]), np.asarray(x.high[k]))
    return _Nodes(np.asarray(x.numbers[k])) if isinstance(x, _Nodes) else np.asarray(x)[k]


def _stacked(builder: Builder, entries: Sequence[Any]) -> Any:
    if any(isinstance(x, _Order) for x in entries):
        orders = [_order(builder, x) for x in entries]
        return _Order(*(np.stack(ends) for ends in zip(*orders, strict=True)))
    if any(isinstance(x, _Nodes) for x in entries):
        return _Nodes(np.stack([_real(builder, x).numbers for x in entries]))
    return np.stack([np.asarray(x) for x in entries])


def _while(builder: Builder, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    """Unrolls a loop while its condition, which must not depend on real numbers, holds."""
    return repeated_while_known(
        equation,
        operands,
        functools.partial(_run, builder),
        lambda value: isinstance(value, _Order | _Nodes),
    )


_CONTROL: dict[str, Callable] = {"cond": _branch, "scan": _scan, "while": _while}


_RULES: dict[str, Callable] = {
    **{name: _entrywise(function) for name, function in ENTRYWISE.items()},
    "sign": _entrywise(_sign),
    "integer_pow": lambda builder, params, x: _entrywise(
        lambda b, number: b.node("power", number, params["y"])
    )(builder, params, x),
    "clamp": _entrywise(lambda b, low, x, high: b.smaller(b.larger(x, low), high)),
    "dot_general": _dot,
    "reduce_sum": _reduced(Builder.sum),
    "reduce_prod": _reduced(lambda b, row: functools.reduce(b.mul, row, _one(b))),
    "reduce_max": _reduced(lambda b, row: functools.reduce(b.larger, row)),
    "reduce_min": _reduced(lambda b, row: functools.reduce(b.smaller, row)),
    "cumsum": _cumulated(lambda b: b.add),
    "cumprod": _cumulated(lambda b: b.mul),
    "solution": _solution,
    "lt": _compared(False),
    "le": _compared(False),
    "gt": _compared(True),
    "ge": _compared(True),
    # Real numbers are finite where they are defined, and that stays an obligation of their parts.
    "is_finite": lambda builder, params, x: np.ones(_real(builder, x).numbers.shape, bool),
    "select_n": _select,
    "convert_element_type": _converted,
    "not": _not,
    # `anchored` has shown that its value is irrelevant: any number may take its place.
    "anchor": lambda builder, params, x: _Nodes(
        np.full(_real(builder, x).numbers.shape, builder.constant(0.0))
    ),
}
