"""Competitive Adam against competitive gradient descent, and against dense algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from dgames.games import Bilinear

h = 0.3


def test_with_squares_of_one_it_is_competitive_gradient_descent():
    """At (1, 1) all gradients of `x y` have the length one, and so have their averages."""
    x, method = (jnp.array(1.0), jnp.array(1.0)), dg.CompetitiveAdam(h, epsilon=0.0)
    game = Bilinear()
    field = dg.pseudo_gradient(game)
    found, (squares, power, _) = method.step(field, x, method.init(field, x))
    expected, _ = dg.Simultaneous(h).step(dg.Competitive(game, h), x, None)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_allclose([*squares, power], [0.01, 0.01, 0.99])


@pytest.mark.parametrize("zero_sum", [True, False])
def test_steps_of_dense_algebra(zero_sum):
    rng = np.random.default_rng(0)
    B, C = rng.normal(size=(2, 3)), rng.normal(size=(3, 2))

    def payoff(x, args=None):
        return x[0] @ B @ x[1] + jnp.sum(x[0])

    def costs(x, args=None):
        return payoff(x), x[1] @ C @ x[0] + jnp.sum(x[1] ** 2)

    J = np.block([[np.zeros((2, 2)), B], [-B.T if zero_sum else C, np.zeros((3, 3))]])
    own = np.diag([0.0, 0.0, *[0.0 if zero_sum else 2.0] * 3])
    c = np.array([1.0, 1.0, 0.0, 0.0, 0.0])
    field = dg.pseudo_gradient(dg.zero_sum(payoff) if zero_sum else dg.game(costs))
    method = dg.CompetitiveAdam((0.2, h), 0.9, 1e-3)
    v = rng.normal(size=5)
    x, expected, squares = (jnp.array(v[:2]), jnp.array(v[2:])), v, np.zeros(5)

    @jax.jit
    def steps(x):
        def step(carry, _):
            carry = method.step(field, *carry)
            return carry, carry

        return jax.lax.scan(step, (x, method.init(field, x)), length=4)[1]

    found, _ = steps(x)
    for t in range(4):
        F = (J + own) @ expected + c
        squares = 0.9 * squares + 0.1 * F**2
        sizes = np.array([0.2, 0.2, h, h, h])
        H = sizes * np.sqrt(1 - 0.9 ** (t + 1)) / (np.sqrt(squares) + 1e-3)
        expected = expected - np.linalg.solve(np.diag(1 / H) + J, F)
        now = jnp.concatenate([own[t] for own in found])
        np.testing.assert_allclose(now, expected, rtol=1e-8, atol=1e-10)


def test_spectrum_on_the_bilinear_game_with_frozen_squares():
    """With averages of one in the state the step is that of competitive gradient descent."""
    method, field = dg.CompetitiveAdam(h, 0.5, 0.0), dg.pseudo_gradient(Bilinear())
    one, zero = (jnp.array(1.0),) * 2, (jnp.array(0.0),) * 2

    def step(v):
        (x, y), _ = method.step(field, (v[0], v[1]), (one, jnp.array(1.0), zero))
        return jnp.stack([x, y])

    # After the step averages are 1/2 + F^2 / 2, whose root is 1/sqrt(2) at the origin: H = h.
    eigenvalues = np.linalg.eigvals(np.asarray(jax.jacfwd(step)(jnp.zeros(2))))
    np.testing.assert_allclose(np.abs(eigenvalues), 1 / np.sqrt(1 + h**2), rtol=1e-10)


def test_the_derivative_is_finite_at_rest():
    field, zero = dg.pseudo_gradient(Bilinear()), (jnp.array(0.0), jnp.array(0.0))
    assert np.isfinite(dg.step_jacobian(field, dg.CompetitiveAdam(h), zero)).all()


def test_shared_constraints_are_refused():
    line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    field = dg.pseudo_gradient(dg.game(lambda x, _: (x[0] ** 2, x[1] ** 2), shared=line))
    x, method = (jnp.array(0.0), jnp.array(0.0)), dg.CompetitiveAdam(h)
    with pytest.raises(ValueError, match="shared constraints"):
        method.step(field, x, method.init(field, x))
