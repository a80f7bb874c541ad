"""Adversarial networks with random features: sampled quotients, true constants, best replies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from certify.prove.closed_form import random_feature_gan as proofs
from dgames.games import RandomFeatureGAN
from dgames.neural.adversarial import AdversarialLoss
from dgames.nn import Activation

KEYS = jax.random.split(jax.random.key(8), 8)
X = 0.5 * jax.random.normal(KEYS[0], (12, 2)) + jnp.array([[0.6, 0.0]])
Z = 0.5 * jax.random.normal(KEYS[1], (10, 2))


def small(
    activation="sin",
    loss: AdversarialLoss = "wasserstein",
    decay=(1.0, 1.0),
    sharpness=1.0,
    frequency=0.3,
):
    game = RandomFeatureGAN.random(KEYS[2], X, Z, (6, 40), frequency=frequency, loss=loss)
    layers = game.generator, game.discriminator
    return RandomFeatureGAN(X, Z, *layers, decay, loss, Activation(activation, sharpness))


CASES = [
    small(),
    small("tanh", "logistic"),
    small("sigmoid", "logistic", sharpness=2.0),
    small("erf", sharpness=0.8),
]
NAMES = [f"{game.activation.name}-{game.loss}" for game in CASES]
every_case = pytest.mark.parametrize("game", CASES, ids=NAMES)


def distance(x, y):
    return float(jnp.linalg.norm(dg.ravel(jax.tree.map(jnp.subtract, x, y))[0]))


@pytest.mark.thin(2)
@every_case
def test_margin_and_lipschitz_constant_hold_at_random_points_of_the_region(game):
    """True Jacobians, with phi on the sphere and T small and large."""
    constants = certify.closed_form_bounds(game).constants
    _, unravel = dg.ravel(game.start())
    force = dg.pseudo_gradient(game)

    @jax.jit
    def jacobian(matrix, phi):
        flat = dg.ravel((matrix, phi))[0]
        return jax.jacobian(lambda z: dg.ravel(force(unravel(z)))[0])(flat)

    least, most = np.inf, 0.0
    for n, key in enumerate(jax.random.split(KEYS[3], 8)):
        one, two = jax.random.split(key)
        phi = jax.random.normal(one, (40,)) + (n % 3) * 2  # features of one sign add up
        phi = phi / jnp.linalg.norm(phi) * game.largest_reply() * (-1) ** n
        matrix = 3.0 ** (n % 4 - 2) * jax.random.normal(two, (2, 7))
        found = np.asarray(jacobian(matrix, phi))
        least = min(least, np.linalg.eigvalsh(found + found.T)[0] / 2)
        most = max(most, np.linalg.norm(found, 2))
    assert constants.margin <= least and most <= constants.lipschitz


def test_the_worst_direction_attains_the_bound_of_the_curvature():
    """One feature, one sample: every inequality of the proof is an equality, but for chi."""
    nothing = (jnp.array([[0.0]]), jnp.array([0.0]))
    at_rest = (jnp.array([[0.5]]), jnp.array([-jnp.pi / 2]))
    game = RandomFeatureGAN(jnp.zeros((1, 1)), jnp.zeros((1, 1)), nothing, at_rest, (1.0, 1.0))
    constants = certify.closed_form_bounds(game).constants
    assert constants.margin == pytest.approx(1 - 2 * 0.25, abs=1e-12)
    point = (jnp.zeros((1, 2)), jnp.array([2.0]))

    def own(matrix):
        return game.costs((matrix, point[1]))[0]

    # sin bends by one at its top, D = 2 sin(y / 2 - pi / 2) by 1/2; beta is minus the identity.
    hessian = jax.hessian(own)(point[0])[0, 1, 0, 1]
    assert float(hessian) == pytest.approx(1 - 0.5, abs=1e-12)


def test_bounds_on_features_are_nearly_what_they_bound():
    game = small()
    bounds = proofs.feature_bounds(game)
    weights = np.asarray(game.discriminator[0])
    angles = np.linspace(0, np.pi, 2001)
    directions = np.stack([np.cos(angles), np.sin(angles)])
    fourth = np.sqrt(np.mean((weights @ directions) ** 4, 0)).max()
    assert fourth <= bounds.fourth <= 1.25 * fourth
    slope = np.linalg.norm(weights, 2) / np.sqrt(40)
    assert slope <= bounds.slope <= slope * (1 + 1e-7)
    chi = np.asarray(game.generator_features(Z))
    generator = np.linalg.eigvalsh(chi.T @ chi / len(Z))[-1]
    assert generator <= bounds.generator <= generator * (1 + 1e-7)


def test_the_residual_is_that_of_the_code():
    game = small(loss="logistic", decay=(1.2, 0.9))
    point = (jax.random.normal(KEYS[4], (2, 7)), 0.2 * jax.random.normal(KEYS[5], (40,)))
    true = float(jnp.linalg.norm(dg.ravel(dg.pseudo_gradient(game)(point))[0]))
    assert true <= proofs.residual_above(game, point) <= true + 1e-11
    start = game.start()
    true = float(jnp.linalg.norm(dg.ravel(dg.pseudo_gradient(game)(start))[0]))
    assert true <= proofs.residual_above(game, start) <= true + 1e-11
    quick = proofs.residual_of_start(game, proofs.feature_bounds(game))
    assert true <= quick <= 4 * true


@pytest.mark.full
def test_a_million_features_take_seconds():
    game = RandomFeatureGAN.random(KEYS[2], X, Z, (1_000, 1_000_000))
    proof = certify.certify_closed_form(game)
    assert proof.status == "proved" and proof.margin > 0.7 and proof.equilibrium.radius < 0.5


@pytest.mark.full
def test_learning_converges_from_everywhere_as_proved():
    game = small(frequency=0.2)
    proof = certify.certify_closed_form(game, methods=(dg.Simultaneous, dg.Extragradient))
    assert proof.status == "proved" and proof.margin > 0.3 and proof.equilibrium.radius < 1e-8
    assert proof.equilibrium.basin == np.inf
    start = (5 * jax.random.normal(KEYS[6], (2, 7)), jnp.full(40, 0.3))
    away = distance(start, proof.equilibrium.center)
    for method in (dg.Simultaneous, dg.Extragradient):
        steps = proof.iterations(method, away + proof.equilibrium.radius, 1e-6)
        run = dg.solve(game, proof.safe_method(method), start, max_steps=steps, tol=0.0)
        gap = distance(run.strategy, proof.equilibrium.center)
        assert gap <= 1e-6 + proof.equilibrium.radius


def test_methods_whose_theorem_does_not_project_have_no_step():
    proof = certify.certify_closed_form(
        small(), point=small().start(), methods=(dg.Extragradient, dg.Optimistic)
    )
    assert "optimistic" in proof.methods_without_step and "extragradient" in proof.step_sizes
    with pytest.raises(ValueError, match="strategy sets"):
        proof.safe_method(dg.Optimistic)


def test_points_outside_of_the_set_and_weak_decay_prove_nothing():
    game = small()
    outside = (game.start()[0], jnp.full(40, 1.0))
    assert certify.certify_closed_form(game, point=outside).status == "undecided"
    weak = certify.certify_closed_form(small(decay=(0.1, 0.1)))
    assert weak.status == "undecided" and weak.margin < 0
