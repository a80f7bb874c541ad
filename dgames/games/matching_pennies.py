"""Matching pennies in one logit per player."""

import jax
import jax.numpy as jnp
from jaxtyping import PyTree
from typing_extensions import override

from dgames.game import Game
from dgames.strategy import Strategy, blocks, join


class LogitPennies(Game):
    r"""Matching pennies, where each player shows heads with the chance `sigmoid(x_i)`.

        f_1(x) = (2 sigmoid(x_1) - 1) (2 sigmoid(x_2) - 1) = -f_2(x)

    so the first player wants a mismatch. The origin is the only equilibrium; there the Jacobian of
    the pseudo-gradient is `[[0, 1/4], [-1/4, 0]]`.

    Unlike `dgames.InLogits(MatrixGame...)` its blocks are scalars, like those of
    `SmallIteratedPrisonersDilemma`, with which it is mixed.

    Example:
        >>> [f"{cost:.6f}" for cost in LogitPennies().costs((1.0, -1.0))]
        ['-0.213552', '0.213552']
    """

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        first, second = (2 * jax.nn.sigmoid(jnp.asarray(block)) - 1 for block in blocks(x))
        return join(x, (first * second, -first * second))

    def equilibrium(self) -> tuple[float, float]:
        """The origin, the unique equilibrium."""
        return 0.0, 0.0
