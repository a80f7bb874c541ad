"""Games of many alike players in one shot, and their mean field."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from typing_extensions import override

from dgames.arrays import as_float
from dgames.crowds.mean_field import MeanFieldGame
from dgames.games.matrix import MatrixGame


class AnonymousGame(MeanFieldGame):
    """A crowd that chooses once, among actions whose rewards depend on the shares that take them.

    It is a mean-field game of one state and one time. `FinitePopulation(game, N)` is the game of N
    such players.

    Attributes:
        rewards: `rewards(shares)`, from the shares of the crowd, shape `(actions,)`, to the reward
            of every action. An `equinox.Module` with a `__call__` keeps its arrays as parameters.
        actions: The number of actions.
        initial: All are in the one state.
        horizon: 0.

    Example:
        >>> game = AnonymousGame(lambda shares: -jnp.array([1.0, 2.0]) * shares, 2)
        >>> float(game.exploitability((jnp.array([[[2 / 3, 1 / 3]]]),)).round(12))
        0.0
    """

    rewards: Callable[[Float[Array, " actions"]], Float[Array, " actions"]]
    actions: int = eqx.field(static=True)
    initial: Float[Array, " 1"] = eqx.field(converter=as_float, default=(1.0,))
    horizon: int = eqx.field(static=True, default=0)

    @override
    def reward(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions"]:
        return self.rewards(crowd[0])[None]

    @override
    def transition(
        self, t: Int[Array, ""], crowd: Float[Array, "states actions"]
    ) -> Float[Array, "states actions states"]:
        return jnp.ones((1, self.actions, 1), crowd.dtype)

    @classmethod
    def of_symmetric_game(cls, game: MatrixGame) -> "AnonymousGame":
        """The mean-field game whose equilibria are the symmetric equilibria of an N-player game.

        Its rewards are those of one player against N - 1 independent others who all draw their
        actions from the shares, a polynomial of degree N - 1. So nothing is lost, for any N.

        Args:
            game: A matrix game in which all players are alike.

        Raises:
            ValueError: If players have different numbers of actions, or exchanging two players
                changes the payoffs by more than rounding errors.

        >>> hunt = MatrixGame([[3, 0], [2, 1]], [[3, 2], [0, 1]])
        >>> crowd = AnonymousGame.of_symmetric_game(hunt)
        >>> float(crowd.exploitability((jnp.array([[[0.5, 0.5]]]),)))
        0.0
        """
        table = _of_one_player(game)
        return cls(rewards=_Against(table), actions=table.shape[0])


class _Against(eqx.Module):
    """The rewards against others who all draw from the shares."""

    table: Float[Array, "..."]

    def __call__(self, shares: Float[Array, " actions"]) -> Float[Array, " actions"]:
        rewards = self.table
        for _ in range(rewards.ndim - 1):
            rewards = rewards @ shares
        return rewards


def _of_one_player(game: MatrixGame) -> Any:
    """Returns the payoffs of the first player of a symmetric game."""
    payoffs = np.asarray(game.payoffs)
    players, actions = payoffs.shape[0], set(payoffs.shape[1:])
    # Exchanges of neighbours generate all permutations. One exchanges the rows and the axes.
    alike = len(actions) == 1 and all(
        np.allclose(
            np.swapaxes(payoffs, i + 1, i + 2)[_exchanged(players, i)],
            payoffs,
            rtol=0,
            atol=1e-12 * np.abs(payoffs).max(),
        )
        for i in range(players - 1)
    )
    if not alike:
        raise ValueError(
            "of_symmetric_game: players are not alike; exchanging two of them changes the payoffs"
        )
    return jnp.asarray(payoffs[0])


def _exchanged(players: int, i: int) -> list[int]:
    order = list(range(players))
    order[i], order[i + 1] = i + 1, i
    return order
