"""Generators and discriminators: the value, its samples, and the game of last layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError
from scipy.optimize import minimize
from scipy.special import expit

import dgames as dg

KEYS = jax.random.split(jax.random.key(3), 8)
X = jax.random.normal(KEYS[0], (6, 2)) + 0.5
Z = jax.random.normal(KEYS[1], (5, 3))
GENERATOR = dg.nn.mlp((3, 8, 2), KEYS[2], activation="tanh", output_bias=True)
DISCRIMINATOR = dg.nn.mlp((2, 10, 1), KEYS[3])


def by_hand(net, x, activation):
    first, second = (np.asarray(weight) for weight in net.weights)
    bias = 0 if net.biases[1] is None else np.asarray(net.biases[1])
    hidden = activation(net.scales[0] * x @ first.T + np.asarray(net.biases[0]))
    return net.scales[1] * hidden @ second.T + bias


@pytest.mark.parametrize("loss", ["wasserstein", "logistic"])
def test_value_is_the_formula(loss):
    samples = by_hand(GENERATOR, np.asarray(Z), np.tanh)
    on_data, on_samples = (
        by_hand(DISCRIMINATOR, np.asarray(x), lambda t: np.logaddexp(0, t)) for x in (X, samples)
    )
    if loss == "wasserstein":
        expected = on_data.mean() - on_samples.mean()
    else:  # the usual form, in probabilities
        expected = np.log(expit(on_data)).mean() + np.log(1 - expit(on_samples)).mean()
    value = dg.Adversarial(loss)
    assert np.isclose(value(GENERATOR, DISCRIMINATOR, (X, Z)), expected, rtol=1e-13)
    assert np.allclose(value.samples(GENERATOR, Z), samples, rtol=1e-13)


def test_a_residual_generator_that_is_zero_leaves_the_noise():
    zero = dg.nn.mlp((2, 8, 2), KEYS[4], start="antisymmetric")
    moved = dg.Adversarial(residual=True).samples(zero, Z[:, :2])
    assert np.allclose(moved, Z[:, :2], atol=1e-15)
    assert np.allclose(dg.Adversarial().samples(zero, Z[:, :2]), 0, atol=1e-15)


@pytest.mark.parametrize(
    ("value", "nets", "data", "words"),
    [
        (dg.Adversarial(), (GENERATOR, DISCRIMINATOR), (X[:, :1], Z), "as many columns"),
        (dg.Adversarial(), (GENERATOR, GENERATOR), (Z, Z), "as many columns"),
        (
            dg.Adversarial(),
            (GENERATOR, dg.nn.mlp((2, 4, 2), KEYS[4])),
            (X, Z),
            "discriminator has one output",
        ),
        (dg.Adversarial(residual=True), (GENERATOR, DISCRIMINATOR), (X, Z), "residual=True"),
    ],
)
def test_what_does_not_fit_is_named(value, nets, data, words):
    with pytest.raises(ValueError, match=words):
        value(*nets, data)


def test_losses_are_named():
    with pytest.raises((ValueError, TypeCheckError), match=r"wasserstein|Type-check error"):
        dg.Adversarial("hinge")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("loss", ["wasserstein", "logistic"])
@pytest.mark.parametrize("activation", ["sigmoid", "sin"])
def test_every_best_reply_is_in_the_ball(loss, activation):
    """The best reply to random generators, found without the ball, by another package."""
    game = dg.games.RandomFeatureGAN.random(
        KEYS[5], X, X[:4] - 3, (4, 12), loss=loss, activation=activation, decay=(1.0, 0.1)
    )
    for key in jax.random.split(KEYS[6], 3):
        matrix = 3 * jax.random.normal(key, (2, 5))
        against = jax.jit(
            jax.value_and_grad(lambda phi, matrix=matrix: -game.payoff((matrix, phi)))
        )
        reply = minimize(against, np.zeros(12), jac=True, method="BFGS", tol=1e-8).x
        assert 0 < np.linalg.norm(reply) <= game.largest_reply()
    if loss == "wasserstein" and activation == "sin":
        assert game.largest_reply() == 20.0


def test_random_features_are_checked():
    layer = (jnp.ones((3, 2)), jnp.ones(3))
    with pytest.raises(ValueError, match="bounded"):
        dg.games.RandomFeatureGAN(X, X, layer, layer, activation=dg.nn.Activation("softplus"))
    with pytest.raises(ValueError, match="positive"):
        dg.games.RandomFeatureGAN(X, X, layer, layer, decay=(1.0, 0.0))
    with pytest.raises((ValueError, TypeCheckError), match=r"as many columns|Type-check error"):
        dg.games.RandomFeatureGAN(X, Z, layer, layer)
    with pytest.raises((ValueError, TypeCheckError), match=r"the generator|Type-check error"):
        dg.games.RandomFeatureGAN(X, X, (jnp.ones((3, 2)), jnp.ones(4)), layer)
