"""Public enclosures of derivatives: what they contain, how narrow they are, what they refuse."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
from certify import Interval

pytestmark = pytest.mark.thin(3)

METHODS = ("interval", "affine")


def network(sizes, seed=0):
    rng = np.random.default_rng(seed)
    layers = [
        (
            jnp.asarray(rng.standard_normal((b, a)) / np.sqrt(a)),
            jnp.asarray(0.1 * rng.standard_normal(b)),
        )
        for a, b in itertools.pairwise(sizes)
    ]

    def apply(x):
        for weights, bias in layers[:-1]:
            x = jnp.tanh(weights @ x + bias)
        return (layers[-1][0] @ x + layers[-1][1])[0]

    return apply


def around(centre, radius):
    return Interval(centre - radius, centre + radius)


def sample(centre, radius, count=3000):
    inside = jax.random.uniform(jax.random.key(0), (count, centre.size), minval=-1.0)
    corners = jax.random.rademacher(jax.random.key(1), (count // 4, centre.size), jnp.float64)
    return centre[None] + radius * jnp.concatenate([inside, corners])


def inside(box, values):
    with jax.numpy_rank_promotion("allow"):
        return bool(((box.lower <= values + 1e-13) & (values - 1e-13 <= box.upper)).all())


@pytest.mark.full
@pytest.mark.parametrize("method", METHODS)
def test_jacobians_of_a_network(method):
    function, centre = network((3, 8, 8, 1)), jnp.array([0.3, -0.2, 0.1])
    enclosed = certify.enclose_jacobian(function, method=method)
    gradients = jax.jit(jax.vmap(jax.grad(function)))
    for radius in (0.0, 0.05, 0.5):
        box = enclosed(around(centre, radius))
        assert inside(box, gradients(sample(centre, radius)))
        assert radius > 0.0 or float(box.width.max()) < 1e-12


@pytest.mark.full
def test_hessians_of_a_network():
    function, centre, radius = network((3, 8, 8, 1)), jnp.array([0.3, -0.2, 0.1]), 0.2
    box = certify.enclose_hessian(function, method="interval")(around(centre, radius))
    assert inside(box, jax.vmap(jax.hessian(function))(sample(centre, radius)))
    assert bool((box.lower == box.lower.T).all()) and bool((box.upper == box.upper.T).all())


@pytest.mark.full
def test_affine_arithmetic_follows_a_deep_network():
    """As narrow as linear relaxations (CROWN) in PyTorch are for such networks: 0.138."""
    function, radius = network((8, 64, 64, 1)), 0.05
    centre = 0.5 * jax.random.normal(jax.random.key(1), (8,))
    gradients = jax.vmap(jax.grad(function))(sample(centre, radius))
    affine, interval = (
        certify.enclose_jacobian(function, method=m)(around(centre, radius))
        for m in ("affine", "interval")
    )
    assert inside(affine, gradients) and inside(interval, gradients)
    assert float(affine.width.max()) <= 0.138
    assert float(interval.width.max()) >= 20 * float(affine.width.max())


@pytest.mark.full
@pytest.mark.parametrize("method", METHODS)
def test_arguments_and_results_may_be_trees(method):
    def function(x):
        return {"a": jnp.outer(x["u"], x["v"]), "b": jnp.sum(x["u"]) * x["v"][0]}

    point = {"u": jnp.array([1.0, 2.0]), "v": jnp.array([3.0, 4.0, 5.0])}
    box = certify.enclose_jacobian(function, method=method)(point)
    exact = jax.jacobian(function)(point)
    assert jax.tree.structure(jax.tree.map(lambda x: 0, exact)) == jax.tree.structure(
        jax.tree.map(lambda x: 0, box, is_leaf=lambda x: isinstance(x, Interval))
    )
    for name in ("a", "b"):
        for key in ("u", "v"):
            assert box[name][key].shape == exact[name][key].shape
            assert inside(box[name][key], exact[name][key])


KINKED = {
    "maximum": (lambda x: jnp.max(x), [[0.0, 1.0], [0.0, 1.0]]),
    "absolute value": (lambda x: jnp.abs(x[0]) + x[1], [[-1.0, 1.0], [1.0, 1.0]]),
    "relu": (lambda x: jax.nn.relu(x[0] - x[1]), [[0.0, 1.0], [-1.0, 0.0]]),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", KINKED)
def test_kinks_have_the_generalised_jacobian_and_no_hessian(name, method):
    function, expected = KINKED[name]
    box = Interval(-jnp.ones(2), jnp.ones(2))
    slopes = certify.enclose_jacobian(function, method=method)(box)
    np.testing.assert_allclose(jnp.stack([slopes.lower, slopes.upper], -1), expected, atol=1e-12)
    assert bool(certify.enclose_hessian(function, method=method)(box).is_unknown.all())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "function",
    [
        lambda x: jnp.floor(x[0]) * x[1],
        lambda x: jnp.where(x[0] > 0.0, 1.0, 0.0) + x[1],
        lambda x: 1.0 / x[0],
        lambda x: jnp.log(x[0]),
    ],
)
def test_jumps_and_undefined_points_are_unknown(function, method):
    box = certify.enclose_jacobian(function, method=method)(Interval(-jnp.ones(2), jnp.ones(2)))
    assert bool(box.is_unknown.all())


def test_hand_written_derivatives_are_not_believed():
    @jax.custom_jvp
    def square(x):
        return x * x

    square.defjvp(lambda p, t: (square(*p), 0.0 * t[0]))
    box = certify.enclose_jacobian(lambda x: square(x[0]))(jnp.array([3.0]))
    assert inside(box, jnp.array([6.0]))


@pytest.mark.full
def test_softmax_of_two_is_as_narrow_as_can_be():
    centre, radius = jnp.array([0.3, -0.1]), 0.25
    function = lambda x: jax.nn.softmax(x)[0]  # noqa: E731
    box = certify.enclose_hessian(function, method="interval")(around(centre, radius))
    values = jax.vmap(jax.hessian(function))(sample(centre, radius))
    assert inside(box, values)
    assert float(jnp.max(box.width - (values.max(0) - values.min(0)))) < 1e-3


def test_misuse():
    with pytest.raises(certify.EnclosureError, match="float64"):
        certify.enclose_jacobian(jnp.sum)(jnp.arange(3))
    with pytest.raises(ValueError, match="exceeds"):
        certify.enclose_hessian(jnp.sum)(Interval(jnp.ones(2), jnp.zeros(2)))
