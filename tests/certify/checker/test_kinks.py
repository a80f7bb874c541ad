"""Kinks: the loosened graph agrees with the graph, and its derivatives are those on either side."""

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.checker.graph import Graph, Node
from certify.checker.kinks import kinks_of

ONE = Fraction(1)
EXACT = {
    "constant": Fraction,
    "add": Fraction.__add__,
    "sub": Fraction.__sub__,
    "mul": Fraction.__mul__,
    "div": Fraction.__truediv__,
    "neg": Fraction.__neg__,
    "abs": abs,
    "max": max,
    "min": min,
    "power": Fraction.__pow__,
}
INPUTS = 3


@st.composite
def graphs(draw):
    """A graph of up to 12 nodes, with kinks in any places."""
    nodes, number = [], INPUTS
    for _ in range(draw(st.integers(1, 12))):
        name = draw(st.sampled_from(["add", "sub", "mul", "max", "min", "abs", "neg", "constant"]))
        if name == "constant":
            nodes.append(Node(name, (), Fraction(draw(st.integers(-3, 3)))))
        else:
            count = 1 if name in ("abs", "neg") else 2
            operands = tuple(draw(st.integers(0, number - 1)) for _ in range(count))
            nodes.append(Node(name, operands, None))
        number += 1
    return Graph(INPUTS, nodes, [draw(st.integers(INPUTS, number - 1)), number - 1])


POINTS = st.lists(st.integers(-4, 4).map(lambda k: Fraction(k, 2)), min_size=3, max_size=3)


@settings(max_examples=400, deadline=None)
@given(graphs(), POINTS, st.lists(st.integers(0, 1), min_size=12, max_size=12))
def test_the_loosened_graph_agrees_for_possible_selectors(graph, point, free):
    kinks = kinks_of(graph)
    if kinks is None:
        return
    switches = kinks.switches.evaluate(point, EXACT)
    selectors = [Fraction(s > 0) if s else Fraction(free[k]) for k, s in enumerate(switches)]
    assert kinks.loosened.inputs == INPUTS + kinks.selectors == INPUTS + len(selectors)
    found = kinks.loosened.evaluate([*point, *selectors], EXACT)
    assert found == graph.evaluate(point, EXACT)


@settings(max_examples=400, deadline=None)
@given(graphs(), POINTS, POINTS)
def test_differences_are_averages_of_loosened_derivatives(graph, x, y):
    """On a fine partition of a segment, pieces without kinks add up with their own selectors."""
    kinks = kinks_of(graph)
    if kinks is None or any(node.operation == "mul" for node in graph.nodes):
        return  # piecewise linear: the derivative along a piece is a difference quotient
    move = [b - a for a, b in zip(x, y, strict=True)]
    count = 64
    total = [Fraction(0)] * 2
    for k in range(count):
        low, high = (
            [a + Fraction(j, count) * d for a, d in zip(x, move, strict=True)] for j in (k, k + 1)
        )
        middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        signs = [[s > 0 for s in kinks.switches.evaluate(p, EXACT)] for p in (low, middle, high)]
        if signs[0] != signs[2] or signs[0] != signs[1]:
            continue
        d = [Fraction(sign) for sign in signs[1]]
        ends = [kinks.loosened.evaluate([*p, *d], EXACT) for p in (low, high)]
        true = [graph.evaluate(p, EXACT) for p in (low, high)]
        inner = all(s != 0 for s in kinks.switches.evaluate(low, EXACT))
        if inner:
            assert ends == true
        total = [t + b - a for t, a, b in zip(total, *ends, strict=True)]
    assert len(total) == len(graph.outputs)


@pytest.mark.parametrize(
    "nodes",
    [
        [Node("abs", (0,), None), Node("mul", (1, 1), None)],
        [Node("abs", (0,), None), Node("mul", (1, 0), None)],
        [Node("abs", (0,), None), Node("power", (1,), 2)],
        [Node("abs", (0,), None), Node("exp", (1,), None)],
        [Node("abs", (0,), None), Node("div", (0, 1), None)],
        [Node("abs", (0,), None), Node("choose", (0, 0, 1, 1), None)],
    ],
    ids=lambda nodes: nodes[-1].operation,
)
def test_kinks_in_products_or_functions_are_not_loosened(nodes):
    assert kinks_of(Graph(1, nodes, [len(nodes)])) is None


def test_graphs_without_kinks_have_none():
    assert kinks_of(Graph(1, [Node("mul", (0, 0), None)], [1])) is None
    constant = [Node("constant", (), ONE), Node("abs", (1,), None), Node("add", (0, 2), None)]
    assert kinks_of(Graph(1, constant, [3])) is None


def test_constant_factors_are_allowed():
    nodes = [
        Node("constant", (), Fraction(3)),
        Node("max", (0, 1), None),
        Node("mul", (1, 2), None),
        Node("div", (3, 1), None),
        Node("abs", (4,), None),
    ]
    kinks = kinks_of(Graph(1, nodes, [5]))
    assert kinks is not None and kinks.selectors == 2


def test_time_grows_with_the_number_of_kinks_and_no_faster():
    count = 2**17
    nodes = [Node("abs", (number,), None) for number in range(count)]
    start = time.process_time()
    kinks = kinks_of(Graph(1, nodes, [count]))
    assert kinks is not None and kinks.selectors == count
    assert time.process_time() - start < 20
