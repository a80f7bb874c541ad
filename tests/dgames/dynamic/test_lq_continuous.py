"""Linear-quadratic differential games: closed forms of scalar ones, escape times, affine terms."""

import equinox as eqx
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from dgames.dynamic import (
    LQGame,
    interception,
    saddle_thresholds,
    solve_differential,
    solve_lq,
    solve_stages,
    stationary_differential,
)

ONE = jnp.eye(1)


def scalar(a, sigma):
    both = {"a": ONE, "b": ONE}
    return LQGame(a * ONE, both, {i: sigma * ONE for i in "ab"}, both)


@pytest.mark.parametrize(
    ("a", "sigma", "feedback", "closed", "open_loop", "costs"),
    [
        (0.0, 1.0, 0.5773502692, -1.1547005384, 0.7071067812, (0.5773502692, 0.5303300859)),
        (1.0, 3.0, 1.3874258867, -1.7748517734, 1.8228756555, (1.3874258867, 1.1949111825)),
        (-1.0, 1.0, 1 / 3, -5 / 3, 0.3660254038, (1 / 3, 0.3273502692)),
        (2.0, 1.0, 1.5485837704, -1.0971675407, 2.2247448714, (1.5485837704, 1.2144345083)),
    ],
)
def test_scalar_games_have_their_closed_forms(a, sigma, feedback, closed, open_loop, costs):
    game = scalar(a, sigma)
    found = stationary_differential(game, start=jnp.full((2, 1, 1), a + sigma + 1))
    assert float(found.gains["a"][0, 0]) == pytest.approx(feedback, abs=1e-10)
    assert feedback == pytest.approx((a + np.sqrt(a**2 + 3 * sigma)) / 3, abs=1e-9)
    assert float(found.stability) == pytest.approx(closed, abs=1e-10)
    assert float(found.hessians[0, 0, 0]) == pytest.approx(costs[0], abs=1e-10)
    other = stationary_differential(game, "open_loop", start=jnp.full((2, 1, 1), a + sigma + 1))
    gain = float(other.gains["a"][0, 0])
    assert gain == pytest.approx(open_loop, abs=1e-10)
    assert (sigma + gain**2) / (2 * (2 * gain - a)) == pytest.approx(costs[1], abs=1e-10)


def test_there_are_asymmetric_equilibria_too():
    found = stationary_differential(scalar(2.0, 1.0), start=jnp.array([[[3.5]], [[0.3]]]))
    gains = [float(own[0, 0]) for own in found.gains.values()]
    assert gains == pytest.approx([3.7320508076, 0.2679491924], abs=1e-10)
    assert float(found.stability) == pytest.approx(-2, abs=1e-12)


@pytest.mark.full
def test_a_long_horizon_comes_to_the_stationary_solution():
    found = solve_differential(scalar(1.0, 3.0), 15.0, times=4)
    assert float(found.gains["a"][0, 0, 0]) == pytest.approx(1.3874258867, abs=1e-8)
    assert found.times.tolist() == [0.0, 5.0, 10.0, 15.0]
    assert float(found.gains["a"][-1, 0, 0]) == 3.0  # at the end P is the terminal cost


@pytest.mark.full
@pytest.mark.parametrize("information", ["feedback", "open_loop"])
def test_short_steps_of_the_discrete_game_come_to_the_differential_game(information):
    r, h = np.random.default_rng(3), 1 / 512
    A, B = r.normal(size=(2, 2)), {i: r.normal(size=(2, 1)) for i in "ab"}
    Q, end = {"a": np.eye(2), "b": np.diag([0.0, 2.0])}, {i: np.eye(2) for i in "ab"}
    q, drift = {i: r.normal(size=2) for i in "ab"}, r.normal(size=2)
    R = {"a": {"a": ONE, "b": 0.3 * ONE}, "b": {"b": ONE}}
    exact = solve_differential(
        LQGame(A, B, Q, R, end, q, drift), 1.0, information, times=2, tolerance=1e-9
    )
    stepped = LQGame(
        np.eye(2) + h * A,
        {i: h * B[i] for i in B},
        {i: h * Q[i] for i in Q},
        {i: {j: h * own for j, own in R[i].items()} for i in R},
        end,
        {i: h * q[i] for i in q},
        h * drift,
    )
    found = solve_lq(stepped, 512, information)
    # The linear cost at the end is h q in one game and q in the other one.
    shift = jnp.stack([jnp.asarray(q[i]) for i in "ab"])
    stages = eqx.tree_at(lambda s: s.last_slopes, found.stages, shift)
    found = solve_stages(stages, information)
    assert found.hessians[0] == pytest.approx(np.asarray(exact.hessians[0]), abs=0.03)
    assert found.slopes[0] == pytest.approx(np.asarray(exact.slopes[0]), abs=0.05)


def test_interception_is_the_differential_game_of_bryson_and_ho():
    """The state is the predicted miss, with the time to go in the dynamics: here by short steps."""
    assert interception(1.0, 1.0, 2.0, 1.0).stiffness == 0.75
    for steps, value in ((20, 0.3750586), (40, 0.3750146)):
        tau = (np.arange(steps) + 0.5) / steps
        square = float((tau**2).sum() / steps)
        # Open loop by midpoints: 1/S = 1/s + (c_p - c_e) |g|^2.
        assert 0.5 / (1 + square) == pytest.approx(value, abs=1e-7)


@pytest.mark.full
def test_between_the_thresholds_only_feedback_has_a_saddle():
    limits = saddle_thresholds(1.0, 1.0, 2.0)
    assert limits.open_loop == 1.5 and limits.feedback == 3.0
    A = jnp.array([[0.0, 1.0], [0.0, 0.0]])
    up = jnp.array([[0.0], [1.0]])
    R = {"p": {"p": ONE, "r": -ONE / 2}, "r": {"p": -ONE, "r": ONE / 2}}
    for weight in (1.0, 2.0):
        end = {"p": np.diag([weight, 0.0]), "r": np.diag([-weight, 0.0])}
        zero = {i: np.zeros((2, 2)) for i in "pr"}
        game = LQGame(A, {"p": up, "r": -up}, zero, R, end)
        found = solve_differential(game, 1.0, times=2)
        assert float(found.hessians[0, 0, 0, 0]) == pytest.approx(
            interception(weight, 1.0, 1.0, 2.0).stiffness, abs=1e-8
        )
    with pytest.raises(ValueError, match="no value"):
        interception(3.1, 1.0, 1.0, 2.0)


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="duration is 0"):
        solve_differential(scalar(1.0, 1.0), 0.0)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=r"open_loop|Type-check error"):
        solve_differential(scalar(1.0, 1.0), 1.0, "none")  # pyright: ignore
