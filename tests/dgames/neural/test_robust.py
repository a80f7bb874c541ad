"""Distributionally robust training, against closed forms and exact proximal steps."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg
from dgames.neural import Robust, logistic, softmax_cross_entropy
from dgames.nn import mlp
from dgames.strategy import norm, ravel

MIRRORS = dg.EuclideanMirror(), dg.EntropyMirror()


def two_classes(count, seed=0):
    """Points of the unit disc, labelled by the sign of a quadratic."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-0.7, 0.7, (count, 2))
    return jnp.asarray(x), jnp.asarray(np.where(x[:, 0] * x[:, 1] > 0, 1, -1))


def training(value, count=12, units=16, decay=0.3):
    """A game with its start and data."""
    net = mlp((2, units, 1), jax.random.key(1), start="antisymmetric")
    data = two_classes(count)
    players = count if value.groups is None else value.groups.count
    game = dg.ZeroSumNetworks(value, start=(net, None), decay=(decay, 0.0))
    return game, (net, jnp.full(players, 1 / players)), data


def test_losses_against_their_definitions():
    rng = np.random.default_rng(2)
    f = rng.normal(size=3)
    for label in (jnp.array(-1), jnp.array(1.0)):
        expected = np.log1p(np.exp(-float(label) * f[0]))
        assert_allclose(logistic(jnp.asarray(f[:1]), label), expected, rtol=1e-14)
    for label in (jnp.array(2), jnp.array(2.0)):
        expected = -np.log(np.exp(f[2]) / np.exp(f).sum())
        found = softmax_cross_entropy(jnp.asarray(f), label)
        assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("divergence", ("entropy", "chi_square"))
def test_value_against_its_formula(divergence):
    value = Robust(logistic, 0.5, divergence)
    game, (net, _), (x, y) = training(value)
    net = jax.tree.map(lambda leaf: leaf + 0.1, net)
    p = np.random.default_rng(0).dirichlet(np.ones(12))
    margins = np.asarray(y) * np.asarray(jax.vmap(net)(x))[:, 0]
    costs = {
        "entropy": np.sum(p * np.log(12 * p)),
        "chi_square": 6 * np.sum((p - 1 / 12) ** 2),
    }
    moved = sum(0.01 * leaf.size for leaf in jax.tree.leaves(net))
    expected = p @ np.log1p(np.exp(-margins)) - 0.5 * costs[divergence] + 0.3 / 2 * moved
    assert_allclose(game.payoff((net, jnp.asarray(p)), (x, y)), expected, rtol=1e-12)


def test_worst_weights_of_the_entropy_are_a_softmax_of_losses():
    value = Robust(logistic, 0.5)
    game, start, data = training(value)
    run = dg.solve(game, dg.MirrorDescent(0.2, MIRRORS), start, data, tol=1e-11, max_steps=2000)
    assert run.residual < 1e-10
    net, p = run.strategy
    assert_allclose(p, jax.nn.softmax(value.losses(net, data) / 0.5), atol=1e-10)

    def outer(net):
        worst = 0.5 * jax.nn.logsumexp(value.losses(net, data) / 0.5 - jnp.log(12.0))
        moved = jax.tree.map(jnp.subtract, net, start[0])
        return worst + 0.15 * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(moved))

    assert norm(jax.grad(outer)(net)) < 1e-9


@pytest.mark.full
def test_worst_weights_of_chi_square_are_a_projection_and_extragradient_agrees():
    value = Robust(logistic, 0.1, "chi_square")
    game, start, data = training(value)
    runs = [
        dg.solve(game, method, start, data, tol=1e-11, max_steps=5000)
        for method in (dg.Extragradient(0.3), dg.MirrorDescent(0.05, dg.EuclideanMirror()))
    ]
    for run in runs:
        net, p = run.strategy
        worst = dg.Simplex().project(1 / 12 + value.losses(net, data) / (12 * 0.1))
        assert run.residual < 1e-10
        assert_allclose(p, worst, atol=1e-9)
    first, second = (ravel(run.strategy)[0] for run in runs)
    assert_allclose(first, second, atol=1e-9)


def test_a_mixed_step_is_the_proximal_one():
    """The step minimises `h <G, u> + h R(u) + D(u, z)`: its optimality conditions hold."""
    h, tau, rho = 0.37, 0.5, 0.3
    value = Robust(logistic, tau)
    game, (start, p), data = training(value, decay=rho)
    net = jax.tree.map(lambda leaf: leaf + 0.05, start)
    p = jnp.asarray(np.random.default_rng(1).dirichlet(np.ones(12)))
    method, field = dg.MirrorDescent(h, MIRRORS), dg.pseudo_gradient(game)
    (after, q), _ = method.step(field, (net, p), method.init(field, (net, p)), data)
    mean_loss = jax.grad(lambda net: p @ value.losses(net, data))(net)
    conditions = jax.tree.map(
        lambda g, new, old, zero: h * g + h * rho * (new - zero) + new - old,
        mean_loss,
        after,
        net,
        start,
    )
    assert norm(conditions) < 1e-13
    slope = -h * value.losses(net, data) + h * tau * jnp.log(12 * q) + jnp.log(q / p)
    assert np.ptp(slope) < 1e-13  # constant on the simplex
    assert_allclose(q.sum(), 1, rtol=1e-14)


def test_explicit_steps_are_gradient_steps():
    value = Robust(logistic, 0.5)
    game, (start, p), data = training(value)
    x = (jax.tree.map(lambda leaf: leaf + 0.05, start), p)
    field, method = dg.pseudo_gradient(game), dg.MirrorDescent(0.1, MIRRORS, implicit=False)
    (net, _), _ = method.step(field, x, method.init(field, x), data)
    (expected, _), _ = dg.Simultaneous(0.1).step(field, x, None, data)
    assert_allclose(net.weights[0], expected.weights[0], atol=1e-15)


def test_groups_weigh_mean_losses():
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 0])
    value = Robust(logistic, 0.5, groups=labels)
    _, (net, p), data = training(value)
    single = Robust(logistic, 0.5).losses(net, data)
    expected = [np.asarray(single)[labels == k].mean() for k in range(3)]
    assert_allclose(value.losses(net, data), expected, rtol=1e-14)
    assert p.shape == (3,)


def test_divergence_of_mixed_geometries():
    x, y = (jnp.array([3.0, 0.0]), jnp.array([0.2, 0.8])), (jnp.zeros(2), jnp.array([0.5, 0.5]))
    expected = 4.5 + 0.2 * np.log(0.4) + 0.8 * np.log(1.6)
    assert_allclose(dg.divergence(MIRRORS, x, y), expected, rtol=1e-14)


def test_errors():
    for arguments, message in (
        ((0.0,), "temperature must be positive"),
        ((1.0, "renyi"), "divergence is"),
        ((1.0, "entropy", [0, 2]), "none of them may be empty"),
        ((1.0, "entropy", [0.5, 1.0]), "whole numbers"),
    ):
        with pytest.raises(
            (ValueError, jaxtyping.TypeCheckError), match=rf"{message}|Type-check error"
        ):
            Robust(logistic, *arguments)  # pyright: ignore[reportArgumentType]
    game, (net, _), data = training(Robust(logistic, 1.0))
    with pytest.raises(ValueError, match="one weight for each of the 12 data"):
        game.payoff((net, jnp.full(3, 1 / 3)), data)
    game, (net, p), data = training(Robust(logistic, 1.0, groups=[0, 1]))
    with pytest.raises(ValueError, match="each of the 12 data"):
        game.payoff((net, p), data)
    with pytest.raises(ValueError, match="mirror maps are one, or one for each of the players"):
        dg.MirrorDescent(0.1, (dg.EntropyMirror(),)).init(dg.pseudo_gradient(game), (net, p), data)
