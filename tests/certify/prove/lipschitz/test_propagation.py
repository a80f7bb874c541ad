"""Bounds on sets of inputs: samples below, limits on tiny and on huge sets, and ball arithmetic."""

from fractions import Fraction

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.prove.lipschitz import activation_curve
from certify.prove.lipschitz.backward_bounds import BallDomain, BoxDomain, both_bounds
from certify.prove.lipschitz.linear_relaxation import activation_lines, product_lines, size_lines
from certify.prove.lipschitz.lipschitz_bound import Norm
from certify.prove.lipschitz.network_chain import chain_of
from certify.prove.lipschitz.propagation import jacobian_rows, slopes_on
from certify.prove.lipschitz.unit_slopes import SLOPES, UnitSlopes
from dgames.nn import Activation

SMOOTH = ["tanh", "sigmoid", "softplus", "erf", "sin", "silu", "gelu", "elu", "softsign"]
KINKED = ["relu", "leaky_relu", "abs"]


@pytest.mark.thin(4)
@pytest.mark.parametrize("name", SMOOTH + KINKED)
def test_lines_and_slopes_enclose_the_function(name):
    sharpness = 3.7 if name in ("tanh", "silu", "relu") else 1.0
    activation = Activation(name, sharpness)
    rng = np.random.default_rng(0)
    middle, radius = 2.0 * rng.standard_normal(200), 10.0 ** rng.uniform(-6, 0.5, 200)
    lower, upper = middle - radius, middle + radius
    lines = activation_lines(activation, lower, upper)
    slopes = activation_curve.slopes(activation, lower, upper)
    share = np.linspace(0.0, 1.0, 301)[:, None]
    points = np.clip(lower * (1 - share) + upper * share, lower, upper)
    points = np.concatenate([points, np.clip(0.0, lower, upper)[None]])
    curve = activation_curve.CURVES[name]
    value = np.asarray(curve.value(jnp.asarray(sharpness * points))) / sharpness
    slope = np.asarray(curve.slope[0](jnp.asarray(sharpness * points)))
    room = 1e-14 * (1 + np.abs(value))
    assert (lines.low[0] * points + lines.low[1] <= value + room).all()
    assert (value <= lines.high[0] * points + lines.high[1] + room).all()
    assert (lines.range[0] <= value + room).all()
    assert (value <= lines.range[1] + room).all()
    assert (slopes.lower - 1e-14 <= slope).all()
    assert (slope <= slopes.upper + 1e-14).all()
    # Nothing is wasted: ranges of slopes are those that occur.
    assert np.max(slopes.upper - slope.max(0)) < 0.05
    assert np.max(slope.min(0) - slopes.lower) < (1.01 if name in KINKED else 0.05)
    whole = SLOPES[name]
    assert whole.lower - 1e-12 <= slopes.lower.min()
    assert slopes.upper.max() <= whole.upper + 1e-12


def test_turns_and_global_slopes_in_ball_arithmetic():
    flint = pytest.importorskip("flint")
    arb = flint.arb

    def exact(x):
        x = Fraction(x)
        return arb(x.numerator) / arb(x.denominator)

    def silu(t):
        s = 1 / (1 + (-t).exp())
        return s * (1 + t * (1 - s))

    def gelu(t):
        normal = (-t * t / 2).exp() / (2 * arb.pi()).sqrt()
        return (1 + (t / arb(2).sqrt()).erf()) / 2 + t * normal

    with flint.ctx.workprec(200):
        for name, slope, second in (
            ("silu", silu, lambda t: 2 - t * (t / 2).tanh()),
            ("gelu", gelu, lambda t: 2 - t * t),
        ):
            for turn, end in zip(
                activation_curve.CURVES[name].turns, ("upper", "lower"), strict=True
            ):
                low, high = (exact(end) for end in turn.place)
                assert second(low) * second(high) < 0  # the root is in between
                assert exact(turn.value[0]) < slope(low) < exact(turn.value[1])
                limit = getattr(SLOPES[name], end)
                assert slope(low) < exact(limit) if end == "upper" else exact(limit) < slope(low)
        assert 2 / arb.pi().sqrt() < exact(SLOPES["erf"].upper)


def test_lines_around_products_and_sizes():
    rng = np.random.default_rng(1)
    p, q = np.sort(rng.standard_normal((2, 500)), 0)
    lower, upper = np.sort(rng.standard_normal((2, 500)), 0)
    lines = product_lines(UnitSlopes(p, q), lower, upper)
    above = size_lines(lower, upper)
    for share in np.linspace(0, 1, 11):
        y = lower * (1 - share) + upper * share
        assert (np.abs(y) <= above[0] * y + above[1] + 1e-15).all()
        for d in (p, 0.5 * p + 0.5 * q, q):
            assert (lines.low[0] * y + lines.low[1] <= d * y + 1e-15).all()
            assert (d * y <= lines.high[0] * y + lines.high[1] + 1e-15).all()
            assert (lines.range[0] <= d * y).all()
            assert (d * y <= lines.range[1]).all()


def networks():
    key = jax.random.key(0)
    for name in ("tanh", "silu", "groupsort"):
        yield dg.nn.mlp((3, 8, 8, 2), key, activation=name, scale="standard")
    yield eqx.nn.MLP(3, 2, 8, 2, key=key)


def jacobians(net, points):
    return np.asarray(jax.jit(jax.vmap(jax.jacobian(net)))(points))


@pytest.mark.thin(6)
@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("radius", [1e-3, 0.3, 5.0])
def test_samples_of_a_set_stay_below(kind, radius):
    net = list(networks())[kind]
    centre = jnp.array([0.3, -0.2, 0.9])
    for domain in (certify.Box.around((centre,), radius), certify.Ball((centre,), radius)):
        found = jacobians(net, domain.sample(jax.random.key(1), 300))
        sums, norms = np.abs(found).sum(-1).max(), np.linalg.norm(found, 2, (1, 2)).max()
        for method in ("product", "auto"):
            below: dict[Norm, float] = {"l2": norms, "linf": sums}
            for norm in below:
                whole = certify.lipschitz(net, norm=norm, method=method)
                local = certify.lipschitz(net, domain, norm=norm, method=method)
                assert below[norm] <= local.constant
                assert local.constant <= whole.constant * (1 + 1e-2)


@pytest.mark.full
def test_differences_in_a_box_stay_below():
    net = dg.nn.mlp((3, 8, 8, 2), jax.random.key(0), activation="tanh", scale="standard")
    box = certify.Box.around((jnp.zeros(3),), 0.5)
    x, y = (jnp.asarray(box.sample(jax.random.key(k), 500)) for k in (1, 2))
    change = np.asarray(jax.vmap(net)(x) - jax.vmap(net)(y))
    moved = np.asarray(x - y)
    orders: dict[Norm, float] = {"l2": 2, "linf": np.inf}
    for norm, order in orders.items():
        quotients = np.linalg.norm(change, order, 1) / np.linalg.norm(moved, order, 1)
        constant = certify.lipschitz(net, box, norm=norm).constant
        assert quotients.max() <= constant


@pytest.mark.full
def test_tiny_sets_have_the_norm_of_the_gradient():
    for net in networks():
        centre = jnp.array([0.3, -0.2, 0.9])
        found = jacobians(net, centre[None])[0]
        if isinstance(net, dg.nn.MLP) and net.activation.name == "groupsort":
            continue
        box = certify.Box.around((centre,), 1e-9)
        assert certify.lipschitz(net, box).constant == pytest.approx(
            np.linalg.norm(found, 2), rel=1e-6
        )
        assert certify.lipschitz(net, box, norm="linf").constant == pytest.approx(
            np.abs(found).sum(-1).max(), rel=1e-6
        )


def test_one_hidden_layer_has_the_closed_form():
    # Rows are sums of intervals with one sign each: |w v| times the largest slope.
    net = dg.nn.MLP(
        (jnp.array([[1.0], [2.0]]), jnp.array([[3.0, 0.5]])),
        (jnp.array([0.0, -1.0]), None),
        (1.0, 1.0),
        Activation("softplus"),
    )
    box = certify.Box((jnp.array([-1.0]),), (jnp.array([2.0]),))
    truth = 3.0 / (1 + np.exp(-2.0)) + 1.0 / (1 + np.exp(-3.0))
    for norm in ("l2", "linf"):
        found = certify.lipschitz(net, box, norm=norm, method="propagation").constant
        assert truth <= found <= truth * (1 + 1e-12)


def test_jacobians_over_the_whole_space_enclose_samples():
    net = dg.nn.mlp((3, 8, 8, 2), jax.random.key(0), activation="silu", scale="standard")
    chain = chain_of(net)
    found = jacobian_rows([part.matrix for part in chain.maps], slopes_on(chain, None))
    samples = jacobians(net, 5.0 * jax.random.normal(jax.random.key(1), (300, 3)))
    assert (found.lower <= samples).all()
    assert (samples <= found.upper).all()
    assert (np.abs(samples).sum(-1) <= found.sums).all()


def test_bounds_on_outputs_enclose_samples():
    net = dg.nn.mlp((3, 8, 8, 2), jax.random.key(0), activation="tanh", scale="standard")
    chain, centre = chain_of(net), np.array([0.3, -0.2, 0.9])
    ball = certify.Ball((jnp.asarray(centre),), 0.5)
    domains = [
        (certify.Box(*((c,) for c in (centre - 0.5, centre + 0.5))), None),
        (ball, BallDomain(centre, 0.5)),
    ]
    widths = []
    for region, domain in domains:
        domain = BoxDomain(*region.bounds()) if domain is None else domain
        lines: list = []
        for k, activation in enumerate(chain.activations):
            low, high = both_bounds(list(chain.maps[: k + 1]), lines, domain)
            lines.append(activation_lines(activation, low, high))
        low, high = both_bounds(list(chain.maps), lines, domain)
        outputs = np.asarray(jax.vmap(net)(jnp.asarray(region.sample(jax.random.key(1), 500))))
        assert (low <= outputs).all()
        assert (outputs <= high).all()
        widths.append((high - low).sum())
    assert widths[1] < widths[0]  # a ball is smaller than its box


@pytest.mark.parametrize("factor", [1e-150, 1e150])
def test_huge_and_tiny_weights_stay_sound(factor):
    net = dg.nn.mlp((2, 4, 4, 1), jax.random.key(0), activation="tanh", scale="standard")
    box = certify.Box.around((jnp.ones(2),), 0.1)
    outer = dg.nn.MLP(net.weights, net.biases, (1.0, 1.0, factor), net.activation)
    for norm in ("l2", "linf"):
        for method in ("product", "propagation", "pivots"):
            one = certify.lipschitz(net, box, norm=norm, method=method).constant
            other = certify.lipschitz(outer, box, norm=norm, method=method).constant
            assert factor * one * (1 - 0.02) <= other <= factor * one * (1 + 0.02)


def test_mixed_units_are_not_propagated():
    net = dg.nn.mlp((2, 4, 1), jax.random.key(0), activation="groupsort")
    with pytest.raises(ValueError, match=r"acts? on each unit"):
        certify.lipschitz(net, method="propagation")
