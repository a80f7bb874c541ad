"""The tandem game, in which players who shape each other both lose."""

import jax.numpy as jnp
from jaxtyping import PyTree
from typing_extensions import override

from dgames.game import Game
from dgames.strategy import Strategy, blocks, join


class Tandem(Game):
    """Two riders: `L_1 = (x + y)^2 - 2 x` and `L_2 = (x + y)^2 - 2 y`.

    Both want to pedal together, and each would rather have done more of it than the other. The
    pseudo-gradient is `2 (x + y) - 2` for both, so that every point with `x + y = 1` is an
    equilibrium, and their costs there add up to zero. Players who step along `LookAhead` or
    `StableOpponentShaping` come to that line. Along `LOLA(a)` they come to
    `x + y = (1 - 2 a) / (1 - 4 a)`, each expecting the other to give way: for a = 1/10 that is
    4/3, and both pay more.

    Example:
        >>> from dgames.fields import pseudo_gradient
        >>> [float(own) for own in pseudo_gradient(Tandem())((0.1, -0.05))]
        [-1.9, -1.9]

    References:
        Letcher, Foerster, Balduzzi, Rocktaeschel and Whiteson, *Stable opponent shaping in
        differentiable games*, ICLR 2019, arXiv:1811.08469.
    """

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> Strategy:
        first, second = (jnp.asarray(own) for own in blocks(x))
        square = jnp.square(first + second)
        return join(x, (square - 2 * first, square - 2 * second))
