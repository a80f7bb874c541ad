"""Weighted sums of games."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.game import Game
from dgames.sets import PlayerSets
from dgames.strategy import Strategy, blocks, join


class Mixture(Game):
    r"""Several games at once, with the same players and strategies: `f_i = sum_k w_k f_i^k`.

    Its pseudo-gradient is the same sum of pseudo-gradients. Players move where the first game lets
    them.

    Attributes:
        games: The games.
        weights: One number per game.

    Raises:
        ValueError: If there is not one weight per game.

    Example:
        >>> from dgames.games import LogitPennies, SmallIteratedPrisonersDilemma
        >>> games = LogitPennies(), SmallIteratedPrisonersDilemma()
        >>> [f"{cost:.6f}" for cost in Mixture(games, [0.25, 0.75]).costs((0.0, 0.0))]
        ['1.382716', '1.382716']
    """

    games: tuple[Game, ...] = eqx.field(converter=tuple)
    weights: Float[Array, " games"] = eqx.field(converter=as_float)

    def __check_init__(self):
        if jnp.shape(self.weights) != (len(self.games),):
            raise ValueError(
                f"a mixture of {len(self.games)} games needs as many weights; "
                f"got an array of shape {jnp.shape(self.weights)}"
            )

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        own = [blocks(game.costs(x, args)) for game in self.games]
        return join(x, tuple(map(self._mixed, zip(*own, strict=True))))

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.games[0].strategy_set(x)

    def _mixed(self, costs: tuple[Any, ...]) -> Array:
        stacked = jnp.stack([jnp.asarray(cost) for cost in costs])
        return self.weights.astype(stacked.dtype) @ stacked
