"""Expression graphs, by which a file spells the costs out as real functions.

A graph has `inputs` numbers x_0, ..., x_(n-1), the coordinates of all players in their order, and a
list of nodes, each made of an operation and its operands, which are inputs or earlier nodes: inputs
are numbered first, nodes after them. So a graph has no loops, and one pass in order evaluates it.

The semantics is that of real functions: constants are the floats they are, exactly; operations are
those of real numbers, without rounding or overflow. A graph is defined where every one of its nodes
is, whether or not an output depends on it: a node that may be undefined is an *obligation*, to be
shown to be defined wherever something is claimed. So `e^y / e^y` with `y = log x` may well be
spelled out as 1, but the logarithm stays in the graph, and nothing is claimed where it has no
value.
"""

import hashlib
import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from .reader import Reader, Unusable

MAX_NODES = 2**18

# The operations, with their numbers of operands. `constant` and `power` (with an integer exponent)
# are followed by a parameter. `choose` is its third operand where the first is less than the second
# and its fourth elsewhere.
OPERANDS = {
    "constant": 0,
    "power": 1,
    **dict.fromkeys(("add", "sub", "mul", "div", "max", "min", "pow"), 2),
    **dict.fromkeys(("neg", "abs", "exp", "log", "sqrt", "sin", "cos", "tan"), 1),
    **dict.fromkeys(("tanh", "sinh", "cosh", "atan", "asin", "acos", "erf"), 1),
    "choose": 4,
}
MAX_POWER = 2**10
# Operations that are undefined for some operands, as are powers with a negative exponent.
PARTIAL = {"div", "log", "sqrt", "tan", "asin", "acos", "pow"}


class Node(NamedTuple):
    """One operation: `operands` are numbers of inputs or earlier nodes."""

    operation: str
    operands: tuple[int, ...]
    parameter: Fraction | int | None


class Graph(NamedTuple):
    """A function of `inputs` real numbers with several values."""

    inputs: int
    nodes: list[Node]
    outputs: list[int]

    @property
    def obligations(self) -> list[int]:
        """The nodes that may be undefined."""
        return [
            self.inputs + number
            for number, (operation, _, parameter) in enumerate(self.nodes)
            if is_partial(operation, parameter)
        ]

    def evaluate(self, inputs: list[Any], operations: dict[str, Callable]) -> list[Any]:
        """Returns the outputs at some inputs, in an arithmetic given by its operations."""
        values = self.values(inputs, operations)
        return [values[k] for k in self.outputs]

    def obliged(
        self, inputs: list[Any], operations: dict[str, Callable]
    ) -> tuple[list[Any], list[Any]]:
        """Returns the outputs, and the values of all obligations."""
        values = self.values(inputs, operations)
        return [values[k] for k in self.outputs], [values[k] for k in self.obligations]

    def values(self, inputs: list[Any], operations: dict[str, Callable]) -> list[Any]:
        """Returns the inputs, and after them the values of all nodes."""
        values = list(inputs)
        for node in self.nodes:
            operands = [values[k] for k in node.operands]
            if node.parameter is not None:
                operands.append(node.parameter)
            values.append(operations[node.operation](*operands))
        return values


def is_partial(operation: str, parameter: Any = None) -> bool:
    """Says whether an operation is undefined for some operands.

    Example:
        >>> is_partial("log"), is_partial("exp"), is_partial("power", -1), is_partial("power", 2)
        (True, False, True, False)
    """
    return operation in PARTIAL or (operation == "power" and parameter < 0)


def read_graph(file: Reader, inputs: int, outputs: int) -> Graph:
    """Reads a graph, and verifies that its hash is that of its contents."""
    stated, nodes, ends = file.fields("hash", "nodes", "outputs")
    entries = nodes.items()
    if len(entries) > MAX_NODES:
        nodes.fail(f"at most {MAX_NODES} nodes")
    graph = Graph(
        inputs,
        [
            _plain(entry.value, inputs + number) or _node(entry, inputs + number)
            for number, entry in enumerate(entries)
        ],
        [_earlier(end, inputs + len(entries)) for end in ends.items(outputs)],
    )
    if stated.text() != graph_hash(nodes.value, ends.value):
        stated.fail("the hash of the graph")
    return graph


def graph_hash(nodes: list[Any], outputs: list[int]) -> str:
    """Returns the SHA-256 of a graph as it stands in the file."""
    return hashlib.sha256(json.dumps([nodes, outputs], separators=(",", ":")).encode()).hexdigest()


def game_hash(game: dict[str, Any]) -> str:
    """Returns the SHA-256 of all that a file says of its game, with its graph given by hash."""
    said = {key: value for key, value in game.items() if key != "hash"}
    if "graph" in said:
        said["graph"] = said["graph"]["hash"]
    return hashlib.sha256(
        json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def _plain(value: Any, number: int) -> Node | None:
    """Reads a node without a parameter quickly, as most are; returns None for any other."""
    if type(value) is not list or not value or type(value[0]) is not str:
        return None
    operation, *operands = value
    if operation in ("constant", "power") or OPERANDS.get(operation) != len(operands):
        return None
    known = all(type(k) is int and 0 <= k < number for k in operands)
    return Node(operation, tuple(operands), None) if known else None


def _node(file: Reader, number: int) -> Node:
    first, *rest = file.items() or [Reader(None, file.where)]
    operation = first.text()
    if operation not in OPERANDS:
        first.fail(f"one of the operations {', '.join(OPERANDS)}")
    parameters = operation in ("constant", "power")
    if len(rest) != OPERANDS[operation] + parameters:
        file.fail(f"{OPERANDS[operation]} operands of {operation!r}")
    operands = tuple(_earlier(x, number) for x in rest[: OPERANDS[operation]])
    if operation == "constant":
        return Node(operation, operands, rest[-1].number())
    if operation == "power":
        exponent = rest[-1].integer()
        if abs(exponent) > MAX_POWER:
            rest[-1].fail(f"an exponent of size at most {MAX_POWER}")
        return Node(operation, operands, exponent)
    return Node(operation, operands, None)


def _earlier(file: Reader, number: int) -> int:
    operand = file.integer()
    if not 0 <= operand < number:
        raise Unusable(f'field "{file.where}": expected the number of an input or an earlier node')
    return operand
