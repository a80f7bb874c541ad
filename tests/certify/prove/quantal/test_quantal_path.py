"""Proved branches of quantal responses: McKelvey's loop, closed forms, random games, refusals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import certify
import dgames as dg
from dgames.games import MatrixGame, PolymatrixGame
from tools.tiny_steps import followed

# McKelvey's game, whose branch turns back at 1.348 and on again a little below.
LOOP = MatrixGame([[6.0, 6.0], [7.32, 1.0]], [[7.0, 7.0], [6.0, 4.0]])
PLAIN = MatrixGame([[1.244, 6.162], [2.712, 3.852]], [[1.738, 7.622], [8.545, 1.328]])
ALIKE = MatrixGame([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])


def holds(path, place, player, value):
    """Whether a probability vector is within proved bounds, up to its own rounding."""
    lower, upper = path.lower[player][place], path.upper[player][place]
    return np.all(lower - 1e-12 <= value) and np.all(value <= upper + 1e-12)


def loop_precision(p, guess):
    """The precision near a guess at which the first player of the loop mixes with probability p."""
    for _ in range(50):
        q = 1 / (1 + np.exp(-2 * guess * (1 - p)))
        value = guess * (5 - 6.32 * q) - np.log(p / (1 - p))
        slope = 5 - 6.32 * q - guess * 6.32 * q * (1 - q) * 2 * (1 - p)
        guess = guess - value / slope
    return guess


def extreme_precision(p, sign):
    """The extreme of `loop_precision` near p."""
    width = 0.02
    for _ in range(60):
        around = np.array([p - width, p, p + width])
        values = sign * np.array([loop_precision(x, 1.33) for x in around])
        p, width = around[np.argmax(values)], width * 0.7
    return loop_precision(p, 1.33)


def test_a_branch_that_turns_back():
    """At 1.5 one equation in one unknown has one root, which is the equilibrium."""
    path = certify.quantal_path(LOOP, [1.0, 1.5, 2.0])
    assert path.status == "proved"
    assert path.turns.tolist() == [0, 2, 2]
    back, on = path.turning_points
    assert not back.rising and on.rising
    assert 0 < back.upper - back.lower < 1e-9 and 0 < on.upper - on.lower < 1e-9
    # The precision is a function of one probability, whose extreme values are these.
    highest, lowest = (extreme_precision(p, sign) for p, sign in ((0.718, 1), (0.57, -1)))
    assert back.lower - 1e-9 < highest < back.upper + 1e-9
    assert on.lower - 1e-9 < lowest < on.upper + 1e-9

    def root(precision):
        p = np.linspace(0.01, 0.99, 99)
        for _ in range(10):
            q = 1 / (1 + np.exp(-2 * precision * (1 - p)))
            miss = precision * (5 - 6.32 * q) - np.log(p / (1 - p))
            roots = np.flatnonzero(miss[:-1] * miss[1:] <= 0)
            assert len(roots) == 1
            p = np.linspace(p[roots[0]], p[roots[0] + 1], 12)
        return p[6]

    at = root(1.5)
    assert abs(at - 0.25804) < 1e-5
    assert holds(path, 1, 0, [at, 1 - at])
    assert abs(path.lower[0][2, 0] - 0.08972428) < 1e-8
    assert all(np.all(u - low < 1e-9) for low, u in zip(path.lower, path.upper, strict=True))


def test_great_precisions_in_logits():
    """Where probabilities underflow: then logits are precisions times differences of payoffs."""
    path = certify.quantal_path(PLAIN, [5.0, 1000.0])
    assert path.status == "proved" and path.turning_points == ()
    assert_allclose([own[0][1, 0] for own in path.logits], [2310.0, -5884.0], rtol=1e-12)
    assert path.lower[1][1, 0] == 0 and path.upper[1][1, 0] < 1e-300


def test_where_branches_meet_it_is_undecided():
    path = certify.quantal_path(ALIKE, [1.9, 2.1])
    assert path.status == "undecided" and path.reached.tolist() == [True, False]
    assert path.followed < 2
    assert path.meeting is not None and abs(path.meeting - 2) < 1e-5
    assert holds(path, 0, 0, [0.5, 0.5])
    assert path.upper[0][1].tolist() == [1, 1]
    assert "no step" in str(path.reason)


def test_one_player_and_players_without_a_choice():
    path = certify.quantal_path(MatrixGame.from_table([[0.0, 1.0, 3.0]]), [2.0])
    weights = np.exp([0.0, 2.0, 6.0])
    assert holds(path, 0, 0, weights / weights.sum())
    path = certify.quantal_path(MatrixGame.from_table([[[5.0, 7.0]], [[1.0, 2.0]]]), [2.0])
    assert path.status == "proved"
    assert holds(path, 0, 0, [1.0]) and holds(path, 0, 1, 1 / (1 + np.exp([2.0, -2.0])))
    path = certify.quantal_path(MatrixGame.from_table([[[4.0]], [[0.0]]]), [2.0])
    assert path.status == "proved" and holds(path, 0, 0, [1.0])


def test_payoff_units_do_not_matter():
    unit = 1e6
    scaled = MatrixGame(*(np.asarray(LOOP.payoffs) * unit))
    path = certify.quantal_path(scaled, [2 / unit])
    assert path.status == "proved"
    assert abs(path.lower[0][0, 0] - 0.08972428) < 1e-8


def test_pairs_of_players():
    """A polymatrix game of three, and the same as one table."""
    first, second = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 3.0], [1.0, 0.0]])
    pairs = PolymatrixGame([[None, first, second], [second, None, None], [None, first, None]])
    table = np.zeros((3, 2, 2, 2))
    table[0] = first[:, :, None] + second[:, None, :]
    table[1] = second.T[:, :, None]
    table[2] = first.T[None]
    paths = [certify.quantal_path(game, [0.7]) for game in (pairs, MatrixGame(*table))]
    assert paths[0].status == paths[1].status == "proved"
    for one, other in zip(paths[0].lower, paths[1].upper, strict=True):
        assert_allclose(one, other, atol=1e-9)


@pytest.mark.full
@pytest.mark.parametrize("sizes", ((2, 2), (3, 3), (2, 2, 2)))
def test_random_games(sizes):
    """What is proved holds the equilibria that a continuation in tiny steps finds."""
    payoffs = np.random.default_rng(8).uniform(0, 10, (4, len(sizes), *sizes))
    goals = [0.2, 1.0, 2.0]
    ends = np.cumsum([size - 1 for size in sizes])[:-1]
    tiny = np.split(followed(payoffs, goals), ends, -1)
    for k, own in enumerate(payoffs):
        path = certify.quantal_path(MatrixGame(*own), goals)
        assert path.status == "proved"
        for (lower, upper), found in zip(path.logits, tiny, strict=True):
            assert np.all(lower - 1e-6 <= found[k]) and np.all(found[k] <= upper + 1e-6)
            assert np.all(upper - lower < 1e-9)


def test_bad_questions():
    for precisions in ([2.0, 1.0], [0.0], [np.inf], [np.nan]):
        with pytest.raises(ValueError, match="positive and increasing"):
            certify.quantal_path(LOOP, precisions)
    with pytest.raises(ValueError, match="quantal_path needs the payoffs"):
        certify.quantal_path(dg.Regularised(LOOP, 1.0), [1.0])


def test_few_tubes_are_said_to_be_few():
    path = certify.quantal_path(LOOP, [2.0], max_tubes=3)
    assert path.status == "undecided" and "3 tubes" in str(path.reason)
    assert path.meeting is None


def test_precisions_beyond_floats_are_undecided():
    """In units of payoffs they overflow, or lose digits."""
    for unit, precision in ((1e100, 1e250), (1e-20, 1e-300)):
        game = MatrixGame(*(np.asarray(LOOP.payoffs) * unit))
        path = certify.quantal_path(game, [precision])
        assert path.status == "undecided" and "floating point" in str(path.reason)
