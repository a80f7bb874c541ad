"""Roots of what is not negative by construction are finite and tight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from certify.enclosure import Interval, enclose
from certify.enclosure.registry import RULES, SMOOTH_RULES
from tools.numpy_jaxpr import uncompiled

SMOOTH = RULES | SMOOTH_RULES
UNIT, LINE = Interval(0.0, 1.0), Interval(-1.0, 1.0)
SQUARE = Interval(jnp.full(2, -1.0), jnp.full(2, 1.0))
CORNER = Interval(jnp.zeros(2), jnp.ones(2))

# The function, a box, and the largest value; the least is zero.
ROOTS = {
    "itself": (jnp.sqrt, UNIT, 1.0),
    "plus zero": (lambda x: jnp.sqrt(x + 0.0), UNIT, 1.0),
    "times two": (lambda x: jnp.sqrt(2 * x), UNIT, np.sqrt(2)),
    "a third": (lambda x: jnp.sqrt(x / 3), UNIT, np.sqrt(1 / 3)),
    "product": (lambda x: jnp.sqrt(x[0] * x[1]), CORNER, 1.0),
    "product of negatives": (lambda x: jnp.sqrt((-2 * x) * (-x)), UNIT, np.sqrt(2)),
    "negative twice": (lambda x: jnp.sqrt(-(-2 * x)), UNIT, np.sqrt(2)),
    "sum": (lambda x: jnp.sqrt(jnp.sum(x)), CORNER, np.sqrt(2)),
    "running sum": (lambda x: jnp.sqrt(jnp.cumsum(x))[1], CORNER, np.sqrt(2)),
    "norm": (jnp.linalg.norm, SQUARE, np.sqrt(2)),
    "distance": (
        lambda x: jnp.linalg.norm(x - jnp.array([0.5, 0.0])), SQUARE, np.sqrt(1.5**2 + 1)
    ),
    "product with itself": (lambda x: jnp.sqrt(x @ x), SQUARE, np.sqrt(2)),
    "matrix": (lambda x: jnp.sqrt(jnp.array([[1.0, 2.0]]) @ x)[0], CORNER, np.sqrt(3)),
    "deviation": (jnp.std, SQUARE, 2.0),
    "square": (lambda x: jnp.sqrt(3 * jnp.square(x)), LINE, np.sqrt(3)),
    "cube": (lambda x: jnp.sqrt(x**3), UNIT, 1.0),
    "rectified": (lambda x: jnp.sqrt(3 * jax.nn.relu(x)), LINE, np.sqrt(3)),
    "absolute": (lambda x: jnp.sqrt(2 * jnp.abs(x)), LINE, np.sqrt(2)),
    "difference": (lambda x: jnp.sqrt(1 - x), UNIT, 1.0),
    "circle": (lambda x: jnp.sqrt(1 - x**2), LINE, 1.0),
    "circle by a product": (lambda x: jnp.sqrt(4 - x * x), Interval(-2.0, 2.0), 2.0),
    "fourth power": (lambda x: jnp.sqrt(81 - x**4), Interval(-3.0, 2.0), 9.0),
    "power": (lambda x: (2 * x) ** 1.5, UNIT, 2**1.5),
    "call": (lambda x: jnp.sqrt(jax.jit(lambda x: 2 * x)(x)), UNIT, np.sqrt(2)),
    "branch": (
        lambda x: jnp.sqrt(lax.cond(x > 0.5, lambda x: 2 * x, lambda x: 3 * x, x)),
        UNIT,
        np.sqrt(3),
    ),
    "loop": (lambda x: jnp.sqrt(lax.fori_loop(0, 3, lambda _, c: 2 * c, x)), UNIT, np.sqrt(8)),
    "long loop": (
        lambda x: jnp.sqrt(lax.scan(lambda c, _: (1.01 * c, None), x, None, length=80)[0]),
        UNIT,
        1.01**40,
    ),
}  # fmt: skip


def outer(x):
    return lax.dot_general(x, x, (((), ()), ((), ())))


@pytest.mark.parametrize("name", ROOTS)
def test_roots(name):
    function, box, most = ROOTS[name]
    with jax.numpy_dtype_promotion("standard"):
        found = uncompiled(enclose(function))(box)
        smooth = uncompiled(enclose(function, SMOOTH))(box)
    assert float(found.lower) == 0.0 and float(found.upper) == pytest.approx(most, rel=1e-12)
    assert most <= float(found.upper) * (1 + 1e-15)
    assert bool(smooth.is_unknown)  # the derivative is infinite


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jnp.sqrt(x - 1e-300),
        lambda x: jnp.sqrt(x - 1e-320),
        lambda x: jnp.sqrt(-1e-200 * x * 1e-200),
        lambda x: jnp.sqrt(1.0 - (x + 2.0**-52) ** 2),
        lambda x: jnp.sqrt(0.01 - (0.1 * x) ** 2),
        lambda x: jnp.sqrt(0.0 * jnp.exp(1e3 * x)),
        lambda x: jnp.sqrt(0.0 * (1.0 / x)),
        lambda x: jnp.sqrt(jnp.log(x) ** 2 * 0.0),
        lambda x: jnp.sqrt(outer(jnp.stack([x, -1.0 - x])))[0, 1],
    ],
)
def test_what_may_be_negative_or_undefined_stays_unknown(function):
    assert bool(uncompiled(enclose(function))(UNIT).is_unknown)


def test_powers_with_whole_exponents():
    for exponent, low, high in ((3.0, -1.0, 1.0), (2.0, 0.0, 1.0), (1.0, -1.0, 1.0)):
        box = uncompiled(enclose(lambda x, n=exponent: x**n, SMOOTH))(LINE)
        assert float(box.lower) == pytest.approx(low) and float(box.upper) == pytest.approx(high)
    several = uncompiled(enclose(lambda x: x ** jnp.array([1.0, 2.0, 3.0])))(
        Interval(jnp.full(3, -1.0), jnp.full(3, 0.5))
    )
    assert several.lower.tolist() == pytest.approx([-1.0, 0.0, -1.0])
    assert several.upper.tolist() == pytest.approx([0.5, 1.0, 0.125])
    for exponent in (-1.0, -2.0, 2.5, 0.5):
        assert bool(uncompiled(enclose(lambda x, n=exponent: x**n))(LINE).is_unknown)
