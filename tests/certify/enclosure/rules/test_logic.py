"""Comparisons, choices and kinks: decided only when every member of the box agrees."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from certify.enclosure import Interval, enclose
from certify.enclosure.registry import RULES, SMOOTH_RULES

SMOOTH = RULES | SMOOTH_RULES
GRID = [(a, b) for a in (-1.0, 0.0, 1.0) for b in (-1.0, 0.0, 1.0, 2.0) if a <= b]


def chosen(condition, x, y):
    """A condition on intervals, seen through a choice: 1 where true, 0 where false."""
    box = enclose(lambda x, y: jnp.where(condition(x, y), 1.0, 0.0))(x, y)
    return (float(box.lower), float(box.upper))


@pytest.mark.parametrize("compare", [lax.lt, lax.le, lax.gt, lax.ge, lax.eq, lax.ne])
def test_comparisons_are_exact_on_a_grid(compare):
    """Both answers, and only those, that occur among members."""
    for (a, b), (c, d) in itertools.product(GRID, GRID):
        # Thirds between, so that every strict and weak order of members occurs.
        xs, ys = np.linspace(a, b, 7), np.linspace(c, d, 7)
        answers = {
            bool(compare(x, y))
            for x, y in itertools.product({*xs, c, d}, {*ys, a, b})
            if a <= x <= b and c <= y <= d
        }
        low, high = chosen(compare, Interval(a, b), Interval(c, d))
        assert (low, high) == (float(min(answers)), float(max(answers)))


@pytest.mark.parametrize("smooth", [False, True])
def test_choices(smooth):
    rules = SMOOTH if smooth else RULES
    function = enclose(lambda x: jnp.where(x < 0.0, -x, x), rules)
    decided = function(Interval(jnp.array([-2.0, 1.0]), jnp.array([-1.0, 2.0])))
    assert decided.lower.tolist() == [1.0, 1.0] and decided.upper.tolist() == [2.0, 2.0]
    undecided = function(Interval(-1.0, 0.5))
    expected = (-np.inf, np.inf) if smooth else (-1.0, 1.0)
    assert (float(undecided.lower), float(undecided.upper)) == expected


def test_choice_by_a_scalar():
    x = Interval(jnp.array([-1.0, 2.0]), jnp.array([1.0, 3.0]))
    box = enclose(lambda x: lax.select_n(x[0] > 0.0, x, 2.0 * x))(x)
    assert box.lower.tolist() == pytest.approx([-2.0, 2.0])
    assert box.upper.tolist() == pytest.approx([2.0, 6.0])
    assert bool(enclose(lambda x: lax.select_n(x[0] > 0.0, x, x), SMOOTH)(x).is_unknown.all())


def test_choice_known_in_advance_keeps_points():
    box = enclose(lambda x: jnp.where(jnp.array([True, False]), x, 1.0))(jnp.array([0.1, 0.2]))
    assert box.is_point and box.lower.tolist() == [0.1, 1.0]


def test_choice_among_booleans_in_smooth_mode():
    """No number jumps here: both choices are the same truth."""
    box = enclose(lambda x: jnp.where(jnp.where(x > 0, x < 5.0, x > -5.0), x, 7.0), SMOOTH)(
        Interval(-1.0, 1.0)
    )
    assert (float(box.lower), float(box.upper)) == (-1.0, 1.0)


def test_logic_of_undecided_truths():
    maybe, yes = (lambda x: x > 0.0), (lambda x: x < 5.0)
    x = Interval(-1.0, 1.0)

    def ends(condition):
        return chosen(lambda x, _: condition(x), x, x)

    assert ends(lambda x: maybe(x) & yes(x)) == (0.0, 1.0)
    assert ends(lambda x: maybe(x) | yes(x)) == (1.0, 1.0)
    assert ends(lambda x: ~maybe(x)) == (0.0, 1.0)
    assert ends(lambda x: ~yes(x)) == (0.0, 0.0)
    assert ends(lambda x: jnp.all(jnp.stack([maybe(x), yes(x)]))) == (0.0, 1.0)
    assert ends(lambda x: jnp.any(jnp.stack([maybe(x), yes(x)]))) == (1.0, 1.0)


def test_tests_for_infinity_and_nan():
    x = Interval(0.0, 1.0)
    assert chosen(lambda x, _: jnp.isfinite(x), x, x) == (1.0, 1.0)
    assert chosen(lambda x, _: jnp.isinf(x), x, x) == (0.0, 0.0)
    assert chosen(lambda x, _: jnp.isnan(x), x, x) == (0.0, 0.0)
    # An infinite constant is not finite: it used to be taken for a real number.
    assert chosen(lambda x, _: jnp.isfinite(x * 0.0 + jnp.array(-jnp.inf)), x, x) == (0.0, 1.0)
    assert chosen(lambda x, _: jnp.isfinite(jnp.array(-jnp.inf)), x, x) == (0.0, 0.0)
    # Of an undefined number nothing is decided.
    for test in (jnp.isfinite, jnp.isnan, lambda y: y < 1.0, lambda y: y == y, lambda y: y != 3.0):
        assert chosen(lambda x, _, test=test: test(1.0 / x), x, x) == (0.0, 1.0)


@pytest.mark.parametrize("reduce", [jnp.max, jnp.min])
def test_largest_and_smallest(reduce):
    x = Interval(jnp.array([[-1.0, 0.0], [3.0, 1.0]]), jnp.array([[2.0, 1.0], [4.0, 9.0]]))
    box = enclose(lambda x: reduce(x, axis=1))(x)
    assert box.lower.tolist() == reduce(x.lower, axis=1).tolist()
    assert box.upper.tolist() == reduce(x.upper, axis=1).tolist()
    unknown = enclose(lambda x: reduce(jnp.stack([1.0 / x[0], x[1]]), axis=0))(x)
    assert unknown.is_unknown.tolist() == [True, True]
    assert bool(enclose(lambda x: reduce(x, axis=1), SMOOTH)(x).is_unknown.all())
    assert not bool(enclose(lambda x: reduce(x[:, :1], axis=1), SMOOTH)(x).is_unknown.any())


def test_smooth_maximum_away_from_ties():
    x, y = Interval(0.0, 1.0), Interval(2.0, 3.0)
    assert float(enclose(jnp.maximum, SMOOTH)(x, y).lower) == 2.0
    assert float(enclose(jnp.minimum, SMOOTH)(x, y).upper) == 1.0
    assert bool(enclose(jnp.maximum, SMOOTH)(x, Interval(1.0, 3.0)).is_unknown)


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (lambda x: jnp.array([5.0, 1.0, 3.0])[jnp.where(x > 0, 2, 0)], 1.0, 5.0),
        (lambda x: jnp.where(x > 0, 1, 0).astype(jnp.float64), 0.0, 1.0),
        (lambda x: (x > 0).astype(int).astype(jnp.float64), 0.0, 1.0),
        (lambda x: lax.switch(jnp.where(x > 0, 1, 0), [lambda: 1.0, lambda: 2.0]), 1.0, 2.0),
        (lambda x: lax.cond(x > 0, lambda: 1, lambda: 2).astype(jnp.float64), 1.0, 2.0),
        (lambda x: x.astype(int).astype(jnp.float64), -1.0, 1.0),
    ],
)
def test_integers_that_depend_on_the_box(function, low, high):
    """An undecided index takes every entry, not one below and another above."""
    box = enclose(function)(Interval(-1.0, 1.0))
    assert (float(box.lower), float(box.upper)) == (low, high)
    assert bool(enclose(function, SMOOTH)(Interval(-1.0, 1.0)).is_unknown)
    decided = enclose(function, SMOOTH)(Interval(0.25, 0.5))
    assert float(decided.lower) == float(decided.upper) == float(function(jnp.asarray(0.3)))


@pytest.mark.full
def test_compiled_choices_agree():
    x = Interval(jnp.linspace(-1.0, 0.5, 9), jnp.linspace(-0.9, 1.5, 9))

    def function(x):
        return jnp.where((x > 0.2) | (x < -0.5), jnp.abs(x), jnp.maximum(x, 0.1))

    eager, compiled = enclose(function)(x), jax.jit(enclose(function))(x)
    assert eager.lower.tolist() == compiled.lower.tolist()
    assert eager.upper.tolist() == compiled.upper.tolist()
