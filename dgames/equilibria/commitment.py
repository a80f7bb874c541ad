"""Strong Stackelberg equilibria of games of two players: the best mixed strategy to commit to."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from dgames.equilibria.exact_payoffs import FiniteGame, exact_payoffs, integers, scale_of
from dgames.equilibria.simplex_program import SimplexOptimum, best_in_simplex


@dataclass(frozen=True)
class Commitment:
    """The best mixed strategy to commit to, in fractions.

    Attributes:
        strategy: What the leader plays.
        reply: The action that the follower answers with: a best response, and the leader's
            favourite among these.
        value: What the leader gets, the most that is possible.
        follower_value: What the follower gets.
    """

    strategy: tuple[Fraction, ...]
    reply: int
    value: Fraction
    follower_value: Fraction

    def probabilities(self) -> Float[np.ndarray, " actions"]:
        """The nearest floats."""
        return np.array(self.strategy, np.float64)


def commitment(game: FiniteGame, leader: int = 0) -> Commitment:
    """Finds the best mixed strategy to commit to in a game of two players, exactly.

    The leader announces a mixed strategy; the follower answers with a best response, and with the
    one that is best for the leader among several (a strong Stackelberg equilibrium). For every
    action j of the follower a linear program finds the best strategy to which j is a best response;
    the best of these is the answer. Each program is solved in fractions, with multipliers that
    prove that it has no better solution, and verified.

    Args:
        game: A `MatrixGame` of two players, or one nested list of numbers per player.
        leader: The number of the player who commits.

    Raises:
        ValueError: If the game has other than two players, or there is no such leader.

    References:
        Conitzer and Sandholm, *Computing the optimal strategy to commit to*, EC 2006.

    >>> best = commitment(([[2, 4], [1, 3]], [[1, 0], [0, 1]]))  # their first example
    >>> [str(p) for p in best.strategy], best.reply, str(best.value)
    (['1/2', '1/2'], 1, '7/2')
    """
    a, b = exact_payoffs(game, players=2)
    if leader not in (0, 1):
        raise ValueError(f"the leader is player 0 or player 1, got {leader!r}")
    if leader == 1:
        a, b = b.T, a.T
    programs = {j: _best_with_reply(a, b, j) for j in range(a.shape[1])}
    allowed = {j: found for j, found in programs.items() if found.point is not None}
    reply = max(allowed, key=lambda j: (allowed[j].value, -j))
    point = allowed[reply].point
    assert point is not None
    follower = sum((p * b[i, reply] for i, p in enumerate(point)), Fraction(0))
    return Commitment(tuple(point), reply, allowed[reply].value, follower)


def _best_with_reply(a: np.ndarray, b: np.ndarray, reply: int) -> SimplexOptimum:
    """Returns the best strategy of the leader to which an action is a best response.

    The multipliers are of payoffs as integers.
    """
    target = a[:, reply]
    whole = integers(target)
    table = integers(b)
    found = best_in_simplex(whole, (table - table[:, [reply]]).T)
    return found._replace(value=found.value * scale_of(target, whole))
