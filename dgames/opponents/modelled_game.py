"""A game of two players as one of them sees it who has a model of the other, in fractions."""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from dgames.equilibria.exact_payoffs import FiniteGame, as_fractions, exact_payoffs, integers
from dgames.equilibria.tableau import Tableau

# How far from one the probabilities of a model may add up to.
_ROUNDING = Fraction(1, 10**6)


class ModelledGame(NamedTuple):
    """What a player gets, and what the other one is believed to play.

    Attributes:
        payoffs: Fractions, of shape (own actions, the other's actions).
        model: The other's mixed strategy, which adds up to one exactly.
    """

    payoffs: np.ndarray
    model: np.ndarray

    @classmethod
    def of(cls, who: str, game: FiniteGame, model: Any, player: int) -> "ModelledGame":
        """Takes apart what users give; `who` is the function that they called.

        Raises:
            ValueError: If the game has other than two players, there is no such player, or the
                model is no mixed strategy of the other one.
        """
        if player not in (0, 1):
            raise ValueError(f"{who}: the player is 0 or 1, got {player!r}")
        own = exact_payoffs(game, players=2)[player]
        payoffs = own if player == 0 else own.T
        try:
            chances = as_fractions(model, "a model's probabilities")
        except ValueError as error:
            raise ValueError(f"{who}: the model must be finite numbers, got {model!r}") from error
        if chances.shape != payoffs.shape[1:] or min(chances) < 0:
            raise ValueError(
                f"{who}: the model is a mixed strategy of the other player, with one probability "
                f"for each of {payoffs.shape[1]} actions; got {model!r}"
            )
        if abs(sum(chances) - 1) > _ROUNDING:
            raise ValueError(
                f"{who}: the probabilities of the model add up to {float(sum(chances)):.9g}, not "
                "to one"
            )
        return cls(payoffs, chances / sum(chances))

    @property
    def gains(self) -> np.ndarray:
        """What each of the player's actions gains against the model."""
        return (self.payoffs * self.model).sum(1)

    def gain(self, strategy: np.ndarray) -> Fraction:
        """What a mixed strategy gains against the model."""
        return (self.gains * strategy).sum()

    def worst_case(self, strategy: np.ndarray) -> Fraction:
        """What a mixed strategy gains at least, whatever the other player does."""
        return (self.payoffs.T * strategy).sum(1).min()


class Maximin(NamedTuple):
    """The value of a matrix game, with a strategy of each player that proves it.

    Attributes:
        strategy: It gains the value at least, whatever the other player does.
        guard: Against this mixed strategy of the other player nothing gains more.
        value: The value.
    """

    strategy: np.ndarray
    guard: np.ndarray
    value: Fraction


def maximin(payoffs: np.ndarray) -> Maximin:
    """Solves a matrix game exactly, by the simplex method in integers.

    With payoffs B > 0 of the same optimal strategies, the program is `max sum w` subject to
    `B w <= 1`, `w >= 0`; w and its multipliers are the players' strategies, but for their length.

    Args:
        payoffs: Fractions, what the row player gets.

    Raises:
        RuntimeError: If the strategies found do not prove the value: this code is broken.
    """
    rows, columns = payoffs.shape
    tableau = Tableau.of(integers(payoffs, least=1).tolist(), [1] * rows)
    tableau, multipliers = tableau.maximised([1] * columns)
    strategy, guard = _normalised(multipliers), _normalised(tableau.values()[:columns])
    found = Maximin(strategy, guard, (payoffs.T * strategy).sum(1).min())
    if not proves_value(payoffs, found):
        raise RuntimeError("a matrix game was not solved exactly; please report this game")
    return found


def proves_value(payoffs: np.ndarray, found: Maximin) -> bool:
    """Returns whether strategies prove a value: `min_j (x'A)_j = v = max_i (A y)_i`."""
    mixed = all(min(own) >= 0 and sum(own) == 1 for own in found[:2])
    least = (payoffs.T * found.strategy).sum(1).min()
    return mixed and least == found.value == (payoffs * found.guard).sum(1).max()


def _normalised(values: list[Any]) -> np.ndarray:
    total = sum(values)
    result = np.empty(len(values), object)
    result[:] = [Fraction(value) / total for value in values]
    return result
