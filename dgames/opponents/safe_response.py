"""The most that can be gained against a model without risking more than a given amount."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from dgames.equilibria.exact_payoffs import FiniteGame, integers, scale_of
from dgames.equilibria.simplex_program import SimplexOptimum, best_in_simplex, is_optimal
from dgames.opponents.modelled_game import ModelledGame, maximin
from dgames.opponents.response_frontier import OpponentResponse


@dataclass(frozen=True)
class SafeResponse(OpponentResponse):
    """The most that can be gained against a model, at a bounded risk, with its proof.

    That nothing safe gains more is proved by the multipliers m >= 0 of the opponent's actions:
    with the floor w, `(A yhat)_i + sum_j m_j (A_ij - w) <= gain` for every action i, so a strategy
    whose worst case is w or more gains no more than that. That the game is worth no more than
    `value` is proved by the guard: against it no action gains more.

    Attributes:
        value: What the player can make sure of.
        floor: What the worst case had to be at least, `value - epsilon`.
        multipliers: What proves that the gain is the most.
        guard: A mixed strategy of the opponent, which proves the value.
    """

    value: Fraction
    floor: Fraction
    multipliers: tuple[Fraction, ...]
    guard: tuple[Fraction, ...]


def safe_response(game: FiniteGame, model: Any, epsilon: Any, *, player: int = 0) -> SafeResponse:
    """Finds what gains most against a model among the strategies that risk no more than epsilon.

        max_x x'A yhat   subject to   x'A y >= value - epsilon for all y

    A linear program, solved in fractions and verified by its multipliers. With epsilon zero the
    response is an equilibrium strategy, the one that does best against the model.

    Args:
        game: As for `response_frontier`.
        model: A mixed strategy of the other player.
        epsilon: How much less than the value of the game the worst case may be; not negative.
        player: The number of the player who responds.

    Raises:
        ValueError: If epsilon is negative, the game has other than two players, or the model is no
            mixed strategy.

    References:
        McCracken and Bowling, *Safe strategies for agent modelling in games*, AAAI Fall Symposium
        2004; Ganzfried and Sandholm, *Safe opponent exploitation*, ACM Transactions on Economics
        and Computation 3 (2015).

    >>> from dgames.games import MatrixGame
    >>> pennies = MatrixGame.rock_paper_scissors()
    >>> safe = safe_response(pennies, [1, 0, 0], Fraction(1, 6))
    >>> [str(chance) for chance in safe.strategy], str(safe.gain), str(safe.worst_case)
    (['1/3', '1/2', '1/6'], '1/3', '-1/6')
    """
    seen = ModelledGame.of("safe_response", game, model, player)
    allowed = _exact("epsilon", epsilon)
    if allowed < 0:
        raise ValueError(f"safe_response: epsilon is not negative, got {epsilon}")
    solved = maximin(seen.payoffs)
    strategy, multipliers = best_above(seen, solved.value - allowed)
    response = OpponentResponse.of(seen, strategy)
    return SafeResponse(
        *(response.strategy, response.gain, response.worst_case),
        *(solved.value, solved.value - allowed),
        *(tuple(multipliers), tuple(solved.guard.tolist())),
    )


def best_above(game: ModelledGame, floor: Fraction) -> tuple[np.ndarray, list[Fraction]]:
    """The strategy that gains most among those with a worst case above a floor, and multipliers.

    Args:
        game: The game and the model.
        floor: At most the value of the game.
    """
    gains, exact = game.gains, (floor - game.payoffs).T
    rows = [integers(row) for row in exact]
    whole = integers(gains)
    found = best_in_simplex(whole, np.array(rows, object).reshape(exact.shape))
    unit = scale_of(gains, whole)
    multipliers = [
        y * unit / scale_of(row, own)
        for y, row, own in zip(found.multipliers, exact, rows, strict=True)
    ]
    optimum = SimplexOptimum(found.point, found.value * unit, multipliers)
    if found.point is None or not is_optimal(gains, exact, optimum):
        raise RuntimeError("a linear program was not solved exactly; please report this game")
    strategy = np.empty(len(found.point), object)
    strategy[:] = found.point
    return strategy, multipliers


def _exact(what: str, number: Any) -> Fraction:
    try:
        return Fraction(number.item() if hasattr(number, "item") else number)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"safe_response: {what} is a finite number, got {number!r}") from error
