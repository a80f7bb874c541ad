"""Games of N players with the data of a mean-field game."""

import itertools
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy
from jaxtyping import Array, Float, Int
from typing_extensions import override

from dgames.crowds.mean_field import MeanFieldGame

# The most ways to count the other players: the work of one evaluation of the rewards.
_MOST = 2_000_000


class FinitePopulation(MeanFieldGame):
    r"""The game of N players whose rewards are those of a mean-field game in their own crowd.

    Every player sees the own state and the time. If all others follow one policy and the crowd does
    not change where actions lead, they move independently of each other and of a player who
    deviates. So at each time the others are N - 1 independent draws from the flow L, and the
    expected reward of a player in state s who takes the action a is

        r^N(s, a, L) = E r(s, a, (e_sa + C) / N),     C ~ Multinomial(N - 1, L)

    which is computed exactly: over all counts of states where rewards depend on nothing else of
    the crowd, over all counts of states and actions otherwise. This makes the N-player game a
    mean-field game again. Its exploitability at a policy is what one player can gain when all use
    it, by any policy of the own states; its equilibria are the symmetric Nash equilibria of the N
    players. For rewards with two derivatives in the crowd, an equilibrium of the mean-field game
    has E = O(1 / N) here; for Lipschitz ones `O(1 / sqrt(N))`.

    Attributes:
        game: The mean-field game, whose transitions must not depend on the crowd.
        players: N, at least 2.
        counts: All counts of the N - 1 others over the states, or pairs of state and action.
        by_state: Whether they are counts over states.
        initial: As in the mean-field game.
        horizon: Likewise.
        actions: Likewise.

    Raises:
        ValueError: If N is less than 2, transitions depend on the crowd, or there are too many
            counts.

    Example:
        >>> from dgames.games import LeftRight
        >>> mean_field = (jnp.tile(jnp.array([2 / 3, 1 / 3]), (2, 3, 1)),)
        >>> gains = [
        ...     FinitePopulation(LeftRight(), n).exploitability(mean_field) for n in (2, 10, 100)
        ... ]
        >>> [f"{gain:.6f}" for gain in gains]
        ['0.166667', '0.033333', '0.003333']
    """

    game: MeanFieldGame
    players: int = eqx.field(static=True)
    counts: Int[Array, "ways cells"]
    by_state: bool = eqx.field(static=True)
    initial: Float[Array, " states"]
    horizon: int = eqx.field(static=True)
    actions: int = eqx.field(static=True)

    def __init__(self, game: MeanFieldGame, players: int):
        """Lists the counts of the other players.

        Args:
            game: See the class.
            players: See the class.
        """
        if players < 2:
            raise ValueError(f"FinitePopulation: there must be at least 2 players, not {players}")
        self.game, self.players = game, players
        self.initial, self.horizon, self.actions = game.initial, game.horizon, game.actions
        if _reading(game, game.transition) != "nothing":
            raise ValueError(
                "FinitePopulation: the crowd changes where actions lead, so that players are not "
                "independent of each other, and expected rewards are no function of the flow"
            )
        self.by_state = _reading(game, game.reward) != "cells"
        cells = game.states * (1 if self.by_state else game.actions)
        ways = math.comb(players + cells - 2, cells - 1)
        if ways > _MOST:
            raise ValueError(
                f"FinitePopulation: {players - 1} other players can be spread over {cells} "
                f"{'states' if self.by_state else 'pairs of state and action'} in {ways} ways; "
                f"at most {_MOST} are enumerated"
            )
        self.counts = jnp.asarray(_compositions(players - 1, cells))

    @override
    def transition(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions states"]:
        return self.game.transition(t, crowd)

    @override
    def reward(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions"]:
        law = (jnp.sum(crowd, -1) if self.by_state else crowd).ravel()
        counts = self.counts.astype(law.dtype)
        # Logarithms of factorials, so that large coefficients do not overflow.
        ways = jax.scipy.special.gammaln(jnp.asarray(self.players, law.dtype)) - jnp.sum(
            jax.scipy.special.gammaln(counts + 1), -1
        )
        chances = jnp.exp(ways + jnp.sum(xlogy(counts, law[None]), -1))
        cells = jnp.eye(len(law), dtype=law.dtype)

        def met(own: Array, others: Array) -> Array:
            shares = ((own + others) / self.players).reshape(self.states, -1)
            if self.by_state:
                shares = jnp.broadcast_to(shares / self.actions, crowd.shape)
            rewards = self.game.reward(t, shares)
            if self.by_state:
                return own @ jnp.where(own[:, None] > 0, rewards, 0)
            return jnp.sum(jnp.where(own.reshape(crowd.shape) > 0, rewards, 0))

        def expected(own: Array) -> Array:
            return jnp.tensordot(chances, jax.vmap(met, (None, 0))(own, counts), 1)

        return jax.lax.map(expected, cells).reshape(crowd.shape)


def _compositions(total: int, parts: int) -> Int[np.ndarray, "ways parts"]:
    """Returns all vectors of counts with a given sum: gaps between bars among stars."""
    bars = itertools.chain.from_iterable(
        itertools.combinations(range(total + parts - 1), parts - 1)
    )
    ways = math.comb(total + parts - 1, parts - 1)
    placed = np.fromiter(bars, np.int64, ways * (parts - 1)).reshape(ways, parts - 1)
    ends = np.full((ways, 1), total + parts - 1)
    return np.diff(np.concatenate([np.full((ways, 1), -1), placed, ends], 1), axis=1) - 1


def _reading(game: MeanFieldGame, fn: Callable) -> str:
    """Returns what a reward or transition reads of the crowd: "nothing", "states" or "cells".

    It is read off the traced code, so that it holds for all crowds.
    """
    crowd = jnp.zeros((game.states, game.actions), game.initial.dtype)
    code = jax.make_jaxpr(fn)(jnp.zeros((), int), crowd).jaxpr
    variable = code.invars[1]
    readers = [equation for equation in code.eqns if variable in equation.invars]
    if not readers and variable not in code.outvars:
        return "nothing"
    sums = all(
        equation.primitive.name == "reduce_sum" and equation.params["axes"] == (1,)
        for equation in readers
    )
    return "states" if sums and variable not in code.outvars else "cells"
