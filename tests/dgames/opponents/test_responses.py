"""Restricted and safe responses, and the frontier between them, against closed forms and HiGHS."""

from fractions import Fraction

import jaxtyping
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import dgames as dg
from dgames.games import MatrixGame
from dgames.opponents.modelled_game import ModelledGame
from dgames.opponents.response_frontier import verify

ROCK = [1, 0, 0]
RPS = [[0, -1, 1], [1, 0, -1], [-1, 1, 0]]
THIRD, HALF = Fraction(1, 3), Fraction(1, 2)


@pytest.mark.parametrize(
    ("p", "strategy", "gain", "worst_case"),
    (
        (0, (THIRD, THIRD, THIRD), 0, 0),
        (0.33, (THIRD, THIRD, THIRD), 0, 0),
        (0.34, (THIRD, 2 * THIRD, 0), 2 * THIRD, -THIRD),
        (HALF, (THIRD, 2 * THIRD, 0), 2 * THIRD, -THIRD),
        (0.66, (THIRD, 2 * THIRD, 0), 2 * THIRD, -THIRD),
        (0.67, (0, 1, 0), 1, -1),
        (1, (0, 1, 0), 1, -1),
    ),
)
def test_restricted_responses_to_rock(p, strategy, gain, worst_case):
    """With the breakpoints 1/3 and 2/3, derived by hand."""
    response = dg.RestrictedResponse(MatrixGame.rock_paper_scissors(), ROCK, p)
    assert response.strategy == strategy
    assert (response.gain, response.worst_case) == (gain, worst_case)
    assert response.value == Fraction(p) * gain + (1 - Fraction(p)) * worst_case
    against = [sum(u * y for u, y in zip(row, response.guard, strict=True)) for row in RPS]
    gains = [row[0] for row in RPS]
    assert response.value == max(
        Fraction(p) * c + (1 - Fraction(p)) * a for c, a in zip(gains, against, strict=True)
    )
    np.testing.assert_array_equal(response.probabilities(), np.array(strategy, float))


def test_the_whole_frontier_against_rock():
    frontier = dg.response_frontier(MatrixGame.rock_paper_scissors(), ROCK)
    assert frontier.breakpoints == (THIRD, 2 * THIRD)
    assert [each.strategy for each in frontier.responses] == [
        (THIRD, THIRD, THIRD),
        (THIRD, 2 * THIRD, 0),
        (0, 1, 0),
    ]
    assert frontier.value == 0
    middle = frontier.safest(Fraction(5, 6))
    assert middle.strategy == (THIRD / 2, Fraction(5, 6), 0)
    assert middle.worst_case == -2 * THIRD
    assert frontier.safest(-5) == frontier.responses[0]
    with pytest.raises(ValueError, match="no strategy gains more than 1"):
        frontier.safest(1.5)


def test_safe_responses_to_rock():
    """Up to a risk of 1/3 each unit of it gains two, and then half a unit."""
    for epsilon, gain in ((0, 0), (Fraction(1, 6), THIRD), (THIRD, 2 * THIRD), (1, 1), (9, 1)):
        safe = dg.safe_response((RPS, [[0] * 3] * 3), ROCK, epsilon)
        assert (safe.value, safe.floor, safe.gain) == (0, -epsilon, gain)
        assert safe.worst_case >= safe.floor


def test_the_other_player_may_respond_too():
    """Only his own payoffs matter, and models may be floats that add up to one but for rounding."""
    first = [[1, 2, 3], [0, 5, 1]]
    second = [[0, 1, 4], [3, 0, 2]]
    model = [0.1 + 0.2, 0.7]
    one = dg.response_frontier((first, second), model, player=1)
    two = dg.response_frontier((np.transpose(second), np.transpose(first)), model)
    assert one == two
    assert len(one.responses[0].strategy) == 3


def test_a_useless_model_changes_nothing():
    """Against an equilibrium strategy nothing is gained, and one corner is the whole frontier."""
    frontier = dg.response_frontier(MatrixGame.rock_paper_scissors(), [THIRD] * 3)
    assert len(frontier.responses) == 1
    assert frontier.breakpoints == ()
    assert frontier.responses[0].strategy == (THIRD,) * 3


games = st.integers(1, 4).flatmap(
    lambda n: st.lists(st.lists(st.integers(-3, 3), min_size=n, max_size=n), min_size=1, max_size=4)
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), games)
def test_frontiers_agree_with_programs_and_with_each_other(data, table):
    """Degenerate games too: three ways to the same numbers, of which one is HiGHS."""
    weights = [data.draw(st.integers(0, 3)) for _ in table[0]]
    weights[0] += 1
    model = [Fraction(w, sum(weights)) for w in weights]
    game = (table, [[0] * len(table[0]) for _ in table])
    frontier = dg.response_frontier(game, model)
    gains = [each.gain for each in frontier.responses]
    worst = [each.worst_case for each in frontier.responses]
    assert gains == sorted(set(gains)) and worst == sorted(set(worst), reverse=True)
    assert list(frontier.breakpoints) == sorted(set(frontier.breakpoints))
    p = data.draw(st.fractions(0, 1, max_denominator=7))
    best = dg.RestrictedResponse(game, model, p).value
    assert best == max(p * each.gain + (1 - p) * each.worst_case for each in frontier.responses)
    epsilon = data.draw(st.fractions(0, 4, max_denominator=5))
    safe = dg.safe_response(game, model, epsilon)
    again = frontier.safest(safe.gain)
    assert again.worst_case >= safe.worst_case >= safe.floor == frontier.value - epsilon
    a, c = np.array(table, float), np.array(table, float) @ np.array(model, float)
    floor = float(safe.floor) - 1e-9
    found = linprog(
        -c,
        A_ub=-a.T,
        b_ub=np.full(a.shape[1], -floor),
        A_eq=np.ones((1, len(c))),
        b_eq=[1],
        bounds=(0, None),
    )
    assert abs(-found.fun - float(safe.gain)) < 1e-5
    # The proof: with these multipliers nothing above the floor gains more.
    m = np.array(safe.multipliers, object)
    table = np.array(table, object)
    assert min(m) >= 0
    assert max((table * np.array(model, object)).sum(1) + ((table - safe.floor) * m).sum(1)) <= (
        safe.gain
    )
    assert max((table * np.array(safe.guard, object)).sum(1)) == safe.value


def test_false_frontiers_are_refused():
    """A corner less, multipliers of another edge, or an end that is not the safest."""
    seen = ModelledGame.of("test", MatrixGame(RPS), ROCK, 0)
    corners = dg.response_frontier(MatrixGame(RPS), ROCK).responses[::-1]
    zero, one = Fraction(0), Fraction(1)
    edges = [[zero, zero, HALF], [zero, one, one]]  # what a safer worst case costs, by hand
    verify(seen, corners, edges)
    for wrong in (
        (corners[::2], [[zero, HALF, HALF]]),
        (corners, edges[::-1]),
        (corners, [[zero, zero, HALF], [one, one, zero]]),
        (corners[:2], edges[:1]),
        (corners[1:], edges[1:]),
    ):
        with pytest.raises(RuntimeError, match="not found exactly"):
            verify(seen, *wrong)


@pytest.mark.parametrize(
    ("call", "message"),
    (
        (lambda g: dg.RestrictedResponse(g, ROCK, 1.5), "p is a number from 0 to 1, got 1.5"),
        (lambda g: dg.RestrictedResponse(g, ROCK, float("nan")), "p is a number from 0 to 1"),
        (lambda g: dg.RestrictedResponse(g, [1, 0], 0.5), "one probability for each of 3 actions"),
        (lambda g: dg.safe_response(g, [2, -1, 0], 0.5), "mixed strategy of the other player"),
        (lambda g: dg.safe_response(g, [0.5, 0.4, 0], 0.5), "add up to 0.9, not to one"),
        (lambda g: dg.safe_response(g, ["a", 0, 0], 0.5), "the model must be finite numbers"),
        (lambda g: dg.safe_response(g, ROCK, -1), "epsilon is not negative, got -1"),
        (lambda g: dg.safe_response(g, ROCK, float("inf")), "epsilon is a finite number"),
        (lambda g: dg.response_frontier(g, ROCK, player=2), "the player is 0 or 1, got 2"),
        (lambda g: dg.response_frontier(MatrixGame.from_table([[1.0]]), [1]), "2 players"),
    ),
)
def test_what_is_wrong_is_said(call, message):
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=f"{message}|Type-check error"):
        call(MatrixGame.rock_paper_scissors())
