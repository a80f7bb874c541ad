"""Terms of the Jacobian, found in the graph: they contain it at every point that is looked at."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import ctx

from certify.checker import forms, ridges
from certify.checker.forms import NotRidges
from certify.checker.graph import read_graph
from certify.checker.reader import Reader
from certify.checker.region import Region
from certify.checker.ridges import Ridges
from certify.graph.ridge_floats import evaluate_ridges
from certify.graph.trace import array_graph

GENERATOR = np.random.default_rng(0)
DATA, OTHER = GENERATOR.normal(size=(6, 4)), GENERATOR.normal(size=(5, 2))
WITH_ZEROS = np.where(GENERATOR.uniform(size=(6, 4)) < 0.5, 0.0, DATA)
REPEATED = np.concatenate([DATA, DATA[:2], 1e6 * DATA[:1]])

# Two players of two coordinates each; the costs, and whether they are ridges on all of R^4.
COSTS = {
    "quadratic": (lambda x: [jnp.sum(x**2) + x[0] * x[2], x[3] ** 2 - x[1] * x[3]], True),
    "logistic": (lambda x: [jnp.mean(jax.nn.softplus(DATA @ x)), jnp.sum(x**2) / 3.0], True),
    "both": (
        lambda x: [jnp.mean(jnp.tanh(DATA @ x)), jnp.mean(jnp.sin(DATA @ x)) + jnp.vdot(x, x)],
        True,
    ),
    "shared": (lambda x: [2 * (f := jnp.sum(jnp.log(jnp.cosh(DATA @ x)))), -f / 7.0], True),
    "zeros": (lambda x: [jnp.sum(jnp.arctan(WITH_ZEROS @ x)), jnp.sum(x)], True),
    "repeated": (lambda x: [jnp.sum(jnp.sqrt(1 + (REPEATED @ x) ** 2)), x[0] * x[3]], True),
    "products": (lambda x: [x[2] * jnp.tanh(x[0]), jnp.exp(x[0]) * jnp.cos(x[1] + x[2])], False),
    "three": (lambda x: [x[0] * x[1] * jnp.sin(x[2]), x[0] ** 3], False),
    "square of a sum": (lambda x: [(x[0] + jnp.tanh(x[1])) ** 2, x[3] ** 2], False),
    "entropy": (lambda x: [jnp.sum((x + 3) * jnp.log(x + 3)), x[3] / (x[2] + 4)], False),
    "composed": (lambda x: [jnp.tanh(jnp.exp(-((x[0] - x[2]) ** 2))), x[1] ** 4], False),
    "cancelled": (lambda x: [jnp.sum(jnp.exp(x) - jnp.exp(x)) + x[0] ** 2, x[3] ** 2], True),
    "units": (lambda x: [jax.nn.sigmoid(x[0] / 3.0) * x[3], jax.nn.softplus(x @ DATA[0])], False),
}
BOX = {"kind": "box", "lower": [(-1.0).hex()] * 4, "upper": [(1.5).hex()] * 4}
BALL = {"kind": "ball", "center": [(0.25).hex()] * 4, "radius": (1.0).hex()}
EVERYWHERE = {"kind": "everywhere"}


def ridges_of(costs, n=4, sizes=(2, 2), zero_sum=False, is_gradient=True, outputs=2):
    graph = read_graph(Reader(array_graph(costs, n)), n, outputs)
    with ctx.workprec(128):
        return Ridges(graph, [*sizes], zero_sum, is_gradient)


def terms(ridges, region, n=4):
    """The middles and the reach of the family, as matrices of floats."""
    with ctx.workprec(128):
        found = ridges.terms(Region(Reader(region), n))
    middle, reach = np.zeros((n, n)), np.zeros((n, n))
    for key, slope in found.items():
        assert slope.is_finite()
        low, high = float(slope.low.lower()), float(slope.high.upper())
        p, q = np.zeros(n), np.zeros(n)
        for vector, entries in ((p, key.left), (q, key.right)):
            for k, a in entries:
                vector[k] = a
        product = np.outer(p, q) + key.mirror * np.outer(q, p)
        middle += 0.5 * (low + high) * product
        reach += 0.5 * (high - low) * np.abs(product)
    return middle, reach


def jacobian_of(costs, sizes=(2, 2)):
    owners = np.repeat(range(len(sizes)), sizes)

    def field(x):
        slopes = jax.jacrev(lambda x: jnp.stack(costs(x)))(x)
        return slopes[owners, np.arange(len(owners))]

    return field, jax.jit(jax.jacfwd(field))


@pytest.mark.parametrize("name", COSTS)
@pytest.mark.parametrize("region", [BOX, BALL, EVERYWHERE], ids=["box", "ball", "everywhere"])
def test_the_terms_contain_the_jacobian(name, region):
    costs, on_the_line = COSTS[name]
    if region is EVERYWHERE and not on_the_line:
        with ctx.workprec(128):
            found = ridges_of(costs).terms(Region(Reader(EVERYWHERE), 4))
        assert not all(slope.is_finite() for slope in found.values())
        return
    middle, reach = terms(ridges_of(costs), region)
    points = np.random.default_rng(1).uniform(-1, 1.5, (200, 4))
    if region is BALL:
        points = points[np.linalg.norm(points - 0.25, axis=1) <= 1]
    if region is EVERYWHERE:
        points = np.concatenate([points, 5 * points])
    _, jacobian = jacobian_of(costs)
    for point in points:
        error = np.abs(np.asarray(jacobian(point)) - middle)
        assert (error <= reach + 1e-9 * (1 + np.abs(middle))).all()


@pytest.mark.parametrize("name", COSTS)
def test_at_a_point_they_are_the_jacobian(name):
    costs, _ = COSTS[name]
    point = np.array([0.3, -0.2, 0.7, 0.4])
    region = {"kind": "ball", "center": [float(x).hex() for x in point], "radius": (1e-13).hex()}
    middle, reach = terms(ridges_of(costs), region)
    _, jacobian = jacobian_of(costs)
    np.testing.assert_allclose(middle, jacobian(point), rtol=1e-9, atol=1e-9)
    assert reach.max() <= 1e-9 * (1 + np.abs(middle).max())


@pytest.mark.parametrize("name", COSTS)
def test_values_are_those_of_the_field(name):
    costs, _ = COSTS[name]
    ridges, (field, _) = ridges_of(costs), jacobian_of(costs)
    point = np.array([0.3, -0.2, 0.7, 0.4])
    with ctx.workprec(128):
        found = ridges.value([Fraction(x) for x in point.tolist()])
    expected = np.asarray(field(point))
    np.testing.assert_allclose([float(x.low) for x in found], expected, rtol=1e-12, atol=1e-12)
    values = evaluate_ridges(ridges, point[None])
    np.testing.assert_allclose(values.field[0], expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(values.costs[0], jnp.stack(costs(point)), rtol=1e-12, atol=1e-12)


def test_couplings_of_zero_sum_games_mirror_each_other():
    ridges = ridges_of(lambda x: [x[0] * x[1] * 3.0], 2, (1, 1), zero_sum=True, outputs=1)
    middle, reach = terms(ridges, EVERYWHERE, 2)
    assert middle.tolist() == [[0.0, 3.0], [-3.0, 0.0]] and not reach.any()


def test_a_field_in_place_of_costs():
    ridges = ridges_of(lambda x: [jnp.tanh(DATA[:4] @ x) + 2.0 * x], is_gradient=False, outputs=4)
    middle, reach = terms(ridges, EVERYWHERE)
    jacobian = jax.jacfwd(lambda x: jnp.tanh(DATA[:4] @ x) + 2.0 * x)
    for point in np.random.default_rng(2).normal(size=(50, 4)):
        assert (np.abs(jacobian(point) - middle) <= reach + 1e-9).all()


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        (lambda x: [jnp.tanh(x[0] * x[1]), x[2]], "tanh is applied"),
        (lambda x: [1.0 / (x[0] + jnp.tanh(x[1])), x[2]], "divide"),
        (lambda x: [jnp.abs(x[0]), x[2]], "kinks"),
        (lambda x: [jnp.maximum(x[0], x[1]), x[2]], "kinks"),
        (lambda x: [jnp.exp(jnp.sum(x**2)), x[2]], "exp is applied"),
    ],
)
def test_what_is_no_ridge_is_named(costs, message):
    with pytest.raises(NotRidges, match=message):
        ridges_of(costs)


def test_what_may_be_undefined_is_said():
    where = Region(Reader(BOX), 4)
    with ctx.workprec(128):
        fine = ridges_of(lambda x: [jnp.log(x[0] + 2.0), x[2]])
        assert not fine.undefined(where)
        # The logarithms cancel, but costs are undefined where they are.
        hidden = ridges_of(lambda x: [jnp.log(x[0]) - jnp.log(x[0]) + x[0], x[2]])
        assert hidden.undefined(where)
        nothing = ridges_of(lambda x: [0.0 * jnp.log(x[0]) + x[0] ** 2, x[2]])
        assert nothing.undefined(where)


def test_what_vanishes_may_be_undefined_all_the_same():
    where = Region(Reader(BOX), 4)
    for costs in (
        lambda x: [x[0] ** 2 + jnp.power(x[0], 0.0 * x[1]), x[2]],
        lambda x: [x[0] ** 2 + 0.0 / x[0], x[2]],
        lambda x: [x[0] ** 2 + (x[1] - x[1]) / (x[1] - 0.5), x[2]],
    ):
        with ctx.workprec(128):
            assert ridges_of(costs).undefined(where)


def test_long_numbers_end_in_a_message():
    def costs(x):
        y = x[0]
        for _ in range(8):
            y = y * 1e300
        return [y * y, x[2]]

    with pytest.raises(NotRidges, match="too long"):
        ridges_of(costs)


def test_denominators_end_in_a_message():
    """A hundred odd denominators of 53 bits have a common one of thousands."""
    scales = jnp.asarray(1.0 + np.arange(1, 101) * 2.0**-52 * 7919.0)
    with pytest.raises(NotRidges, match="too long"):
        ridges_of(lambda x: [jnp.tanh(jnp.sum(x / scales)), x[2]], n=100, sizes=(50, 50))


@pytest.mark.parametrize(
    ("limit", "module"), [("MAX_WORK", forms), ("MAX_RANGES", ridges), ("MAX_PRODUCTS", forms)]
)
def test_work_is_bounded(limit, module, monkeypatch):
    monkeypatch.setattr(module, limit, 3)
    with ctx.workprec(128), pytest.raises(NotRidges, match="too m"):
        found = ridges_of(COSTS["square of a sum"][0])
        found.terms(Region(Reader(BOX), 4))
