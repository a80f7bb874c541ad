"""A node for each array, so that a product with a matrix of data is one node with one constant."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.extend import core
from typing_extensions import override

from certify.checker.arrays import MAX_SIZE
from certify.checker.graph import MAX_NODES
from certify.graph.builder import GraphError
from certify.graph.moves import moved
from certify.graph.nodes import AbstractNodes, Real


class ArrayNodes(AbstractNodes):
    """Numbers of nodes; the value of a node is one number if all entries of its array are it."""

    @override
    def inputs(self) -> Real:
        return Real(self.builder.inputs_array(), (self.builder.inputs,))

    @override
    def constant(self, values: np.ndarray) -> Real:
        return Real(self.builder.array(values), values.shape)

    @override
    def outputs(self, x: Real) -> list[int]:
        return [self._whole(x)]

    def _is_number(self, x: Real) -> bool:
        return not self.builder.shape(x.nodes)

    def _whole(self, x: Real) -> int:
        """Returns a node that has all the entries of an array."""
        if self.builder.shape(x.nodes) == x.shape:
            return x.nodes
        return self.builder.moved("broadcast", x.nodes, x.shape, list(x.shape), [])

    @override
    def moved(self, equation: core.JaxprEqn, arrays: Sequence[Real], places: Any) -> list[Real]:
        """Moves the places of entries, which says where each one comes from."""
        name, params = equation.primitive.name, equation.params
        shapes: list[Any] = [atom.aval.shape for atom in equation.outvars]  # pyright: ignore
        first, (shape, *_) = arrays[0], shapes
        if (
            name != "gather"  # which may fill with another number
            and len({x.nodes for x in arrays}) == 1
            and self._is_number(first)
            and first.shape
        ):
            return [Real(first.nodes, shape) for shape in shapes]  # all entries are the same
        if name in ("reshape", "squeeze", "expand_dims", "copy"):
            return [self.reshaped(first, shape)]
        if name == "transpose":
            return [self.transposed(first, params["permutation"])]
        if name == "broadcast_in_dim":
            axes = list(map(int, params["broadcast_dimensions"]))
            return [self._operation("broadcast", first, shape, list(shape), axes)]
        starts = np.cumsum([0, *(math.prod(x.shape) for x in arrays)])
        numbers = [
            np.arange(low, high).reshape(x.shape)
            for x, low, high in zip(arrays, starts, starts[1:], strict=False)
        ]
        results = moved(equation, numbers, places)
        source = first if len(arrays) == 1 else self.joined(arrays)
        return [self.taken(source, result) for result in results]

    def _operation(self, name: str, x: Real, shape: tuple[int, ...], *parts: Any) -> Real:
        return Real(self.builder.moved(name, self._whole(x), shape, *parts), shape)

    @override
    def repeated(self, x: Real, shape: tuple[int, ...]) -> Real:
        if x.shape in ((), shape) or self._is_number(x):
            return Real(x.nodes, shape)
        return self._operation("broadcast", x, shape, list(shape), list(range(len(shape))))

    @override
    def reshaped(self, x: Real, shape: tuple[int, ...]) -> Real:
        if x.shape == shape:
            return Real(self._whole(x), shape)
        return self._operation("reshape", x, shape, list(shape))

    @override
    def transposed(self, x: Real, axes: Sequence[int]) -> Real:
        axes = list(map(int, axes))
        if axes == sorted(axes):
            return x
        shape = tuple(x.shape[k] for k in axes)
        return self._operation("transpose", x, shape, axes)

    @override
    def joined(self, arrays: Sequence[Real]) -> Real:
        number = self.builder.join([self._whole(x) for x in arrays])
        return Real(number, self.builder.shape(number))

    @override
    def taken(self, x: Real, places: np.ndarray) -> Real:
        shape = places.shape
        if self._is_number(x):
            return Real(x.nodes, shape)
        _require_size(shape)
        return self._operation("take", x, shape, places.ravel().tolist(), list(shape))

    @override
    def entries(self, x: Real) -> list[int]:
        return [x.nodes]

    @override
    def rows(self, x: Real, axes: Sequence[int]) -> list[list[int]]:
        """Returns one list of slices."""
        kept = [k for k in range(len(x.shape)) if k not in axes]
        length = math.prod(x.shape[k] for k in axes)
        if self._is_number(x):
            return [[x.nodes] * length]
        _require_size(x.shape)
        if length > MAX_NODES:
            raise GraphError(f"the costs have more than {MAX_NODES} operations")
        places = np.arange(math.prod(x.shape)).reshape(x.shape).transpose(*axes, *kept)
        slices = places.reshape(length, *(x.shape[k] for k in kept))
        return [[self.taken(x, np.asarray(one)).nodes for one in slices]]

    @override
    def collected(self, nodes: list[int], shape: Sequence[int], axes: Sequence[int] = ()) -> Real:
        if not axes:
            return Real(nodes[0], tuple(shape))
        kept = [k for k in range(len(shape)) if k not in axes]
        order, rest = [*axes, *kept], tuple(shape[k] for k in kept)
        joined = self.joined([Real(number, rest) for number in nodes])
        stacked = self.reshaped(joined, tuple(shape[k] for k in order))
        return self.transposed(stacked, np.argsort(order).tolist())

    @override
    def summed(self, x: Real, axes: Sequence[int]) -> Real:
        shape = tuple(size for k, size in enumerate(x.shape) if k not in axes)
        return self._operation("sum", x, shape, list(map(int, axes)))

    @override
    def matmul(self, x: Real, y: Real) -> Real:
        number = self.builder.matmul(self._whole(x), self._whole(y))
        return Real(number, self.builder.shape(number))


def _require_size(shape: tuple[int, ...]) -> None:
    """Raises an error before places are listed that the checker would not read."""
    if math.prod(shape) > MAX_SIZE:
        raise GraphError(f"the costs have an array of more than {MAX_SIZE} entries")
