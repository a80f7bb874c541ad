"""What code may leave undefined is in the graph, whatever simplifications make of the rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.checker import check_data
from certify.checker.graph import game_hash, graph_hash, read_graph
from certify.checker.reader import Reader, digest
from certify.graph.builder import GraphError
from certify.graph.trace import expression_graph

pytestmark = pytest.mark.thin(4)

# Functions of a number that are undefined below an edge, and show nothing of it but there.
HIDDEN = {
    "shift that cancels": lambda a: (a + jnp.log(a)) - jnp.log(a),
    "anchor": lambda a: (a + jax.lax.stop_gradient(jnp.log(a))) - jax.lax.stop_gradient(jnp.log(a)),
    "share of one": lambda a: a * (jnp.exp(jnp.log(a)) / jnp.exp(jnp.log(a))),
    "zero times": lambda a: a + 0.0 * jnp.log(a),
    "zero times a root": lambda a: a + 0.0 * jnp.sqrt(a),
    "zeroth power": lambda a: a * jax.lax.integer_pow(jnp.log(a), 0),
    "finite guard": lambda a: jnp.where(jnp.isfinite(jnp.log(a)), a, a),
    "unselected": lambda a: jnp.where(a > -9.0, a, jnp.log(a)),
    "double negation": lambda a: a + (0.0 * -jnp.arcsin(a + 0.5 - 1.0)),
    "masked softmax": lambda a: a + 0.0 * jax.nn.softmax(jnp.stack([jnp.log(a), a]))[0],
    "inverse": lambda a: a + 0.0 / a,
}


def around(center, hidden):
    """A game of a function that is `a` wherever it is defined."""

    def costs(x, args):
        return {
            "a": (hidden(x["a"]) - 0.5) ** 2 + 0.1 * jnp.sin(x["a"]) * x["b"],
            "b": x["b"] ** 2 + 0.1 * x["a"] * x["b"],
        }

    return dg.game(costs), certify.Box.around({"a": center, "b": 0.0}, 0.25)


@pytest.mark.full
@pytest.mark.parametrize("name", HIDDEN)
def test_regions_with_undefined_points_prove_nothing(name):
    game, region = around(0.2, HIDDEN[name])
    try:
        found = certify.certify(game, region, search=certify.Search(max_cells=8))
    except (certify.EnclosureError, certify.MismatchError):
        return
    assert found.status != "proved"


@pytest.mark.parametrize("name", ["zero times", "share of one", "finite guard", "unselected"])
def test_where_it_is_defined_it_is_proved(name):
    """The same functions: what they hide costs nothing on the right side of the edge."""
    game, region = around(0.5, HIDDEN[name])
    found = certify.certify(game, region)
    assert found.status == "proved" and found.margin > 1.8
    assert check_data(found.data, level=2).ok


@pytest.mark.parametrize(
    ("function", "operations"),
    [
        (lambda x: 0.0 * jnp.log(x[0]) + x[1], {"log"}),
        (lambda x: x[1] + 0.0 * jnp.sqrt(jnp.log(x[0])), {"log", "sqrt"}),
        (lambda x: jnp.exp(jnp.log(x[0])) / jnp.exp(jnp.log(x[0])), {"log"}),
        (lambda x: jnp.where(jnp.isfinite(1 / x[0]), x[1], x[0]), {"div"}),
        (lambda x: x[1] + 0.0 * x[0] ** -2, {"power"}),
        (lambda x: x[1] + 0.0 * jnp.tan(x[0]), {"tan"}),
    ],
)
def test_nothing_that_may_be_undefined_is_dropped(function, operations):
    data = expression_graph(lambda x: [function(x)], 2)
    graph = read_graph(Reader(data), 2, 1)
    assert {graph.nodes[k - 2].operation for k in graph.obligations} == operations


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf, -jnp.inf])
def test_numbers_that_are_not_real_are_refused(value):
    """Zero times infinity is no zero."""
    with pytest.raises(GraphError, match="no real number"):
        expression_graph(lambda x: [x[0] + 0.0 * (x[1] * 0.0 + value)], 2)


def test_a_maximum_may_start_from_infinity():
    graph = expression_graph(lambda x: [jnp.max(x, initial=-jnp.inf)], 2)
    assert [node[0] for node in graph["nodes"]] == ["max"]


def test_the_checker_verifies_them():
    """A file to which an operation was added that is undefined somewhere, and not used."""
    game, region = around(0.5, lambda a: a)
    data = certify.certify(game, region).data
    graph = data["game"]["graph"]
    count = 2 + len(graph["nodes"])
    for center, ok in (((-0.1).hex(), True), ((0.4).hex(), False)):
        nodes = [*graph["nodes"], ["constant", center], ["sub", 0, count], ["log", count + 1]]
        changed = {"nodes": nodes, "outputs": graph["outputs"]}
        changed["hash"] = graph_hash(nodes, graph["outputs"])
        stated = {**data["game"], "graph": changed}
        file = {**data, "game": {**stated, "hash": game_hash(stated)}}
        verdict = check_data({**file, "digest": digest(file)}, level=2)
        assert verdict.ok is ok
        assert ok or "defined" in verdict.reasons[0]


# Predicates do nothing but choose.
PREDICATES = {
    "index": lambda a: jnp.array([1, 0], jnp.int32)[(a > 0).astype(jnp.uint8)],
    "index of reals": lambda a: jnp.array([0.0, 0.9])[(a > 0).astype(jnp.int32)],
    "bitwise negation": lambda a: ~(a > 0).astype(jnp.uint8) == 255,
    "sum": lambda a: jnp.sum(jnp.stack([a > 0, a > 0.1]).astype(jnp.int32)),
    "shift": lambda a: jnp.left_shift(jnp.int32(1), (a > 0).astype(jnp.int32)),
    "place": lambda a: jax.lax.dynamic_slice(jnp.arange(3.0), ((a > 0).astype(jnp.int32),), (1,)),
    "update": lambda a: jax.lax.dynamic_update_slice(
        jnp.zeros(3), jnp.ones(1), ((a > 0).astype(jnp.int32),)
    )[1],
    "roll": lambda a: jnp.roll(jnp.arange(3.0), (a > 0).astype(jnp.int32))[0],
    "argmax": lambda a: jnp.argmax(jnp.stack([a, -a])),
    "cumsum": lambda a: jnp.cumsum(jnp.stack([a > 0, a > 0.1]).astype(jnp.int32))[1],
    "sort": lambda a: jnp.sort(jnp.stack([a > 0, a > 0.1]))[0],
}


@pytest.mark.full
@pytest.mark.parametrize("name", PREDICATES)
def test_predicates_are_not_data(name):
    def costs(x, args):
        a, b = x
        jump = jnp.where(jnp.asarray(PREDICATES[name](a)).astype(bool).ravel()[0], 0.3, -0.3)
        return (a - jump) ** 2 + 0.1 * jnp.sin(a) * b, b**2 + 0.1 * a * b

    try:
        found = certify.certify(
            dg.game(costs), certify.Box.around((0.0, 0.0), 1.0), search=certify.Search(max_cells=8)
        )
    except (certify.EnclosureError, certify.MismatchError):
        return
    assert found.status != "proved"


def test_predicates_are_moved_with_their_constants():
    """Known booleans among predicates are predicates of known numbers, not numbers of nodes."""

    def function(x):
        which = jnp.concatenate([jnp.stack([x[0] > 5.0, x[1] > 5.0]), jnp.array([True, False])])
        return [jnp.sum(jnp.where(which, 2.0, 1.0) * jnp.array([1.0, 10.0, 100.0, 1000.0]))]

    from certify.graph.floats import evaluate

    data = expression_graph(function, 2)
    points = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
    found = evaluate(read_graph(Reader(data), 2, 1), points)
    assert found.outputs.ravel().tolist() == [float(function(p)[0]) for p in points]
