"""Regressions against adversaries: proved constants against sampled ones, and runs."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from dgames.games import PerturbedRegression, ReweightedRegression

GENERATOR = np.random.default_rng(5)
INPUTS = GENERATOR.normal(size=(30, 3)) / 2
TARGETS = INPUTS @ np.array([1.0, -1.0, 0.5]) + 0.1 * GENERATOR.normal(size=30)
LABELS = np.sign(TARGETS)
GROUPS = GENERATOR.permutation(np.arange(30) % 4)
# The equilibrium is inside of the sets, and on their boundary.
CASES = [
    pytest.param("square", (1.2, 0.6), marks=pytest.mark.full),
    pytest.param("logistic", (0.4, 0.1), marks=pytest.mark.full),
    ("square", (0.4, 0.1)),
    pytest.param("logistic", (1.2, 0.6), marks=pytest.mark.full),
]


def perturbed(loss, bounds, penalty=2.0):
    targets = TARGETS if loss == "square" else LABELS
    return PerturbedRegression(INPUTS, targets, penalty, 0.2, bounds=bounds, loss=loss)


def flat(x):
    return dg.ravel(x)[0]


@pytest.mark.parametrize(("loss", "bounds"), CASES)
def test_sampled_jacobians_are_within_the_constants(loss, bounds, key):
    game = perturbed(loss, bounds)
    proof = certify.certify_closed_form(game)
    assert proof.status == "proved"
    force, unravel = dg.pseudo_gradient(game), dg.ravel(game.start())[1]
    jacobian = jax.jit(jax.jacobian(lambda z: flat(force(unravel(z)))))
    sets: Any = game.strategy_set(game.start())
    worst, largest = np.inf, 0.0
    for k in jax.random.split(key, 20):
        x = tuple(s.sample(k, b) for s, b in zip(sets, game.start(), strict=True))
        # Corners are worse than the middle: w as long as it may be.
        x = x[0] / jnp.linalg.norm(x[0]) * bounds[0], x[1]
        matrix = np.asarray(jacobian(flat(x)))
        worst = min(worst, np.linalg.eigvalsh(matrix + matrix.T)[0] / 2)
        largest = max(largest, np.linalg.norm(matrix, 2))
    assert proof.margin <= worst * (1 + 1e-12)
    assert largest <= proof.lipschitz * (1 + 1e-12)
    assert proof.margin >= 0.4 * worst and proof.lipschitz <= 3 * largest


@pytest.mark.parametrize(("loss", "bounds"), CASES)
def test_projected_runs_reach_the_enclosure_in_the_proved_number_of_steps(loss, bounds, key):
    game = perturbed(loss, bounds)
    proof = certify.certify_closed_form(game)
    center, radius, basin = proof.equilibrium
    assert radius < 1e-9 and basin == np.inf
    sets: Any = game.strategy_set(game.start())
    start = tuple(s.sample(key, b) for s, b in zip(sets, game.start(), strict=True))
    distance = float(jnp.linalg.norm(flat(start) - flat(center))) + radius
    count = proof.iterations(dg.Extragradient, distance, 1e-6)
    run = dg.solve(game, proof.safe_method(dg.Extragradient), start, max_steps=count, tol=0.0)
    assert jnp.linalg.norm(flat(run.strategy) - flat(center)) <= 1e-6 + radius


def test_the_margin_is_lost_with_the_penalty():
    proof = certify.certify_closed_form(perturbed("square", (1.5, 0.1), penalty=2.0))
    assert proof.status == "undecided" and "not positive" in proof.reasons[0]
    assert proof.margin == pytest.approx(2.0 - 1.5**2, abs=1e-12)
    assert certify.certify_closed_form(perturbed("logistic", (1.5, 0.1))).margin == 0.2


@pytest.mark.parametrize(
    ("divergence", "groups"),
    [
        ("entropy", None),
        pytest.param("chi_square", GROUPS, marks=pytest.mark.full),
        pytest.param("entropy", GROUPS, marks=pytest.mark.full),
        pytest.param("chi_square", None, marks=pytest.mark.full),
    ],
)
def test_every_step_shrinks_the_divergence_as_proved(divergence, groups, key):
    game = ReweightedRegression(INPUTS, LABELS, 0.3, 0.2, divergence=divergence, groups=groups)
    proof = certify.certify_closed_form(game)
    center, radius, _ = proof.equilibrium
    step = proof.step_sizes["mirror_descent"]
    assert proof.margin == 0.2 and radius < 1e-6
    method = game.method(step.best)
    w, p = game.start()
    x = (3 * jax.random.normal(key, w.shape), jax.random.dirichlet(key, jnp.ones(p.size)))
    field = dg.pseudo_gradient(game)
    state, advance = method.init(field, x), jax.jit(lambda x, state: method.step(field, x, state))
    before = after = squared(game, center, x)
    for _ in range(20):
        x, state = advance(x, state)
        after = squared(game, center, x)
        assert after <= step.rate**2 * before + 1e-6
        before = after
    # After as many steps as are proved to be enough, the equilibrium is near.
    count = proof.iterations(dg.MirrorDescent, float(np.sqrt(after)) + radius, 1e-4)
    run = dg.solve(game, method, x, max_steps=count, tol=0.0).strategy
    assert float(np.sqrt(squared(game, center, run))) <= 1e-4 + 2 * np.sqrt(radius)


def squared(game, center, x):
    """Twice the Bregman divergence of the equilibrium from a point."""
    (w, p), (v, q) = center, x
    between = 2 * jnp.sum(p * jnp.log(p / q))
    if game.divergence == "chi_square":
        between = game.count * jnp.sum((p - q) ** 2)
    return max(float(jnp.sum((w - v) ** 2) + between), 0.0)


@pytest.mark.parametrize("divergence", ["entropy", "chi_square"])
def test_enclosures_hold_around_other_points(divergence):
    game = ReweightedRegression(INPUTS, LABELS, 0.05, 0.2, divergence=divergence)
    proof = certify.certify_closed_form(game)
    (w, p), radius, _ = proof.equilibrium
    for share in (1e-3, 0.3):
        point = w + share, (1 - share) * p + share / p.size
        far = certify.certify_closed_form(game, point=point).equilibrium.radius
        norm = 1 if divergence == "entropy" else 2
        own = jnp.linalg.norm(point[1] - p, norm) * (1 if norm == 1 else np.sqrt(p.size))
        assert far + radius >= float(jnp.hypot(jnp.linalg.norm(point[0] - w), own))


def test_chi_square_weights_may_vanish_at_the_equilibrium():
    game = ReweightedRegression(INPUTS, LABELS, 0.02, 0.2, divergence="chi_square")
    proof = certify.certify_closed_form(game)
    assert (np.asarray(proof.equilibrium.center[1]) == 0).any()
    assert proof.equilibrium.radius < 1e-6


@pytest.mark.full
def test_roles_by_name():
    game = ReweightedRegression(INPUTS, LABELS, 0.3, 0.2, minimiser="model")
    w, p = game.start()
    proof = certify.certify_closed_form(game, {"data": p, "model": w})
    method = dg.MirrorDescent(0.05, {"data": dg.EntropyMirror(), "model": dg.EuclideanMirror()})
    run = dg.solve(game, method, {"data": p, "model": w}, max_steps=4000, tol=1e-12)
    for name, block in run.strategy.items():
        assert jnp.linalg.norm(block - proof.equilibrium.center[name]) < 1e-6


def test_wrong_data_are_errors():
    with pytest.raises(ValueError, match="labels are -1 and 1"):
        ReweightedRegression(INPUTS, TARGETS, 0.3, 0.2)
    with pytest.raises(ValueError, match="none may be empty"):
        ReweightedRegression(INPUTS, LABELS, 0.3, 0.2, groups=2 * GROUPS)
    with pytest.raises(ValueError, match="targets of the logistic loss are -1 and 1"):
        PerturbedRegression(INPUTS, TARGETS, 1.0, 0.1, bounds=(1.0, 1.0), loss="logistic")
    with pytest.raises(ValueError, match="rows, with one target each"):
        PerturbedRegression(INPUTS, TARGETS[1:], 1.0, 0.1, bounds=(1.0, 1.0))
