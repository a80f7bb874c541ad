"""Circular and hyperbolic functions against ball arithmetic."""

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb
from jax import lax

from certify.enclosure import Interval, enclose, margins
from certify.enclosure.elementary import trigonometric
from certify.jacobian.by_jaxpr import jacobian_family
from tests.certify.enclosure.conftest import random_boxes
from tools.numpy_jaxpr import uncompiled


def in_domain(function, low, high):
    return lambda x: function(x) if x >= low and x <= high else None


def beyond(x, size):
    return arb(size) if x > size else arb(-size) if x < -size else x


def exact_atan2(y, x):
    return None if y == 0 and x <= 0 else arb.atan2(y, x)


def exact_cos(x):
    """Near zero it is closer to 1 than the digits of a ball can tell."""
    return 1 - arb(2) ** -200 if abs(x) < arb(2) ** -100 else x.cos()


def exact_cosh(x):
    return 1 + arb(2) ** -200 if abs(x) < arb(2) ** -100 else beyond(x, 1e6).cosh()


def exact_atanh(x):
    return arb("inf") if x == 1 else arb("-inf") if x == -1 else x.atanh()


UNARY = {
    "sin": (lax.sin, arb.sin),
    "cos": (lax.cos, exact_cos),
    "tan": (lax.tan, arb.tan),
    "asin": (lax.asin, in_domain(arb.asin, -1, 1)),
    "acos": (lax.acos, in_domain(arb.acos, -1, 1)),
    "atan": (lax.atan, arb.atan),
    "sinh": (lax.sinh, lambda x: beyond(x, 1e6).sinh()),
    "cosh": (lax.cosh, exact_cosh),
    "asinh": (lax.asinh, arb.asinh),
    "acosh": (lax.acosh, in_domain(arb.acosh, 1, float("inf"))),
    "atanh": (lax.atanh, in_domain(exact_atanh, -1, 1)),
}
CIRCULAR = {"sin", "cos", "tan"}


def angles(rng):
    """Boxes that begin or end at floats next to quarter turns, or are a few turns wide."""
    lower, upper = random_boxes(rng, 1000)
    quarter = np.round(2.0 ** rng.uniform(0, 41, 1000)) * rng.choice([-1, 1], 1000) * (np.pi / 2)
    shift = rng.integers(-2, 3, 1000) * np.spacing(quarter)
    width = np.choose(
        rng.integers(4, size=1000),
        [np.zeros(1000), 2.0 ** rng.uniform(-50, 3, 1000), rng.uniform(0, 7, 1000), np.abs(shift)],
    )
    start = np.where(rng.uniform(size=1000) < 0.5, quarter + shift, quarter + shift - width)
    return np.append(lower, start), np.append(upper, start + width)


def unit(rng):
    """Boxes in and about [-1, 1], many of which end near its ends."""
    near = rng.choice([-1.0, 1.0], 2000) * (1.0 - 2.0 ** rng.uniform(-53, 0, 2000))
    start = np.where(rng.uniform(size=2000) < 0.5, near, rng.uniform(-1, 1.01, 2000))
    width = rng.choice([0.0, 1.0], 2000) * 2.0 ** rng.uniform(-53, 0.5, 2000)
    return np.minimum(start, start + width), np.maximum(start, start + width)


def above_one(rng):
    start = 1.0 + 2.0 ** rng.uniform(-52, 3, 2000) * rng.choice(
        [0, 1, -0.01], 2000, p=[0.1, 0.8, 0.1]
    )
    return start, start + rng.choice([0.0, 1.0], 2000) * 2.0 ** rng.uniform(-52, 10, 2000)


SPECIAL = {**dict.fromkeys(CIRCULAR, angles), **dict.fromkeys(["asin", "acos", "atanh"], unit)}
SPECIAL["acosh"] = above_one


@pytest.mark.parametrize("name", UNARY)
def test_no_exact_value_escapes(escapes, name):
    # Arguments up to 2^1000 are reduced by a pi of more digits than that.
    flint.ctx.prec = 1400 if name in CIRCULAR else 220
    assert not escapes(*UNARY[name], seed=11)[:3]
    if name in SPECIAL:
        assert not escapes(*UNARY[name], seed=12, boxes=SPECIAL[name])[:3]


def test_no_exact_angle_escapes(escapes):
    assert not escapes(lax.atan2, exact_atan2, seed=13, arity=2)[:3]


class TestTheSearchCanFail:
    @pytest.mark.parametrize("name", UNARY)
    def test_no_margin(self, escapes, monkeypatch, name):
        flint.ctx.prec = 1400 if name in CIRCULAR else 220
        monkeypatch.setitem(margins.MARGINS, name, margins.ErrorMargin(-2.0, "broken on purpose"))
        assert escapes(*UNARY[name], seed=14, boxes=SPECIAL.get(name, random_boxes))

    @pytest.mark.parametrize("name", ["sin", "cos", "tan"])
    def test_no_extremes_and_poles(self, escapes, monkeypatch, name):
        monkeypatch.setattr(trigonometric, "_may_contain", lambda x, *_: jnp.zeros(x.shape, bool))
        flint.ctx.prec = 1400
        assert escapes(*UNARY[name], seed=15, boxes=angles)


@pytest.mark.full
def test_ends_of_the_number_line():
    ends = [-np.inf, -1.7e308, -2.0, -1.0, -5e-324, 0.0, 2.3e-308, 1.0, 710.3, 1.7e308, np.inf]
    pairs = [(a, b) for a in ends for b in ends if a <= b]
    x = Interval(*(jnp.array(side) for side in zip(*pairs, strict=True)))
    for function, _ in UNARY.values():
        result = jax.jit(enclose(function))(x)
        assert bool((result.lower <= result.upper).all())
    both = [np.array(side).ravel() for side in np.meshgrid(*[np.arange(len(pairs))] * 2)]
    result = jax.jit(enclose(lax.atan2))(*(Interval(x.lower[k], x.upper[k]) for k in both))
    assert bool((result.lower <= result.upper).all())


@pytest.mark.parametrize("name", UNARY)
def test_nothing_known_stays_unknown(name):
    function = UNARY[name][0]
    assert bool(enclose(lambda x: function(1.0 / x))(Interval(-1.0, 1.0)).is_unknown)
    assert bool(
        enclose(lambda x: lax.atan2(1.0 / x, 1.0 + 0.0 * x))(Interval(-1.0, 1.0)).is_unknown
    )


def test_bounds_are_tight():
    box = enclose(jnp.sin)(
        Interval(jnp.array([0.1, 1.0, 2.0, -10.0]), jnp.array([0.2, 2.0, 3.0, 9.0]))
    )
    np.testing.assert_allclose(box.lower, [np.sin(0.1), np.sin(1.0), np.sin(3.0), -1.0], rtol=1e-14)
    np.testing.assert_allclose(box.upper, [np.sin(0.2), 1.0, np.sin(2.0), 1.0], rtol=1e-14)
    box = enclose(jnp.cos)(Interval(jnp.array([-0.1, 3.0, 1e6]), jnp.array([0.2, 4.0, 1e6])))
    np.testing.assert_allclose(box.lower, [np.cos(0.2), -1.0, np.cos(1e6)], rtol=1e-13)
    np.testing.assert_allclose(box.upper, [1.0, np.cos(4.0), np.cos(1e6)], rtol=1e-13)
    assert bool(enclose(jnp.tan)(Interval(1.5, 1.6)).is_unknown)
    far = enclose(jnp.sin)(1e300)
    assert (float(far.lower), float(far.upper)) == (-1.0, 1.0)
    angle = enclose(jnp.arctan2)(Interval(1.0, 2.0), Interval(-1.0, 1.0))
    assert float(angle.lower) == pytest.approx(np.pi / 4)
    assert float(angle.upper) == pytest.approx(3 * np.pi / 4)


DERIVATIVES = {
    "sin": (jnp.sin, arb.cos, lambda x: -x.sin()),
    "cos": (jnp.cos, lambda x: -x.sin(), lambda x: -x.cos()),
    "tan": (jnp.tan, lambda x: 1 + x.tan() ** 2, lambda x: 2 * x.tan() * (1 + x.tan() ** 2)),
    "asin": (jnp.arcsin, lambda x: (1 - x * x).rsqrt(), lambda x: x * (1 - x * x).rsqrt() ** 3),
    "acos": (jnp.arccos, lambda x: -(1 - x * x).rsqrt(), lambda x: -x * (1 - x * x).rsqrt() ** 3),
    "atan": (jnp.arctan, lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2),
    "sinh": (jnp.sinh, arb.cosh, arb.sinh),
    "cosh": (jnp.cosh, arb.sinh, arb.cosh),
    "asinh": (jnp.arcsinh, lambda x: (1 + x * x).rsqrt(), lambda x: -x * (1 + x * x).rsqrt() ** 3),
    "acosh": (
        lambda x: jnp.arccosh(2.0 + x),
        lambda x: ((x + 2) ** 2 - 1).rsqrt(),
        lambda x: -(x + 2) * ((x + 2) ** 2 - 1).rsqrt() ** 3,
    ),
    "atanh": (jnp.arctanh, lambda x: 1 / (1 - x * x), lambda x: 2 * x / (1 - x * x) ** 2),
    "atan2": (
        lambda x: jnp.arctan2(x, 1.0 + 0.0 * x),
        lambda x: 1 / (1 + x * x),
        lambda x: -2 * x / (1 + x * x) ** 2,
    ),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_first_and_second_derivatives(name):
    """Finite, near the truth on points, and around it on boxes."""
    function, *exact = DERIVATIVES[name]
    rng = np.random.default_rng(16)
    lower = jnp.asarray(rng.uniform(-0.9, 0.9, 50))
    box = Interval(lower, lower + jnp.asarray(rng.choice([0.0, 1e-9, 0.02], 50)))
    slope = jax.grad(lambda x: function(x))
    for derivative, value in zip((slope, jax.grad(slope)), exact, strict=True):
        result = jax.jit(jax.vmap(enclose(derivative)))(box)
        assert bool(jnp.isfinite(result.lower).all() & jnp.isfinite(result.upper).all())
        for share in (0.0, 0.3, 1.0):
            points = jnp.clip(box.lower + share * box.width, box.lower, box.upper).tolist()
            for x, low, high in zip(
                points, result.lower.tolist(), result.upper.tolist(), strict=True
            ):
                assert value(arb(x)) >= low and value(arb(x)) <= high
        narrow = box.width == 0.0
        assert float(jnp.where(narrow, result.width, 0.0).max()) < 1e-9


@pytest.mark.parametrize("name", DERIVATIVES)
def test_families_are_finite(name):
    function = DERIVATIVES[name][0]
    for form in ("affine", "interval"):
        family = uncompiled(jacobian_family(function, form))(jnp.full(1, 0.1), jnp.full(1, 0.2))
        assert bool(family.finite)


@pytest.mark.parametrize(
    ("function", "box"),
    [
        (jnp.tan, (1.5, 1.6)),
        (jnp.arcsin, (0.5, 1.0)),
        (jnp.arccos, (-1.0, 0.0)),
        (jnp.arccosh, (1.0, 2.0)),
        (jnp.arctanh, (0.0, 1.0)),
        (lambda x: jnp.arctan2(x, -1.0), (-1.0, 1.0)),
    ],
)
def test_trouble_is_noticed(function, box):
    low, high = (jnp.full(1, end) for end in box)
    assert not bool(uncompiled(jacobian_family(function, "interval"))(low, high).finite)
