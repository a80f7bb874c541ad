"""Random programs: values, first and second derivatives against a reference in ball arithmetic."""

from typing import Any

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb, arb_series
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.enclosure import Interval, enclose

pytestmark = pytest.mark.thin(3)

N = 3
MATRIX = np.array([[0.3, -1.2, 0.5], [2.0, 0.1, -0.4], [-0.7, 0.9, 1.1]])


def first(x):
    """The constant coefficient of a series."""
    return x[0]


def tanh(x):
    if abs(first(x)) > 100:
        raise ValueError("the reference would overflow")
    doubled = (x + x).exp()
    return (doubled - 1) / (doubled + 1)


def each(function):
    return lambda x: [function(entry) for entry in x]


def dot(x, y):
    return sum((a * b for a, b in zip(x, y, strict=True)), arb_series([0]))


def prefix_sums(x):
    return [sum(x[: k + 1], arb_series([0])) for k in range(N)]


# Each operation in JAX, and on lists of power series with ball coefficients.
UNARY = {
    "neg": (lambda x: -x, each(lambda x: -x)),
    "tanh": (jnp.tanh, each(tanh)),
    "logistic": (jax.nn.sigmoid, each(lambda x: 1 / (1 + (-x).exp()))),
    "square": (lambda x: x**2, each(lambda x: x * x)),
    "cube": (lambda x: x**3, each(lambda x: x * x * x)),
    "exp": (lambda x: jnp.exp(jnp.tanh(x)), each(lambda x: tanh(x).exp())),
    "expm1": (lambda x: jnp.expm1(0.1 * x), each(lambda x: (arb(0.1) * x).exp() - 1)),
    "softplus": (lambda x: jnp.log1p(jnp.exp(x)), each(lambda x: (1 + x.exp()).log())),
    "root": (lambda x: jnp.sqrt(1.0 + x * x), each(lambda x: (1 + x * x).sqrt())),
    "rsqrt": (lambda x: jax.lax.rsqrt(1.0 + x * x), each(lambda x: (1 + x * x).rsqrt())),
    "inverse": (lambda x: 1.0 / (2.0 + x**2), each(lambda x: 1 / (2 + x * x))),
    "log": (lambda x: jnp.log(0.5 + x**2), each(lambda x: (arb(0.5) + x * x).log())),
    "third": (lambda x: x / 3.0, each(lambda x: x / 3)),
    "shift": (lambda x: (x + 1e8) - 1e8, lambda x: x),
    "power": (
        lambda x: (1.0 + x**2) ** -1.5,
        each(lambda x: (arb(-1.5) * (1 + x * x).log()).exp()),
    ),
    "exp2": (lambda x: jnp.exp2(x), each(lambda x: (x * arb(2).log()).exp())),
    "abs": (jnp.abs, each(lambda x: x if first(x) >= 0 else -x)),
    "relu": (jax.nn.relu, each(lambda x: x if first(x) > 0 else arb_series([0]))),
    "cumsum": (jnp.cumsum, prefix_sums),
    "flip": (jnp.flip, lambda x: x[::-1]),
    "roll": (lambda x: jnp.roll(x, 1), lambda x: [x[-1], *x[:-1]]),
    "gather": (lambda x: x[jnp.array([2, 0, 0])], lambda x: [x[2], x[0], x[0]]),
    "scatter": (
        lambda x: x.at[jnp.array([0, 0])].add(x[1:]),
        lambda x: [x[0] + x[1] + x[2], x[1], x[2]],
    ),
    "matrix": (
        lambda x: jnp.asarray(MATRIX) @ x,
        lambda x: [dot(list(map(arb, row)), x) for row in MATRIX.tolist()],
    ),
    "mean": (lambda x: x - jnp.mean(x), lambda x: [a - (x[0] + x[1] + x[2]) / 3 for a in x]),
}
BINARY = {
    "add": (lambda x, y: x + y, lambda x, y: [a + b for a, b in zip(x, y, strict=True)]),
    "sub": (lambda x, y: x - y, lambda x, y: [a - b for a, b in zip(x, y, strict=True)]),
    "mul": (lambda x, y: x * y, lambda x, y: [a * b for a, b in zip(x, y, strict=True)]),
    "dot": (lambda x, y: x * jnp.dot(x, y), lambda x, y: [a * dot(x, y) for a in x]),
    "outer": (
        lambda x, y: jnp.outer(x, y) @ x,
        lambda x, y: [a * dot(x, y) for a in x],
    ),
    "max": (
        jnp.maximum,
        lambda x, y: [a if first(a) >= first(b) else b for a, b in zip(x, y, strict=True)],
    ),
    "where": (
        lambda x, y: jnp.where(x < y, x * y, x),
        lambda x, y: [a * b if first(a) < first(b) else a for a, b in zip(x, y, strict=True)],
    ),
}
SMOOTH = {"abs", "relu", "max", "where"}  # all but these


def program(rng, depth):
    """A tree of operations over the input `x` and a constant."""
    if depth <= 0 or rng.uniform() < 0.1:
        return "x" if rng.uniform() < 0.9 else "one"
    if rng.uniform() < 0.6:
        return (rng.choice(list(UNARY)), program(rng, depth - 1))
    return (rng.choice(list(BINARY)), program(rng, depth - 1), program(rng, depth - 2))


def run(tree, x, side) -> Any:
    """Runs a program in JAX (side 0) or on series (side 1)."""
    if tree == "x":
        return x
    if tree == "one":
        return jnp.ones(N) if side == 0 else [arb_series([1])] * N
    name, *operands = tree
    return (UNARY | BINARY)[name][side](*(run(operand, x, side) for operand in operands))


def operations(tree):
    return set() if isinstance(tree, str) else {tree[0]}.union(*map(operations, tree[1:]))


def inside(low, value, high):
    """Fails unless certainly inside; unbounded results claim nothing."""
    return (low == -np.inf or value >= float(low)) and (high == np.inf or value <= float(high))


def check(tree, rng, jit):
    scale = 10.0 ** rng.uniform(-3, 0.5)
    lower = rng.normal(size=N)
    upper = lower + scale * rng.uniform(size=N) * rng.integers(0, 2, N)
    box = Interval(jnp.asarray(lower), jnp.asarray(upper))

    def function(x):
        return run(tree, x, 0)

    smooth = not operations(tree) & SMOOTH
    wanted = [function]
    if smooth:
        jacobian = jax.jacfwd(function)
        wanted += [jacobian, jax.jacfwd(jacobian)]
    enclosures = [(jax.jit(enclose(f)) if jit else enclose(f))(box) for f in wanted]
    assert not any(np.isnan(end).any() for end in jax.tree.leaves(enclosures))
    for _ in range(4):
        share = rng.uniform(size=N).round(rng.integers(0, 2))
        x = np.clip(lower + share * (upper - lower), lower, upper).tolist()
        for k in range(N if smooth else 1):
            series = [arb_series([x[j], float(j == k)]) for j in range(N)]
            try:
                exact = run(tree, series, 1)
            except (ValueError, ZeroDivisionError):
                return  # beyond what the reference can do
            for j in range(N):
                for order, enclosure in enumerate(enclosures):
                    index = (j, *[k] * order)
                    low, high = enclosure.lower[index], enclosure.upper[index]
                    value = exact[j][order] * (1, 1, 2)[order]
                    if value.is_finite():
                        assert inside(low, value, high), (tree, x, order, value, low, high)


@pytest.fixture(autouse=True)
def three_coefficients():
    previous, flint.ctx.cap = flint.ctx.cap, 3
    yield
    flint.ctx.cap = previous


@pytest.mark.full
@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**32))
def test_random_programs(seed):
    rng = np.random.default_rng(seed)
    check(program(rng, int(rng.integers(1, 9))), rng, jit=False)


@pytest.mark.full
@settings(max_examples=3, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**32))
def test_random_compiled_programs(seed):
    rng = np.random.default_rng(seed)
    check(program(rng, 5), rng, jit=True)


@pytest.mark.parametrize("name", UNARY)
def test_each_operation(name):
    """The reference knows each operation, its slope and its curvature."""
    check((name, "x"), np.random.default_rng(7), jit=False)


def test_a_wrong_reference_is_noticed(monkeypatch):
    monkeypatch.setitem(UNARY, "third", (UNARY["third"][0], each(lambda x: x * arb(1 / 3.0000001))))
    with pytest.raises(AssertionError):
        check(("third", "x"), np.random.default_rng(7), jit=False)
