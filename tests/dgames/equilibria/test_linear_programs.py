"""Correlated equilibria and commitment: published examples, definitions, another solver."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

import dgames as dg
from dgames.equilibria import simplex_program
from dgames.equilibria.correlated import incentives
from dgames.equilibria.exact_payoffs import exact_payoffs
from dgames.games import MatrixGame

F = Fraction

CHICKEN = ([[6, 2], [7, 0]], [[6, 7], [2, 0]])


def deviation_gains(payoffs, p, coarse):
    """What each deviation gains, profile by profile."""
    result = []
    for player, own in enumerate(payoffs):
        count = own.shape[player]
        for told, other in itertools.product(range(count), repeat=2):
            gain = F(0)
            for profile in np.ndindex(own.shape):
                if coarse or profile[player] == told:
                    moved = list(profile)
                    moved[player] = other
                    gain += p[profile] * (own[tuple(moved)] - own[profile])
            result.append(gain)
    return result


def test_the_best_correlated_equilibrium_of_chicken():
    """Aumann (1974): 1/2, 1/4, 1/4 has the welfare 10.5, beyond the hull of Nash equilibria."""
    best = dg.correlated_equilibrium(CHICKEN)
    assert best.distribution.tolist() == [[F(1, 2), F(1, 4)], [F(1, 4), F(0)]]
    assert best.value == F(21, 2) and best.payoffs == (F(21, 4), F(21, 4))
    assert best.probabilities().tolist() == [[0.5, 0.25], [0.25, 0.0]]
    nash = dg.bimatrix_equilibria(CHICKEN)
    assert max(sum(e.payoffs) for e in nash) == F(28, 3)


def test_objectives():
    own = dg.correlated_equilibrium(CHICKEN, 0)
    assert own.value == own.payoffs[0] == 7
    both = dg.correlated_equilibrium(CHICKEN, [[0, 0], [0, 1]])  # how likely can a crash be?
    assert both.value == both.distribution[1, 1] > 0
    worst = dg.correlated_equilibrium(CHICKEN, -np.sum(CHICKEN, 0))
    assert -worst.value == sum(worst.payoffs) <= 9


@pytest.mark.parametrize("coarse", [False, True])
def test_random_games_of_two_and_three_players(coarse):
    rng = np.random.default_rng(0)
    for shape in [(2, 4, 3), (3, 2, 3, 2), (3, 2, 2, 2), (2, 1, 3)]:
        tables = rng.integers(-3, 4, shape) if shape[1] == 2 else rng.normal(size=shape)
        payoffs = exact_payoffs(tables)
        best = dg.correlated_equilibrium(MatrixGame(*tables), coarse=coarse)
        p, gains = best.distribution, deviation_gains(payoffs, best.distribution, coarse)
        assert p.sum() == 1 and p.min() >= 0 and max(gains) <= 0
        welfare = sum(payoffs[1:], payoffs[0])
        assert (p * welfare).sum() == best.value == sum(best.payoffs)
        # The multipliers prove that no other is better.
        rows = [incentives(own, player, coarse=coarse) for player, own in enumerate(payoffs)]
        rows = np.array([row for own in rows for row in own], object).reshape(-1, p.size)
        y = np.array(best.multipliers, object)
        assert min(best.multipliers) >= 0
        assert ((welfare.ravel() - (y[:, None] * rows).sum(0)) <= best.value).all()
        found = linprog(
            -welfare.ravel().astype(float),
            rows.astype(float),
            np.zeros(len(rows)),
            np.ones((1, p.size)),
            [1.0],
            method="highs-ipm",
        )
        np.testing.assert_allclose(float(best.value), -found.fun, rtol=1e-7, atol=1e-7)


def test_coarse_equilibria_may_be_better():
    """A mediator can have player 0 win always, as long as the loser does not know the own action.

    Told it, the loser knows the winner's and gains by leaving; with uniform shares of the three
    profiles in which player 0 wins, every fixed action earns the loser 1 in the mean, as it is.
    """
    game = [[[0, 1, 2], [2, 0, 1], [1, 2, 0]], [[0, 2, 1], [1, 0, 2], [2, 1, 0]]]
    assert dg.correlated_equilibrium(game, 0, coarse=True).value == 2
    assert 1 < dg.correlated_equilibrium(game, 0).value < 2


def test_the_simplex_method_in_integers_finds_the_same(monkeypatch):
    games = [CHICKEN, np.random.default_rng(1).integers(0, 3, (2, 3, 3)).tolist()]
    guided = [dg.correlated_equilibrium(game).value for game in games]
    first = dg.commitment(games[1])
    monkeypatch.setattr(simplex_program, "_from_highs", lambda c, G: None)
    assert [dg.correlated_equilibrium(game).value for game in games] == guided
    assert dg.commitment(games[1]).value == first.value


def test_a_wrong_optimum_is_noticed():
    G = np.array([[-1, 1]], object)  # the second share is at most the first
    rising, falling = np.array([1, 2], object), np.array([2, 1], object)
    best = simplex_program.best_in_simplex(rising, G)
    assert best == ([F(1, 2), F(1, 2)], F(3, 2), [F(1, 2)])
    optimum = simplex_program.SimplexOptimum
    # Each breaks one condition, and no other.
    for c, wrong in [
        (rising, optimum([F(0), F(1)], F(2), [F(0)])),  # a constraint
        (rising, optimum([F(1), F(0)], F(1), [F(0)])),  # the bound
        (rising, optimum([F(3, 4), F(3, 4)], F(9, 4), [F(0)])),  # the sum
        (falling, optimum([F(2), F(-1)], F(3), [F(0)])),  # signs of shares
        (falling, optimum([F(1), F(0)], F(3), [F(0)])),  # the value reached
        (falling, optimum([F(1), F(0)], F(2), [F(-1)])),  # signs of multipliers
        (rising, optimum(None, F(0), [F(1)])),  # no proof that there is none
    ]:
        assert not simplex_program.is_optimal(c, G, wrong)
    assert simplex_program.is_optimal(falling, G, optimum([F(1), F(0)], F(2), [F(0)]))
    none = simplex_program.best_in_simplex(rising, np.array([[1, 1]], object))
    assert none.point is None
    assert simplex_program.is_optimal(rising, np.array([[1, 1]], object), none)


def test_commitment_in_the_first_example_of_conitzer_and_sandholm():
    """The leader commits to 1/2 each and gets 3.5; in the only equilibrium it gets 2."""
    game = ([[2, 4], [1, 3]], [[1, 0], [0, 1]])
    best = dg.commitment(game)
    assert best.strategy == (F(1, 2), F(1, 2)) and best.reply == 1
    assert best.value == F(7, 2) and best.follower_value == F(1, 2)
    assert best.probabilities().tolist() == [0.5, 0.5]
    (nash,) = dg.bimatrix_equilibria(game)
    assert nash.payoffs[0] == 2
    turned = tuple(np.transpose(table) for table in reversed(game))
    assert dg.commitment(turned, leader=1) == best


def test_commitment_is_worth_at_least_every_equilibrium():
    rng = np.random.default_rng(2)
    for shape in [(2, 3, 4), (2, 4, 2), (2, 1, 3)]:
        game = rng.integers(0, 4, shape).tolist()
        best = dg.commitment(game)
        a, b = exact_payoffs(game)
        x = np.array(best.strategy, object)[:, None]
        replies = (x * b).sum(0)
        assert replies[best.reply] == replies.max() == best.follower_value
        assert (x * a).sum(0)[best.reply] == best.value
        assert best.value >= max(e.payoffs[0] for e in dg.bimatrix_equilibria(game))


def test_in_zero_sum_games_commitment_is_worth_the_value():
    game = MatrixGame([[0, -1, 2], [1, 0, -1], [-1, 3, 0]])
    assert dg.commitment(game).value == dg.bimatrix_equilibria(game)[0].payoffs[0]


def test_malformed_questions():
    with pytest.raises(Exception, match=r"no player 2|Type-check error"):
        dg.correlated_equilibrium(CHICKEN, 2)
    with pytest.raises(Exception, match=r"player's number or an array|Type-check error"):
        dg.correlated_equilibrium(CHICKEN, "fairness")
    with pytest.raises(Exception, match=r"of shape \(2, 2\)|Type-check error"):
        dg.correlated_equilibrium(CHICKEN, [1, 2])
    with pytest.raises(Exception, match=r"player 0 or player 1|Type-check error"):
        dg.commitment(CHICKEN, 2)
