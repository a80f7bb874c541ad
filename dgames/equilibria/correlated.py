"""Correlated and coarse correlated equilibria by linear programs, exactly."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float

from dgames.equilibria.exact_payoffs import (
    FiniteGame,
    as_fractions,
    exact_payoffs,
    integers,
    scale_of,
)
from dgames.equilibria.simplex_program import best_in_simplex


@dataclass(frozen=True)
class CorrelatedEquilibrium:
    """The correlated equilibrium that is best for an objective, in fractions.

    Attributes:
        distribution: The probability of every profile of actions: fractions, of shape `actions`.
        payoffs: What every player expects.
        value: The objective, the largest that is possible.
        multipliers: One number for what each deviation gains: in every profile of actions the
            objective less the sum of `multiplier * gain` is at most `value`, which proves that no
            correlated equilibrium is better. They are ordered by player, by the action that is told
            (unless coarse), and by the deviation.
        coarse: Whether constraints are those of coarse correlated equilibria.
    """

    distribution: np.ndarray
    payoffs: tuple[Fraction, ...]
    value: Fraction
    multipliers: tuple[Fraction, ...]
    coarse: bool

    def probabilities(self) -> Float[np.ndarray, "*actions"]:
        """The nearest floats."""
        return self.distribution.astype(np.float64)


def correlated_equilibrium(
    game: FiniteGame,
    objective: str | int | Sequence[Any] | np.ndarray = "welfare",
    *,
    coarse: bool = False,
) -> CorrelatedEquilibrium:
    r"""Finds the correlated equilibrium that is best for an objective, exactly.

    A mediator draws a profile a with probability p(a) and tells everyone the own action; p is a
    correlated equilibrium if nobody gains by playing b whenever told a_i (Aumann, 1974):

        sum over a with a_i given of p(a) (u_i(b, a_-i) - u_i(a)) <= 0   for all i, a_i and b.

    It is a coarse one if nobody gains by ignoring the mediator altogether, playing b instead:
    `sum over all a of p(a) (u_i(b, a_-i) - u_i(a)) <= 0` (Moulin and Vial, 1978).

    Both are linear programs. A solver's result is only a guess: the optimum and its multipliers are
    recovered in fractions, and verified, so that the value is exact.

    Args:
        game: A `MatrixGame` of any number of players, or one nested list of numbers per player.
        objective: What to maximise: "welfare", the sum of all payoffs; the number of a player,
            whose payoff it is; or an array of shape `actions`, say minus the welfare for the worst
            equilibrium.
        coarse: Whether to look for a coarse correlated equilibrium.

    Raises:
        ValueError: If the payoffs or the objective are malformed.

    >>> chicken = [[6, 2], [7, 0]], [[6, 7], [2, 0]]
    >>> best = correlated_equilibrium(chicken)
    >>> [str(p) for p in best.distribution.ravel()], str(best.value)
    (['1/2', '1/4', '1/4', '0'], '21/2')

    References:
        Aumann, *Subjectivity and correlation in randomized strategies*, 1974; Papadimitriou and
        Roughgarden, *Computing correlated equilibria in multi-player games*, 2008.
    """
    payoffs = exact_payoffs(game)
    target = _objective(payoffs, objective)
    whole = integers(target.ravel())
    rows, sizes = [], []
    for player, own in enumerate(payoffs):
        table = integers(own)
        gains = incentives(table, player, coarse=coarse)
        rows += gains
        sizes += [scale_of(own.ravel(), table.ravel())] * len(gains)
    optimum = best_in_simplex(whole, np.array(rows, object).reshape(-1, target.size))
    assert optimum.point is not None, "every game has a correlated equilibrium"
    unit = scale_of(target.ravel(), whole)
    multipliers = tuple(y * unit / k for y, k in zip(optimum.multipliers, sizes, strict=True))
    p = np.array(optimum.point, object).reshape(target.shape)
    expected = tuple(Fraction((own * p).sum()) for own in payoffs)
    return CorrelatedEquilibrium(p, expected, optimum.value * unit, multipliers, coarse)


def incentives(own: np.ndarray, player: int, *, coarse: bool = False) -> list[np.ndarray]:
    """Returns what deviations gain at every profile: vectors g with `g.p <= 0` in equilibrium.

    They are ordered by the action that is told (unless coarse), and by the deviation.

    Args:
        own: The payoffs of a player.
        player: The player's number.
        coarse: Whether deviations ignore what is told.
    """
    actions = range(own.shape[player])
    rows = []
    for told in (None,) if coarse else actions:
        for other in actions:
            if other == told:
                continue
            gain = np.expand_dims(own.take(other, player), player) - own
            if told is not None:
                kept = np.zeros_like(gain)
                place = tuple(told if k == player else slice(None) for k in range(own.ndim))
                kept[place] = gain[place]
                gain = kept
            rows.append(gain.ravel())
    return rows


def _objective(payoffs: list[np.ndarray], objective: Any) -> np.ndarray:
    if isinstance(objective, str):
        if objective != "welfare":
            raise ValueError(
                f'an objective is "welfare", a player\'s number or an array, got {objective!r}'
            )
        return sum(payoffs[1:], payoffs[0])
    if isinstance(objective, int | np.integer):
        if not 0 <= objective < len(payoffs):
            raise ValueError(f"there is no player {objective}; they are 0 to {len(payoffs) - 1}")
        return payoffs[int(objective)]
    target = as_fractions(objective, "the objective")
    if target.shape != payoffs[0].shape:
        raise ValueError(
            f"an objective has a number for every profile, of shape {payoffs[0].shape}; got shape "
            f"{target.shape}"
        )
    return target
