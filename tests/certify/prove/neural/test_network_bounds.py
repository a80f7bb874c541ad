"""Bounds of networks against their true derivatives: random points, boundaries, ascents."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from jaxtyping import TypeCheckError

import certify
from certify.prove.neural.network_bounds import _norms
from dgames.nn import MLP, Activation, mlp
from tests.certify.prove.neural.true_derivatives import derivatives, nearby

# What a float64 computation of true values may be wrong by.
ROUNDING = 1.0 + 1e-9


def violations(net: MLP, radius: float, input_radius: float, seed: int, trials: int) -> int:
    """Counts how often true derivatives exceed their bounds, at points of the region."""
    generator = np.random.default_rng(seed)
    centers = generator.normal(size=(trials, net.sizes[0]))
    # Some radii are small, so that each layer matters by itself at times.
    radii = radius * generator.uniform(size=len(net.weights)) ** 2
    bounds = certify.network_bounds(net, jnp.asarray(centers), radii, input_radius=input_radius)
    unit = generator.normal(size=(trials, net.sizes[-1]))
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    points = nearby(net, radii, centers, input_radius, generator)
    outputs, jacobians, hessians = derivatives(net, points, unit)
    exceeded = 0
    for j, jacobian in enumerate(jacobians):
        norms = np.linalg.norm(jacobian, 2, (1, 2))
        exceeded += int((norms > np.asarray(bounds.gradients[:, j]) * ROUNDING).sum())
    cuts = np.cumsum([jacobian.shape[2] for jacobian in jacobians])[:-1].tolist()
    comparison = np.asarray(bounds.comparison)
    for i, rows in enumerate(np.split(hessians, cuts, 1)):
        for j, block in enumerate(np.split(rows, cuts, 2)):
            norms = np.linalg.norm(block, 2, (1, 2))
            exceeded += int((norms > comparison[:, i, j] * ROUNDING + 1e-14).sum())
    whole = np.linalg.norm(hessians[:, cuts[0] :, cuts[0] :], 2, (1, 2))
    exceeded += int((whole > np.asarray(bounds.hessian_norms) * ROUNDING + 1e-14).sum())
    box = bounds.outputs
    inside = (box.lower <= outputs + 1e-12) & (outputs - 1e-12 <= box.upper)
    return exceeded + int((~inside).sum())


def drawn(sizes, activation, seed: int, scale: Literal["ntk", "standard"]) -> MLP:
    """Draws a network with biases, with which activations may be flat."""
    net = mlp(sizes, jax.random.key(seed), activation=activation, scale=scale)
    generator = np.random.default_rng(seed)
    biases = tuple(
        None if bias is None else jnp.asarray(generator.normal(size=bias.shape) * seed / 2)
        for bias in net.biases
    )
    return MLP(net.weights, biases, net.scales, net.activation)


# All layers have one shape, whatever their number, so that each part is compiled once.
SHAPES = [(4, 4, 4), (4, 4, 4, 4), (4, 4, 4, 4, 4)]
TRIALS = 50


@pytest.mark.parametrize("activation", ["tanh", "groupsort"])
def test_random_points(activation):
    for seed in range(4):
        net = drawn(SHAPES[seed % 3], activation, seed, "ntk")
        radius = (0.0, 0.1, 1.0, 4.0)[seed]
        assert violations(net, radius, 0.3 * (seed % 2), seed, TRIALS) == 0


EVERY = ["tanh", "softplus", "sigmoid", "silu", "gelu", "erf", "sin", "groupsort", "identity"]


@pytest.mark.full
@pytest.mark.parametrize("activation", EVERY)
def test_many_random_points(activation):
    """More than 10^4 trials: nets, data, points, balls; one to three hidden layers."""
    for sharpness in (1.0, 3.0):
        for seed in range(12):
            sizes = SHAPES[seed % 3]
            net = drawn(
                sizes, Activation(activation, sharpness), seed, ("ntk", "standard")[seed % 2]
            )
            radius = 10.0 ** (seed % 4 - 2)
            assert violations(net, radius, 0.1 * radius * (seed // 4), seed, TRIALS) == 0


@pytest.mark.full
def test_ascents_on_the_own_hessian():
    """From 200 starts the least eigenvalue and the norm are pushed to the boundary of a ball."""
    activation = "softplus"
    for seed in range(2):
        net = drawn(SHAPES[1], activation, seed, "ntk")
        net = MLP(
            (*net.weights[:2], net.weights[2][:1]),
            (*net.biases[:2], None),
            net.scales,
            net.activation,
        )
        x, radius = jnp.array([0.4, -0.3, 0.8, 0.1]), (0.3, 1.0)[seed]
        bound = float(certify.network_bounds(net, x[None], radius).hessian_norms[0])
        vectors, build = ravel_pytree(net)

        def scores(v, x=x, build=build):
            found = jnp.linalg.eigvalsh(jax.hessian(lambda w: build(w)(x)[0])(v))
            return jnp.stack([-found[0], found[-1]])

        @jax.jit
        @jax.vmap
        def ascent(v, key, which, center=vectors, radius=radius, scores=scores):
            first = jax.random.normal(key, v.shape)
            start = center + radius * first / jnp.linalg.norm(first) * jax.random.uniform(key)

            def step(v, _):
                slope = jax.grad(lambda v: scores(v) @ which)(v)
                v = v + 0.2 * radius * slope / (jnp.linalg.norm(slope) + 1e-12) - center
                return center + v * jnp.minimum(1.0, radius / jnp.linalg.norm(v)), None

            end, _ = jax.lax.scan(step, start, None, 25)
            return scores(end)

        starts = jnp.broadcast_to(vectors, (100, len(vectors)))
        which = jnp.eye(2)[jnp.arange(100) % 2]
        found = float(ascent(starts, jax.random.split(jax.random.key(seed), 100), which).max())
        at_start = float(scores(vectors).max())
        assert 1.05 * at_start < found <= bound


def closed_form(net: MLP, x, radius: float) -> float:
    """The norm of the comparison matrix of one hidden layer, without adjoints at the centre."""
    slope, curvature, _ = net.activation.suprema
    length = math.sqrt(float(x @ x) + 1.0)
    largest = float(jnp.abs(net.weights[1]).max())
    alpha, beta = (largest + radius) * curvature * length**2, slope * length
    return (alpha + math.sqrt(alpha**2 + 4 * beta**2)) * net.scales[1] / 2


@pytest.mark.full
def test_one_hidden_layer_is_within_its_closed_form():
    """At most the closed form anywhere; equal to it where slopes and curvatures are the largest."""
    x = jnp.array([[0.3, -1.2]])
    net = mlp((2, 64, 1), jax.random.key(0), activation="tanh")
    for radius in (0.0, 0.5, 2.0):
        bound = float(certify.network_bounds(net, x, radius).hessian_norms[0])
        rough = closed_form(net, x[0], radius)
        assert 0.5 * rough < bound <= rough * (1.0 + 1e-12)
    far = float(certify.network_bounds(net, x, 1e3).hessian_norms[0])
    assert far == pytest.approx(closed_form(net, x[0], 1e3), rel=1e-9)


def power_iteration(net: MLP, x, rounds: int = 60) -> float:
    """Approaches the norm of the Hessian of a scalar network from below."""
    vectors, build = ravel_pytree(net)

    @jax.jit
    def times(direction):
        return jax.jvp(jax.grad(lambda v: build(v)(x)[0]), (vectors,), (direction,))[1]

    direction = jax.random.normal(jax.random.key(9), vectors.shape)
    for _ in range(rounds):
        direction = times(direction / jnp.linalg.norm(direction))
    return float(jnp.linalg.norm(direction))


@pytest.mark.full
@pytest.mark.parametrize(
    ("sizes", "activation", "start", "share"),
    [
        ((2, 1024, 1), "tanh", "gaussian", 1.1),
        ((2, 4096, 1), "tanh", "gaussian", 1.1),
        ((2, 1024, 1), "softplus", "gaussian", 1.3),
        ((2, 4096, 1), "softplus", "gaussian", 1.3),
        ((2, 512, 512, 1), "softplus", "orthogonal", 2.0),
    ],
)
def test_bounds_are_tight_at_radius_zero(sizes, activation, start, share):
    net = mlp(sizes, jax.random.key(0), activation=activation, start=start)
    x = jnp.array([[0.6, 0.8]])
    bound = float(certify.network_bounds(net, x, 0.0).hessian_norms[0])
    assert 1.0 <= bound / power_iteration(net, x[0]) <= share


@pytest.mark.full
def test_gradients_are_exact_at_radius_zero():
    """Of one output they are the norms of the gradients, whatever the number of layers."""
    net = drawn((4, 4, 4, 4), "tanh", 3, "standard")
    first = MLP(
        (*net.weights[:-1], net.weights[-1][:1]),
        (*net.biases[:-1], jnp.zeros(1)),
        net.scales,
        net.activation,
    )
    inputs = np.random.default_rng(0).normal(size=(TRIALS, 4))
    bounds = certify.network_bounds(first, jnp.asarray(inputs), 0.0)
    points = nearby(first, [0.0] * 3, inputs, 0.0, np.random.default_rng(1))
    _, jacobians, _ = derivatives(first, points, np.ones((TRIALS, 1)))
    for j, jacobian in enumerate(jacobians):
        true = np.linalg.norm(jacobian[:, 0], axis=1)
        assert bounds.gradients[:, j] == pytest.approx(true, rel=1e-10)
        assert (np.asarray(bounds.gradients[:, j]) >= true * (1 - 1e-14)).all()


def test_means_over_samples():
    """The mean of Hessians and squares of gradients, for true ones that are known exactly."""
    net = drawn((4, 4, 4, 4), "tanh", 3, "standard")
    inputs = np.random.default_rng(0).normal(size=(TRIALS, 4))
    bounds = certify.network_bounds(net, jnp.asarray(inputs), 0.0)
    slopes = np.random.default_rng(2).uniform(size=TRIALS)
    unit = np.tile(np.eye(4)[1], (TRIALS, 1))
    points = nearby(net, [0.0] * 3, inputs, 0.0, np.random.default_rng(1))
    _, jacobians, hessians = derivatives(net, points, unit)
    by_weights = np.concatenate(jacobians[1:], 2)[:, 1]
    weighted = slopes[:, None, None] * hessians[:, 4:, 4:]
    squares = by_weights[:, :, None] * by_weights[:, None, :]
    true = np.linalg.norm((weighted + squares).mean(0), 2)
    found = float(bounds.mean_hessian_norm(jnp.asarray(slopes), 1.0))
    parts = slopes * np.asarray(bounds.hessian_norms) + np.asarray(bounds.gradient_norms) ** 2
    assert true <= found <= parts.mean() * (1.0 + 1e-12)
    assert float(bounds.mean_hessian_norm()) <= float(bounds.hessian_norms.mean()) * (1 + 1e-12)


def test_norms_of_comparison_matrices():
    """Against NumPy: mixed blocks, decoupled blocks, zeros and infinities."""
    matrices = np.abs(np.random.default_rng(0).normal(size=(8, 3, 3)))
    matrices = matrices + matrices.swapaxes(1, 2)
    matrices[0], matrices[1] = 0.0, np.diag([1.0, 3.0, 2.0])
    matrices[2], matrices[3] = [[0, 2, 0], [2, 0, 0], [0, 0, 1]], 1e-200 * matrices[3]
    found = np.asarray(_norms(matrices))
    true = np.linalg.norm(matrices, 2, (1, 2))
    assert (found >= true * (1 - 1e-15)).all()
    assert found == pytest.approx(true, rel=1e-9, abs=1e-300)
    matrices[4, 0, 0] = np.inf
    assert np.asarray(_norms(matrices))[4] == np.inf
    assert (np.asarray(_norms(matrices))[5:] == found[5:]).all()


def test_one_layer_has_no_curvature():
    net = mlp((4, 4), jax.random.key(0))
    net = MLP(net.weights, (jnp.zeros(4),), net.scales, net.activation)
    bounds = certify.network_bounds(net, jnp.ones((TRIALS, 4)), 0.5)
    # The output is bilinear in input and weights, and its slope is the input with a one.
    assert (np.asarray(bounds.hessian_norms) == 0.0).all()
    assert np.asarray(bounds.mixed_hessian_norms) == pytest.approx(np.ones(TRIALS))
    assert np.asarray(bounds.gradient_norms) == pytest.approx(np.sqrt(5.0) * np.ones(TRIALS))
    assert np.asarray(bounds.reach) == pytest.approx(0.5 * np.sqrt(5.0) * np.ones(TRIALS))


def test_lower_precision_is_taken_exactly():
    net = mlp((4, 4, 4, 4), jax.random.key(0), activation="tanh")
    coarse = jax.tree.map(lambda x: x.astype(jnp.float32), net)
    exact = jax.tree.map(lambda x: x.astype(jnp.float64), coarse)
    inputs = jnp.ones((TRIALS, 4))
    one, two = (certify.network_bounds(n, inputs, 0.1).comparison for n in (coarse, exact))
    assert (one == two).all()


def test_errors():
    net = mlp((2, 4, 1), jax.random.key(0))
    wrong = (ValueError, TypeCheckError)
    with pytest.raises(ValueError, match=r"shape \(samples, 2\)"):
        certify.network_bounds(net, jnp.ones((3, 3)), 0.1)
    with pytest.raises(wrong, match=r"shape \(samples, 2\)|Type-check error"):
        certify.network_bounds(net, jnp.ones(2), 0.1)
    with pytest.raises(ValueError, match="finite numbers"):
        certify.network_bounds(net, jnp.full((1, 2), jnp.nan), 0.1)
    with pytest.raises(ValueError, match="radius is finite and at least zero"):
        certify.network_bounds(net, jnp.ones((1, 2)), -0.1)
    with pytest.raises(ValueError, match="one for each of 2 layers"):
        certify.network_bounds(net, jnp.ones((1, 2)), [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="input_radius is finite"):
        certify.network_bounds(net, jnp.ones((1, 2)), 0.1, input_radius=math.inf)
    with pytest.raises(ValueError, match="at least zero"):
        square = mlp((4, 4, 4), jax.random.key(0), activation="tanh")
        certify.network_bounds(square, jnp.ones((TRIALS, 4)), 0.1).mean_hessian_norm(-1.0)
