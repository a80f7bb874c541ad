"""Jacobian families against exact Jacobians, and fields that are not as smooth as they look."""

import dataclasses
import types
from typing import Any

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb, arb_series

from certify.enclosure import EnclosureError
from certify.jacobian import expansion
from certify.jacobian.by_jaxpr import jacobian_family
from tools.numpy_jaxpr import uncompiled

pytestmark = pytest.mark.thin(3)


def _tanh(x):
    doubled = (x + x).exp()
    return (doubled - 1) / (doubled + 1)


FLOATS = types.SimpleNamespace(exp=jnp.exp, tanh=jnp.tanh, sqrt=jnp.sqrt)
BALLS = types.SimpleNamespace(exp=arb_series.exp, tanh=_tanh, sqrt=arb_series.sqrt)

# Fields of two coordinates that run in floats and in series.
FIELDS: dict[str, Any] = {
    "linear": lambda x, y, m: (2.0 * x - y / 3.0, 0.1 * y + x),
    "quadratic": lambda x, y, m: (x * y + x * x, y * y / 3.0 - x),
    "quartic": lambda x, y, m: (x * x * y * y + x, y * y * y - x * x),
    "saturating": lambda x, y, m: (m.tanh(3.0 * x + y), m.tanh(x * y) + y),
    "exponential": lambda x, y, m: (m.exp(x - y) - 1.0 / (2.0 + x * x), m.exp(m.tanh(x)) * y),
    "root": lambda x, y, m: (m.sqrt(1.0 + x * x + y * y), x / (3.0 + y * y)),
    "steep": lambda x, y, m: (1e200 * x * x * x + y, 1e150 * x * y * y - 1e100 * x * x),
}
CELLS = [
    ((0.0, 0.0), (0.5, 0.25)),
    ((1.0, -0.7), (1e-3, 1e-9)),
    ((0.3, 0.9), (0.0, 0.1)),
    ((0.1, 0.2), (0.0, 0.0)),
    ((1e-155, -1e-160), (1e-160, 3e-155)),
    ((0.0, 1.0), (5e-324, 1e-308)),
    ((2.3e-308, 0.0), (1e-308, 2e-308)),
    ((1e5, -1e7), (1.0, 1e3)),
]


def field(name):
    return lambda v: jnp.stack(FIELDS[name](v[0], v[1], FLOATS))


def family_of(name, lower, upper):
    return uncompiled(jacobian_family(field(name), "affine"))(lower, upper)


def exact_jacobian(name, point):
    columns = []
    for k in range(2):
        seeds = [arb_series([point[j], float(j == k)]) for j in range(2)]
        columns.append([value[1] for value in FIELDS[name](*seeds, BALLS)])
    return [[columns[k][i] for k in range(2)] for i in range(2)]


def escapes(family, name, lower, upper, rng):
    """Points whose Jacobian is outside the family at the very coordinates of the point."""
    middle, radius = expansion.middle_of(np.asarray(lower), np.asarray(upper))
    # Symbols of the arithmetic's own may take any value.
    loose = np.asarray(family.remainder) + np.abs(np.asarray(family.generators)[2:]).sum(0)
    found = []
    for share in (np.zeros(2), np.ones(2), np.array([0, 1]), *rng.uniform(size=(8, 2))):
        point = np.clip(lower + share * (upper - lower), lower, upper)
        jacobian = exact_jacobian(name, point.tolist())
        for i in range(2):
            for j in range(2):
                value = arb(float(family.centre[i, j]))
                for k in range(min(family.generators.shape[0], 2)):
                    along = arb(float(point[k])) - arb(float(middle[k]))
                    assert abs(along) <= float(radius[k])
                    value += along / float(radius[k]) * float(family.generators[k, i, j])
                if not abs(jacobian[i][j] - value) <= float(loose[i, j]):
                    found.append((point, i, j))
    return found


@pytest.mark.full
@pytest.mark.parametrize("method", ["affine", "interval"])
@pytest.mark.parametrize("name", FIELDS)
def test_families_contain_exact_jacobians(name, method):
    rng = np.random.default_rng(1)
    compiled = jax.jit if method == "interval" else uncompiled
    compute = compiled(jacobian_family(field(name), method))
    finite = 0
    for start, width in CELLS:
        lower, upper = np.array(start), np.array(start) + np.array(width)
        family = compute(lower, upper)
        if bool(family.finite):
            finite += 1
            assert not escapes(family, name, lower, upper, rng)
    assert finite >= 5


@pytest.mark.full
def test_batches_are_the_same():
    compute = jacobian_family(field("quartic"), "affine")
    starts, widths = (np.array(side) for side in zip(*CELLS[:3], strict=True))
    batch = jax.jit(jax.vmap(compute))(starts, starts + widths)
    for k in range(3):
        one = jax.tree.map(lambda leaf, k=k: leaf[k], batch)
        assert bool(one.finite)
        ends = starts[k], starts[k] + widths[k]
        assert not escapes(one, "quartic", *ends, np.random.default_rng(k))


@pytest.mark.full
def test_the_remainder_shrinks_with_the_square_of_the_cell():
    compute = uncompiled(jacobian_family(field("quartic"), "affine"))
    families = [compute(jnp.full(2, 0.3), jnp.full(2, 0.3 + width)) for width in (1e-2, 1e-3)]
    sizes = [float((f.remainder + jnp.abs(f.generators[2:]).sum(0)).max()) for f in families]
    assert 50 < sizes[0] / sizes[1] < 200


class TestTheseTestsCanFail:
    @pytest.mark.full
    def test_no_symbols_but_those_of_the_coordinates(self):
        lower, upper = np.array([0.3, 0.2]), np.array([0.5, 0.4])
        family = family_of("quartic", lower, upper)
        family = dataclasses.replace(family, generators=family.generators[:2])
        assert escapes(family, "quartic", lower, upper, np.random.default_rng(2))

    def test_no_remainder(self):
        """At a point, where symbols stand for roundings alone."""
        point = np.array([0.1, 0.2])
        family = family_of("quadratic", point, point)
        nothing = jnp.zeros_like(family.remainder)
        family = dataclasses.replace(family, generators=family.generators[:2], remainder=nothing)
        assert escapes(family, "quadratic", point, point, np.random.default_rng(2))


@pytest.mark.full
def test_underflow_before_a_huge_curvature():
    """Squares of half-widths underflow, and the curvature would have made them large again."""
    name, lower = "steep", np.array([0.0, 1.0])
    upper = lower + np.array([1e-163, 0.0])
    family = family_of(name, lower, upper)
    assert not escapes(family, name, lower, upper, np.random.default_rng(3))
    h = expansion.Ends(np.full((1, 1, 1, 1), 1e300), np.full((1, 1, 1, 1), 1e300))
    shift, mixed = expansion._second_order(h, np.array([1e-160]))
    assert float((shift + mixed.sum(-1))[0, 0]) >= 0.5e-20


@pytest.mark.full
def test_overflow_is_not_finite():
    """The enclosures are finite, their products with the half-widths are not."""
    family = family_of("quartic", np.full(2, -1e200), np.full(2, 1e200))
    assert not bool(family.finite)
    huge = family_of("linear", np.full(2, -1.7e308), np.full(2, 1.7e308))
    numbers = jax.tree.leaves((huge.centre, huge.generators, huge.remainder))
    assert not bool(huge.finite) or all(bool(jnp.isfinite(part).all()) for part in numbers)


@jax.custom_jvp
def pretended_slope(x):
    return jnp.tanh(x)


pretended_slope.defjvp(lambda primals, tangents: (pretended_slope(*primals), tangents[0]))


@jax.custom_vjp
def pretended_cube(x):
    return x**3


pretended_cube.defvjp(lambda x: (x**3, None), lambda _, g: (g,))


def step(x):
    return jnp.where(x > 0, 5.0, -5.0)


# On [-1, 1], where the derivative code of each is finite and shows no trace of the trouble.
NOT_SMOOTH = {
    "jump": lambda x: x + step(x),
    "jump from a boolean": lambda x: x + (x > 0).astype(jnp.float64),
    "jump inside tanh": lambda x: x + jnp.tanh(step(x)),
    "jump inside logistic": lambda x: x + jax.nn.sigmoid(step(x)),
    "jump inside a bell": lambda x: x + jnp.exp(-(step(x) ** 2 + step(x))),
    "jump inside two exponentials": lambda x: x + jnp.exp(-jnp.exp(step(x))),
    "jump inside a power": lambda x: x + 2.0 ** -jnp.exp(step(x)),
    "jump inside an inverse": lambda x: x + (1.0 + jnp.exp(step(x))) ** -1,
    "jump inside rsqrt": lambda x: x + jax.lax.rsqrt(1.0 + jnp.exp(step(x))),
    "jump inside exp2": lambda x: x + jnp.exp2(-jnp.exp(step(x))),
    "jump in an index of a minimum": lambda x: x + jnp.minimum(jnp.exp(step(x)), 50.0),
    "jump inside a choice": lambda x: jnp.where(jnp.tanh(step(x)) < 2.0, x, 0.0),
    "conjunction": lambda x: jnp.where((x > 0.5) & (x < 0.75), 7.0, x),
    "equality": lambda x: jnp.where(x == 0.0, 7.0, x),
    "not a number": lambda x: jnp.where(jnp.isnan(jnp.log(x)), 7.0, x),
    "not finite": lambda x: jnp.where(jnp.isfinite(1.0 / x), x, 7.0),
    "removable": lambda x: x + (1.0 / x - 1.0 / x),
    "undefined and cancelled": lambda x: x + 0.0 * jnp.log(x),
    "kink": lambda x: jnp.abs(x),
    "kink of a maximum": lambda x: jnp.maximum(x, -x),
    "kink of relu": lambda x: jax.nn.relu(x),
    "kink of clip": lambda x: jnp.clip(x, -0.5, 0.5),
    "kink of the largest": lambda x: jnp.max(jnp.concatenate([x, -x]), keepdims=True),
    "jump inside softplus": lambda x: x + jax.nn.softplus(step(x)),
    "jump inside softmax": lambda x: x + jax.nn.softmax(jnp.append(step(x), 0.0))[:1],
    "jump of a branch": lambda x: x + jax.lax.cond(x[0] > 0, lambda: 5.0, lambda: -5.0),
    "jump inside a branch": lambda x: jax.lax.cond(jnp.tanh(step(x))[0] < 2, lambda: x, lambda: -x),
    "jump inside sine": lambda x: x + jnp.sin(step(x)),
    "floor": lambda x: x + jnp.floor(x + 0.5),
    "sign": lambda x: x + jnp.sign(x),
    "half a power": lambda x: x**1.5,
    "root at the edge": lambda x: jnp.sqrt(x + 1.0),
}


@pytest.mark.parametrize("name", NOT_SMOOTH)
def test_trouble_is_noticed(name):
    compute = jax.jit(jacobian_family(NOT_SMOOTH[name], "interval"))
    assert not bool(compute(-jnp.ones(1), jnp.ones(1)).finite)


@pytest.mark.parametrize("name", ["jump inside tanh", "removable", "kink", "half a power"])
def test_trouble_is_noticed_by_affine_families(name):
    compute = uncompiled(jacobian_family(NOT_SMOOTH[name], "affine"))
    assert not bool(compute(-jnp.ones(1), jnp.ones(1)).finite)


# On [-1, 1]: smooth there, whatever happens elsewhere, with the range of the derivative.
SMOOTH = {
    "kink elsewhere": (lambda x: jnp.abs(x + 3.0), 1.0, 1.0),
    "maximum elsewhere": (lambda x: jnp.maximum(x * x, x - 2.0), -2.0, 2.0),
    "relu elsewhere": (lambda x: jax.nn.relu(x + 3.0) + jax.nn.relu(x - 3.0), 1.0, 1.0),
    "clip elsewhere": (lambda x: jnp.clip(x, -2.0, 2.0), 1.0, 1.0),
    "jump elsewhere": (lambda x: jnp.where(x > 1.5, 7.0, 2.0 * x), 2.0, 2.0),
    "closed side": (lambda x: jnp.where(x >= -1.0, x, 5.0), 1.0, 1.0),
    "checkpoint": (jax.checkpoint(lambda x: x**3), 0.0, 3.0),
    "jit": (jax.jit(lambda x: x**3), 0.0, 3.0),
    "straight through": (pretended_slope, float(1 / np.cosh(1.0) ** 2), 1.0),
    "custom_vjp": (pretended_cube, 0.0, 3.0),
}


@pytest.mark.parametrize("method", ["affine", "interval"])
@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_are_those_of_the_code(name, method):
    function, low, high = SMOOTH[name]
    compiled = jax.jit if method == "interval" else uncompiled
    family = compiled(jacobian_family(function, method))(-jnp.ones(1), jnp.ones(1))
    assert bool(family.finite)
    reach = float(jnp.abs(family.generators).sum() + family.remainder[0, 0])
    assert float(family.centre[0, 0]) - reach <= low and high <= float(family.centre[0, 0]) + reach


def test_stop_gradient_is_refused():
    with pytest.raises(EnclosureError, match=r"'stop_gradient' .*test_by_jaxpr.py"):
        jacobian_family(lambda x: x * jax.lax.stop_gradient(x), "affine")(-jnp.ones(1), jnp.ones(1))


@pytest.fixture(autouse=True)
def two_coefficients():
    """In more digits than the families have, whose remainders may be a single unit."""
    previous, flint.ctx.cap = flint.ctx.cap, 2
    with flint.ctx.workprec(256):
        yield
    flint.ctx.cap = previous
