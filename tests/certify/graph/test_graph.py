"""Expression graphs compute what the code computes."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from certify.checker.graph import read_graph
from certify.checker.reader import Reader
from certify.graph.builder import GraphError
from certify.graph.trace import expression_graph

FLOATS = {
    "constant": float,
    "power": lambda x, n: x**n,
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "max": max,
    "min": min,
    "pow": lambda x, y: x**y,
    "neg": lambda x: -x,
    "abs": abs,
    "choose": lambda x, y, less, other: less if x < y else other,
    **{name: getattr(math, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tan")},
    **{name: getattr(math, name) for name in ("tanh", "sinh", "cosh", "atan", "asin", "acos")},
    "erf": math.erf,
}


def softmax_of_a_scan(x):
    def body(carry, row):
        return jnp.tanh(carry + row @ x), carry.sum()

    return jax.lax.scan(body, x, jnp.arange(6.0).reshape(2, 3))[1] @ jnp.array([1.0, 2.0])


def decided_branch(x):
    return jax.lax.cond(x[0] > 5.0, lambda z: z[1], lambda z: z[0] * z[2], x)


PROGRAMS = {
    "polynomial": lambda x: x @ jnp.arange(9.0).reshape(3, 3) @ x - 3.0 * x[0] ** 3 / x[2],
    "elementary": lambda x: jnp.sum(jnp.exp(x) * jnp.log(x) + jnp.sin(x) * jnp.tan(x) - jnp.cos(x)),
    "hyperbolic": lambda x: jnp.sum(jnp.sinh(x) / jnp.cosh(x) + jnp.arctan(x) * jnp.tanh(x)),
    "inverse": lambda x: jnp.sum(jnp.arcsin(x / 4) + jnp.arccos(x / 4) + jnp.arcsinh(x)),
    "inverse hyperbolic": lambda x: jnp.sum(jnp.arctanh(x / 4) + jnp.arccosh(1.0 + x)),
    "powers": lambda x: jnp.sum(x**1.5 + jnp.sqrt(x) + jax.lax.rsqrt(x) + x**x + 2.0**x),
    "near zero": lambda x: jnp.sum(jnp.expm1(x) + jnp.log1p(x) + jax.scipy.special.erfc(x)),
    "error function": lambda x: jax.scipy.special.erf(x[0] * x[1]),
    "activations": lambda x: jnp.sum(jax.nn.sigmoid(x) + jax.nn.softplus(x) + jax.nn.gelu(x)),
    "kinks": lambda x: jnp.sum(jax.nn.relu(x - 0.9) + abs(x - 1.0) + jnp.clip(x, 0.8, 1.1)),
    "order": lambda x: (
        jnp.max(x) - jnp.min(x) + jnp.sign(x[1]) + jnp.where(x[0] >= x[1], 1.0, x[2])
    ),
    "softmax": lambda x: jax.nn.softmax(x) @ jax.nn.log_softmax(2.0 * x) + jax.nn.logsumexp(x),
    "products": lambda x: jnp.prod(x) + jnp.cumsum(x)[1] * jnp.cumprod(x)[2],
    "contraction": lambda x: jnp.einsum("i,jk,k,i->", x, jnp.eye(3) + 0.5, x, jnp.sin(x)),
    "gather": lambda x: x[jnp.array([2, 0, 0])] @ jnp.concatenate([x[:1], x[::-1][:2]]),
    "solve": lambda x: jnp.linalg.solve(jnp.diag(x) + 0.1, jnp.ones(3)) @ x,
    "solve two": lambda x: jnp.linalg.solve(jnp.outer(x[:2], x[1:]) + jnp.eye(2), x[:2])[1],
    "determinant": lambda x: jnp.linalg.det(jnp.diag(x) + 0.3) + jnp.linalg.det(jnp.outer(x, x)),
    "cholesky": lambda x: jnp.linalg.cholesky(jnp.diag(x) + 0.2)[2, 1],
    "convolution": lambda x: jnp.convolve(x, x) @ jnp.arange(5.0),
    "scan": softmax_of_a_scan,
    "loop": lambda x: jax.lax.fori_loop(0, 4, lambda k, y: jnp.sin(y) * k + y, x)[1],
    "branch": decided_branch,
    "jit": lambda x: jax.jit(lambda y: jnp.vdot(y, y))(x),
    "constant": lambda x: jnp.zeros(()),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_graphs_compute_the_same(name):
    program = PROGRAMS[name]
    file = expression_graph(lambda x: [program(x)], 3)
    graph = read_graph(Reader(file), 3, 1)
    for point in ([0.7, 1.3, 1.1], [1.2, 0.6, 0.9]):
        (value,) = graph.evaluate(point, FLOATS)
        np.testing.assert_allclose(value, program(jnp.array(point)), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda x: jnp.linalg.eigvalsh(jnp.outer(x, x))[0], "eigh"),
        (lambda x: jnp.floor(x[0]), "floor"),
        (lambda x: jnp.inf * x[0], "inf"),
        (lambda x: jax.lax.while_loop(lambda y: y < 2.0, lambda y: 2.0 * y, x[0]), "loop"),
        (lambda x: x[0] * x[0].astype(int).astype(float), "int"),
        (lambda x: jnp.take(x, 7, mode="fill") * x[0], "outside"),
    ],
)
def test_what_has_no_graph_is_named(program, message):
    with pytest.raises(GraphError, match=message):
        expression_graph(lambda x: [program(x)], 3)


def test_undefined_terms_are_not_simplified_away():
    """Zero times an undefined number is undefined, so the checker has to see it."""
    file = expression_graph(lambda x: [0.0 * jnp.log(x[0]) + 0.0 * (x[0] + x[1])], 2)
    operations = [node[0] for node in file["nodes"]]
    assert sorted(operations) == ["constant", "log"]
    assert read_graph(Reader(file), 2, 1).obligations == [2 + operations.index("log")]


def test_costs_of_stacked_players_are_outputs_of_their_own():
    file = expression_graph(lambda x: [x * jnp.roll(x, 1)], 3)
    assert len(read_graph(Reader(file), 3, 3).outputs) == 3


def test_constants_are_exact():
    """What the code computes from constants is left to the checker, to whatever precision."""
    file = expression_graph(lambda x: [x[0] * jnp.exp(jnp.float64(0.1)) / 3.0], 1)
    constants = {node[1] for node in file["nodes"] if node[0] == "constant"}
    assert (3.0).hex() in constants
