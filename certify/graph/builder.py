"""A builder of expression graphs, which holds each node once."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from certify.checker.arrays import MOVES
from certify.checker.graph import MAX_NODES, graph_hash, is_partial

# A share of a sum of more exponentials than these would take too many operations.
_MOST_SHARES = 16


class GraphError(ValueError):
    """The error that costs are no expression graph; its message names the operation."""


class Builder:
    """A collection of nodes, in which the same operation on the same operands is one node."""

    def __init__(self, inputs: int):
        self.inputs = inputs
        self.nodes: list[list[Any]] = []
        self._shapes: list[tuple[int, ...]] = []  # of the nodes
        self._known: dict[tuple, int] = {}
        # Constants that are no real numbers: only a maximum or a minimum may take one in.
        self._unreal: set[int] = set()

    def node(self, operation: str, *parts: Any) -> int:
        """Returns the number of a node, which is added if it is new."""
        return self._added((operation, *parts), [operation, *parts])

    def array(self, values: np.ndarray) -> int:
        """Returns the number of a constant array, or of its entry if all are the same."""
        entries = (values.ravel() + 0.0).tolist()
        if len(set(entries)) == 1:
            return self.constant(entries[0])
        if not np.isfinite(values).all():
            raise GraphError("the costs use a constant array with entries that are no real numbers")
        texts = [x.hex() for x in entries]
        parts = ["array", list(values.shape), texts]
        return self._added(("array", values.shape, *texts), parts, values.shape)

    def moved(self, operation: str, x: int, shape: tuple[int, ...], *parts: Any) -> int:
        """Returns the number of an operation that moves entries about, or sums them."""
        return self._added((operation, x, repr(parts)), [operation, x, *parts], shape)

    def inputs_array(self) -> int:
        """Returns the number of the array of all inputs."""
        parts = ["inputs", 0, self.inputs]
        return self._added(("inputs",), parts, (self.inputs,))

    def join(self, numbers: Sequence[int]) -> int:
        """Returns the number of the array of all entries, one operand after the other."""
        size = sum(math.prod(self.shape(x)) for x in numbers)
        return self._added(("join", *numbers), ["join", *numbers], (size,))

    def matmul(self, x: int, y: int) -> int:
        """Returns the number of a product of matrices, or of stacks of them."""
        shape = (*self.shape(x)[:-1], self.shape(y)[-1])
        return self._added(("matmul", x, y), ["matmul", x, y], shape)

    def shape(self, number: int) -> tuple[int, ...]:
        """Returns the shape of an input or of a node."""
        return () if number < self.inputs else self._shapes[number - self.inputs]

    def _added(self, key: tuple, parts: list[Any], shape: tuple[int, ...] | None = None) -> int:
        if key not in self._known:
            if len(self.nodes) >= MAX_NODES:
                raise GraphError(f"the costs have more than {MAX_NODES} operations")
            operands = _operands(parts)
            unreal = self._unreal.intersection(operands)
            if unreal:
                value = self.nodes[unreal.pop() - self.inputs][1]
                raise GraphError(f"the costs use the constant {value}, which is no real number")
            self._known[key] = self.inputs + len(self.nodes)
            self.nodes.append(parts)
            if shape is None:
                shape = next((own for k in operands if (own := self.shape(k))), ())
            self._shapes.append(shape)
        return self._known[key]

    def constant(self, value: float) -> int:
        """Adds a float exactly; one that is not finite must not remain in the final graph."""
        number = self.node("constant", (float(value) + 0.0).hex())
        if not math.isfinite(value):
            self._unreal.add(number)
        return number

    def is_constant(self, number: int, value: float) -> bool:
        """Returns whether a node is the constant `value`."""
        return self._known.get(("constant", value.hex())) == number

    def add(self, x: int, y: int) -> int:
        """Returns the number of the sum."""
        if self.is_constant(x, 0.0):
            return y
        return x if self.is_constant(y, 0.0) else self.node("add", *sorted((x, y)))

    def sub(self, x: int, y: int) -> int:
        """Returns the number of the difference."""
        if self.is_constant(x, 0.0):
            return self.node("neg", y)
        return x if self.is_constant(y, 0.0) else self.node("sub", x, y)

    def mul(self, x: int, y: int) -> int:
        """Returns the product; a factor that may be undefined stays an obligation."""
        for one, other in ((x, y), (y, x)):
            if self.is_constant(one, 1.0):
                return other
            if self.is_constant(one, 0.0) and other not in self._unreal:
                return one
        return self.node("power", x, 2) if x == y else self.node("mul", *sorted((x, y)))

    def div(self, x: int, y: int) -> int:
        """Returns the quotient; a share in a sum of exponentials is rewritten.

        In its new form its own exponent occurs once:
        `e^a / (e^a + sum_j e^(b_j)) = (1 - tanh((log sum_j e^(b_j) - a) / 2)) / 2`. So the softmax
        of ranges is as narrow as those allow.
        """
        one, shares = self._exponents(x), self._exponents(y)
        if len(one) != 1 or one[0] not in shares:
            return self.node("div", x, y)
        own = one[0]
        shares.remove(own)
        if not shares:
            return self.constant(1.0)
        half = self.constant(0.5)
        gap = self.sub(self._log_sum(shares), own)
        return self.sub(half, self.mul(half, self.node("tanh", self.mul(half, gap))))

    def log(self, x: int) -> int:
        """Returns the logarithm; that of a sum of exponentials is written without exponentials."""
        exponents = self._exponents(x)
        return self._log_sum(exponents) if exponents else self.node("log", x)

    def _log_sum(self, exponents: list[int]) -> int:
        """Adds exponents one by one: `log(e^a + e^b) = (a + b) / 2 + log(2 cosh((a - b) / 2))`."""
        half, two = self.constant(0.5), self.constant(2.0)
        result, *others = exponents
        for exponent in others:
            gap = self.mul(half, self.sub(result, exponent))
            bend = self.node("log", self.mul(two, self.node("cosh", gap)))
            result = self.add(self.mul(half, self.add(result, exponent)), bend)
        return result

    def _exponents(self, number: int) -> list[int]:
        """Returns the exponents of a sum of a few exponentials, or none of another node."""
        found, pending = [], [number]
        while pending and len(found) < _MOST_SHARES:
            number = pending.pop()
            operation, parts = "", []
            if number >= self.inputs:
                operation, *parts = self.nodes[number - self.inputs]
            if operation == "exp":
                found += parts
            elif operation == "add":
                pending += parts
            elif self.is_constant(number, 1.0):
                found.append(self.constant(0.0))
            else:
                return []
        return [] if pending else found

    def larger(self, x: int, y: int) -> int:
        """Returns the number of the larger one."""
        if self.is_constant(x, -math.inf):
            return y
        return x if self.is_constant(y, -math.inf) else self.node("max", x, y)

    def smaller(self, x: int, y: int) -> int:
        """Returns the number of the smaller one."""
        if self.is_constant(x, math.inf):
            return y
        return x if self.is_constant(y, math.inf) else self.node("min", x, y)

    def sum(self, numbers: Sequence[int]) -> int:
        """Returns the sum of several nodes, added from left to right."""
        return functools.reduce(self.add, numbers, self.constant(0.0))


def pruned(builder: Builder, outputs: list[int]) -> dict[str, Any]:
    """Returns the graph without the nodes on which no output and no obligation depends."""
    obligations = [
        builder.inputs + number
        for number, (operation, *parts) in enumerate(builder.nodes)
        if is_partial(operation, parts[-1])
    ]
    needed, pending = set(), [*outputs, *obligations]
    while pending:
        number = pending.pop()
        if number >= builder.inputs and number not in needed:
            needed.add(number)
            pending += _operands(builder.nodes[number - builder.inputs])
    kept = sorted(needed)
    names = {old: builder.inputs + new for new, old in enumerate(kept)}
    names |= {k: k for k in range(builder.inputs)}
    nodes = []
    for old in kept:
        operation, *parts = builder.nodes[old - builder.inputs]
        if operation == "constant" and not math.isfinite(float.fromhex(parts[0])):
            raise GraphError(f"the costs use the constant {parts[0]}, which is no real number")
        count = len(_operands([operation, *parts]))
        nodes.append([operation, *(names[k] for k in parts[:count]), *parts[count:]])
    ends = [names[k] for k in outputs]
    return {"hash": graph_hash(nodes, ends), "nodes": nodes, "outputs": ends}


def _operands(node: list[Any]) -> list[int]:
    """Returns the numbers of the operands of a node, without its parameters."""
    operation, *parts = node
    return parts[: _OPERANDS.get(operation, len(parts))]


# How many parts of a node are operands, of operations with parameters.
_OPERANDS = {"constant": 0, "inputs": 0, "array": 0, **dict.fromkeys(("power", *MOVES), 1)}
