"""Graphs of quadratic costs, as polynomials with exact coefficients."""

from fractions import Fraction

import jax.numpy as jnp
import pytest

from certify.checker import Unusable
from certify.checker.exact import Work
from certify.checker.graph import Graph, Node, read_graph
from certify.checker.quadratic_graphs import gradient, outputs_of
from certify.checker.reader import Reader
from certify.graph.trace import array_graph


def cost(x):
    a = jnp.array([[1.0, 0.5, 0.0], [0.25, 2.0, 1.0], [0.0, 1.0, 3.0]])
    return x @ (a @ x) / 3.0 + jnp.sum((x - 2.0) ** 2) - 7.0


def test_a_cost_is_a_polynomial():
    data = array_graph(lambda x: [cost(x)], 3)
    (found,) = outputs_of(read_graph(Reader(data), 3, 1), {}, Work())
    hessian = [[Fraction(8, 3), Fraction(1, 4), 0], [0, Fraction(10, 3), Fraction(2, 3)]]
    slopes = gradient(found, 3)
    for i, row in enumerate(hessian):
        assert slopes[i][()] == -4
        for j, entry in enumerate(row[i:], i):
            assert slopes[i].get((j,), 0) == entry == slopes[j].get((i,), 0)
    assert found[(0, 0)] == Fraction(4, 3) and found[()] == 12 - 7


def of_nodes(*nodes, known=None):
    graph = Graph(2, [Node(*node) for node in nodes], [1 + len(nodes)])
    return outputs_of(graph, known or {}, Work())[0]


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (("exp", (0,), None), "exp of unknowns"),
        (("abs", (0,), None), "absolute value of unknowns"),
        (("max", (0, 1), None), "choice of unknowns"),
        (("div", (1, 0), None), "quotient of unknowns"),
        (("power", (0,), 3), "power 3 of unknowns"),
        (("power", (0,), -1), "power -1 of unknowns"),
        (("sqrt", (1,), None), "sqrt of a number"),
        (("pow", (1, 1), None), "real power"),
        (("power", (1,), 1000), "bits"),
    ],
)
def test_what_is_not_quadratic_is_unusable(node, words):
    with pytest.raises(Unusable, match=words):
        of_nodes(node, known={1: Fraction(99, 2**60)})


@pytest.mark.parametrize(("first", "second", "case"), [(1.0, 2.0, 3), (2.0, 1.0, 4)])
def test_known_numbers_that_differ_choose(first, second, case):
    nodes = [("constant", (), Fraction(x)) for x in (first, second)]
    nodes += [("power", (0,), 2), ("neg", (0,), None), ("choose", (2, 3, 4, 5), None)]
    assert of_nodes(*nodes) == ({(0, 0): 1} if case == 3 else {(0,): -1})


def test_equal_numbers_choose_between_equal_cases_only():
    """Code with `<=` has the graph of code with `<`, so nothing may rest on which case it is."""
    square, negative = ("power", (0,), 2), ("neg", (0,), None)
    with pytest.raises(Unusable, match="compare numbers that are equal"):
        of_nodes(square, negative, ("choose", (1, 1, 2, 3), None), known={1: Fraction(7)})
    same = of_nodes(square, ("mul", (0, 0), None), ("choose", (1, 1, 2, 3), None), known={1: 7})
    assert same == {(0, 0): 1}
    assert of_nodes(("max", (1, 1), None), known={1: Fraction(7)}) == {(): 7}


def test_a_product_of_three_unknowns_is_unusable():
    with pytest.raises(Unusable, match="degree 3"):
        of_nodes(("mul", (0, 1), None), ("mul", (2, 0), None))


def test_large_graphs_are_paid_for_beforehand():
    work = Work()
    work.left = 2**22
    nodes = [Node("broadcast", (0,), [0] * 2**20, (2**20,)), Node("reshape", (2,), [0], ())]
    with pytest.raises(Unusable, match="too much work"):
        outputs_of(Graph(2, nodes, [3]), {}, work)


def test_known_numbers_have_all_rational_operations():
    known = {1: Fraction(-3, 2)}
    assert of_nodes(("abs", (1,), None), known=known) == {(): Fraction(3, 2)}
    assert of_nodes(("max", (1, 1), None), known=known) == {(): Fraction(-3, 2)}
    assert of_nodes(("power", (1,), -2), known=known) == {(): Fraction(4, 9)}
    assert of_nodes(("div", (0, 1), None), known=known) == {(0,): Fraction(-2, 3)}
    assert of_nodes(("sub", (0, 0), None), ("exp", (2,), None)) == {(): 1}
    with pytest.raises(Unusable, match="divide by zero"):
        of_nodes(("sub", (1, 1), None), ("div", (0, 2), None), known=known)
