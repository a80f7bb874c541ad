"""Derivatives of elementary functions: exact ranges, against Taylor series in ball arithmetic."""

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from certify.enclosure import Interval
from certify.enclosure.elementary.error_functions import _BELL_HEIGHT
from certify.enclosure.elementary.exponentials import _INVERSE_E
from certify.enclosure.elementary.polynomial import enclosed_value, real_roots
from certify.enclosure.elementary.univariate import (
    DERIVATIVES,
    derivative,
    derivative_p,
    enclose_derivative,
)
from certify.enclosure.registry import Operation
from tools.numpy_jaxpr import uncompiled

ORDERS = range(6)
# All but one: `test_sinc` has an oracle that knows what happens at zero.
NAMED = [name for name in DERIVATIVES if name != "sinc"]


def series(name, x, order):
    """The derivative of that order at a float, as a ball."""
    with flint.ctx.workprec(220):
        flint.ctx.cap = order + 2
        t = flint.arb_series([flint.arb(x), 1])
        value = {
            "tanh": lambda: 1 - 2 / ((2 * t).exp() + 1),
            "logistic": lambda: 1 / (1 + (-t).exp()),
            "erf": t.erf,
            "erfc": t.erfc,
            "atan": t.atan,
            "asinh": lambda: (t + (t * t + 1).sqrt()).log(),
            "entropy": lambda: t * t.log(),
            "variance": lambda: t - t * t,
        }[name]()
        return value[order] * flint.arb(order).fac()


def boxes(name, count=120):
    rng = np.random.default_rng(len(name))
    lower = 2.0 * rng.standard_normal(count)
    width = rng.choice([0.0, 1e-12, 1e-3, 0.3, 2.0, 10.0], count) * rng.random(count)
    lower[: count // 10] *= 10.0
    if name == "entropy":
        lower = np.exp(lower)
    return lower, lower + width


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", NAMED)
def test_no_derivative_escapes_its_range(name, order):
    lower, upper = boxes(name)
    operation = Operation(derivative_p, {"function": name, "order": order})
    box = jax.jit(lambda a, b: enclose_derivative(operation, Interval(a, b)))(lower, upper)
    low, high = np.asarray(box.lower), np.asarray(box.upper)
    assert not np.isnan(low).any() and (low <= high).all()
    rng = np.random.default_rng(order)
    share = np.concatenate([[0.0, 1.0], rng.random(6)])
    for k in range(lower.size):
        points = np.clip(lower[k] + share * (upper[k] - lower[k]), lower[k], upper[k])
        for x in points.tolist():
            value = series(name, x, order)
            # Saturated values differ from their limit by less than the ball's radius.
            assert not (value < low[k] or value > high[k]), (x, value, low[k], high[k])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", NAMED)
def test_ranges_are_as_narrow_as_can_be(name, order):
    lower, upper = boxes(name)
    wide = upper - lower > 1e-2
    lower, upper = lower[wide], upper[wide]
    operation = Operation(derivative_p, {"function": name, "order": order})
    box = uncompiled(lambda a, b: enclose_derivative(operation, Interval(a, b)))(lower, upper)
    points = np.linspace(lower, upper, 4001)
    values = np.asarray(uncompiled(lambda x: DERIVATIVES[name].compute(x, order))(points))
    sampled = values.max(0) - values.min(0)
    assert (np.asarray(box.width) - sampled).max() <= 1e-4 * (1.0 + np.abs(values).max())


@pytest.mark.parametrize("name", NAMED)
def test_each_derivative_is_the_derivative_of_the_one_before(name):
    x = jnp.array([0.2, 0.7, 1.9])

    @jax.jit
    def both(x):
        return [
            (
                jax.vmap(jax.grad(lambda t, k=k: derivative(name, t, k)))(x),
                derivative(name, x, k + 1),
            )
            for k in range(4)
        ]

    for slope, value in both(x):
        np.testing.assert_allclose(slope, value, rtol=1e-12, atol=1e-13)


def test_constants():
    with flint.ctx.workprec(200):
        assert _BELL_HEIGHT[0] < 2 / flint.arb.pi().sqrt() < _BELL_HEIGHT[1]
        assert _INVERSE_E[0] < flint.arb(-1).exp() < _INVERSE_E[1]


def test_roots_are_proved():
    ((a, b), (c, d)) = real_roots((-2, 0, 1))
    assert b >= -(2**0.5) and a <= -(2**0.5) and c <= 2**0.5 <= d
    assert real_roots((0, 1)) == [(0.0, 0.0)]
    for polynomial in ((1, 0, 1), (1, -2, 1)):  # none, and a double one
        with pytest.raises(ArithmeticError, match="not real and simple"):
            real_roots(polynomial)


def test_values_of_polynomials_are_enclosed_exactly():
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = (*(int(a) for a in rng.integers(-50, 50, 6)), 1)
        x = rng.standard_normal(50) * 10.0 ** rng.uniform(-3, 3, 50)
        box = enclosed_value(p, Interval.point(jnp.asarray(x)))
        for k, point in enumerate(x.tolist()):
            exact = sum(
                flint.fmpq(a) * flint.fmpq(*point.as_integer_ratio()) ** n for n, a in enumerate(p)
            )
            low, high = (
                flint.fmpq(*float(e[k]).as_integer_ratio()) for e in (box.lower, box.upper)
            )
            assert low <= exact <= high
    with pytest.raises(ValueError, match="too large"):
        enclosed_value((0, 2**54), Interval.point(jnp.ones(())))
