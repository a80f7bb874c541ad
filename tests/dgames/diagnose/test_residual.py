"""Residuals and one-step Jacobians."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import dgames as dg

BIL = dg.zero_sum(lambda x, args: args * x[0] * x[1])


def test_residual_without_constraints_is_the_norm_of_the_field():
    assert dg.residual(BIL, (3.0, 4.0), 2.0) == 10.0


def test_residual_with_constraints_is_zero_exactly_at_solutions():
    game = dg.game(lambda x, args: ((x[0] - 3) ** 2,), dg.Box(0.0, 1.0))
    assert dg.residual(game, (1.0,)) == 0.0
    assert dg.residual(game, (0.75,)) == 0.25
    assert dg.residual(game, (2.0,)) == 1.0  # outside, though the field points elsewhere


def test_residual_has_no_rounding_floor_without_constraints():
    game = dg.game(lambda x, args: (1e-14 * x[0],))
    assert dg.residual(game, (1e6,)) == 1e-14


def test_residual_of_mixed_sets_counts_each_player_by_its_own():
    game = dg.game(lambda x, args: (3 * x[0], -x[1]), (dg.Euclidean(), dg.Box(0.0, 1.0)))
    assert dg.residual(game, (1.0, 1.0)) == 3.0


@pytest.mark.parametrize("method", [dg.Optimistic(0.3), dg.ComplexMomentum(0.3, 0.2 + 0.4j)])
def test_step_jacobian_is_the_linear_dynamics(method):
    """For a linear game the matrix takes one augmented state to the next."""
    field = dg.pseudo_gradient(BIL)
    x = (jnp.array(0.3), jnp.array(-0.7))
    state = jax.tree.map(lambda leaf: leaf + 0.5, method.init(field, x, 2.0))
    matrix = dg.step_jacobian(BIL, method, x, 2.0)
    before, _ = dg.ravel((x, state))
    after, _ = dg.ravel(method.step(field, x, state, 2.0))
    assert matrix.shape == (before.size, before.size)
    assert np.allclose(matrix @ before, after, atol=1e-14)


def test_step_jacobian_at_a_given_state():
    """Adam's step depends on its state; its counter is held fixed."""
    method = dg.Optax(optax.adam(0.1))
    field = dg.pseudo_gradient(BIL)
    x = (jnp.array(0.3), jnp.array(-0.7))
    _, state = method.step(field, x, method.init(field, x, 1.0), 1.0)
    matrix = dg.step_jacobian(BIL, method, x, 1.0, state)
    assert matrix.shape == (6, 6)
    step = 1e-6
    above, below = (method.step(field, (x[0] + d, x[1]), state, 1.0)[0] for d in (step, -step))
    slopes = [(a - b) / (2 * step) for a, b in zip(above, below, strict=True)]
    assert np.allclose(matrix[:2, 0], slopes, atol=1e-7)
    assert not np.allclose(matrix, dg.step_jacobian(BIL, method, x, 1.0), atol=1e-3)


def test_malformed_games():
    with pytest.raises(ValueError, match="the payoff must be a scalar"):
        dg.step_jacobian(dg.zero_sum(lambda x, args: x), dg.Simultaneous(0.1), (1.0, 1.0))
