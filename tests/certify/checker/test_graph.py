"""Graphs as they stand in files, read strictly."""

import pytest

from certify.checker.graph import graph_hash, read_graph
from certify.checker.reader import Reader, Unusable

NODES = [["constant", "0x1.8000000000000p+1"], ["mul", 0, 1], ["power", 3, -2], ["add", 2, 4]]


def file(nodes, outputs):
    return Reader({"hash": graph_hash(nodes, outputs), "nodes": nodes, "outputs": outputs})


def test_reading():
    graph = read_graph(file(NODES, [5]), 2, 1)
    operations = {
        "constant": float,
        "mul": lambda x, y: x * y,
        "power": lambda x, n: x**n,
        "add": lambda x, y: x + y,
    }
    assert graph.evaluate([2.0, 0.5], operations) == [4.0]


@pytest.mark.parametrize(
    ("nodes", "outputs", "message"),
    [
        ([["exec", 0]], [2], "one of the operations"),
        ([["add", 0]], [2], "2 operands"),
        ([["add", 0, 1, 1]], [2], "2 operands"),
        ([["add", 0, 2]], [2], "earlier node"),
        ([["add", 0, -1]], [2], "earlier node"),
        ([["add", 0, True]], [2], "integers"),
        ([["add", 0, 0.0]], [2], "integers"),
        ([["constant", 1.0]], [2], "expected"),
        ([["constant", "inf"]], [2], "finite"),
        ([["constant", "0x1p+1"]], [2], "hexadecimal"),
        ([["power", 0, 2**40]], [2], "exponent"),
        ([[]], [2], "text"),
        ([None], [2], "a list"),
        ([["neg", 0]], [3], "earlier node"),
        ([["neg", 0]], [2, 2], "1 entries"),
    ],
)
def test_unusable(nodes, outputs, message):
    with pytest.raises(Unusable, match=message):
        read_graph(file(nodes, outputs), 2, 1)


def test_the_hash_is_that_of_the_contents():
    changed = file(NODES, [5]).value | {"outputs": [4]}
    with pytest.raises(Unusable, match="hash"):
        read_graph(Reader(changed), 2, 1)


def test_too_many_nodes(monkeypatch):
    monkeypatch.setattr("certify.checker.graph.MAX_NODES", 3)
    with pytest.raises(Unusable, match="at most 3"):
        read_graph(file(NODES, [5]), 2, 1)
