"""Mean-field games against closed forms, exact equations and plain loops over states and times."""

from fractions import Fraction
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import fsolve

import dgames as dg
from dgames.games import BeachBar, LeftRight, RockPaperScissors, SusceptibleInfected, TerminalCrowd


def random_policy(game, seed=0):
    (like,) = game.uniform()
    return (jax.nn.softmax(jax.random.normal(jax.random.key(seed), like.shape, like.dtype)),)


def by_loops(game, policy, crowd=None, greedy=False):
    """Flow and state values by loops, with the crowd's own flow unless one is given."""
    times, states, actions = policy.shape
    laws, law = [], np.array(game.initial)
    for t in range(times):
        joint = np.array(
            [[law[s] * policy[t, s, a] for a in range(actions)] for s in range(states)]
        )
        laws.append(joint)
        others = jnp.asarray(joint if crowd is None else crowd[t])
        moves = np.asarray(game.transition(jnp.asarray(t), others))
        law = np.array(
            [
                sum(joint[s, a] * moves[s, a, z] for s in range(states) for a in range(actions))
                for z in range(states)
            ]
        )
    flow = np.array(laws if crowd is None else crowd)
    values = np.zeros(states)
    for t in reversed(range(times)):
        rewards = np.asarray(game.reward(jnp.asarray(t), jnp.asarray(flow[t])))
        moves = np.asarray(game.transition(jnp.asarray(t), jnp.asarray(flow[t])))
        q = rewards + (moves @ values if t < times - 1 else 0)
        values = q.max(-1) if greedy else (policy[t] * q).sum(-1)
    return np.array(laws), float(np.array(game.initial) @ values)


@pytest.mark.thin(4)
@pytest.mark.parametrize(
    "game",
    [SusceptibleInfected(horizon=4), LeftRight(), RockPaperScissors(), BeachBar()],
    ids=lambda game: type(game).__name__,
)
def test_flows_and_values_are_those_of_loops(game):
    x = random_policy(game)
    flow, value = by_loops(game, np.asarray(x[0]))
    assert_allclose(game.flow(x), flow, atol=1e-14)
    assert_allclose(game.value(x), value, atol=1e-13)
    best = by_loops(game, np.asarray(x[0]), crowd=flow, greedy=True)[1]
    assert_allclose(game.exploitability(x), best - value, atol=1e-13)
    # The best response earns that much in this crowd, as a policy too.
    response = game.best_response(jnp.asarray(flow))
    assert_allclose(game.value(response, jnp.asarray(flow)), best, atol=1e-13)
    law, _ = by_loops(game, np.asarray(response[0]), crowd=flow)
    assert_allclose(game.response_flow(response, jnp.asarray(flow)), law, atol=1e-14)


# Exploitabilities after so many steps from the uniform policy; rows of published runs.
RUNS = [
    (LeftRight(), dg.MirrorDescent(0.1), {0: 0.25, 100: 1.404e-4}),
    (LeftRight(), dg.FictitiousPlay(), {100: 3.3085e-3, 1000: 3.3308e-4}),
    (RockPaperScissors(), dg.MirrorDescent(0.05), {100: 6.2032e-2, 1000: 1.1767e-5}),
    (RockPaperScissors(), dg.FictitiousPlay(), {10_000: 4.4153e-4}),
    (BeachBar(), dg.MirrorDescent(0.1), {0: 1.22126226, 100: 7.4809e-2, 1000: 1.69182e-3}),
]


@pytest.mark.thin(5)
@pytest.mark.parametrize(("game", "method", "expected"), RUNS)
def test_exploitability_after_so_many_steps(game, method, expected):
    for steps, gain in expected.items():
        run = dg.solve(game, method, game.uniform(), max_steps=steps, tol=0.0)
        assert_allclose(game.exploitability(run.strategy), gain, rtol=1e-4)


def test_left_right_is_solved():
    game = LeftRight()
    run = dg.solve(game, dg.MirrorDescent(0.1), game.uniform(), tol=1e-13)
    assert bool(run.result == dg.RESULTS.successful)
    assert float(game.exploitability(run.strategy)) <= 1e-12
    assert_allclose(run.strategy[0][0, 0], [2 / 3, 1 / 3], atol=1e-12)


def test_rock_paper_scissors_is_solved():
    game = RockPaperScissors()
    run = dg.solve(game, dg.MirrorDescent(0.05), game.uniform(), tol=1e-13)
    shares = [Fraction(k, 77) for k in (26, 20, 31)]
    r, p, s = shares
    assert 2 * s - p == 4 * r - 2 * s == 6 * p - 3 * r == Fraction(6, 11)
    assert_allclose(run.strategy[0][0, 0], [float(k) for k in shares], atol=1e-10)
    assert_allclose(game.value(run.strategy), 6 / 11, atol=1e-12)
    symmetric = np.asarray(game.payoffs + game.payoffs.T) / 2
    tangent = np.eye(3) - 1 / 3
    values = np.linalg.eigvalsh(tangent @ symmetric @ tangent)
    assert_allclose(values[[0, -1]], [-2.53, 0.53], atol=0.005)


def beach_by_indifference():
    """The equilibrium by its three indifferences: of 1 and 3 at time 0, and of 0 at time 1."""

    def policies(mixed):
        p, q, r = mixed  # right from 1, left from 3; then right from 0
        first = [[0, 0, 1], [0, 1 - p, p], [0, 1, 0], [q, 1 - q, 0]]
        second = [[0, 1 - r, r], [0, 1, 0], [0, 1, 0], [0, 1, 0]]
        return jnp.array([first, second, [[0.0, 1.0, 0.0]] * 4])

    def gaps(mixed):
        q = BeachBar().action_values((policies(mixed),))
        return [q[0, 1, 2] - q[0, 1, 1], q[0, 3, 0] - q[0, 3, 1], q[1, 0, 2] - q[1, 0, 1]]

    return (policies(fsolve(gaps, [0.6, 0.1, 0.6], xtol=1e-14)),)


def test_beach_bar_is_solved():
    game, exact = BeachBar(), beach_by_indifference()
    assert float(game.exploitability(exact)) < 1e-13
    run = dg.solve(game, dg.MirrorDescent(1.0), game.uniform(), tol=1e-10)
    assert bool(run.result == dg.RESULTS.successful)
    crowds = game.flow(run.strategy).sum(-1)
    assert_allclose(crowds, game.flow(exact).sum(-1), atol=1e-9)
    expected = [
        [0.25, 0.25, 0.25, 0.25],
        [0.08645568, 0.28146476, 0.35855341, 0.27352615],
        [0.10899424, 0.26509151, 0.33113129, 0.29478297],
    ]
    assert_allclose(crowds, expected, atol=1e-8)
    assert_allclose(game.value(run.strategy), 1.36929737, atol=1e-8)


def test_an_epidemic_is_not_called_solved():
    game = SusceptibleInfected()
    assert_allclose(game.exploitability(game.uniform()), 5.467, atol=5e-4)
    for steps, gain in ((1000, 0.383), (10_000, 0.478), (20_000, 0.861)):
        run = dg.solve(game, dg.MirrorDescent(0.01), game.uniform(), max_steps=steps)
        assert bool(run.result == dg.RESULTS.max_steps_reached)
        assert_allclose(game.exploitability(run.strategy), gain, atol=5e-4)


@pytest.mark.full
@pytest.mark.parametrize("game", [LeftRight(), BeachBar(), SusceptibleInfected(horizon=5)])
def test_the_residual_bounds_the_exploitability(game):
    for seed in range(5):
        x = random_policy(game, seed)
        length = float(jnp.linalg.norm(game.action_values(x), axis=-1).max())
        bound = (game.horizon + 1) * float(dg.residual(game, x)) * (length + 2**0.5)
        assert 0 <= float(game.exploitability(x)) <= bound


@pytest.mark.full
def test_equilibria_have_derivatives_where_they_are_isolated():
    """Regularised, the share on the left is (c + w2) / (2 c + w1 + w2), for prices w."""

    def left(prices):
        crowd = dg.RegularisedMeanField(LeftRight(prices), 1.0)
        run = dg.solve(crowd, dg.Simultaneous(0.2), crowd.uniform(), tol=1e-12)
        return run.strategy[0][0, 0, 0]

    value, slopes = jax.value_and_grad(left)(jnp.array([1.0, 2.0]))
    assert_allclose(value, 0.6, atol=1e-11)
    assert_allclose(slopes, [-0.12, 0.08], atol=1e-9)


@pytest.mark.full
def test_games_run_in_float32():
    game = LeftRight()
    single = (game.uniform()[0].astype(jnp.float32),)
    assert game(single)[0].dtype == game.exploitability(single).dtype == jnp.float32
    run = dg.solve(game, dg.FictitiousPlay(), single, max_steps=100, tol=0.0)
    assert run.strategy[0].dtype == jnp.float32
    assert_allclose(game.exploitability(run.strategy), 3.3085e-3, rtol=1e-3)


class Fixed(dg.MeanFieldGame):
    initial: jax.Array
    horizon: int = 1
    actions: int = 2

    def reward(self, t, crowd):
        return jnp.zeros((3, 2))

    def transition(self, t, crowd):
        return jnp.ones((3, 2, 3)) / 3


def test_bad_input_is_refused():
    game = LeftRight()
    with pytest.raises(ValueError, match=r"\(times, states, actions\) = \(2, 3, 2\), not \(3, 2\)"):
        game.flow((game.uniform()[0][0],))
    with pytest.raises(ValueError, match="and no other field"):
        dg.solve(lambda x, args: x, dg.FictitiousPlay(), (jnp.zeros(2),))
    for start, message in (
        ([0.5, 0.6, 0.0], "sum to 1"),
        ([1.5, -0.5, 0.0], "sum to 1"),
        ([1.0, 0.0], r"reward must have the shape \(2, 2\), not \(3, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            Fixed(jnp.array(start))
    with pytest.raises(ValueError, match="must be an array of probabilities"):
        Fixed(cast(Any, [1.0, 0.0, 0.0]))
    with pytest.raises(ValueError, match="horizon of at least 0"):
        Fixed(jnp.array([1.0, 0.0, 0.0]), -1)
    with pytest.raises(ValueError, match="one number per place"):
        BeachBar(initial=[0.5, 0.5])
    with pytest.raises(ValueError, match="strength must be positive"):
        dg.RegularisedMeanField(game, 0.0)


# --- regularised games ------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.parametrize("game", [LeftRight(), SusceptibleInfected(horizon=2)])
def test_regularised_games_are_solved_by_mirror_ascent(game):
    strength, eta = 1.3, 0.4
    pulled = dg.RegularisedMeanField(game, strength)
    method = dg.Simultaneous(eta / (1 + eta * strength))
    run = dg.solve(pulled, method, random_policy(game), tol=1e-12)
    assert bool(run.result == dg.RESULTS.successful)
    assert abs(float(pulled.exploitability(run.strategy))) < 1e-12
    # One step is the best answer to values, payments and distance.
    x = random_policy(game, 1)
    (new,), _ = method.step(pulled, x, method.init(pulled, x))
    q = pulled.action_values(x)

    def score(u):
        worth = jnp.sum(u * q, -1) - strength / 2 * jnp.sum(u**2, -1)
        return worth - jnp.sum((u - x[0]) ** 2, -1) / (2 * eta)

    for seed in range(20):
        (other,) = random_policy(game, 100 + seed)
        for share in (1e-4, 1.0):
            assert bool((score(new) >= score((1 - share) * new + share * other)).all())


@pytest.mark.full
def test_regularised_exploitability_is_that_of_the_best_policy():
    """Against policies on a grid, in a game of two free numbers."""
    game = SusceptibleInfected(horizon=1)
    pulled, x = dg.RegularisedMeanField(game, 0.7), random_policy(game)
    flow = game.flow(x)

    def worth(policy):
        law = game.response_flow((policy,), flow)
        rewards = jnp.stack([game.reward(jnp.asarray(t), flow[t]) for t in range(2)])
        payments = 0.35 * jnp.sum(jnp.sum(law, -1) * jnp.sum(policy**2, -1))
        return jnp.sum(law * rewards) - payments

    grid = jnp.linspace(0.0, 1.0, 41)
    points = jnp.stack(jnp.meshgrid(grid, grid, grid, grid), -1).reshape(-1, 2, 2)
    best = jnp.max(jax.lax.map(lambda p: worth(jnp.stack([p, 1 - p], -1)), points, batch_size=999))
    gain = pulled.exploitability(x)
    assert float(gain) >= float(best - worth(x[0])) > float(gain) - 1e-3
    assert float(game.exploitability(x)) > 0


@pytest.mark.full
def test_regularisation_costs_no_more_than_its_bias():
    for game in (LeftRight(), BeachBar()):
        pulled = dg.RegularisedMeanField(game, 0.3)
        run = dg.solve(pulled, dg.Extragradient(0.1), game.uniform(), tol=1e-9)
        assert bool(run.result == dg.RESULTS.successful)
        assert 0 < float(game.exploitability(run.strategy)) <= float(pulled.bias())
    assert_allclose(float(pulled.bias()), 0.3 / 2 * 3 * (1 - 1 / 3))


# --- the crowd on a line ----------------------------------------------------------------------


@pytest.mark.thin(5)
@pytest.mark.parametrize("attraction", [0.5, -1.0, 1.1])
@pytest.mark.parametrize("negligible", [True, False])
def test_a_terminal_crowd_ends_where_the_formula_says(attraction, negligible):
    start = jnp.array([0.0, 0.5, 1.0, 4.0])
    crowd = TerminalCrowd(start, 2.0, 1.5, attraction, 0.7, intervals=3, negligible=negligible)
    run = dg.solve(crowd, dg.Simultaneous(0.15), crowd.rest(), tol=1e-12)
    assert bool(run.result == dg.RESULTS.successful)
    assert_allclose(jnp.mean(crowd.end(run.strategy)), crowd.final_mean(), atol=1e-11)
    assert_allclose(run.strategy[0], run.strategy[0][:, :1] * jnp.ones((1, 3)), atol=1e-11)
    if negligible:
        pull = 2.0 * 1.5
        assert_allclose(crowd.final_mean(), (1.375 + pull * 0.7) / (1 + pull * (1 - attraction)))


def test_players_who_are_part_of_the_mean_play_a_game():
    """With N players the field is the gradient of their costs, per unit of time."""
    start, args = jnp.array([0.0, 1.0, 5.0]), (2.0, 1.5, 0.6, 0.7)
    crowd = TerminalCrowd(start, *args, negligible=False)

    def costs(x, _):
        time, strength, attraction, target = args
        end = start + time * jnp.stack(x)
        away = end - attraction * jnp.mean(end) - target
        values = time * jnp.stack(x) ** 2 / 2 + strength / 2 * away**2
        return tuple(values)

    x = (jnp.array(0.3), jnp.array(-0.2), jnp.array(0.9))
    gradient = dg.pseudo_gradient(dg.game(costs))(x)
    assert_allclose(crowd((jnp.stack(x)[:, None],))[0][:, 0], jnp.stack(gradient) / 2.0)
