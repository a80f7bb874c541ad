"""Linear-quadratic games in discrete time: rational tables, affine terms, the general recursion."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import dgames as dg
from dgames.dynamic import LQGame, solve_lq, stationary_lq

ONE = jnp.eye(1)


def scalar(q=(1.0, 1.0)):
    """The game `x+ = x + u1 + u2` with costs `sum_{t >= 1} q_i x_t^2 + u_i^2` and x_0 = 1."""
    both = {"a": ONE, "b": ONE}
    return LQGame(ONE, both, {i: w * ONE for i, w in zip("ab", q, strict=True)}, both)


def random_game(seed=0, n=4, sizes=(1, 2, 2)):
    r = np.random.default_rng(seed)

    def definite(k):
        a = r.normal(size=(k, k))
        return np.round(a @ a.T * 64) / 64 + np.eye(k)

    players = range(len(sizes))
    return LQGame(
        0.5 * r.normal(size=(n, n)),
        {i: r.normal(size=(n, m)) for i, m in enumerate(sizes)},
        {i: definite(n) for i in players},
        {i: {j: definite(sizes[j]) * (1 if i == j else 0.1) for j in players} for i in players},
        terminal={i: definite(n) for i in players},
        linear={i: r.normal(size=n) for i in players},
        offset=r.normal(size=n),
    )


@pytest.mark.parametrize(
    ("horizon", "gains", "cost"),
    [
        (1, ["1/3"], "2/9"),
        (2, ["11/31", "1/3"], "220/961"),
        (3, ["1181/3323", "11/31", "1/3"], "2529702/11042329"),
    ],
)
def test_feedback_gains_and_costs_are_rational(horizon, gains, cost):
    found = solve_lq(scalar(), horizon)
    exact = [float(Fraction(x)) for x in gains]
    for own in found.gains().values():
        assert own[:, 0, 0] == pytest.approx(exact, abs=1e-13)
    # Costs of the table do not have x_0^2, and no factor one half.
    assert float(found.hessians[0, 0, 0, 0]) - 1 == pytest.approx(float(Fraction(cost)), abs=1e-13)
    assert found.play(jnp.ones(1))[2] * 2 - 1 == pytest.approx([float(Fraction(cost))] * 2)
    assert bool(found.convex.all()) and float(found.condition.max()) < 10


@pytest.mark.parametrize(
    ("horizon", "q", "controls", "cost"),
    [
        (1, (1, 1), (["-1/3"],) * 2, "2/9"),
        (2, (1, 1), (["-4/11", "-1/11"],) * 2, "27/121"),
        (3, (1, 1), (["-15/41", "-4/41", "-1/41"],) * 2, "373/1681"),
        (2, (1, 2), (["-5/19", "-1/19"], ["-10/19", "-2/19"]), None),
    ],
)
def test_open_loop_controls_and_costs_are_rational(horizon, q, controls, cost):
    found = solve_lq(scalar(q), horizon, "open_loop")
    _, u, costs = found.play(jnp.ones(1))
    for own, exact in zip("ab", controls, strict=True):
        assert u[own][:, 0] == pytest.approx([float(Fraction(x)) for x in exact], abs=1e-13)
    if cost is not None:
        assert costs * 2 - 1 == pytest.approx([float(Fraction(cost))] * 2, abs=1e-13)


def test_without_an_end_gains_are_the_known_roots():
    feedback = stationary_lq(scalar())
    P = float(feedback.hessians[0, 0, 0])
    assert abs(4 * P**3 - P**2 - 4 * P - 1) < 1e-12
    assert abs(P - 1.229095387936243) < 1e-13
    assert float(feedback.gains["a"][0, 0]) == pytest.approx(0.35541572677584504, abs=1e-13)
    assert float(feedback.stability) == pytest.approx(1 - 2 * 0.35541572677584504, abs=1e-12)
    open_loop = stationary_lq(scalar(), "open_loop")
    assert float(open_loop.gains["a"][0, 0]) == pytest.approx((3**0.5 - 1) / 2, abs=1e-13)
    assert float(feedback.residual) < 1e-14


@pytest.mark.full
def test_feedback_is_stationary_for_each_player_against_the_others():
    """Each player's strategy is the best reply to the others', found as an ordinary problem."""
    game = random_game()
    found, horizon = solve_lq(game, 3), 3
    x0 = jnp.array([1.0, -1.0, 0.5, 2.0])
    stages = found.stages

    def own_cost(change, player):
        """The cost if a player adds something to the own controls, while others react."""
        x, total = x0, jnp.zeros(())
        rows = jnp.asarray(stages.owner == player)
        for t in range(horizon):
            u = -found.gain[t] @ x - found.offset[t]
            u = u.at[np.flatnonzero(rows)].add(change[t])
            z = jnp.concatenate([x, u])
            total += z @ stages.hessians[t, player] @ z / 2 + stages.slopes[t, player] @ z
            x = stages.dynamics[t] @ z + stages.offset[t]
        last, slope = stages.last_hessians[player], stages.last_slopes[player]
        return total + x @ last @ x / 2 + slope @ x

    for player, size in enumerate(stages.sizes):
        zero = jnp.zeros((horizon, size))
        assert jax.grad(own_cost)(zero, player) == pytest.approx(np.zeros(zero.shape), abs=1e-9)
        assert own_cost(zero, player) == pytest.approx(float(found.play(x0)[2][player]))


@pytest.mark.full
def test_open_loop_is_the_equilibrium_of_the_game_of_controls():
    game = random_game(1)

    static = game.trajectory([1.0, -1.0, 0.5, 2.0], 5)
    found = solve_lq(game, 5, "open_loop")
    states, u, costs = found.play(static.x0)
    assert float(dg.residual(static, u)) < 1e-10
    paid = static.costs(u)
    assert costs == pytest.approx([float(paid[i]) for i in game.players], rel=1e-12)
    # In open loop P x + p are the costates.
    expected = jnp.einsum("tikl,tl->tik", found.hessians[1:], states[1:]) + found.slopes[1:]
    for k, i in enumerate(game.players):
        assert static.costates(u)[i] == pytest.approx(np.asarray(expected[:, k]), abs=1e-9)


def test_convexity_is_that_of_each_own_problem():
    """The pursuit of one step: the evader's cost is convex iff weight times gain is below one."""
    for weight, convex in ((0.9, True), (1.1, False)):
        Q = {"chaser": weight * ONE, "runner": -weight * ONE}
        game = LQGame(ONE, {"chaser": ONE, "runner": -ONE}, Q, {"chaser": ONE, "runner": ONE})
        for information in ("feedback", "open_loop"):
            assert bool(solve_lq(game, 1, information).convex.all()) is convex
    # In two steps open loop needs weight * (1 + 1) < 1; in feedback the chaser answers in between.
    Q = {"chaser": 0 * ONE, "runner": 0 * ONE}
    end = {"chaser": 0.6 * ONE, "runner": -0.6 * ONE}
    game = LQGame(ONE, {"chaser": ONE, "runner": -ONE}, Q, {"chaser": ONE, "runner": ONE}, end)
    assert solve_lq(game, 2).convex.tolist() == [True, True]
    assert solve_lq(game, 2, "open_loop").convex.tolist() == [False, True]


def test_a_singular_step_has_an_infinite_condition():
    """With `x+ = x + u1 + u2` the matrix is `[[1 + q1, q1], [q2, 1 + q2]]`."""
    game = scalar((-0.5, -0.5))
    assert float(solve_lq(game, 1).condition[0]) > 1e15


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"A": np.ones((1, 2))}, "must be square"),
        ({"B": {"a": ONE, "b": np.ones((2, 1))}}, r"B\['b'\] has the shape \(2, 1\)"),
        ({"Q": {"a": ONE}}, "Q needs one entry for each of the players a, b"),
        ({"R": {"a": {"b": ONE}, "b": ONE}}, "the matrix of the player's own controls"),
        ({"A": np.array([[np.inf]])}, "not finite"),
    ],
)
def test_bad_games_are_one_sentence(changed, words):
    both = {"a": ONE, "b": ONE}
    with pytest.raises(ValueError, match=words):
        LQGame(**{**{"A": ONE, "B": both, "Q": both, "R": both}, **changed})


def test_asymmetric_costs_and_bad_horizons_are_refused():
    two = np.array([[1.0, 1.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match=r"Q\['a'\] is not symmetric"):
        LQGame(two, {"a": np.ones((2, 1))}, {"a": two}, {"a": ONE})
    with pytest.raises(ValueError, match="horizon is a positive number"):
        solve_lq(scalar(), 0)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=r"open_loop|Type-check error"):
        solve_lq(scalar(), 1, "closed")  # pyright: ignore
    with pytest.raises(ValueError, match="offset must be zero"):
        stationary_lq(LQGame(ONE, {"a": ONE}, {"a": ONE}, {"a": ONE}, offset=[1.0]))
