"""How much can be gained against a model of the opponent at what worst case: all trade-offs."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float

from dgames.equilibria.exact_payoffs import FiniteGame
from dgames.opponents.floors import raised_floors
from dgames.opponents.modelled_game import ModelledGame, maximin


@dataclass(frozen=True)
class OpponentResponse:
    """A mixed strategy against a model of the opponent, in fractions.

    Attributes:
        strategy: The probabilities of the player's actions.
        gain: The expected payoff against the model.
        worst_case: The least expected payoff, whatever the opponent does.
    """

    strategy: tuple[Fraction, ...]
    gain: Fraction
    worst_case: Fraction

    def probabilities(self) -> Float[np.ndarray, " actions"]:
        """The nearest floats."""
        return np.array(self.strategy, np.float64)

    @classmethod
    def of(cls, game: ModelledGame, strategy: np.ndarray) -> "OpponentResponse":
        """Measures a strategy, exactly."""
        return cls(tuple(strategy.tolist()), game.gain(strategy), game.worst_case(strategy))


@dataclass(frozen=True)
class ResponseFrontier:
    """All best trade-offs between the gain against a model and the worst case.

    Attributes:
        responses: The corners, from the safest one, whose worst case is the value of the game, to
            one that gains most against the model. Mixtures of neighbours are all the others.
        breakpoints: The probability p of the model at which a `RestrictedResponse` goes from each
            corner to the next.
        guards: For each of these p, a mixed strategy y of the opponent that proves the edge:
            against `p model + (1 - p) y` no strategy is worth more than both corners.
    """

    responses: tuple[OpponentResponse, ...]
    breakpoints: tuple[Fraction, ...]
    guards: tuple[tuple[Fraction, ...], ...]

    @property
    def value(self) -> Fraction:
        """What the player can make sure of, which is the worst case of the safest response."""
        return self.responses[0].worst_case

    def safest(self, gain: Any) -> OpponentResponse:
        """The response that gains some amount against the model, with the best worst case.

        Raises:
            ValueError: If nothing gains as much.

        >>> from dgames.games import MatrixGame
        >>> frontier = response_frontier(MatrixGame.rock_paper_scissors(), [1, 0, 0])
        >>> str(frontier.safest(Fraction(1, 3)).worst_case)
        '-1/6'
        """
        corners = [each.gain for each in self.responses]
        wanted = Fraction(gain)
        if wanted > corners[-1]:
            raise ValueError(f"no strategy gains more than {corners[-1]} against the model")
        k = bisect_left(corners, wanted)
        if k == 0 or corners[k] == wanted:
            return self.responses[k]
        low, high = self.responses[k - 1], self.responses[k]
        share = (wanted - low.gain) / (high.gain - low.gain)
        return OpponentResponse(
            tuple(
                (1 - share) * a + share * b
                for a, b in zip(low.strategy, high.strategy, strict=True)
            ),
            wanted,
            (1 - share) * low.worst_case + share * high.worst_case,
        )


def response_frontier(game: FiniteGame, model: Any, *, player: int = 0) -> ResponseFrontier:
    """Finds all best trade-offs between gaining against a model and being safe, exactly.

    Of a strategy x, the gain `x'A yhat` is linear and the worst case `min_y x'A y` concave, so the
    best pairs of both form a polygonal line: the most gain above a floor of the worst case. From
    the best response on, the floor is raised, and the basis of the linear program changes where it
    has to. All of it is in fractions: every breakpoint is exact, and every edge is proved.

    Args:
        game: A `MatrixGame` of two players, or one nested list of numbers per player. Only the
            player's own payoffs matter; if the game is zero-sum, the worst case is what an opponent
            does who knows the strategy and plays well.
        model: A mixed strategy of the other player. Probabilities that add up to one up to rounding
            are divided by their sum.
        player: The number of the player who responds.

    Raises:
        ValueError: If the game has other than two players, or the model is no mixed strategy.

    References:
        Johanson, Zinkevich and Bowling, *Computing robust counter-strategies*, NIPS 2007, whose
        trade-off is this one in large games.

    >>> from dgames.games import MatrixGame
    >>> frontier = response_frontier(MatrixGame.rock_paper_scissors(), [1, 0, 0])
    >>> [(str(each.gain), str(each.worst_case)) for each in frontier.responses]
    [('0', '0'), ('2/3', '-1/3'), ('1', '-1')]
    >>> [str(p) for p in frontier.breakpoints]
    ['1/3', '2/3']
    """
    seen = ModelledGame.of("response_frontier", game, model, player)
    responses, edges = [], []
    for strategy, multipliers in raised_floors(seen.payoffs, seen.gains):
        corner = OpponentResponse.of(seen, strategy)
        if responses and corner.gain == responses[-1].gain:
            responses[-1] = corner  # nothing was lost: the same gain, and safer
            continue
        slope = sum(multipliers, Fraction(0))
        if edges and sum(edges[-1]) == slope:
            responses[-1] = corner
        else:
            responses.append(corner)
            edges += [multipliers] if len(responses) > 1 else []
    verify(seen, responses, edges)
    totals = [sum(each, Fraction(0)) for each in edges]
    return ResponseFrontier(
        tuple(reversed(responses)),
        tuple(1 / (1 + total) for total in reversed(totals)),
        tuple(
            tuple(m / total for m in each)
            for each, total in zip(reversed(edges), reversed(totals), strict=True)
        ),
    )


def verify(
    game: ModelledGame, responses: Sequence[OpponentResponse], edges: Sequence[Sequence[Fraction]]
) -> None:
    """Verifies that no strategy is better than an edge, from the boldest response to the safest.

    With multipliers m >= 0 of the opponent's actions and `(A yhat)_i + (A m)_i <= s` for all i,
    every strategy has `gain + sum(m) worst case <= s`; both ends of the edge attain it.
    """
    proved = responses[0].gain == game.gains.max()
    for (high, low), m in zip(pairwise(responses), edges, strict=True):
        bound = (game.gains + (game.payoffs * np.array(m, object)).sum(1)).max()
        worth = [each.gain + sum(m) * each.worst_case for each in (high, low)]
        proved &= min(m) >= 0 and worth == [bound, bound]
    proved &= responses[-1].worst_case == maximin(game.payoffs).value
    if not proved:
        raise RuntimeError("a frontier was not found exactly; please report this game")


def mixed_payoffs(game: ModelledGame, p: Fraction) -> np.ndarray:
    """Payoffs against an opponent who follows the model with probability p, unnoticed."""
    return p * game.gains[:, None] + (1 - p) * game.payoffs


def safest_response(game: ModelledGame) -> OpponentResponse:
    """Of the strategies with the best worst case, one that gains most against the model."""
    from dgames.opponents.safe_response import best_above  # it needs this module's responses

    return OpponentResponse.of(game, best_above(game, maximin(game.payoffs).value)[0])


def boldest_response(game: ModelledGame) -> OpponentResponse:
    """Of the strategies that gain most against the model, one with the best worst case."""
    best = np.flatnonzero(game.gains == game.gains.max())
    strategy = np.full(len(game.payoffs), Fraction(0), object)
    strategy[best] = maximin(game.payoffs[best]).strategy
    return OpponentResponse.of(game, strategy)
