"""Networks against a player who moves their inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

import dgames as dg

KEYS = jax.random.split(jax.random.key(5), 4)
X = jax.random.normal(KEYS[0], (7, 2))
Y = jnp.sign(X[:, 0])
LINEAR = dg.nn.mlp((2, 1), KEYS[1])


def squared(output, y):
    return (output[0] - y) ** 2 / 2


def test_value_is_the_formula():
    xi = jax.random.normal(KEYS[2], X.shape)
    delta = np.sqrt(7) * np.asarray(xi)
    outputs = (np.asarray(X) + delta) @ np.asarray(LINEAR.weights[0])[0]  # no bias
    expected = np.mean((outputs - Y) ** 2 / 2) - 0.3 / 2 * np.mean(np.sum(delta**2, 1))
    value = dg.Perturbed(squared, 0.3)
    assert np.isclose(value(LINEAR, xi, (X, Y)), expected, rtol=1e-13)
    assert np.allclose(value.moved(X, xi), X + delta, rtol=1e-14)


def test_worst_inputs_of_a_linear_network_in_closed_form():
    """With residual e and slope w, `delta = e w / (penalty - |w|^2)` for the squared loss."""
    slope = LINEAR.scales[0] * LINEAR.weights[0][0]
    penalty = 2 * float(slope @ slope)
    game = dg.ZeroSumNetworks(dg.Perturbed(squared, penalty), (LINEAR, None), (0.5, 0.0))
    residual = jax.vmap(LINEAR)(X)[:, 0] - Y
    delta = residual[:, None] * slope[None] / (penalty - slope @ slope)
    field = dg.pseudo_gradient(game)((LINEAR, delta / np.sqrt(7)), (X, Y))
    assert np.abs(field[1]).max() < 1e-14


def test_moves_within_a_radius():
    value = dg.Perturbed(squared, 0.01, radius=0.2)
    game = dg.ZeroSumNetworks(value, (LINEAR, None), (0.5, 0.0))
    run = dg.solve(game, dg.Extragradient(0.2), (LINEAR, jnp.zeros_like(X)), (X, Y))
    moved = np.linalg.norm(value.moved(X, run.strategy[1]) - X, axis=1)
    assert run.result == dg.RESULTS.successful and moved.max() <= 0.2 + 1e-12
    assert np.isclose(moved.max(), 0.2, atol=1e-12)  # the penalty is low: some go to the end


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="penalty"):
        dg.Perturbed(squared, 0.0)
    with pytest.raises(ValueError, match="radius"):
        dg.Perturbed(squared, 1.0, radius=-1.0)
    value = dg.Perturbed(squared, 1.0)
    with pytest.raises((ValueError, TypeCheckError), match=r"shape of the inputs|Type-check error"):
        value(LINEAR, X[:3], (X, Y))
