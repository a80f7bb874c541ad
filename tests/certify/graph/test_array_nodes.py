"""Graphs of arrays compute what their code computes, and keep a data matrix as one node."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from certify.checker.graph import read_graph
from certify.checker.reader import Reader
from certify.graph.builder import GraphError
from certify.graph.floats import evaluate
from certify.graph.trace import array_graph, expression_graph
from tests.certify.graph import test_graph

DATA = np.random.default_rng(0).normal(size=(5, 4))
STACK = np.random.default_rng(1).normal(size=(2, 3, 4))
MASK = np.array([True, False, True, True])

PROGRAMS = {
    "regression": lambda x: jnp.sum((DATA @ x - 1.0) ** 2),
    "logistic": lambda x: jnp.mean(jax.nn.softplus(DATA @ x)) + 0.5 * jnp.vdot(x, x),
    "sigmoid": lambda x: jnp.sum(jax.nn.sigmoid(DATA @ x) * x[0]),
    "rows": lambda x: jnp.sum(jnp.tanh(x[None, :] * DATA)),
    "outer": lambda x: jnp.sum(jnp.outer(x, x) * (DATA.T @ DATA)),
    "slices": lambda x: x[1] * x[-1] + jnp.sum(x[::2] ** 3) + jnp.prod(x[:3]),
    "reversed": lambda x: jnp.vdot(x[::-1], jnp.sin(x)),
    "gather": lambda x: jnp.sum(x[jnp.array([0, 3, 3])] ** 2),
    "concatenate": lambda x: jnp.sum(jnp.exp(jnp.concatenate([x[2:], -x[:1]]))),
    "stacks": lambda x: jnp.sum(jnp.einsum("abc,c->ab", STACK, x) ** 2),
    "batched": lambda x: jnp.sum(
        lax.dot_general(STACK, jnp.stack([x, 2 * x]), (((2,), (1,)), ((0,), (0,))))
    ),
    "transposed": lambda x: jnp.sum((x.reshape(2, 2).T @ x.reshape(2, 2)) ** 2),
    "padded": lambda x: jnp.vdot(jnp.pad(x, (1, 0))[:-1], x),
    "masked": lambda x: jnp.sum(jnp.where(MASK, x**2, jnp.cos(x))),
    "scanned": lambda x: lax.scan(lambda c, v: (jnp.tanh(c) + v, c * v), 0.0, x)[0],
    "updated": lambda x: jnp.vdot(lax.dynamic_update_slice(x, x[:2] ** 2, (1,)), np.arange(4.0)),
    "running sums": lambda x: jnp.vdot(jnp.sin(jnp.cumsum(x.reshape(2, 2), 1)), np.eye(2)),
    "sums from the end": lambda x: jnp.vdot(lax.cumsum(x, reverse=True) ** 2, np.arange(4.0)),
    "running products": lambda x: jnp.vdot(jnp.cumprod(x.reshape(2, 2), 0), np.eye(2) + 1.0),
    "differences": lambda x: jnp.sum(jnp.diff(x, 2) ** 2) + jnp.vdot(jnp.roll(x, 1), x),
    "quotient": lambda x: jnp.sum(x / (1.0 + x**2)),
    "constant": lambda x: jnp.sum(jnp.ones(3) * 2.0) + 0.0 * x[0],
    "no entries": lambda x: jnp.sum(x[:0]) + jnp.prod(x[4:]) + jnp.sum(jnp.zeros((0, 4)) @ x),
    "rows without entries": lambda x: jnp.sum(jnp.ones((3, 0)) @ x[:0]) + x[0],
    "systems": lambda x: jnp.sum(
        jnp.linalg.solve(
            jnp.stack([jnp.outer(x, x), jnp.diag(x)]) + 9 * jnp.eye(4)[None], STACK[:, :1].mT
        )
    ),
    "systems of two": lambda x: jnp.sum(jnp.linalg.solve(_pairs(x), jnp.ones((2, 2, 1)))),
    "largest of rows": lambda x: jnp.vdot(jnp.max(x[None, None] * STACK, (0, 2)), jnp.arange(3.0)),
    "smallest of columns": lambda x: jnp.vdot(jnp.min(x[None] * DATA, 0), x),
    "bounds of each entry": lambda x: jnp.vdot(jnp.clip(x, np.arange(-2.0, 2.0), 1.5), x),
    "signs": lambda x: jnp.vdot(jnp.sign(x), x**2),
    "cases": lambda x: jnp.sum(jnp.where(x[:, None] > DATA.T, x[:, None], DATA.T) ** 2),
    "cases by one number": lambda x: jnp.vdot(jnp.where(x[0] < 0.1, x, 3.0), x),
    "cases that move": lambda x: jnp.sum(jnp.where((x[::-1] >= 0.2)[:, None], DATA.T, 1.0)),
    "cases in a scan": lambda x: jnp.vdot(
        jnp.where(lax.scan(lambda c, v: (c, v <= 0.1), 0.0, x)[1], x, 1.0), x
    ),
    "cases as numbers": lambda x: jnp.vdot((~(x > 0.3)).astype(float), x),
    "branches": lambda x: jnp.sum(lax.cond(x[0] > x[1], jnp.sin, jnp.cos, x)),
    "finite": lambda x: jnp.sum(jnp.where(jnp.isfinite(x[None] * DATA), x[None], 0.0)),
    "softmax": lambda x: jnp.vdot(jax.nn.softmax(x[None] * DATA, 1), DATA) + jax.nn.logsumexp(x),
}


def _pairs(x):
    return jnp.stack([jnp.outer(x[:2], x[2:]), jnp.outer(x[1:3], x[:2])]) + 9.0 * jnp.eye(2)[None]


@pytest.mark.parametrize("trace", [array_graph, expression_graph])
@pytest.mark.parametrize("name", PROGRAMS)
def test_values_and_gradients_are_those_of_the_code(name, trace):
    program = PROGRAMS[name]
    points = np.random.default_rng(2).normal(size=(7, 4))
    graph = read_graph(Reader(trace(lambda x: [program(x)], 4)), 4, 1)
    found = evaluate(graph, points)
    expected = jax.vmap(jax.value_and_grad(program))(points)
    np.testing.assert_allclose(found.outputs[:, 0], expected[0], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found.gradients[:, 0], expected[1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", test_graph.PROGRAMS)
def test_programs_of_graphs_of_numbers(name):
    program = test_graph.PROGRAMS[name]
    points = np.array([[0.7, 1.3, 1.1], [1.2, 0.6, 0.9]])
    graph = read_graph(Reader(array_graph(lambda x: [program(x)], 3)), 3, 1)
    expected = [program(jnp.asarray(point)) for point in points]
    np.testing.assert_allclose(evaluate(graph, points).outputs[:, 0], expected, rtol=1e-12)


def test_a_matrix_of_data_is_one_node():
    data = np.random.default_rng(3).normal(size=(300, 40))
    graph = array_graph(lambda x: [jnp.sum(jnp.tanh(data @ x))], 40)
    assert [node[0] for node in graph["nodes"]] == [
        *("inputs", "array", "reshape", "matmul", "reshape", "tanh", "sum"),
    ]
    (constant,) = (node for node in graph["nodes"] if node[0] == "array")
    assert [float.fromhex(x) for x in constant[2]] == data.ravel().tolist()


def test_outputs_may_be_arrays():
    graph = read_graph(Reader(array_graph(lambda x: [2.0 * x], 3)), 3, 3)
    assert evaluate(graph, np.array([[1.0, 2.0, 3.0]])).outputs.tolist() == [[2.0, 4.0, 6.0]]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda x: jnp.sum(jnp.sort(x)), "sort"),
        (lambda x: x[jnp.argmax(x)], "argmax|places|place"),
        (lambda x: jnp.sum(x * np.array([1.0, np.inf, 1.0, 1.0])), "no real numbers"),
        (lambda x: lax.while_loop(lambda v: v < 3.0, lambda v: v * v, x[0]), "loop"),
        (lambda x: jnp.sum(x > 0), "comparisons of real numbers"),
        (lambda x: jnp.max(jnp.outer(jnp.arange(2.0**17), x)), "more than 262144"),
        (lambda x: jnp.max(jnp.outer(jnp.arange(2.0**19), x), 0)[0], "more than 1048576"),
    ],
)
def test_what_has_no_counterpart(program, message):
    with pytest.raises(GraphError, match=message):
        array_graph(lambda x: [program(x)], 4)
