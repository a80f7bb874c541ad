"""A node for each entry of each array, which is what Taylor polynomials and level 2 want."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.extend import core
from typing_extensions import override

from certify.graph.moves import moved
from certify.graph.nodes import AbstractNodes, Real


class ScalarNodes(AbstractNodes):
    """Arrays of numbers of nodes: what moves entries about moves the numbers."""

    @override
    def inputs(self) -> Real:
        return _real(np.arange(self.builder.inputs))

    @override
    def constant(self, values: np.ndarray) -> Real:
        numbers = [self.builder.constant(x) for x in values.ravel().tolist()]
        return _real(np.array(numbers, np.int64).reshape(values.shape))

    @override
    def outputs(self, x: Real) -> list[int]:
        return self.entries(x)

    @override
    def moved(self, equation: core.JaxprEqn, arrays: Sequence[Real], places: Any) -> list[Real]:
        return [_real(x) for x in moved(equation, [x.nodes for x in arrays], places)]

    @override
    def repeated(self, x: Real, shape: tuple[int, ...]) -> Real:
        return _real(np.broadcast_to(x.nodes, shape))

    @override
    def reshaped(self, x: Real, shape: tuple[int, ...]) -> Real:
        return _real(x.nodes.reshape(shape))

    @override
    def transposed(self, x: Real, axes: Sequence[int]) -> Real:
        return _real(x.nodes.transpose(axes))

    @override
    def joined(self, arrays: Sequence[Real]) -> Real:
        return _real(np.concatenate([x.nodes.ravel() for x in arrays]))

    @override
    def taken(self, x: Real, places: np.ndarray) -> Real:
        return _real(x.nodes.ravel()[places])

    @override
    def entries(self, x: Real) -> list[int]:
        return x.nodes.ravel().tolist()

    @override
    def rows(self, x: Real, axes: Sequence[int]) -> list[list[int]]:
        kept = [k for k in range(len(x.shape)) if k not in axes]
        length = math.prod(x.shape[k] for k in axes)
        count = math.prod(x.shape[k] for k in kept)
        return x.nodes.transpose(*kept, *axes).reshape(count, length).tolist()

    @override
    def collected(self, nodes: list[int], shape: Sequence[int], axes: Sequence[int] = ()) -> Real:
        order = [*(k for k in range(len(shape)) if k not in axes), *axes]
        numbers = np.array(nodes, np.int64).reshape([shape[k] for k in order])
        return _real(numbers.transpose(np.argsort(order)))

    @override
    def summed(self, x: Real, axes: Sequence[int]) -> Real:
        shape = [size for k, size in enumerate(x.shape) if k not in axes]
        return self.collected([self.builder.sum(row) for row in self.rows(x, axes)], shape)

    @override
    def matmul(self, x: Real, y: Real) -> Real:
        (*stack, count, inner), columns = x.shape, y.shape[-1]
        size, builder = math.prod(stack), self.builder
        left = x.nodes.reshape(size, count, inner).tolist()
        right = y.nodes.reshape(size, inner, columns).swapaxes(1, 2).tolist()
        sums = [
            builder.sum([builder.mul(a, b) for a, b in zip(row, column, strict=True)])
            for rows, others in zip(left, right, strict=True)
            for row in rows
            for column in others
        ]
        return self.collected(sums, (*stack, count, columns))


def _real(numbers: Any) -> Real:
    """Returns an array of numbers; NumPy makes plain ones of arrays without axes."""
    numbers = np.asarray(numbers)
    return Real(numbers, numbers.shape)
