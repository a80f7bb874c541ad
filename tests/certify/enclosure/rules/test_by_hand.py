"""Rules on boxes for which the range is known by hand: what each of them must not forget."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from certify.enclosure import Interval, enclose, enclose_hessian, enclose_jacobian
from certify.enclosure.registry import RULES, SMOOTH_RULES
from certify.enclosure.rules.softmax import logsumexp, softmax
from tools.numpy_jaxpr import uncompiled

INF = math.inf


def bounds(function, lower, upper, rules=RULES):
    box = Interval(jnp.asarray(lower, jnp.float64), jnp.asarray(upper, jnp.float64))
    found = uncompiled(enclose(function, rules))(box)
    return np.asarray(found.lower), np.asarray(found.upper)


# The smallest and the largest value on a box; None where nothing may be known.
RANGES = [
    (jnp.abs, (-2.0, 1.0), (0.0, 2.0)),
    (jnp.abs, (-3.0, -1.0), (1.0, 3.0)),
    (jnp.cosh, (-1.0, 2.0), (1.0, math.cosh(2.0))),
    (jnp.square, (-1.0, 3.0), (0.0, 9.0)),
    (jnp.sin, (0.0, 3.0), (0.0, 1.0)),
    (jnp.cos, (1.0, 7.0), (-1.0, 1.0)),
    (jnp.arccos, (-0.5, 0.5), (math.acos(0.5), math.acos(-0.5))),
    (lax.rsqrt, (0.25, 4.0), (0.5, 2.0)),
    (jax.scipy.special.erfc, (-1.0, 1.0), (math.erfc(1.0), math.erfc(-1.0))),
    (jnp.exp, (-1.0, 1.0), (math.exp(-1.0), math.exp(1.0))),
    (lambda x: jnp.tanh(jnp.log(x)), (-1.0, 1.0), None),
    (lambda x: jnp.exp(-1.0 / x), (0.0, 1.0), None),
    (lambda x: (x / x) ** 2, (-1.0, 1.0), None),
    (jnp.tan, (1.0, 2.0), None),
    (jnp.arcsin, (0.0, 1.5), None),
]


@pytest.mark.parametrize(("function", "ends", "expected"), RANGES)
def test_ranges(function, ends, expected):
    low, high = bounds(function, *ends)
    if expected is None:
        assert (low, high) == (-INF, INF)
    else:
        assert low <= expected[0] + 1e-15 and expected[1] - 1e-15 <= high
        assert low >= expected[0] - 1e-12 and high <= expected[1] + 1e-12


# Where a kink or a jump is reached nothing is known.
KINKS = {
    "abs": jnp.abs,
    "max": lambda x: jnp.maximum(x, -x),
    "where": lambda x: jnp.where(x > 0.0, x, 2.0 * x),
    "sign": jnp.sign,
    "clip": lambda x: jnp.clip(x, 0.0, 5.0),
    "largest": lambda x: jnp.max(jnp.stack([x, -x])),
    "square root": lambda x: jnp.sqrt(jnp.abs(x) * jnp.abs(x)),
}


@pytest.mark.parametrize("name", KINKS)
def test_kinks(name):
    smooth = RULES | SMOOTH_RULES
    for ends in ((-1.0, 1.0), (0.0, 1.0), (-1.0, 0.0)):
        if (name, ends) in (("where", (-1.0, 0.0)), ("sign", (0.0, 1.0))):
            continue  # decided, as the code has it
        low, high = bounds(KINKS[name], *ends, smooth)
        if name == "sign":
            assert (low, high) == (-INF, INF)
        assert not (np.isfinite(low) and np.isfinite(high)), ends
    assert np.isfinite(bounds(KINKS[name], 1.0, 2.0, smooth)).all()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7])
def test_products_of_all_entries(size):
    low, high = bounds(jnp.prod, np.full(size, 1.0), np.arange(2.0, size + 2.0))
    assert low == pytest.approx(1.0) and high == pytest.approx(math.factorial(size + 1))
    assert low <= 1.0 and high >= math.factorial(size + 1)


def test_running_extremes_of_what_is_unknown():
    """The logarithm of the second entry is not defined all over."""
    low, high = bounds(lambda x: lax.cummax(jnp.log(x)), [1.0, -1.0, 3.0], [2.0, 1.0, 4.0])
    assert np.isfinite([low[0], high[0]]).all()
    assert low[1:].tolist() == [-INF, -INF] and high[1:].tolist() == [INF, INF]


def test_loops_over_entries():
    """The carry is a running sum; each round gives the sum so far, times the entry."""

    def function(x):
        total, rounds = lax.scan(lambda c, v: (c + v, (c + v) * v), 0.0, x)
        return jnp.append(rounds, total)

    low, high = bounds(function, [1.0, 2.0], [2.0, 4.0])
    assert low == pytest.approx([1.0, 6.0, 3.0]) and high == pytest.approx([4.0, 24.0, 6.0])


def test_the_first_of_the_largest():
    """Entries may tie, and then the first of them is meant."""
    low, high = bounds(
        lambda x: jnp.argmax(x).astype(jnp.float64), [0.0, 1.0, 0.0], [1.0, 1.0, 1.0]
    )
    assert (low, high) == (0.0, 1.0)
    low, high = bounds(
        lambda x: jnp.argmax(x).astype(jnp.float64), [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]
    )
    assert (low, high) == (0.0, 2.0)


def test_shares_and_sums_of_exponentials():
    """Of three numbers between 0 and 1: a share is least where it alone is 0."""
    e = math.e
    for function, least, most in (
        (lambda x: softmax(x, (0,)), 1 / (1 + 2 * e), e / (e + 2)),
        (lambda x: logsumexp(x, (0,)), math.log(3), math.log(3 * e)),
    ):
        low, high = bounds(function, np.zeros(3), np.ones(3))
        assert (low <= least).all() and (most <= high).all()
        assert np.allclose(low, least, rtol=1e-12) and np.allclose(high, most, rtol=1e-12)


def test_a_sum_may_be_negative_where_only_its_terms_are_ordered():
    low, high = bounds(lambda x: jnp.sqrt(x[0] + x[1]), [-1.0, -2.0], [5.0, 5.0])
    assert (low, high) == (-INF, INF)
    low, high = bounds(lambda x: jnp.sqrt(x[0] + x[1]), [-1.0, 1.0], [5.0, 4.0])
    assert low == 0.0 and high == pytest.approx(3.0)


def test_derivatives_at_a_point_are_those_around_it():
    """The code has a case for 0 alone, whose derivative is another one."""
    point = Interval.point(jnp.float64(0.0))
    found = enclose_jacobian(lambda x: jnp.where(x == 0.0, 0.0, x), method="interval")(point)
    assert bool(found.contains(jnp.float64(1.0)))


def test_mixed_derivatives_hold_whatever_their_order():
    box = Interval(jnp.array([1.0, 2.0]), jnp.array([2.0, 3.0]))
    found = enclose_hessian(lambda x: x[0] ** 2 * x[1], method="interval")(box)
    for a, b in ((1.0, 2.0), (2.0, 3.0), (1.0, 3.0)):
        assert bool(found.contains(jnp.array([[2 * b, 2 * a], [2 * a, 0.0]])).all())
