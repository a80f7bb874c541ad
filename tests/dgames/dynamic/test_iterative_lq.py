"""Iterated linear-quadratic games and damped Newton steps, on games with known answers."""

import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from dgames.dynamic import (
    LQGame,
    iterative_lq,
    open_loop_newton,
    quadratic_stages,
    solve_lq,
    unicycle_crossing,
    unicycle_ride,
)
from tests.dgames.test_trajectory import zeros

ONE = jnp.eye(1)


def linear(horizon=3):
    r = np.random.default_rng(2)
    game = LQGame(
        np.array([[1.0, 0.2], [0.0, 0.9]]),
        {"a": np.array([[0.0], [0.5]]), "b": np.array([[0.4], [0.1]])},
        {"a": np.eye(2), "b": np.diag([3.0, 0.5])},
        {"a": ONE, "b": ONE},
        linear={i: r.normal(size=2) for i in "ab"},
        offset=r.normal(size=2),
    )
    return game, game.trajectory([1.0, -2.0], horizon)


@pytest.mark.full
def test_one_step_solves_a_linear_quadratic_game():
    game, static = linear()
    expected = solve_lq(game, 3)
    found = iterative_lq(static, zeros(3, "ab"))
    assert int(found.steps) == 1 and bool(found.converged) and bool(found.convex)
    for i, own in expected.gains().items():
        assert found.gains[i] == pytest.approx(np.asarray(own), abs=1e-12)
    states, controls, costs = expected.play(static.x0)
    assert found.states == pytest.approx(np.asarray(states), abs=1e-12)
    assert [float(c) for c in found.costs.values()] == pytest.approx(np.asarray(costs), rel=1e-12)
    newton = open_loop_newton(static, zeros(3, "ab"))
    _, other, open_costs = solve_lq(game, 3, "open_loop").play(static.x0)
    assert newton.controls["a"] == pytest.approx(np.asarray(other["a"]), abs=1e-10)
    # The two kinds of information are two answers.
    assert float(jnp.abs(controls["a"] - other["a"]).max()) > 1e-3
    assert float(jnp.abs(costs - open_costs).max()) > 1e-3


@pytest.mark.full
def test_the_expansion_is_that_of_costs_and_dynamics():
    _, static = linear()
    u = {i: jnp.full((3, 1), 0.3) for i in "ab"}
    stages, states = quadratic_stages(static, u)
    assert states == pytest.approx(np.asarray(static.rollout(u)))
    assert stages.dynamics[1] == pytest.approx(
        np.array([[1.0, 0.2, 0.0, 0.4], [0.0, 0.9, 0.5, 0.1]])
    )
    assert stages.hessians[0, 1] == pytest.approx(np.diag([3.0, 0.5, 0.0, 1.0]))
    assert stages.slopes[2, 0, 2] == pytest.approx(0.3)


@pytest.mark.full
def test_the_unicycle_in_feedback_is_the_one_in_open_loop():
    """The player who accelerates does not care about the position, so nobody has to react."""
    found = iterative_lq(unicycle_ride(20), zeros(20, ("steer", "speed")))
    assert bool(found.converged) and float(found.feedforward) < 1e-8
    assert found.costs["steer"] == pytest.approx(6.64720725817, abs=1e-9)


@pytest.mark.full
def test_three_cars_cross_without_touching():
    """At the end a car reacts, and the last linear-quadratic game has no feedforward."""
    game, start = unicycle_crossing(60)
    found = iterative_lq(game, start, tol=1e-9)
    assert bool(found.converged) and bool(found.convex) and float(found.feedforward) < 1e-8
    places = found.states.reshape(61, 3, 4)[..., :2]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert float(jnp.linalg.norm(places[:, i] - places[:, j], axis=1).min()) > 0.4
    assert float(jnp.abs(found.gains["car 0"][10, :, 4:6]).max()) > 1e-3


@pytest.mark.full
def test_a_long_horizon_is_reached_through_shorter_ones():
    """Newton's method from nothing goes to a stationary point with seven times the cost."""
    game, start = unicycle_ride(50), zeros(50, ("steer", "speed"))
    near = open_loop_newton(game, start, horizons=(10, 20, 30, 40))
    assert bool(near.converged) and float(game.costs(near.controls)["steer"]) < 10.6
    far = open_loop_newton(game, start)
    assert bool(far.converged) and float(game.costs(far.controls)["steer"]) > 60


def test_bad_input_is_one_sentence():
    _, static = linear()
    bounded = dg.games.Trajectory(
        static.dynamics, static.stage_costs, None, static.x0, 3, dg.Box(-1.0, 1.0)
    )
    for solver in (iterative_lq, open_loop_newton):
        with pytest.raises(ValueError, match="bounds on controls"):
            solver(bounded, zeros(3, "ab"))
    with pytest.raises(ValueError, match="horizons must increase"):
        open_loop_newton(static, zeros(3, "ab"), horizons=(2, 2))
    with pytest.raises(ValueError, match="for a horizon of 3"):
        iterative_lq(static, zeros(2, "ab"))


@pytest.mark.full
def test_a_start_that_runs_away_is_one_sentence():
    _, static = linear()
    wild = dg.games.Trajectory(
        lambda x, u: jnp.exp(200 * x), static.stage_costs, None, [1.0, 1.0], 3
    )
    with pytest.raises(ValueError, match="not finite after step"):
        iterative_lq(wild, zeros(3, "ab"))
