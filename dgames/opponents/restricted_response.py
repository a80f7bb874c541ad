"""Restricted Nash responses: against an opponent who follows a model with some probability."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dgames.equilibria.exact_payoffs import FiniteGame
from dgames.opponents.modelled_game import ModelledGame, maximin
from dgames.opponents.response_frontier import (
    OpponentResponse,
    boldest_response,
    mixed_payoffs,
    safest_response,
)


@dataclass(frozen=True, init=False)
class RestrictedResponse(OpponentResponse):
    """The best strategy against an opponent who follows a model with probability p.

        max_x  p x'A yhat + (1 - p) min_y x'A y

    With probability 1 - p the opponent does what is worst for the player, who does not know which.
    As `sum x = 1`, this is the matrix game with the payoffs `p (A yhat)_i + (1 - p) A_ij`; it is
    solved in fractions, and strategies of both players prove its value.

    For p = 1 it is a best response to the model, and for p = 0 an equilibrium strategy of a
    zero-sum game: of several, the safest one and the one that gains most, respectively. In between
    there may be a whole edge of optima at the breakpoints of the `response_frontier`; one is found.

    Attributes:
        p: The probability of the model.
        value: `p gain + (1 - p) worst case`, the most that is possible.
        guard: A mixed strategy y of the opponent that proves it: against `p yhat + (1 - p) y` no
            action gains more.

    Args:
        game: A `MatrixGame` of two players, or one nested list of numbers per player. Only the
            player's own payoffs matter.
        model: A mixed strategy of the other player.
        p: A number from 0 to 1.
        player: The number of the player who responds.

    Raises:
        ValueError: If p is no probability, the game has other than two players, or the model is no
            mixed strategy.

    References:
        Johanson, Zinkevich and Bowling, *Computing robust counter-strategies*, NIPS 2007.

    >>> from dgames.games import MatrixGame
    >>> response = RestrictedResponse(MatrixGame.rock_paper_scissors(), [1, 0, 0], 0.5)
    >>> [str(chance) for chance in response.strategy], str(response.gain)
    (['1/3', '2/3', '0'], '2/3')
    >>> str(response.worst_case)
    '-1/3'
    """

    p: Fraction
    value: Fraction
    guard: tuple[Fraction, ...]

    def __init__(self, game: FiniteGame, model: Any, p: Any, *, player: int = 0):
        seen = ModelledGame.of("RestrictedResponse", game, model, player)
        try:
            chance = Fraction(p.item() if hasattr(p, "item") else p)
        except (TypeError, ValueError, OverflowError):
            chance = Fraction(-1)
        if not 0 <= chance <= 1:
            raise ValueError(f"RestrictedResponse: p is a number from 0 to 1, got {p!r}")
        strategy, guard, value = maximin(mixed_payoffs(seen, chance))
        if chance in (0, 1):
            response = safest_response(seen) if chance == 0 else boldest_response(seen)
        else:
            response = OpponentResponse.of(seen, strategy)
        assert value == chance * response.gain + (1 - chance) * response.worst_case
        fields = {**vars(response), "p": chance, "value": value, "guard": tuple(guard.tolist())}
        for name, own in fields.items():
            object.__setattr__(self, name, own)
