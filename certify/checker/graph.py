"""Expression graphs, by which a file spells the costs out as real functions.

A graph has `inputs` numbers x_0, ..., x_(n-1), the coordinates of all players in their order, and a
list of nodes, each made of an operation and its operands, which are inputs or earlier nodes: inputs
are numbered first, nodes after them. So a graph has no loops, and one pass in order evaluates it.
The value of a node is a number or an array of numbers (`arrays`); operations on numbers are also
operations on arrays, entry by entry.

The semantics is that of real functions: constants are the floats they are, exactly; operations are
those of real numbers, without rounding or overflow. A graph is defined where every one of its nodes
is, whether or not an output depends on it: a node that may be undefined is an *obligation*, to be
shown to be defined wherever something is claimed. So `e^y / e^y` with `y = log x` may well be
spelled out as 1, but the logarithm stays in the graph, and nothing is claimed where it has no
value.
"""

import hashlib
import json
from fractions import Fraction
from math import prod
from typing import Any, NamedTuple

from .arrays import (
    ARRAYS,
    MOVES,
    Entries,
    Operations,
    Shape,
    matmul,
    matmul_shape,
    moved,
    read_move,
    read_shape,
    same_shape,
)
from .reader import Reader, Unusable
from .verdict import require

MAX_NODES = 2**18
# The most entries of all arrays of a graph together, and the most products in its matrix products.
MAX_ENTRIES = 2**23
MAX_TERMS = 2**24

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
    """One operation: `operands` are numbers of inputs or earlier nodes, `shape` is the result's.

    The parameter is the number of a constant, the exponent of a power, the entries of a constant
    array, or the places that `arrays.read_move` has read; None for other operations.
    """

    operation: str
    operands: tuple[int, ...]
    parameter: Any
    shape: Shape = ()


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
            for number, node in enumerate(self.nodes)
            if is_partial(node.operation, node.parameter)
        ]

    def shape(self, number: int) -> Shape:
        """Returns the shape of an input, which is a number, or of a node."""
        return () if number < self.inputs else self.nodes[number - self.inputs].shape

    def evaluate(self, inputs: list[Any], operations: Operations) -> list[Any]:
        """Returns the outputs at some inputs, in an arithmetic given by its operations."""
        return self._kept(inputs, operations, self.outputs)[0]

    def obliged(self, inputs: list[Any], operations: Operations) -> tuple[list[Any], list[Any]]:
        """Returns the outputs, and the values of all obligations, entry by entry."""
        outputs, obliged = self._kept(inputs, operations, self.outputs, self.obligations)
        return outputs, obliged

    def _kept(self, inputs: list[Any], operations: Operations, *ends: list[int]) -> list[Entries]:
        """Returns the entries of some nodes, and forgets those of others after their last use."""
        last = {k: number for number, node in enumerate(self.nodes) for k in node.operands}
        for k in (k for numbers in ends for k in numbers):
            last[k] = len(self.nodes)
        values: dict[int, Entries] = {k: [x] for k, x in enumerate(inputs)}
        for number, node in enumerate(self.nodes):
            operands = [values[k] for k in node.operands]
            values[self.inputs + number] = self._entries(node, operands, operations)
            for k in node.operands:
                if last[k] == number:
                    values.pop(k, None)
        return [[x for k in numbers for x in values[k]] for numbers in ends]

    def values(self, inputs: list[Any], operations: Operations) -> list[Entries]:
        """Returns the entries of the inputs, one each, and after them those of all nodes."""
        values: list[Entries] = [[x] for x in inputs]
        for node in self.nodes:
            values.append(self._entries(node, [values[k] for k in node.operands], operations))
        return values

    def _entries(self, node: Node, operands: list[Entries], operations: Operations) -> Entries:
        name, parameter = node.operation, node.parameter
        if name == "inputs":
            return [x for operand in operands for x in operand]
        if name == "array":
            return [operations["constant"](value) for value in parameter]
        if name == "join":
            return [x for operand in operands for x in operand]
        if name == "matmul":
            left, right = node.operands
            shapes, known = (
                (self.shape(left), self.shape(right)),
                (self._known(left), self._known(right)),
            )
            return matmul(operands[0], operands[1], shapes, known, operations)
        if name in MOVES:
            return moved(name, parameter, operands[0], operations)
        rule, size = operations[name], prod(node.shape)
        further = () if parameter is None else (parameter,)
        if not operands:
            return [rule(*further)]
        columns = [
            x if self.shape(k) else x * size for k, x in zip(node.operands, operands, strict=True)
        ]
        return [rule(*row, *further) for row in zip(*columns, strict=True)]

    def _known(self, number: int) -> list[Fraction] | None:
        """Returns the entries of a constant array."""
        if number < self.inputs or self.nodes[number - self.inputs].operation != "array":
            return None
        return self.nodes[number - self.inputs].parameter


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
    graph, budget = Graph(inputs, [], []), _Budget()
    for number, entry in enumerate(entries):
        node = _plain(entry.value, graph, inputs + number) or _node(entry, graph, inputs + number)
        budget.pay(node, graph, entry)
        graph.nodes.append(node)
    graph.outputs.extend(_earlier(end, inputs + len(entries)) for end in ends.items())
    if sum(prod(graph.shape(end)) for end in graph.outputs) != outputs:
        ends.fail(f"outputs of {outputs} entries in all")
    if stated.text() != graph_hash(nodes.value, ends.value):
        stated.fail("the hash of the graph")
    return graph


class _Budget:
    """How many entries and products a graph may still have."""

    def __init__(self) -> None:
        self.entries, self.terms = MAX_ENTRIES, MAX_TERMS

    def pay(self, node: Node, graph: Graph, file: Reader) -> None:
        """Pays for a node."""
        self.entries -= prod(node.shape)
        if node.operation == "matmul":
            self.terms -= prod(node.shape) * graph.shape(node.operands[0])[-1]
        elif node.operation == "sum":
            self.terms -= prod(graph.shape(node.operands[0]))
        if min(self.entries, self.terms) < 0:
            file.fail(f"at most {MAX_ENTRIES} entries and {MAX_TERMS} products in all arrays")


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


def require_graph(file: Reader, graph: Graph | None) -> Graph:
    """Returns the graph of a file for level 2, and verifies that the game's hash covers it.

    Raises:
        Unusable: If there is none.
        Rejected: If the hash is another one.
    """
    if graph is None:
        raise Unusable(
            "the file has no graph of the costs, so nothing can be re-derived from it (level 2); "
            "its claims can be checked given its bounds (level 1)"
        )
    game = file["game"]
    require(
        game["hash"].text() == game_hash(game.value),
        "the hash is that of the game, its players' names and its graph (level 2)",
    )
    return graph


def _plain(value: Any, graph: Graph, number: int) -> Node | None:
    """Reads an operation on numbers quickly, as most nodes are; returns None for any other."""
    if type(value) is not list or not value or type(value[0]) is not str:
        return None
    operation, *operands = value
    if operation in ("constant", "power") or OPERANDS.get(operation) != len(operands):
        return None
    known = all(type(k) is int and 0 <= k < number for k in operands)
    if not known or any(graph.shape(k) for k in operands):
        return None
    return Node(operation, tuple(operands), None)


def _node(file: Reader, graph: Graph, number: int) -> Node:
    first, *rest = file.items() or [Reader(None, file.where)]
    operation = first.text()
    if operation in ARRAYS:
        return _array(operation, rest, file, graph, number)
    if operation not in OPERANDS:
        first.fail(f"one of the operations {', '.join([*OPERANDS, *ARRAYS])}")
    parameters = operation in ("constant", "power")
    if len(rest) != OPERANDS[operation] + parameters:
        file.fail(f"{OPERANDS[operation]} operands of {operation!r}")
    operands = tuple(_earlier(x, number) for x in rest[: OPERANDS[operation]])
    shape = same_shape([graph.shape(k) for k in operands], file.fail)
    if operation == "constant":
        return Node(operation, operands, rest[-1].number())
    if operation == "power":
        exponent = rest[-1].integer()
        if abs(exponent) > MAX_POWER:
            rest[-1].fail(f"an exponent of size at most {MAX_POWER}")
        return Node(operation, operands, exponent, shape)
    return Node(operation, operands, None, shape)


def _array(operation: str, parts: list[Reader], file: Reader, graph: Graph, number: int) -> Node:
    """Reads an operation on arrays."""
    if operation == "inputs":
        low, high = file.value[1:] if len(parts) == 2 else (None, None)
        if not (type(low) is int and type(high) is int and 0 <= low < high <= graph.inputs):
            file.fail("the first of some inputs, and the one after the last")
        return Node(operation, tuple(range(low, high)), None, (high - low,))
    if operation == "array":
        if len(parts) != 2:
            file.fail("a shape and the entries of a constant array")
        shape = read_shape(parts[0])
        return Node(operation, (), parts[1].numbers(prod(shape)), shape)
    if operation == "join":
        operands = tuple(_earlier(x, number) for x in parts)
        return Node(operation, operands, None, (sum(prod(graph.shape(k)) for k in operands),))
    operands = tuple(_earlier(x, number) for x in parts[: 1 + (operation == "matmul")])
    if operation == "matmul":
        if len(parts) != 2:
            file.fail("two factors")
        first, second = (graph.shape(k) for k in operands)
        return Node(operation, operands, None, matmul_shape(first, second, file.fail))
    if not operands:
        file.fail(f"the operand of {operation!r}")
    shape, places = read_move(operation, graph.shape(operands[0]), parts[1:], file)
    return Node(operation, operands, places, shape)


def _earlier(file: Reader, number: int) -> int:
    operand = file.integer()
    if not 0 <= operand < number:
        raise Unusable(f'field "{file.where}": expected the number of an input or an earlier node')
    return operand
