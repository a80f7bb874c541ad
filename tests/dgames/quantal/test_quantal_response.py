"""The branch of quantal responses, against a continuation of its own in tiny steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg
from dgames.games import MatrixGame
from tools.tiny_steps import followed

pytestmark = pytest.mark.thin(3)

# McKelvey's example: the branch turns back at a precision of 1.348 and on again at 1.324.
LOOP = MatrixGame([[6.0, 6.0], [7.32, 1.0]], [[7.0, 7.0], [6.0, 4.0]])
PLAIN = MatrixGame([[1.244, 6.162], [2.712, 3.852]], [[1.738, 7.622], [8.545, 1.328]])


def random_payoffs(sizes, seed, chosen):
    """Of hundreds of random games, some where longer steps landed on another branch."""
    drawn = np.random.default_rng(seed).uniform(0, 10, (300, len(sizes), *sizes))
    return drawn[[*chosen, *range(8)]]


def common_interests(sizes, seed, chosen):
    """Players who want nearly the same, some of it very much."""
    drawn = np.random.default_rng(seed).uniform(0, 1, (100, len(sizes), *sizes)) ** 4 * 10
    return (0.3 * drawn + 0.7 * drawn[:, :1])[[*chosen, *range(4)]]


def skewed(sizes, seed, chosen):
    drawn = np.random.default_rng(seed).uniform(0, 1, (100, len(sizes), *sizes)) ** 4 * 10
    drawn[:, 1] = 0.3 * drawn[:, 1] + 0.7 * drawn[:, 0]
    return drawn[[*chosen, *range(4)]]


@eqx.filter_jit
def responses(payoffs, goals):
    def one(own):
        game = MatrixGame.from_table(own)
        found = dg.quantal_responses(game, goals, game.uniform())
        return jnp.concatenate(found.logits, -1), found.reached

    return jax.vmap(one)(payoffs)


CASES = {
    "2x2": (lambda: skewed((2, 2), 152, (60, 65)), (0.2, 1.0, 2.0, 12.0)),
    "3x3": (lambda: random_payoffs((3, 3), 27, (52, 99)), (0.05, 0.2, 1.0, 5.0)),
    "3x3 skewed": (lambda: skewed((3, 3), 154, (7, 79)), (0.2, 1.0, 2.0, 12.0)),
    "2x2x2": (
        lambda: random_payoffs((2, 2, 2), 41, (50, 51, 76, 135, 136, 185, 237, 283, 298)),
        (0.05, 0.2, 1.0, 5.0),
    ),
    "2x2x2 common": (
        lambda: common_interests((2, 2, 2), 154, (14, 20, 47, 66, 69)),
        (0.2, 1.0, 2.0, 6.0),
    ),
}


@pytest.mark.full
@pytest.mark.parametrize("name", CASES)
def test_what_is_reached_lies_on_the_principal_branch(name):
    make, goals = CASES[name]
    payoffs, goals = make(), np.array(goals)
    expected = followed(payoffs, goals)
    for unit in (1.0, 1e-6, 1e6):
        found, reached = responses(payoffs * unit, goals / unit)
        assert reached.all()
        assert_allclose(found, expected, atol=1e-6)
    # The same without stops on the way.
    found, reached = responses(payoffs, goals[-1] * np.array([1, 1.001, 1.002, 1.003]))
    assert reached.all()
    assert_allclose(found[:, 0], expected[:, -1], atol=1e-6)


@pytest.mark.full
@pytest.mark.parametrize("goals", ([2.0], [1.5, 2.0], [0.1, 1.3, 1.4, 2.0]))
def test_a_branch_that_turns_back(goals):
    """McKelvey's loop: at a precision of 1.5 there is one equilibrium, and this is its branch."""
    found = dg.quantal_responses(LOOP, goals, LOOP.uniform())
    assert found.reached.all()
    assert abs(found.strategies[0][-1, 0] - 0.08972428) < 1e-7
    assert found.turns[-1] == 2
    if 1.3 in goals:
        assert found.turns.tolist() == [0, 0, 2, 2]


@pytest.mark.full
def test_a_branch_without_turns():
    for goals in ([5.0], [0.5, 1.0, 2.0, 5.0]):
        found = dg.quantal_responses(PLAIN, goals, PLAIN.uniform())
        expected = followed(np.asarray(PLAIN.payoffs)[None], [5.0])[0, 0]
        assert found.reached.all()
        assert_allclose(jnp.concatenate(found.logits, -1)[-1], expected, atol=1e-7)


@pytest.mark.full
def test_where_it_was_left():
    """Without enough tries the last point of the branch is returned, with its precision."""
    found = dg.quantal_responses(LOOP, [1.0, 2.0], LOOP.uniform(), max_tries=12)
    assert found.reached.tolist() == [True, False]
    precision = found.followed[1]
    assert found.followed[0] == 1 and 1 < precision < 1.345
    x = tuple(block[1] for block in found.strategies)
    assert dg.quantal_response_residual(dg.Regularised(LOOP, 1 / precision), x) < 1e-8


def test_branches_that_meet_are_not_guessed():
    """Of two who want to do alike, the symmetric branch meets the others at precision 2."""
    alike = MatrixGame([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    found = dg.quantal_responses(alike, [1.0, 1.99, 2.01, 50.0], alike.uniform())
    assert found.reached.tolist() == [True, True, False, False]
    assert_allclose(found.followed[2:], 2, atol=1e-6)
    nearly = MatrixGame([[1 + 1e-6, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    found = dg.quantal_responses(nearly, [1.0, 1.99, 2.01, 50.0], nearly.uniform())
    assert found.reached.all()
    assert found.strategies[0][-1, 0] > 0.99


@pytest.mark.parametrize(
    ("table", "answers"),
    (
        ([[[0.0]], [[0.0]]], ([1.0], [1.0])),
        ([[[5.0, 7.0]], [[1.0, 2.0]]], ([1.0], [0.1192029, 0.8807971])),
        ([[[2.0], [0.0]], [[1.0], [1.0]]], ([0.9820138, 0.0179862], [1.0])),
        ([[0.0, 1.0]], ([0.1192029, 0.8807971],)),
        ([[4.0]], ([1.0],)),
        ([[[[1.0]]], [[[2.0]]], [[[0.0]]]], ([1.0], [1.0], [1.0])),
        ([[[3.0, 3.0], [3.0, 3.0]], [[1.0, 1.0], [1.0, 1.0]]], ([0.5, 0.5], [0.5, 0.5])),
    ),
)
def test_players_without_a_choice(table, answers):
    """At precision 2, where answers are explicit."""
    game = MatrixGame.from_table(table)
    found = dg.quantal_responses(game, [2.0], game.uniform())
    assert found.reached.all()
    for own, expected in zip(found.strategies, answers, strict=True):
        assert_allclose(own[0], expected, atol=1e-7)


def test_payoffs_that_are_no_numbers_are_not_reached():
    game = MatrixGame([[np.nan, 0.0], [1.0, 2.0]], [[0.0, 1.0], [1.0, 0.0]])
    assert not dg.quantal_responses(game, [1.0], game.uniform()).reached.any()
