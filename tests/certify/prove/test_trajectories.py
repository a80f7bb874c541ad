"""Open-loop games of controls, certified: long linear horizons, a unicycle, sets of states."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from dgames.dynamic import (
    LQGame,
    open_loop_newton,
    potential_weights,
    solve_lq,
    unicycle_ride,
    with_initial_states,
)
from dgames.games import Trajectory
from tests.dgames.test_trajectory import scalar, zeros

ONE = np.eye(1)


def zealous(q, horizon):
    """The game `x+ = x + u1 + u2` with costs `(q_i sum x^2 + sum u_i^2) / 2`, and its answer."""
    both = {"a": ONE, "b": ONE}
    game = LQGame(ONE, both, {"a": q[0] * ONE, "b": q[1] * ONE}, both)
    u = solve_lq(game, horizon, "open_loop").play(jnp.ones(1))[1]
    return game, game.trajectory([1.0], horizon), u


@pytest.mark.full
def test_weights_of_a_common_goal():
    game, static, u = zealous((1.0, 5.0), 5)
    weights, margin = potential_weights(game)
    assert weights == {"a": 1.0, "b": 0.2} and margin == 1.0
    field, unravel = dg.pseudo_gradient(static), dg.ravel(u)[1]
    J = np.asarray(jax.jacfwd(lambda z: dg.ravel(field(unravel(z)))[0])(dg.ravel(u)[0]))
    W = np.diag(np.repeat([1.0, 0.2], 5))
    assert np.linalg.eigvalsh(J + J.T).min() / 2 == pytest.approx(-6.4746, abs=1e-4)
    roots = np.sqrt(np.diag(W))
    scaled = roots[:, None] * J / roots
    assert np.linalg.eigvalsh(scaled + scaled.T).min() / 2 == pytest.approx(1.0, abs=1e-12)


def test_goals_that_are_not_common_have_no_such_weights():
    game = LQGame(
        np.eye(2),
        {"a": np.ones((2, 1)), "b": np.ones((2, 1))},
        {"a": np.eye(2), "b": np.diag([1.0, 2.0])},
        {"a": ONE, "b": ONE},
    )
    with pytest.raises(ValueError, match="no positive multiple"):
        potential_weights(game)


@pytest.mark.full
@pytest.mark.parametrize(
    ("horizon", "lipschitz"), [(5, 75.061), pytest.param(20, 1023.43, marks=pytest.mark.full)]
)
def test_long_horizons_have_a_margin_in_these_weights(horizon, lipschitz):
    game, _, u = zealous((1.0, 5.0), horizon)
    weights = potential_weights(game).weights
    static, region = scalar(horizon, (1.0, 5.0)), certify.Box.around(u, 1.0)
    # These costs have no factor one half.
    for metric in (certify.Weights(weights), certify.AutoMetric()):
        proof = certify.certify(static, region, [dg.Extragradient], metric=metric)
        assert proof.status == "proved" and proof.margin >= 2 * 0.97
        assert proof.lipschitz == pytest.approx(2 * lipschitz, rel=1e-4)
        assert len(proof.data["evidence"]["cells"]) == 1


@pytest.mark.full
def test_a_pursuit_has_the_margin_of_its_threshold():
    """Open loop: `min(1 / c_p, 1 / c_e - s |g|^2)`, here with equal steps at midpoints."""
    T, weight, chaser, runner = 8, 0.5, 2.0, 1.5
    tau = (jnp.arange(T, dtype=float) + 0.5) / T

    def costs(x, args=None):
        miss = 1.0 + jnp.sum(tau * (x["p"][:, 0] - x["r"][:, 0])) / T
        efforts = jnp.sum(x["p"] ** 2) / chaser - jnp.sum(x["r"] ** 2) / runner
        value = weight * miss**2 / 2 * T + efforts / 2
        return {"p": value, "r": -value}

    square = float((tau**2).sum() / T)
    u = {i: jnp.zeros((T, 1)) for i in "pr"}
    proof = certify.certify(dg.game(costs), certify.Box.around(u, 3.0))
    expected = min(1 / chaser, 1 / runner - weight * square)
    assert proof.status == "proved" and proof.margin == pytest.approx(expected, rel=1e-6)


@pytest.mark.full
@pytest.mark.parametrize(("horizon", "radius", "margin"), [(8, 0.5, 0.18)])
def test_the_unicycle_is_proved(horizon, radius, margin):
    game = unicycle_ride(horizon)
    u = open_loop_newton(game, zeros(horizon, ("steer", "speed"))).controls
    proof = certify.certify(
        game, certify.Box.around(u, radius), [dg.Simultaneous, dg.Extragradient]
    )
    assert proof.status == "proved" and proof.margin >= margin
    run = dg.solve(game, dg.Simultaneous, u, step_size=proof)
    assert float(run.residual) < 1e-7


@pytest.mark.full
def test_one_proof_covers_a_set_of_first_states():
    """The field with the first state: margins pass on, and equilibria stay within the bound."""

    def stage(x, u):
        y = x + jnp.sin(u["a"]) / 2 + u["b"]
        return {i: jnp.sum(y**2) / 4 + jnp.sum(u[i] ** 2) for i in u}

    game = Trajectory(lambda x, u: x + jnp.sin(u["a"]) / 2 + u["b"], stage, None, [0.2], 2)
    u = open_loop_newton(game, zeros(2, "ab")).controls
    field = with_initial_states(game)
    center = {**u, "x0": game.x0}
    proof = certify.certify(field, certify.Box.around(center, 0.3))
    assert proof.status == "proved" and proof.weights is not None
    weights = {name: float(w) for name, w in proof.weights.items()}
    for x in (-0.05, 0.45):
        other = open_loop_newton(game, u, jnp.array([x]))
        assert bool(other.converged)
        distance = np.sqrt(
            sum(weights[i] * float(((other.controls[i] - u[i]) ** 2).sum()) for i in "ab")
        )
        bound = proof.lipschitz / proof.margin * np.sqrt(weights["x0"]) * abs(x - 0.2)
        assert 0 < distance <= bound
    with pytest.raises(ValueError, match='and "x0"'):
        field(u)
    with pytest.raises(ValueError, match="rate is 0"):
        with_initial_states(game, 0.0)
