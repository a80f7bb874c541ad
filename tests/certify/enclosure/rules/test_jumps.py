"""Error functions, cube roots, steps, products, running extremes and order statistics."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb
from jax import lax

from certify.enclosure import Interval, enclose, margins
from certify.enclosure.registry import RULES, SMOOTH_RULES
from certify.jacobian.by_jaxpr import jacobian_family
from tools.numpy_jaxpr import uncompiled

SMOOTH = RULES | SMOOTH_RULES


def within(function, size):
    """Beyond this the function is closer to its limit than 220 bits can tell."""
    return lambda x: function(arb(size) if x > size else arb(-size) if x < -size else x)


def exact_cbrt(x):
    return arb(0) if x == 0 else (abs(x).log() / 3).exp() * (1 if x > 0 else -1)


def exact_round(x):
    """Half to even."""
    below = x.floor()
    up = x - below > 0.5 or (x - below == 0.5 and (below / 2).floor() * 2 != below)
    return below + (1 if up else 0)


UNARY = {
    "erf": (lax.erf, within(arb.erf, 8.0)),
    "erfc": (lax.erfc, lambda x: within(arb.erfc, 27.0)(x) if x > -8 else arb(-8).erfc()),
    "cbrt": (lax.cbrt, exact_cbrt),
    "sign": (lax.sign, lambda x: arb(1) if x > 0 else arb(-1) if x < 0 else arb(0)),
    "floor": (lax.floor, arb.floor),
    "ceil": (lax.ceil, arb.ceil),
    "round": (jnp.round, exact_round),
    "clamp": (lambda x: lax.clamp(-1.0, x, 2.0), lambda x: x if x > -1 and x < 2 else None),
    "product": (lambda x: jnp.prod(jnp.stack([x] * 5), axis=0), lambda x: x**5),
    "running_product": (lambda x: jnp.cumprod(jnp.stack([x] * 5), axis=0)[4], lambda x: x**5),
}
UNARY["clamp"] = (
    UNARY["clamp"][0],
    lambda x: arb(-1) if x < -1 else arb(2) if x > 2 else x,
)


@pytest.mark.parametrize("name", UNARY)
def test_no_exact_value_escapes(escapes, name):
    assert not escapes(*UNARY[name], seed=21)[:3]


@pytest.mark.parametrize("name", ["erf", "erfc", "cbrt", "mul"])
def test_the_search_can_fail(escapes, monkeypatch, name):
    monkeypatch.setitem(margins.MARGINS, name, margins.ErrorMargin(-2.0, "broken on purpose"))
    assert escapes(*UNARY["product" if name == "mul" else name], seed=22)


@pytest.mark.parametrize("name", UNARY)
def test_nothing_known_stays_unknown(name):
    function = UNARY[name][0]
    for rules in (RULES, SMOOTH):
        box = uncompiled(enclose(lambda x: function(1.0 / x), rules))(Interval(-1.0, 1.0))
        assert bool(box.is_unknown)


@pytest.mark.parametrize("name", ["sign", "floor", "ceil", "round"])
def test_steps_in_smooth_mode(name):
    function = enclose(UNARY[name][0], SMOOTH)
    assert bool(function(Interval(-0.6, 0.6)).is_unknown)
    inside = function(Interval(1.1, 1.4))
    assert float(inside.lower) == float(inside.upper) == float(UNARY[name][0](1.2))


def test_clamp_in_smooth_mode():
    function = enclose(UNARY["clamp"][0], SMOOTH)
    x = Interval(jnp.array([-3.0, -2.0, 0.0, 1.0, 3.0]), jnp.array([-2.0, 0.0, 1.0, 2.5, 4.0]))
    assert function(x).is_unknown.tolist() == [False, True, False, True, False]


ARRAYS = {
    "prod": lambda x: jnp.prod(x, axis=1),
    "prod of all": jnp.prod,
    "cumprod": lambda x: jnp.cumprod(x, axis=1),
    "cumprod backwards": lambda x: lax.cumprod(x, axis=0, reverse=True),
    "cummax": lambda x: lax.cummax(x, axis=1),
    "cummin backwards": lambda x: lax.cummin(x, axis=0, reverse=True),
    "sort": lambda x: jnp.sort(x, axis=0),
    "sort rows": lambda x: jnp.sort(x, axis=1),
    "max": lambda x: jnp.max(x, axis=1),
    "min": lambda x: jnp.min(x, axis=0),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_members_are_inside(name):
    """Products of small integers are exact in floats, and so are choices."""
    rng, function = np.random.default_rng(23), ARRAYS[name]
    enclosed, compute = jax.jit(enclose(function)), jax.jit(jax.vmap(function))
    undefined = uncompiled(enclose(lambda x: function(x / (x - x[0, 0]))))
    for size in (1, 3, 8):
        lower = rng.integers(-3, 4, (3, size)).astype(float)
        upper = lower + rng.integers(0, 3, lower.shape)
        box = enclosed(Interval(lower, upper))
        ends = (lower.astype(int), upper.astype(int) + 1)
        values = np.asarray(compute(rng.integers(*ends, (20, 3, size)).astype(float)))
        assert ((np.asarray(box.lower) <= values) & (values <= np.asarray(box.upper))).all()
        assert bool(undefined(Interval(lower, upper)).is_unknown.any())


def test_order_statistics_are_exact():
    x = Interval(jnp.array([3.0, 0.0, 5.0]), jnp.array([4.0, 1.0, 6.0]))
    assert enclose(jnp.sort)(x).lower.tolist() == [0.0, 3.0, 5.0]
    assert not bool(enclose(jnp.sort, SMOOTH)(x).is_unknown.any())
    tied = Interval(jnp.array([3.0, 0.0, 5.0]), jnp.array([5.0, 1.0, 6.0]))
    assert bool(enclose(jnp.sort, SMOOTH)(tied).is_unknown.all())
    assert bool(enclose(lax.cummax, SMOOTH)(x).is_unknown.all())


@pytest.mark.parametrize(("reduce", "sign"), [(jnp.max, 1.0), (jnp.min, -1.0)])
def test_a_dominating_entry(reduce, sign):
    """Only the largest must be unique: others may tie."""
    lower, upper = jnp.array([[0.0, 0.5, 2.0], [0.0, 0.5, 0.9]]), jnp.array([[1.0, 1.0, 3.0]] * 2)
    x = Interval(lower, upper) if sign > 0 else Interval(-upper, -lower)
    assert enclose(lambda x: reduce(x, axis=1), SMOOTH)(x).is_unknown.tolist() == [False, True]

    def field(v):
        return v * reduce(jnp.stack([v[0], 0.5 * v[0], sign * 3.0 + v[0] * v[0]]))

    family = uncompiled(jacobian_family(field, "affine"))(jnp.full(1, -0.5), jnp.full(1, 0.5))
    assert bool(family.finite)
    reach = float(jnp.abs(family.generators).sum() + family.remainder[0, 0])
    for v in (-0.5, 0.0, 0.5):
        assert abs(float(family.centre[0, 0]) - (sign * 3.0 + 3.0 * v * v)) <= reach


def test_exclusive_or():
    def chosen(x):
        return jnp.where((x > 0.0) ^ (x > 5.0), 1.0, 0.0)

    ends = [(float(b.lower), float(b.upper)) for b in map(enclose(chosen), _boxes())]
    assert ends == [(0.0, 1.0), (1.0, 1.0), (0.0, 0.0)]


def _boxes():
    return [Interval(-1.0, 1.0), Interval(1.0, 2.0), Interval(6.0, 7.0)]


def fractions(rng, count=400):
    """Boxes within [-1, 1], many of them near its ends."""
    start = rng.choice([-1.0, 1.0], count) * (1.0 - 2.0 ** rng.uniform(-53, 0, count))
    start = np.where(rng.uniform(size=count) < 0.5, rng.uniform(-1, 1, count), start)
    width = rng.choice([0.0, 1e-15, 1e-3], count)
    return np.clip(start, -1, 1), np.clip(start + width, -1, 1)


def test_inverse_error_function(escapes):
    assert not escapes(lax.erf_inv, lambda x: x.erfinv(), seed=24, boxes=fractions)[:3]
    box = enclose(lax.erf_inv)(jnp.array([0.5, -1.0, 1.0]))
    assert float(box.width[0]) < 1e-12
    assert float(box.lower[1]) == -np.inf and float(box.upper[2]) == np.inf
    assert bool(enclose(lax.erf_inv)(Interval(0.9, 1.1)).is_unknown)


def test_derivative_of_the_inverse_error_function_has_an_exact_constant():
    compute = uncompiled(jacobian_family(lax.erf_inv, "interval"))
    family = compute(jnp.full(1, 0.3), jnp.full(1, 0.3))
    exact = arb.pi().sqrt() / 2 * (arb(0.3).erfinv() ** 2).exp()
    assert abs(exact - float(family.centre[0, 0])) <= float(family.remainder[0, 0]) < 1e-12


@pytest.mark.parametrize(("divisor", "floored"), [(0.75, True), (-3.0, True), (1e-3, False)])
def test_remainders(divisor, floored):
    """Against exact fractions: of the sign of the divisor, or of the dividend."""
    rng, y = np.random.default_rng(25), Fraction(divisor)
    function = jnp.mod if floored else jnp.fmod
    low = rng.uniform(-1, 1, 300) * 2.0 ** rng.uniform(-20, 20, 300)
    high = low + rng.choice([0.0, 1e-12, 0.1, 5.0], 300) * rng.uniform(size=300)
    box = jax.jit(enclose(lambda x: function(x, divisor)))(Interval(low, high))
    for k in range(300):
        for x in (low[k], high[k], np.clip(0.5 * low[k] + 0.5 * high[k], low[k], high[k])):
            x = Fraction(float(x))
            exact = x - y * (math.floor(x / y) if floored else math.trunc(x / y))
            assert Fraction(float(box.lower[k])) <= exact <= Fraction(float(box.upper[k]))
    decided = enclose(lambda x: jnp.mod(x, 0.75), SMOOTH)(Interval(1.0, 1.25))
    assert float(decided.lower) > 0.249 and float(decided.upper) < 0.501
    assert bool(enclose(lambda x: jnp.mod(x, 0.75), SMOOTH)(Interval(1.4, 1.6)).is_unknown)


BELL = {
    "erf": (lax.erf, 1),
    "erfc": (lax.erfc, -1),
}


@pytest.mark.parametrize("name", BELL)
def test_derivatives_of_error_functions_have_an_exact_constant(name):
    function, sign = BELL[name]
    compute = uncompiled(jacobian_family(function, "interval"))
    for x in (0.0, 0.3, -1.5):
        family = compute(jnp.full(1, x), jnp.full(1, x))
        exact = sign * 2 / arb.pi().sqrt() * (-(arb(x) ** 2)).exp()
        centre, radius = float(family.centre[0, 0]), float(family.remainder[0, 0])
        assert bool(family.finite) and radius < 1e-13
        assert abs(exact - centre) <= radius


def test_derivative_of_the_cube_root():
    compute = uncompiled(jacobian_family(jnp.cbrt, "interval"))
    family = compute(jnp.full(1, 2.0), jnp.full(1, 2.0))
    exact = exact_cbrt(arb(2)) / 6
    assert abs(exact - float(family.centre[0, 0])) <= float(family.remainder[0, 0]) < 1e-12
    assert not bool(compute(-jnp.ones(1), jnp.ones(1)).finite)


SMOOTH_FIELDS = {
    "gelu": jax.nn.gelu,
    "exact gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "log_sigmoid": jax.nn.log_sigmoid,
    "elu": lambda x: jax.nn.elu(x - 3.0) + jax.nn.elu(x + 3.0),
    "selu": lambda x: jax.nn.selu(x + 3.0),
    "relu": lambda x: jax.nn.relu(x + 3.0) * x,
    "prod": lambda x: x * jnp.prod(jnp.stack([x[0], x[0] + 1.0, x[0] - 1.0])),
    "cumprod": lambda x: jnp.cumprod(jnp.stack([x[0], x[0] + 1.0, x[0] - 1.0]))[2:],
    "floor": lambda x: x * jnp.floor(0.5 + 0.1 * x),
    "clamp": lambda x: lax.clamp(-2.0, x, 2.0) ** 2,
}


@pytest.mark.full
@pytest.mark.parametrize("name", SMOOTH_FIELDS)
def test_activations_and_their_derivatives(name):
    """Away from kinks families are finite and contain the derivative, up to its own rounding."""
    function = SMOOTH_FIELDS[name]
    slope = jax.jit(jax.jacfwd(function))
    compiled = jax.jit if name in ("gelu", "clamp") else uncompiled
    compute = compiled(jacobian_family(function, "affine"))
    for low, high in ((-0.5, 0.5), (0.0, 0.0), (0.3, 0.31)):
        family = compute(jnp.full(1, low), jnp.full(1, high))
        assert bool(family.finite)
        reach = float(jnp.abs(family.generators).sum() + family.remainder.sum()) + 1e-14
        for x in (low, 0.5 * (low + high), high):
            assert abs(float(slope(jnp.full(1, x))[0, 0] - family.centre[0, 0])) <= reach
