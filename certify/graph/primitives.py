"""What JAX's primitives make of arrays of nodes, whichever kind of graph these are of."""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.extend import core

from certify.enclosure.elementary import GRAPH
from certify.graph.builder import Builder, GraphError
from certify.graph.nodes import AbstractNodes, Order, Real


def _each(nodes: AbstractNodes, function: Callable[..., int], *operands: Any) -> Real:
    """Applies a function of a builder and numbers of nodes, entry by entry."""
    reals = [nodes.real(x) for x in operands]
    shape = np.broadcast_shapes(*(x.shape for x in reals))
    columns = [nodes.entries(nodes.repeated(x, shape)) for x in reals]
    entries = [function(nodes.builder, *row) for row in zip(*columns, strict=True)]
    return nodes.collected(entries, shape)


def entrywise(function: Callable[..., int]) -> Callable:
    """Returns the rule made from a function of a builder and numbers of nodes."""
    return lambda nodes, equation, *operands: _each(nodes, function, *operands)


def _sign(b: Builder, x: int) -> int:
    return b.node("choose", x, *map(b.constant, (0.0, -1.0, 1.0)))


def _logaddexp(b: Builder, x: int, y: int) -> int:
    return b.log(b.add(b.node("exp", x), b.node("exp", y)))


def _known_reals(x: Any) -> Any:
    """Returns known integers, which a product may have on one side, as the reals they are."""
    if isinstance(x, Real | Order) or np.asarray(x).dtype.kind not in "iu":
        return x
    reals = np.asarray(x).astype(np.float64)
    if not (np.abs(reals) < 2.0**53).all():
        raise GraphError("the costs multiply by integers that are too long for float64")
    return reals


def _dot(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any, y: Any) -> Real:
    """Makes a product of (stacks of) matrices, in the order of `lax.dot_general`."""
    contracted, batch = equation.params["dimension_numbers"]
    factors, kept = [], []
    for z, inner, stack, is_left in zip((x, y), contracted, batch, (True, False), strict=True):
        z = nodes.real(_known_reals(z))
        free = [k for k in range(len(z.shape)) if k not in stack and k not in inner]
        sides = (free, inner) if is_left else (inner, free)
        sizes = [math.prod(z.shape[k] for k in axes) for axes in sides]
        number = [math.prod(z.shape[k] for k in stack)] if stack else []
        arranged = nodes.transposed(z, [*stack, *sides[0], *sides[1]])
        factors.append(nodes.reshaped(arranged, (*number, *sizes)))
        kept += [z.shape[k] for k in ([*stack, *free] if is_left else free)]
    return nodes.reshaped(nodes.matmul(*factors), tuple(kept))


def _reduced(function: Callable[[Builder, Sequence[int]], int]) -> Callable:
    """Returns the rule that makes one number of those along some axes."""

    def rule(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> Real:
        rows = nodes.rows(nodes.real(x), [*map(int, equation.params["axes"])])
        return nodes.collected([function(nodes.builder, row) for row in rows], _shape(equation))

    return rule


def _cumulated(combine: Callable[[Builder, int, int], int]) -> Callable:
    """Returns the rule that combines numbers along an axis one after the other, and keeps all."""

    def rule(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> Real:
        axes, step = (int(equation.params["axis"]),), -1 if equation.params["reverse"] else 1
        function = functools.partial(combine, nodes.builder)
        sums = [
            number
            for row in nodes.rows(nodes.real(x), axes)
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
    a, b = nodes.real(a), nodes.real(b)
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
    return Order(*(nodes.repeated(nodes.real(z), _shape(equation)) for z in (x, y)))


def _greater(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any, y: Any) -> Order:
    low, high = _less(nodes, equation, x, y)
    return Order(high, low)


def _not(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> Order:
    if equation.invars[0].aval.dtype != bool:  # pyright: ignore
        raise GraphError("the costs negate numbers bit by bit")
    return Order(x.high, x.low)


def select(nodes: AbstractNodes, equation: core.JaxprEqn, which: Any, *cases: Any) -> Real:
    """Chooses among cases, entry by entry, by known numbers or by predicates."""
    if not isinstance(which, Order):
        reals = [nodes.real(case) for case in cases]
        size = math.prod(reals[0].shape)
        index = np.broadcast_to(np.asarray(which, int), reals[0].shape)
        places = index * size + np.arange(size).reshape(index.shape)
        return nodes.taken(nodes.joined(reals), np.asarray(places))
    if len(cases) != 2:
        raise GraphError("the costs choose between more than two cases by real numbers")
    if any(isinstance(case, Order) for case in cases):
        raise GraphError("the costs choose between predicates by real numbers")
    shape = nodes.real(cases[0]).shape
    ends = (nodes.repeated(end, shape) for end in which)
    return _each(nodes, lambda b, *parts: b.node("choose", *parts), *ends, cases[1], cases[0])


def _converted(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> Any:
    """Converts types: real numbers stay, and a predicate may become an integer to branch by."""
    new = equation.params["new_dtype"]
    if isinstance(x, Order) and new == np.float64:
        one, zero = (nodes.constant(np.full(x.low.shape, value)) for value in (1.0, 0.0))
        return select(nodes, equation, x, zero, one)
    if isinstance(x, Order) or new == np.float64:
        return x  # 0 and 1 are the same numbers in all types of integers
    raise GraphError(f"the costs turn real numbers into {new}")


def _finite(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> np.ndarray:
    """Real numbers are finite where they are defined, which stays an obligation of their parts."""
    return np.ones(nodes.real(x).shape, bool)


def _anchor(nodes: AbstractNodes, equation: core.JaxprEqn, x: Any) -> Real:
    """`anchored` has shown that its value is irrelevant: any number may take its place."""
    return nodes.constant(np.zeros(nodes.real(x).shape))


# Primitives that work entry by entry, as functions of a builder and numbers of nodes.
_ENTRYWISE: dict[str, Callable[..., int]] = {
    **GRAPH,
    "max": Builder.larger,
    "min": Builder.smaller,
    "abs": lambda b, x: b.node("abs", x),
    "sign": _sign,
    "logaddexp": _logaddexp,
    "clamp": lambda b, low, x, high: b.smaller(b.larger(x, low), high),
}

# The others are functions of the maker of nodes, the equation and its operands. Those that are real
# arrays or predicates come as such; what is known comes as it is.
RULES: dict[str, Callable] = {
    **{name: entrywise(function) for name, function in _ENTRYWISE.items()},
    "integer_pow": lambda nodes, equation, x: _each(
        nodes, lambda b, number: b.node("power", number, equation.params["y"]), x
    ),
    "dot_general": _dot,
    "reduce_sum": lambda nodes, equation, x: nodes.summed(
        nodes.real(x), [*map(int, equation.params["axes"])]
    ),
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
    "select_n": select,
    "convert_element_type": _converted,
    "anchor": _anchor,
}
