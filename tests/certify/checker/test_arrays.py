"""Operations on arrays in files, read strictly, and spelled out for any arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from certify.checker.graph import graph_hash, read_graph
from certify.checker.reader import Reader, Unusable

ONE, TWO = (1.0).hex(), (2.0).hex()
EXACT = {
    "constant": Fraction,
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
}


def file(nodes, outputs):
    return Reader({"hash": graph_hash(nodes, outputs), "nodes": nodes, "outputs": outputs})


def test_a_product_with_a_constant_matrix():
    nodes = [
        ["inputs", 0, 2],
        ["array", [2, 2], [ONE, TWO, TWO, ONE]],
        ["reshape", 2, [2, 1]],
        ["matmul", 3, 4],
        ["sum", 5, [0, 1]],
    ]
    graph = read_graph(file(nodes, [5, 6]), 2, 3)
    inputs = [Fraction(1, 3), Fraction(5)]
    assert graph.evaluate(inputs, EXACT) == [Fraction(31, 3), Fraction(17, 3), Fraction(16)]


def test_moves_are_those_of_numpy():
    x = np.arange(6)
    nodes = [
        ["inputs", 0, 6],
        ["reshape", 6, [2, 3]],
        ["transpose", 7, [1, 0]],
        ["broadcast", 8, [3, 4, 2], [0, 2]],
        ["take", 6, [5, 0, 0], [3]],
        ["sum", 9, [1]],
        ["join", 10, 8],
    ]
    graph = read_graph(file(nodes, [8, 9, 10, 11, 12]), 6, 6 + 24 + 3 + 6 + 9)
    found = graph.evaluate([Fraction(k) for k in range(6)], EXACT)
    across = x.reshape(2, 3).T
    wide = np.broadcast_to(across[:, None, :], (3, 4, 2))
    expected = [across, wide, x[[5, 0, 0]], wide.sum(1), [*x[[5, 0, 0]], *across.ravel()]]
    assert found == np.concatenate([np.ravel(part) for part in expected]).tolist()


def test_a_zero_of_a_constant_leaves_the_other_factor_an_obligation():
    nodes = [
        ["inputs", 0, 1],
        ["div", 1, 1],
        ["array", [1, 2], [(0.0).hex(), ONE]],
        ["reshape", 2, [1, 1]],
        ["matmul", 4, 3],
        ["sum", 5, [0, 1]],
    ]
    graph = read_graph(file(nodes, [6]), 1, 1)
    assert graph.obligations == [2]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([["inputs", 0, 3]], "inputs"),
        ([["inputs", 1, 1]], "inputs"),
        ([["inputs", 0, True]], "inputs"),
        ([["array", [2], [ONE]]], "list of 2"),
        ([["array", [-1], []]], "not negative"),
        ([["array", [2**20, 2**20], []]], "at most"),
        ([["array", [1] * 9, [ONE]]], "at most 8 sizes"),
        ([["array", [1], ["inf"]]], "finite"),
        ([["inputs", 0, 2], ["reshape", 2, [3]]], "as many entries"),
        ([["inputs", 0, 2], ["transpose", 2, [1]]], "different axes"),
        ([["inputs", 0, 2], ["sum", 2, [0, 0]]], "different axes"),
        ([["inputs", 0, 2], ["sum", 2, 0]], "list of axes"),
        ([["inputs", 0, 2], ["broadcast", 2, [3], [0]]], "repeated"),
        ([["inputs", 0, 2], ["take", 2, [2], [1]]], "places"),
        ([["inputs", 0, 2], ["take", 2, [-1], [1]]], "places"),
        ([["inputs", 0, 2], ["matmul", 2, 2]], "multiplied"),
        ([["inputs", 0, 2], ["matmul", 2]], "two factors|multiplied"),
        ([["inputs", 0, 2], ["reshape", 2, [1, 2]], ["matmul", 3, 3]], "multiplied"),
        (
            [
                ["inputs", 0, 2],
                ["reshape", 2, [2, 1, 1]],
                ["array", [1, 1, 1], [ONE]],
                ["matmul", 3, 4],
            ],
            "multiplied",
        ),
        ([["inputs", 0, 2], ["reshape", 2]], "parts after"),
        ([["inputs", 0, 2], ["reshape"]], "operand"),
        ([["inputs", 0, 2], ["array", [3], [ONE, ONE, ONE]], ["add", 2, 3]], "one shape"),
        ([["inputs", 0, 2], ["join", 5]], "earlier"),
    ],
)
def test_unusable(nodes, message):
    with pytest.raises(Unusable, match=message):
        read_graph(file(nodes, [1 + len(nodes)]), 2, 1)


def test_entries_are_counted_before_they_are_made():
    nodes = [["inputs", 0, 1], ["broadcast", 1, [2**19], [0]]]
    nodes += [["neg", 2 + k] for k in range(20)]
    with pytest.raises(Unusable, match="entries"):
        read_graph(file(nodes, [1 + len(nodes)]), 1, 2**19)
