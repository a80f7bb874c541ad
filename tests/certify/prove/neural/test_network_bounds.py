"""Bounds of networks against their true derivatives: random points, boundaries, ascents."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
from dgames.nn import MLP, Activation, mlp
from tests.certify.prove.neural.true_derivatives import derivatives, moved

# What a float64 computation of true values may be wrong by.
ROUNDING = 1.0 + 1e-9


def violations(net: MLP, radius: float, input_radius: float, key, trials: int) -> int:
    """Counts how often true derivatives exceed their bounds, at points of the region."""
    keys = jax.random.split(key, 4)
    layers = len(net.weights)
    centers = jax.random.normal(keys[0], (trials, net.sizes[0]))
    # The radius of all layers but one is random, so that each matters by itself at times.
    radii = jnp.asarray(radius) * jax.random.uniform(keys[1], (layers,)) ** 2
    bounds = certify.network_bounds(net, centers, radii, input_radius=input_radius)

    @jax.vmap
    def true(key, x, concentrated):
        first, second, third = jax.random.split(key, 3)
        near = moved(net, first, radii, concentrated)
        step = jax.random.normal(second, x.shape)
        x = x + input_radius * step / jnp.linalg.norm(step)
        unit = jax.random.normal(third, (net.sizes[-1],))
        return derivatives(near, x, unit / jnp.linalg.norm(unit))

    concentrated = jnp.arange(trials) % 2 == 0
    jacobians, hessians, outputs = true(jax.random.split(keys[2], trials), centers, concentrated)
    exceeded = 0
    for j, jacobian in enumerate(jacobians):
        norms = np.linalg.norm(np.asarray(jacobian), 2, (1, 2))
        exceeded += int((norms > np.asarray(bounds.gradients[:, j]) * ROUNDING).sum())
    cuts = np.cumsum([jacobian.shape[2] for jacobian in jacobians])[:-1].tolist()
    comparison = np.asarray(bounds.comparison)
    for i, rows in enumerate(np.split(np.asarray(hessians), cuts, 1)):
        for j, block in enumerate(np.split(rows, cuts, 2)):
            norms = np.linalg.norm(block, 2, (1, 2))
            exceeded += int((norms > comparison[:, i, j] * ROUNDING + 1e-14).sum())
    start = cuts[0]
    whole = np.linalg.norm(np.asarray(hessians)[:, start:, start:], 2, (1, 2))
    exceeded += int((whole > np.asarray(bounds.hessian_norms) * ROUNDING + 1e-14).sum())
    box = bounds.outputs
    inside = (box.lower <= outputs + 1e-12) & (outputs - 1e-12 <= box.upper)
    return exceeded + int((~inside).sum())


def drawn(sizes, activation, key, scale) -> MLP:
    """Draws a network with biases, sometimes large ones, where activations are flat."""
    net = mlp(sizes, key, activation=activation, scale=scale)
    keys = jax.random.split(key, len(net.biases))
    biases = tuple(
        jax.random.normal(k, b.shape) if b is not None else None
        for k, b in zip(keys, net.biases, strict=True)
    )
    return MLP(net.weights, biases, net.scales, net.activation)


@pytest.mark.parametrize("activation", ["tanh", "groupsort", Activation("softplus", 3.0)])
def test_random_points(activation):
    for seed in range(4):
        key = jax.random.key(seed)
        net = drawn((2, 4, 4, 2), activation, key, "ntk")
        assert violations(net, (0.0, 0.1, 1.0, 4.0)[seed], 0.3 * (seed % 2), key, 25) == 0


EVERY = ["tanh", "softplus", "sigmoid", "silu", "gelu", "erf", "sin", "groupsort", "identity"]


@pytest.mark.full
@pytest.mark.parametrize("activation", EVERY)
def test_many_random_points(activation):
    """More than 10^4 trials: nets, data, points, balls; one to three hidden layers."""
    for sizes in ((2, 6, 1), (2, 4, 6, 2), (1, 4, 4, 4, 1)):
        for seed in range(8):
            key = jax.random.key(seed)
            name = Activation(activation, (1.0, 3.0)[seed // 4])
            net = drawn(sizes, name, key, ("ntk", "standard")[seed % 2])
            radius = 10.0 ** (seed % 4 - 2)
            assert violations(net, radius, 0.1 * radius * (seed % 3), key, 50) == 0
