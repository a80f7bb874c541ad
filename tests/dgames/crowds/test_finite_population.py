"""Games of N players with the data of mean-field games, and back."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg
from dgames.games import (
    AnonymousGame,
    BeachBar,
    LeftRight,
    MatrixGame,
    RockPaperScissors,
    SusceptibleInfected,
)


def policy_of(game, seed=0):
    (like,) = game.uniform()
    return (jax.nn.softmax(jax.random.normal(jax.random.key(seed), like.shape)),)


@pytest.mark.thin(4)
@pytest.mark.parametrize("players", [2, 3])
@pytest.mark.parametrize("crowded_actions", [False, True])
def test_values_are_sums_over_all_paths_of_all_players(players, crowded_actions):
    """Two places, two times; every path of every player, by brute force."""

    class Pair(dg.MeanFieldGame):
        initial: jax.Array
        horizon: int = 1
        actions: int = 2

        def reward(self, t, crowd):
            load = crowd if crowded_actions else jnp.sum(crowd, -1, keepdims=True)
            return jnp.broadcast_to(-(load**2), crowd.shape) + jnp.array([[0.0, 0.3], [0.1, 0.0]])

        def transition(self, t, crowd):
            return jnp.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.0, 1.0]]])

    game = Pair(jnp.array([0.3, 0.7]))
    finite, x, deviation = dg.FinitePopulation(game, players), policy_of(game), policy_of(game, 1)
    assert finite.by_state is not crowded_actions
    moves = np.asarray(game.transition(jnp.asarray(0), x[0][0]))
    paths = list(itertools.product(range(2), repeat=4))  # state, action, state, action

    def chance(path, policy):
        s, a, z, b = path
        start, first, second = game.initial[s], policy[0, s, a], policy[1, z, b]
        return float(start * first * moves[s, a, z] * second)

    own, others = ([chance(path, np.asarray(p[0])) for path in paths] for p in (deviation, x))
    total, rewards = 0.0, {}
    for profile in itertools.product(range(16), repeat=players):
        p = own[profile[0]] * np.prod([others[k] for k in profile[1:]])
        for t in range(2):
            cells = tuple(paths[k][2 * t : 2 * t + 2] for k in profile)
            key = (cells[0], *sorted(cells[1:]))
            if key not in rewards:
                crowd = np.zeros((2, 2))
                for cell in cells:
                    crowd[cell] += 1 / players
                rewards[key] = float(game.reward(jnp.asarray(t), jnp.asarray(crowd))[cells[0]])
            total += p * rewards[key]
    assert_allclose(finite.value(deviation, finite.flow(x)), total, rtol=1e-12)


@pytest.mark.full
def test_the_equilibria_of_left_right_for_n_players():
    """Nobody prefers a side if 1 + (N - 1) p = 2 (1 + (N - 1) (1 - p))."""
    game = LeftRight()
    crowd = (jnp.tile(jnp.array([2 / 3, 1 / 3]), (2, 3, 1)),)
    for players in (2, 200):
        finite = dg.FinitePopulation(game, players)
        left = (1 + 2 * (players - 1)) / (3 * (players - 1))
        own = (jnp.tile(jnp.array([left, 1 - left]), (2, 3, 1)),)
        assert_allclose(finite.exploitability(own), 0, atol=1e-12)
        # And the mean-field policy: left is better by 1 / (3 N) than it is on average.
        assert_allclose(finite.exploitability(crowd), 1 / (3 * players), atol=1e-12)
    run = dg.solve(finite, dg.MirrorDescent(0.1), finite.uniform(), tol=1e-11)
    assert bool(run.result == dg.RESULTS.successful)
    assert_allclose(run.strategy[0][0, 0, 0], left, atol=1e-9)


@pytest.mark.full
def test_mean_field_policies_lose_their_exploitability_like_one_over_n():
    game = BeachBar()
    run = dg.solve(game, dg.MirrorDescent(1.0), game.uniform(), tol=1e-10)
    gains = [float(dg.FinitePopulation(game, n).exploitability(run.strategy)) for n in (20, 40)]
    assert gains[0] > 1e-3 and 0.8 < np.log2(gains[0] / gains[1]) < 1.3


@pytest.mark.full
def test_a_kink_makes_it_one_over_the_root_of_n():
    """Who is in the majority pays: the chance of a deviation from one half is that of a coin."""
    game = AnonymousGame(rewards=lambda shares: -jnp.abs(shares - 0.5) * 2, actions=2)
    even = (jnp.array([[[0.5, 0.5]]]),)
    assert float(game.exploitability(even)) == 0
    odd = AnonymousGame(
        rewards=lambda shares: jnp.stack([jnp.abs(shares[0] - 0.5), jnp.zeros(())]), actions=2
    )
    gains = [float(dg.FinitePopulation(odd, n).exploitability(even)) for n in (100, 400, 1600)]
    # E |X / N - 1/2| = 1 / sqrt(2 pi N); a player gains half of it.
    assert_allclose(gains, [0.5 / np.sqrt(2 * np.pi * n) for n in (100, 400, 1600)], rtol=0.02)


@pytest.mark.full
def test_symmetric_games_and_their_mean_field_have_the_same_equilibria():
    actions, players = 3, 3
    table = np.asarray(jax.random.normal(jax.random.key(4), (actions,) * players))
    own = (table + np.swapaxes(table, 1, 2)) / 2  # others are alike
    game = MatrixGame(own, np.moveaxis(own, 0, 1), np.moveaxis(own, 0, 2))
    crowd = AnonymousGame.of_symmetric_game(game)
    for seed in range(5):
        (x,) = policy_of(crowd, seed)
        gaps = dg.nash_gaps(game, (x[0, 0],) * players)
        assert_allclose(crowd.exploitability((x,)), jnp.stack(gaps), atol=1e-12)


def test_the_matrix_game_of_n_players_is_that_of_their_mean_field():
    """Rewards of a throw against two others, from counts and from the matrix game."""
    payoffs = RockPaperScissors().payoffs
    crowd = AnonymousGame(rewards=lambda shares: payoffs @ shares, actions=3)
    finite = dg.FinitePopulation(crowd, 3)
    own = np.zeros((3, 3, 3))
    for i, j, k in itertools.product(range(3), repeat=3):
        shares = np.bincount([i, j, k], minlength=3) / 3
        own[i, j, k] = (np.asarray(payoffs) @ shares)[i]
    game = MatrixGame(own, np.moveaxis(own, 0, 1), np.moveaxis(own, 0, 2))
    back = AnonymousGame.of_symmetric_game(game)
    (x,) = policy_of(crowd)
    assert_allclose(back.reward(jnp.asarray(0), x[0]), finite.reward(jnp.asarray(0), x[0]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dg.FinitePopulation(SusceptibleInfected(), 3), "changes where actions lead"),
        (lambda: dg.FinitePopulation(LeftRight(), 1), "at least 2 players"),
        (lambda: dg.FinitePopulation(BeachBar(), 400), "10746800 ways"),
        (
            lambda: AnonymousGame.of_symmetric_game(MatrixGame.matching_pennies()),
            "players are not alike",
        ),
        (
            lambda: AnonymousGame.of_symmetric_game(MatrixGame([[1, 2, 3], [4, 5, 6]])),
            "players are not alike",
        ),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
