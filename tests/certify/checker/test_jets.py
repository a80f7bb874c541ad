"""Intervals and Taylor coefficients, against exact evaluation at points inside."""

import itertools
import math
from fractions import Fraction

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb, ctx  # pyright: ignore[reportMissingTypeStubs]
from hypothesis import given

from certify.checker import intervals
from certify.checker.graph import read_graph
from certify.checker.intervals import BallInterval, exact
from certify.checker.jets import Expansions, JetArithmetic
from certify.checker.reader import Reader
from certify.graph.trace import expression_graph
from tests.certify.graph.test_graph import PROGRAMS

QUARTERS = st.integers(-24, 24).map(lambda k: Fraction(k, 8))
PAIRS = st.tuples(QUARTERS, QUARTERS).map(sorted)
SHARES = st.sampled_from([Fraction(k, 8) for k in range(9)])


@pytest.fixture(autouse=True)
def precision():
    with ctx.workprec(128):
        yield


def inside(interval, value):
    """Whether a ball is inside, up to the roundings of ends and ball."""
    return not (value < interval.low - 1e-30 or value > interval.high + 1e-30)


def between(pair, share):
    return pair[0] + share * (pair[1] - pair[0])


@given(PAIRS, PAIRS, SHARES, SHARES)
def test_arithmetic_contains_all_values(one, other, first, second):
    x, y = BallInterval.of(*one), BallInterval.of(*other)
    a, b = between(one, first), between(other, second)
    cases = [(x + y, a + b), (x - y, a - b), (x * y, a * b), (-x, -a), (x.union(y), a)]
    cases += [(x**n, a**n) for n in (2, 3, 4)]
    if not one[0] <= 0 <= one[1]:
        cases += [(x**n, Fraction(1) / a**-n) for n in (-1, -2, -3)]
    for interval, value in cases:
        assert inside(interval, exact(value))
    assert exact(abs(a)) <= x.magnitude()


@given(PAIRS, PAIRS)
def test_products_are_ranges(one, other):
    """Nothing is lost: the ends are attained, up to roundings."""
    product = BallInterval.of(*one) * BallInterval.of(*other)
    ends = [a * b for a in one for b in other]
    assert abs(product.low - exact(min(ends))) < 1e-30
    assert abs(product.high - exact(max(ends))) < 1e-30


@pytest.mark.parametrize("name", ["sin", "cos", "tan", "cosh", "exp", "log", "sqrt", "tanh"])
@given(PAIRS, SHARES)
def test_ranges_of_functions(name, pair, share):
    function = getattr(intervals, name, None) or intervals.increasing(name)
    found, value = function(BallInterval.of(*pair)), getattr(exact(between(pair, share)), name)()
    assert not found.is_finite() or inside(found, value)


def test_zeros_are_exact():
    zero = BallInterval.point(0)
    for found in (intervals.sin(zero), intervals.tan(zero), intervals.increasing("tanh")(zero)):
        assert found.low.is_zero() and found.high.is_zero()


def test_where_functions_are_undefined_nothing_is_known():
    around_zero = BallInterval.of(-1, 1)
    assert not (around_zero**-1).is_finite()
    assert not intervals.increasing("log")(around_zero).is_finite()
    assert not intervals.tan(BallInterval.of(1, 2)).is_finite()
    assert not intervals.real_power(around_zero, arb(1) / 2).is_finite()
    assert not (intervals.UNKNOWN * BallInterval.point(0)).is_finite()
    assert not (intervals.UNKNOWN + BallInterval.point(0)).is_finite()


FUNCTIONS = {
    "polynomial": lambda x: x[0] ** 4 - 3.0 * x[0] * x[1] ** 3 + x[1] / x[0],
    "elementary": lambda x: jnp.exp(x[0] * x[1]) * jnp.sin(x[0]) - jnp.log(x[0] + x[1]),
    "roots": lambda x: jnp.sqrt(x[0] * x[1]) + x[1] ** 1.3 + x[0] ** x[1],
    "hyperbolic": lambda x: jnp.tanh(x[0] - x[1]) * jnp.cosh(x[0]) + jnp.sinh(x[1]),
    "tangent": lambda x: jnp.tan(x[0] / 2) + jnp.cos(3.0 * x[1]),
    "inverse": lambda x: jnp.arctan(x[0] * 3) + jnp.arcsin(x[1] / 2) - jnp.arccos(x[0] / 2),
    "error function": lambda x: jax.scipy.special.erf(x[0] - x[1] ** 2),
    "decided": lambda x: (
        jnp.maximum(x[0], x[1] - 3.0) * jnp.abs(x[1] - 9.0) * jnp.minimum(x[0], 5.0)
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_taylor_coefficients(name):
    """Those at points are the derivatives; those over a box contain them."""
    function = FUNCTIONS[name]
    graph = read_graph(Reader(expression_graph(lambda x: [function(x)], 2)), 2, 1)
    arithmetic = JetArithmetic(4)
    box = [(Fraction(5, 8), Fraction(7, 8)), (Fraction(1, 2), Fraction(3, 4))]
    (over,) = graph.evaluate(arithmetic.inputs(box), arithmetic.operations)
    assert all(coefficient.is_finite() for coefficient in over.values())
    fourth = jax.jit(lambda x: jax.jacfwd(jax.jacfwd(jax.jacfwd(jax.jacfwd(function))))(x))
    second = jax.jit(lambda x: jax.jacfwd(jax.jacfwd(function))(x))
    for shares in itertools.product((0, Fraction(1, 3), 1), repeat=2):
        point = [between(pair, Fraction(share)) for pair, share in zip(box, shares, strict=True)]
        (at,) = graph.evaluate(arithmetic.inputs([(p, p) for p in point]), arithmetic.operations)
        x = jnp.array([float(p) for p in point])
        for derivatives, order in ((second(x), 2), (fourth(x), 4)):
            for monomial in itertools.combinations_with_replacement(range(2), order):
                counts = [math.factorial(monomial.count(k)) for k in range(2)]
                expected = float(derivatives[monomial]) / math.prod(counts)
                found = at.get(monomial, BallInterval.point(0))
                np.testing.assert_allclose(float(found.low.mid()), expected, rtol=1e-9, atol=1e-9)
        for monomial, coefficient in at.items():
            assert inside(over[monomial], coefficient.low)
            assert inside(over[monomial], coefficient.high)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jnp.abs(x[0] - 0.7),
        lambda x: jnp.log(x[0] - 0.7),
        lambda x: jnp.sqrt(x[0] - 0.7) * x[1],
        lambda x: 0.0 * jnp.log(x[0] - 0.7),
        lambda x: x[1] / (x[0] - 0.7),
        lambda x: jnp.where(x[0] < 0.7, 1.0, 2.0),
        lambda x: jnp.maximum(x[0], x[1]),
        lambda x: (x[0] - 0.7) ** 1.5,
        lambda x: jnp.arcsin(x[0] + 0.3),
    ],
)
def test_kinks_and_poles_are_noticed(function):
    graph = read_graph(Reader(expression_graph(lambda x: [function(x)], 2)), 2, 1)
    arithmetic, box = JetArithmetic(4), [(Fraction(5, 8), Fraction(7, 8))] * 2
    outputs, obliged = graph.obliged(arithmetic.inputs(box), arithmetic.operations)
    assert not all(x.is_finite() for jet in (*outputs, *obliged) for x in jet.values())


@pytest.mark.parametrize("name", ["polynomial", "softmax", "hyperbolic", "solve", "powers"])
def test_sharpened_coefficients_contain_those_of_all_points(name):
    graph = read_graph(Reader(expression_graph(lambda x: [PROGRAMS[name](x)], 3)), 3, 1)
    box = [(Fraction(k, 8), Fraction(k, 8) + Fraction(1, 64)) for k in (7, 8, 9)]
    middle = [(low + high) / 2 for low, high in box]
    ((_, sharp),), _ = Expansions(3).of(graph, middle, box)
    plain = JetArithmetic(3)
    (loose,) = graph.evaluate(plain.inputs(box), plain.operations)
    for shares in itertools.product([Fraction(0), Fraction(1, 3), Fraction(1)], repeat=3):
        point = list(map(between, box, shares))
        (exactly,) = graph.evaluate(plain.inputs([(x, x) for x in point]), plain.operations)
        for monomial, value in exactly.items():
            assert inside(sharp[monomial], value.low) and inside(sharp[monomial], value.high)
    widths = [float(jet[()].high - jet[()].low) for jet in (sharp, loose)]
    assert widths[0] <= widths[1] * (1 + 1e-12)


def test_unknown_coefficients_remain_unknown():
    """The mean value theorem is for functions that are known to be smooth."""
    graph = read_graph(Reader(expression_graph(lambda x: [abs(x[0]) * x[1]], 2)), 2, 1)
    ((middle, box),), _ = Expansions(3).of(
        graph,
        [Fraction(1, 2), Fraction(1)],
        [(Fraction(-1), Fraction(2)), (Fraction(1), Fraction(1))],
    )
    assert all(value.is_finite() for value in middle.values())
    assert not box[()].is_finite()
