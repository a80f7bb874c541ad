"""Ranges of functions of one variable and of their derivatives, over intervals and over R."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.checker.intervals import UNKNOWN, BallInterval
from certify.checker.series import SERIES
from certify.checker.univariate import (
    MAX_DEPTH,
    MAX_SIZE,
    TooLarge,
    composed,
    is_defined,
    power,
    product,
    ranges,
    total,
)

T = total([], Fraction(1), Fraction(0))
NUMBERS = st.fractions(-3, 3, max_denominator=8)


def plus(f, c, a: Fraction | int = 0, b: Fraction | int = 0):
    return total([(f, Fraction(c))], Fraction(a), Fraction(b))


ENTIRE = st.sampled_from(["sin", "cos", "tanh", "atan", "erf", "exp"])
TREES = st.recursive(
    st.just(T) | st.builds(lambda a, b: total([], a, b), NUMBERS.filter(bool), NUMBERS),
    lambda inner: (
        st.builds(composed, ENTIRE, inner)
        | st.builds(product, inner, inner)
        | st.builds(power, inner, st.integers(0, 3))
        | st.builds(plus, inner, NUMBERS.filter(bool), NUMBERS, NUMBERS)
        | st.builds(lambda f: composed("log", plus(composed("cosh", f), 2)), inner)
        | st.builds(
            lambda f, b: composed("sqrt", plus(power(f, 2), 2, 0, 1 + abs(b))), inner, NUMBERS
        )
    ),
    max_leaves=5,
)


def function(tree):
    """The function that a tree stands for, traceable."""
    name = tree[0]
    if name == "sum":
        parts = [(function(f), float(c)) for f, c in tree[1]]
        a, b = float(tree[2]), float(tree[3])
        return lambda t: sum((c * f(t) for f, c in parts), a * t + b)
    if name == "product":
        f, g = function(tree[1]), function(tree[2])
        return lambda t: f(t) * g(t)
    f = function(tree[1])
    if name == "power":
        return lambda t: f(t) ** tree[2]
    if name == "bend":
        return lambda t: jnp.sqrt(float(tree[2]) + float(tree[3]) * f(t) ** 2)
    if name == "logcosh":
        return lambda t: jnp.logaddexp(f(t), -f(t)) - jnp.log(2.0)
    known = {"atan": jnp.arctan, "erf": jax.scipy.special.erf}
    outer = known[name] if name in known else getattr(jnp, name)
    return lambda t: outer(f(t))


def inside(x, bound):
    if not bound.is_finite():
        return True
    slack = 1e-9 * (1 + abs(x))
    return float(bound.low.lower()) - slack <= x <= float(bound.high.upper()) + slack


@settings(max_examples=150, deadline=None)
@given(TREES, NUMBERS, st.fractions(0, 4, max_denominator=8), st.booleans())
def test_values_and_derivatives_are_in_their_ranges(tree, start, width, on_the_line):
    with ctx.workprec(100):
        where = UNKNOWN if on_the_line else BallInterval.of(start, start + width)
        found = ranges(tree, where)
    f = function(tree)
    points = np.linspace(float(start), float(start + width), 9)
    if on_the_line:
        points = np.concatenate([points, 10 * points, -(points**3)])
    values = [jax.vmap(g)(points) for g in (f, jax.grad(f), jax.grad(jax.grad(f)))]
    for bound, numbers in zip(found, values, strict=True):
        assert all(inside(x, bound) for x in np.asarray(numbers).tolist() if np.isfinite(x))


@pytest.mark.parametrize(
    ("name", "slope", "bend"),
    [
        ("tanh", (0, 1), 4 / 27**0.5),
        ("atan", (0, 1), 3 * 3**0.5 / 8),
        ("sin", (-1, 1), 1),
        ("erf", (0, 2 / np.pi**0.5), 2 * (2 / (np.pi * np.e)) ** 0.5),
    ],
)
def test_ranges_on_the_line_are_attained(name, slope, bend):
    """The bounds on all of R are the extrema, found on a grid to three digits."""
    found = ranges(composed(name, T), UNKNOWN)
    assert [float(x) for x in (found.slope.low, found.slope.high)] == pytest.approx(slope)
    assert float(found.bend.high) == pytest.approx(bend)
    grid = np.linspace(-4, 4, 4001)
    bends = jax.vmap(jax.grad(jax.grad(function(composed(name, T)))))(grid)
    assert float(np.max(bends)) == pytest.approx(bend, rel=1e-3)
    assert float(np.max(bends)) <= float(found.bend.high)


def test_softplus_has_a_quarter():
    """`log(1 + e^t)`, which graphs write as `t / 2 + log(2 cosh(t / 2))`."""
    half = total([], Fraction(1, 2), Fraction(0))
    softplus = plus(composed("log", plus(composed("cosh", half), 2)), 1, Fraction(1, 2))
    found = ranges(softplus, UNKNOWN)
    assert [float(x) for x in (found.bend.low, found.bend.high)] == [0, 0.25]
    assert [float(x) for x in (found.slope.low, found.slope.high)] == [0, 1]
    assert is_defined(softplus, UNKNOWN)
    at_zero = ranges(softplus, BallInterval.point(0))
    assert float(at_zero.value.low) == pytest.approx(np.log(2.0))


def test_a_square_has_a_constant_second_derivative_everywhere():
    found = ranges(power(total([], Fraction(3), Fraction(1)), 2), UNKNOWN)
    assert found.bend.low == 18 and found.bend.high == 18
    assert not found.slope.is_finite()


@pytest.mark.parametrize(
    ("tree", "domain", "outside"),
    [
        (composed("log", T), (1, 2), (0, 1)),
        (composed("sqrt", T), (1, 2), (-1, 1)),
        (power(T, -1), (1, 2), (-1, 1)),
        (composed("asin", T), (-0.5, 0.5), (0, 2)),
        (composed("tan", T), (-1, 1), (1, 2)),
        (composed("exp", composed("log", T)), (1, 2), (-1, 1)),
    ],
)
def test_partial_functions(tree, domain, outside):
    assert is_defined(tree, BallInterval.of(*map(Fraction, domain)))
    assert not is_defined(tree, BallInterval.of(*map(Fraction, outside)))
    assert not is_defined(tree, UNKNOWN)


def test_every_function_of_graphs_has_a_rule():
    for name in SERIES:
        assert ranges(composed(name, T), BallInterval.of(Fraction(1, 4), Fraction(1, 2)))[
            1
        ].is_finite()


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("log", lambda: plus(composed("cosh", T), 2, 0, 1)),
        ("log", lambda: plus(composed("cosh", T), 2, 0, -1)),
        ("log", lambda: plus(composed("cosh", T), -1)),
        ("sqrt", lambda: plus(power(T, 2), 1, 0, -1)),
        ("sqrt", lambda: plus(power(T, 2), -1, 0, 4)),
        ("sqrt", lambda: power(T, 2)),
    ],
)
def test_what_only_looks_like_a_known_function_is_not_taken_for_one(name, inner):
    """Each is undefined, or no such function, for want of a sign or of a constant."""
    tree = composed(name, inner())
    assert tree[0] == name
    assert not is_defined(tree, UNKNOWN)


def test_trees_do_not_grow_without_end():
    tree = T
    with pytest.raises(TooLarge):
        for _ in range(40):
            tree = product(composed("sin", tree), composed("cos", tree))
    assert tree[-1][0] <= MAX_SIZE
    tree = T
    with pytest.raises(TooLarge):
        for _ in range(MAX_DEPTH + 1):
            tree = composed("sin", tree)
    tree = T
    with pytest.raises(TooLarge):
        for _ in range(40):
            tree = total(
                [(composed("sin", tree), Fraction(1)), (composed("cos", tree), Fraction(1))],
                Fraction(0),
                Fraction(0),
            )
    assert tree[-1][0] <= MAX_SIZE


def test_huge_numbers_are_not_followed():
    tree = total([], Fraction(2) ** 1000, Fraction(0))
    for _ in range(30):
        tree = power(tree, 64)
    found = ranges(tree, BallInterval(arb(1), arb(2)))
    assert not found.value.is_finite()
