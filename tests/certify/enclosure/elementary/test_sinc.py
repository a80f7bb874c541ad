"""`sin(x) / x` and its derivatives against ball arithmetic."""

import math

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from certify.enclosure import Interval, enclose
from certify.enclosure.derivatives import derivative_enclosure
from certify.enclosure.elementary.univariate import DERIVATIVES
from certify.enclosure.registry import RULES, SMOOTH_RULES
from tools.numpy_jaxpr import uncompiled

SMOOTH = RULES | SMOOTH_RULES


def exact(x, order):
    """By the power series near zero, else by dividing power series."""
    if abs(x) < 1e-3:
        terms = range((order + 1) // 2, (order + 1) // 2 + 40)
        factors = (flint.arb(math.perm(2 * m, order)) / math.factorial(2 * m + 1) for m in terms)
        powers = ((-1) ** m * flint.arb(x) ** (2 * m - order) for m in terms)
        return sum(a * b for a, b in zip(factors, powers, strict=True))
    series = flint.arb_series([flint.arb(x), 1], order + 1)
    return (series.sin() / series)[order] * math.factorial(order)


@pytest.mark.parametrize("order", range(6))
def test_no_derivative_escapes(order):
    rng = np.random.default_rng(order)
    special = [0.0, 2.0, -2.0, 4.4934, 7.7, 1e3, 1e8, 1e-9, 2.0000001, np.pi, -np.pi / 2]
    lower = np.concatenate([rng.normal(size=40) * 3, rng.uniform(-2.1, 2.1, 30), special])
    width = rng.choice([0.0, 1e-9, 0.1, 1.0, 5.0, 30.0], lower.size)
    enclosed = DERIVATIVES["sinc"].enclose
    wide = enclosed(Interval(jnp.array(lower), jnp.array(lower + width)), order)
    point = enclosed(Interval.point(jnp.array(lower)), order)
    assert float(point.width.max()) < 1e-12
    for k, start in enumerate(lower):
        for share in (0.0, 1.0, 0.5, *rng.uniform(size=6)):
            value = exact(start + share * width[k], order)
            assert not value < float(wide.lower[k]) and not value > float(wide.upper[k])
        value = exact(start, order)
        assert not value < float(point.lower[k]) and not value > float(point.upper[k])


def test_certify_pieces_are_exact():
    for order, low, high in ((0, np.sin(3) / 3, 1.0), (2, -1 / 3, None)):
        box = DERIVATIVES["sinc"].enclose(Interval(-1.0, 3.0), order)
        assert float(box.lower) == pytest.approx(low, abs=1e-12)
        assert high is None or float(box.upper) == pytest.approx(high, abs=1e-12)


@pytest.mark.parametrize("function", [jnp.sinc, jax.jit(jnp.sinc), jax.vmap(jnp.sinc)])
def test_sinc_of_jax_is_known(function):
    """It is smooth at zero, where its code has a case of its own."""
    x = Interval(jnp.array([-1.0]), jnp.array([1.0]))
    box = uncompiled(enclose(function, SMOOTH))(x)
    assert float(box.lower[0]) == pytest.approx(0.0, abs=1e-12) and float(box.upper[0]) == 1.0
    slope = uncompiled(derivative_enclosure(function, 1, "interval"))(x)
    assert float(slope.upper[0, 0]) <= np.pi / 2 + 1e-9


def test_code_that_is_called_like_it_is_not():
    @jax.jit
    def sinc(x):
        return jnp.where(x == 0.0, 2.0, jnp.sin(jnp.pi * x) / (jnp.pi * x))

    assert bool(uncompiled(enclose(sinc, SMOOTH))(Interval(-1.0, 1.0)).is_unknown)


def test_sinc_of_infinity():
    box = uncompiled(enclose(lambda x: jnp.sinc(jnp.exp(1e3 * x)), SMOOTH))(Interval(0.0, 1.0))
    assert bool(box.is_unknown)
