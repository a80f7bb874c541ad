"""The costs of a game as an expression graph of arrays: one node for each operation of the code.

`trace` writes each entry of each array as a node of its own, which is what Taylor polynomials and
their rules for shares want. Here the arrays of the code stay arrays, so that a product with a data
matrix is one node with one constant, whatever the number of data.
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
from certify.checker.reader import Reader, Unusable
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


class _Real(NamedTuple):
    """A real array: its node, whose value is one number if all entries are the same."""

    number: int
    shape: tuple[int, ...]


def array_graph(costs: Callable, dimension: int) -> dict[str, Any]:
    """Returns the graph of arrays of a function of vectors, as it stands in a certificate file.

    Args:
        costs: From vectors of shape (dimension,) to a list of scalars, or of arrays with an entry
            per player; traceable, in float64.
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
    closed = jax.make_jaxpr(costs)(jnp.zeros(dimension))
    try:
        closed = anchored(closed)
    except EnclosureError as error:
        raise GraphError(str(error)) from error
    builder = Builder(dimension)
    start = builder.inputs_array()
    results = _run(builder, closed, [_Real(start, (dimension,))])
    return pruned(builder, [_whole(builder, _real(builder, x)) for x in results])


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


def _run(builder: Builder, closed: core.ClosedJaxpr, operands: list[Any]) -> list[Any]:
    return walk(closed, operands, functools.partial(_equation, builder))


def _equation(builder: Builder, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    inner = expansion(equation)
    if inner is not None:
        return _run(builder, inner, operands)
    if name in _CONTROL:
        return _CONTROL[name](builder, equation, operands)
    reals = any(atom.aval.dtype == np.float64 for atom in equation.outvars)  # pyright: ignore
    known = not any(isinstance(x, _Real) for x in operands)
    if known and (not reals or name in EXACT):
        with jax.ensure_compile_time_eval():
            return bound(equation, map(jnp.asarray, operands))
    if name in MOVED:
        return _moved(builder, equation, operands)
    shapes: list[Any] = [atom.aval.shape for atom in equation.outvars]  # pyright: ignore
    if name in _RULES:
        return [_Real(_RULES[name](builder, params, *operands), shapes[0])]
    raise no_operation(equation)


def _real(builder: Builder, value: Any) -> _Real:
    """Returns an array of real numbers as a node."""
    if isinstance(value, _Real):
        return value
    array = np.asarray(value)
    if array.dtype != np.float64:
        raise GraphError(f"the costs use numbers of type {array.dtype} that are not known")
    return _Real(builder.array(array), array.shape)


def _whole(builder: Builder, x: _Real) -> int:
    """Returns a node that has all the entries of an array."""
    if builder.shape(x.number) == x.shape:
        return x.number
    return builder.moved("broadcast", x.number, x.shape, list(x.shape), [])


def _moved(builder: Builder, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    """Applies the primitive to the places of entries, which says where each one comes from."""
    name, params = equation.primitive.name, equation.params
    count = MOVED[name]
    entries, places = (operands, []) if count is None else (operands[:count], operands[count:])
    if any(isinstance(x, _Real) for x in places):
        raise GraphError("the costs choose a place in an array by real numbers")
    reals = [_real(builder, x) for x in entries]
    shapes: list[Any] = [atom.aval.shape for atom in equation.outvars]  # pyright: ignore
    if (
        name != "gather"  # which may fill with another number
        and len({x.number for x in reals}) == 1
        and not builder.shape(reals[0].number)
        and reals[0].shape
    ):
        return [_Real(reals[0].number, shape) for shape in shapes]  # all entries are the same
    whole = [_whole(builder, x) for x in reals]
    (shape, *_) = shapes
    if name in ("reshape", "squeeze", "expand_dims", "copy"):
        return [_Real(_reshaped(builder, whole[0], shape), shape)]
    if name == "transpose":
        axes = list(map(int, params["permutation"]))
        return [_Real(builder.moved("transpose", whole[0], shape, axes), shape)]
    if name == "broadcast_in_dim":
        axes = list(map(int, params["broadcast_dimensions"]))
        return [_Real(builder.moved("broadcast", whole[0], shape, list(shape), axes), shape)]
    starts = np.cumsum([0, *(math.prod(x.shape) for x in reals)])
    numbers = [
        np.arange(low, high).reshape(x.shape)
        for x, low, high in zip(reals, starts, starts[1:], strict=False)
    ]
    arrays = moved(equation, numbers, places)
    source = whole[0] if len(whole) == 1 else builder.join(whole)
    return [_Real(_taken(builder, source, array), array.shape) for array in arrays]


def _taken(builder: Builder, source: int, places: np.ndarray) -> int:
    shape = places.shape
    return builder.moved("take", source, shape, places.ravel().tolist(), list(shape))


def _reshaped(builder: Builder, number: int, shape: Sequence[int]) -> int:
    if builder.shape(number) == tuple(shape):
        return number
    return builder.moved("reshape", number, tuple(shape), list(shape))


def _entrywise(function: Callable[..., int]) -> Callable[..., int]:
    """Returns the rule made from a function of a builder and numbers of nodes."""

    def rule(builder: Builder, params: Any, *operands: Any) -> int:
        reals = [_real(builder, x) for x in operands]
        shape = np.broadcast_shapes(*(x.shape for x in reals))
        return function(builder, *(_repeated(builder, x, shape) for x in reals))

    return rule


def _repeated(builder: Builder, x: _Real, shape: tuple[int, ...]) -> int:
    """Returns the node of an array, repeated along axes of length one."""
    if x.shape in ((), shape) or not builder.shape(x.number):
        return x.number
    return builder.moved("broadcast", x.number, shape, list(shape), list(range(len(shape))))


def _dot(builder: Builder, params: Any, x: Any, y: Any) -> int:
    """Makes a product of (stacks of) matrices, in the order of `lax.dot_general`."""
    (cx, cy), (bx, by) = params["dimension_numbers"]
    sides = []
    for z, batch, contracted, left in ((x, bx, cx, True), (y, by, cy, False)):
        z = _real(builder, z)
        free = [k for k in range(len(z.shape)) if k not in batch and k not in contracted]
        order = [*batch, *free, *contracted] if left else [*batch, *contracted, *free]
        sizes = {
            key: math.prod(z.shape[k] for k in axes)
            for key, axes in (("batch", batch), ("free", free), ("inner", contracted))
        }
        number = _whole(builder, z)
        if order != list(range(len(order))):
            shape = tuple(z.shape[k] for k in order)
            number = builder.moved("transpose", number, shape, list(map(int, order)))
        matrix = (sizes["free"], sizes["inner"]) if left else (sizes["inner"], sizes["free"])
        stack = (sizes["batch"],) if batch else ()
        sides.append((_reshaped(builder, number, (*stack, *matrix)), [z.shape[k] for k in free]))
    (first, of_x), (second, of_y) = sides
    shape = (*(_real(builder, x).shape[k] for k in bx), *of_x, *of_y)
    return _reshaped(builder, builder.matmul(first, second), shape)


def _summed(builder: Builder, params: Any, x: Any) -> int:
    x, axes = _real(builder, x), list(map(int, params["axes"]))
    shape = tuple(size for k, size in enumerate(x.shape) if k not in axes)
    return builder.moved("sum", _whole(builder, x), shape, axes)


def _multiplied(builder: Builder, params: Any, x: Any) -> int:
    """Multiplies slices along each axis, one after the other."""
    x = _real(builder, x)
    places = np.arange(math.prod(x.shape)).reshape(x.shape)
    axes = tuple(map(int, params["axes"]))
    kept = [k for k in range(len(x.shape)) if k not in axes]
    shape = [x.shape[k] for k in kept]
    rows = places.transpose(*axes, *kept).reshape(-1, *shape)
    number = _whole(builder, x)
    factors = [_taken(builder, number, np.asarray(row)) for row in rows]
    return functools.reduce(builder.mul, factors, builder.constant(1.0))


def _cumulated(combine: Callable[[Builder, int, int], int]) -> Callable[..., int]:
    """Returns the rule that combines slices along an axis, one after the other, and keeps all."""

    def rule(builder: Builder, params: Any, x: Any) -> int:
        x, axis = _real(builder, x), int(params["axis"])
        places = np.arange(math.prod(x.shape)).reshape(x.shape)
        number, length = _whole(builder, x), x.shape[axis]
        slices = [_taken(builder, number, np.take(places, k, axis)) for k in range(length)]
        step = -1 if params["reverse"] else 1
        combined = [*itertools.accumulate(slices[::step], functools.partial(combine, builder))]
        if not combined:
            return number
        shape = (length, *x.shape[:axis], *x.shape[axis + 1 :])
        stacked = _reshaped(builder, builder.join(combined[::step]), shape)
        axes = [*range(1, axis + 1), 0, *range(axis + 1, len(shape))]
        return builder.moved("transpose", stacked, x.shape, axes)

    return rule


def _select(builder: Builder, params: Any, which: Any, *cases: Any) -> int:
    """Chooses entries by known numbers."""
    if isinstance(which, _Real):
        raise GraphError("the costs choose by real numbers")
    reals = [_real(builder, case) for case in cases]
    shape = reals[0].shape
    size = math.prod(shape)
    index = np.broadcast_to(np.asarray(which, int), shape)
    places = index * size + np.arange(size).reshape(shape)
    return _taken(builder, builder.join([_whole(builder, x) for x in reals]), places)


def _converted(builder: Builder, params: Any, x: Any) -> int:
    if params["new_dtype"] != np.float64:
        raise GraphError(f"the costs turn real numbers into {params['new_dtype']}")
    return _real(builder, x).number


def _branch(builder: Builder, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    index, *rest = operands
    if isinstance(index, _Real):
        raise GraphError("the costs choose by real numbers")
    return _run(builder, branch_of(equation, index), rest)


def _scan(builder: Builder, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    """Unrolls a loop round by round."""

    def entry(x: Any, k: int) -> Any:
        if not isinstance(x, _Real):
            return np.asarray(x)[k]
        shape, size = x.shape[1:], math.prod(x.shape[1:])
        if not builder.shape(x.number):
            return _Real(x.number, shape)
        places = np.asarray(k * size + np.arange(size).reshape(shape))
        return _Real(_taken(builder, x.number, places), shape)

    def stacked(entries: Sequence[Any]) -> Any:
        if not any(isinstance(x, _Real) for x in entries):
            return np.stack([np.asarray(x) for x in entries])
        reals = [_real(builder, x) for x in entries]
        shape = (len(reals), *reals[0].shape)
        joined = builder.join([_whole(builder, x) for x in reals])
        return _Real(_reshaped(builder, joined, shape), shape)

    return unrolled(equation, operands, functools.partial(_run, builder), entry, stacked)


def _while(builder: Builder, equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    """Unrolls a loop while its condition, which must not depend on real numbers, holds."""
    return repeated_while_known(
        equation,
        operands,
        functools.partial(_run, builder),
        lambda value: isinstance(value, _Real),
    )


_CONTROL: dict[str, Callable] = {"cond": _branch, "scan": _scan, "while": _while}


_RULES: dict[str, Callable[..., int]] = {
    **{name: _entrywise(function) for name, function in ENTRYWISE.items()},
    "integer_pow": lambda builder, params, x: _entrywise(
        lambda b, number: b.node("power", number, params["y"])
    )(builder, params, x),
    "dot_general": _dot,
    "reduce_sum": _summed,
    "reduce_prod": _multiplied,
    "cumsum": _cumulated(Builder.add),
    "cumprod": _cumulated(Builder.mul),
    "select_n": _select,
    "convert_element_type": _converted,
}
