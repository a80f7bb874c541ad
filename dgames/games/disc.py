"""The disc game: everyone loses to those a quarter turn ahead."""

import jax.numpy as jnp
from jaxtyping import Array, Float
from typing_extensions import override

from dgames.game import ZeroSum
from dgames.sets import Ball, PlayerSets
from dgames.strategy import Strategy, blocks


class DiscGame(ZeroSum):
    r"""Two points of the unit disc; the first player receives `x_1 y_2 - x_2 y_1` from the second.

    It is the simplest game in which skill means nothing: symmetric, and every strategy but zero
    loses to the one a quarter turn behind it. The best reply to a mixture is the unit vector
    orthogonal to its mean, `(y_2, -y_1) / |y|`, and gains the length of the mean. So mixtures are
    equilibria exactly if their means are zero, and the value is zero.

    Each player has an array of shape (2,), the first player minimises the payoff.

    Attributes:
        radius: Of the disc.

    Example:
        >>> costs = DiscGame().costs((jnp.array([0.0, -1.0]), jnp.array([1.0, 0.0])))
        >>> [float(cost) for cost in costs]
        [-1.0, 1.0]
    """

    radius: float = 1.0

    @override
    def payoff(self, x: Strategy, args: object = None) -> Float[Array, ""]:
        first, second = blocks(x)
        return jnp.asarray(first[1] * second[0] - first[0] * second[1])

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return Ball(0.0, self.radius)
