"""Arrays of real numbers as nodes of a graph, of which there are two kinds.

`ScalarNodes` has a node for each entry, `ArrayNodes` one for the whole array. Tracing (`trace`) is
the same for both: it says what is done to arrays, and they make the nodes.
"""

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.extend import core

from certify.graph.builder import Builder, GraphError


class Real(NamedTuple):
    """A real array; its `nodes` are the numbers of nodes, or of the one node, of who made it."""

    nodes: Any
    shape: tuple[int, ...]


class Order(NamedTuple):
    """An array of predicates: whether the real number `low` is less than `high`, entry by entry.

    Where they are equal either answer is right: a proof never gets there. As integers, predicates
    are 0 and 1; nothing else is done with them than to move them about and to choose by them.
    """

    low: Real
    high: Real


class AbstractNodes(abc.ABC):
    """What makes the nodes of real arrays.

    Rules take arrays apart to numbers of nodes, by `entries` and `rows`, and collect the nodes that
    they make. With a node for each entry there is a row for each place along the other axes; with
    arrays there is one, of nodes that are arrays along the other axes. So a rule that is given for
    one row is a rule for both.

    Args:
        inputs: The number of inputs of the graph.
    """

    def __init__(self, inputs: int):
        self.builder = Builder(inputs)

    def real(self, value: Any) -> Real:
        """Returns an array of real numbers as nodes."""
        if isinstance(value, Real):
            return value
        if isinstance(value, Order):
            raise GraphError("the costs use comparisons of real numbers as numbers")
        array = np.asarray(value)
        if array.dtype != np.float64:
            raise GraphError(f"the costs use numbers of type {array.dtype} that are not known")
        return self.constant(array)

    def order(self, value: Any) -> Order:
        """Returns predicates as they are; true booleans become `0 < 1`, and false ones `1 < 0`."""
        if isinstance(value, Order):
            return value
        array = np.asarray(value)
        if (array.dtype != bool and not np.isin(array, (0, 1)).all()) or array.dtype.kind == "f":
            raise GraphError("the costs mix predicates with other numbers")
        return Order(*(self.constant(np.where(array, *ends)) for ends in ((0.0, 1.0), (1.0, 0.0))))

    @abc.abstractmethod
    def inputs(self) -> Real:
        """Returns the vector of all inputs."""

    @abc.abstractmethod
    def constant(self, values: np.ndarray) -> Real:
        """Returns known numbers, exactly."""

    @abc.abstractmethod
    def outputs(self, x: Real) -> list[int]:
        """Returns nodes that have all the entries of an array, in their order."""

    @abc.abstractmethod
    def moved(self, equation: core.JaxprEqn, arrays: Sequence[Real], places: Any) -> list[Real]:
        """Returns what one of `moves.MOVED` makes of arrays, and of what says where to."""

    @abc.abstractmethod
    def repeated(self, x: Real, shape: tuple[int, ...]) -> Real:
        """Returns a number or an array, repeated along axes of length one."""

    @abc.abstractmethod
    def reshaped(self, x: Real, shape: tuple[int, ...]) -> Real:
        """Returns the same entries in another shape."""

    @abc.abstractmethod
    def joined(self, arrays: Sequence[Real]) -> Real:
        """Returns the vector of the entries of all arrays, one array after the other."""

    @abc.abstractmethod
    def taken(self, x: Real, places: np.ndarray) -> Real:
        """Returns entries of an array, by their places in the order of all its entries."""

    @abc.abstractmethod
    def entries(self, x: Real) -> list[int]:
        """Returns the nodes of an array, in the order of its entries."""

    @abc.abstractmethod
    def rows(self, x: Real, axes: Sequence[int]) -> list[list[int]]:
        """Returns rows of nodes along some axes, of which the last runs fastest."""

    @abc.abstractmethod
    def collected(self, nodes: list[int], shape: Sequence[int], axes: Sequence[int] = ()) -> Real:
        """Returns the array of a shape that has such rows along some axes, or such entries."""

    @abc.abstractmethod
    def summed(self, x: Real, axes: Sequence[int]) -> Real:
        """Returns sums along some axes."""

    @abc.abstractmethod
    def transposed(self, x: Real, axes: Sequence[int]) -> Real:
        """Returns an array with its axes in another order."""

    @abc.abstractmethod
    def matmul(self, x: Real, y: Real) -> Real:
        """Returns the product of two matrices, or of stacks of them."""
