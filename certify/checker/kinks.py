"""Kinks of fields: maxima, minima and absolute values, where a field has no Jacobian.

Let the graph of a field F have the kinks `max(a_i, b_i)`, `min(a_i, b_i)` (with `s_i = a_i - b_i`,
or `b_i - a_i`) and `|a_i|` (with `s_i = a_i`), i = 1, ..., m, whose values enter the outputs in
sums and in products with constants alone, and as operands of other kinks. The *loosened* graph has
m further inputs d, the selectors, and in place of the kinks

    b_i + d_i (a_i - b_i),     b_i + d_i (a_i - b_i),     (2 d_i - 1) a_i.

A selector is *possible* at x if `d_i = 1` where `s_i > 0`, `d_i = 0` where `s_i < 0`, and `d_i` is
0 or 1 where `s_i = 0`. With G(x, d) the outputs of the loosened graph, `F(x) = G(x, d)` for each d
that is possible at x: go through the kinks in their order. And G(., d) is as smooth as the rest of
the graph. Let `J(x, d)` be its derivative in x. Then for a segment from y to x in a cell

    F(x) - F(y) = integral_0^1 J(x_t, d_t) (x - y) dt,      x_t = y + t (x - y),

with some d_t that is possible at x_t. Proof: along the segment F is Lipschitz, as a composition of
smooth functions and kinks, and so the integral of its derivative, which exists for almost every t.
The sets `T_d` of those t at which d is possible are closed and cover [0, 1]. All but countably many
points of `T_d` are limits of others in it; where F has a derivative there, it is that of G(., d),
with which F agrees on `T_d`. So all averages of Jacobians along segments, of which the proof in
`proof.py` speaks, are averages of `J(x, d)` with possible d: it is enough that the family of a cell
has all of those. (They are the pieces of Clarke's generalised Jacobian.)
"""

from typing import NamedTuple

from .graph import Graph, Node

KINKS = {"max": 2, "min": 2, "abs": 1}
# Operations that keep a sum of kinks with constant factors one.
_SUMS = {"add", "sub", "neg"}


class Kinks(NamedTuple):
    """The kinks of a graph.

    Attributes:
        loosened: The graph with selectors in place of them, which are its last inputs.
        switches: A graph of the same inputs as the original one, whose outputs are the `s_i`.
    """

    loosened: Graph
    switches: Graph

    @property
    def selectors(self) -> int:
        """The number of kinks, each of which has a selector."""
        return len(self.switches.outputs)


def kinks_of(graph: Graph) -> Kinks | None:
    """Returns the kinks of a graph; None if it has none, or some enter in another way than these.

    Example:
        >>> nodes = [Node("neg", (0,), None), Node("max", (0, 2), None)]
        >>> kinks = kinks_of(Graph(2, nodes, [3]))
        >>> kinks.selectors, [node.operation for node in kinks.loosened.nodes]
        (1, ['neg', 'sub', 'mul', 'add'])
    """
    if any(node.shape for node in graph.nodes):
        return None
    moving = [True] * graph.inputs  # whether a node depends on any input
    kinked = [False] * graph.inputs  # whether it depends on the value of a kink
    found: list[int] = []
    for number, node in enumerate(graph.nodes):
        depends = any(moving[k] for k in node.operands)
        bent = any(kinked[k] for k in node.operands)
        is_kink = node.operation in KINKS and depends
        if bent and not (is_kink or _is_linear(node, moving, kinked)):
            return None
        found += [number] if is_kink else []
        moving.append(depends)
        kinked.append(bent or is_kink)
    if not found:
        return None
    return Kinks(_loosened(graph, found), _switches(graph, found))


def _is_linear(node: Node, moving: list[bool], kinked: list[bool]) -> bool:
    """Says whether an operation on a value with kinks is a sum, or a product with a constant."""
    if node.operation in _SUMS:
        return True
    if node.operation == "mul":
        return not all(moving[k] for k in node.operands)
    return node.operation == "div" and not moving[node.operands[1]]


def _loosened(graph: Graph, found: list[int]) -> Graph:
    result = Graph(graph.inputs + len(found), [], [])
    place = list(range(graph.inputs))
    selectors = {number: graph.inputs + order for order, number in enumerate(found)}

    def add(operation: str, *operands: int) -> int:
        result.nodes.append(Node(operation, operands, None))
        return result.inputs + len(result.nodes) - 1

    for number, node in enumerate(graph.nodes):
        operands = tuple(place[k] for k in node.operands)
        if number not in selectors:
            result.nodes.append(node._replace(operands=operands))
            place.append(result.inputs + len(result.nodes) - 1)
            continue
        selector = selectors[number]
        if node.operation == "abs":
            (a,) = operands
            part = add("mul", selector, a)
            place.append(add("sub", add("add", part, part), a))
        else:
            a, b = operands
            place.append(add("add", b, add("mul", selector, add("sub", a, b))))
    result.outputs.extend(place[k] for k in graph.outputs)
    return result


def _switches(graph: Graph, found: list[int]) -> Graph:
    result = Graph(graph.inputs, list(graph.nodes), [])
    for number in found:
        node = graph.nodes[number]
        if node.operation == "abs":
            result.outputs.append(node.operands[0])
            continue
        a, b = node.operands
        larger, smaller = (a, b) if node.operation == "max" else (b, a)
        result.nodes.append(Node("sub", (larger, smaller), None))
        result.outputs.append(result.inputs + len(result.nodes) - 1)
    return result
