"""Hills in the plane that beat each other in a cycle: the non-transitive mixture game."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from typing_extensions import override

from dgames.arrays import as_float
from dgames.game import ZeroSum
from dgames.sets import Box, PlayerSets
from dgames.strategy import Strategy, blocks

_SEVEN = (
    (2.8722, -0.025255),
    (1.8105, 2.2298),
    (1.8105, -2.2298),
    (-0.61450, 2.8058),
    (-0.61450, -2.8058),
    (-2.5768, 1.2690),
    (-2.5768, -1.2690),
)


class CyclicHills(ZeroSum):
    r"""The non-transitive mixture game: points of the plane near hills that beat others in a cycle.

    A point x stands on the hills to the degrees `p_k(x) = exp(-c |x - mu_k|^2 / 2)`, and the first
    player receives

        p(x)' S p(y) + (sum_k p_k(x) - sum_k p_k(y)) / 2

    from the second, where S is a cycle of an odd number of hills, each of which beats the half that
    comes next: `S_ij = 1` if j is 1, ..., (n - 1) / 2 after i, and -1 if it is before. To stand
    high is a skill; which hill to stand on is not. The game is symmetric, and its value is zero.

    Each player has an array of shape (2,) in a square; the first player minimises the payoff.

    Attributes:
        centers: `mu`, of shape `(hills, 2)`: by default the seven of the literature.
        sharpness: `c`. The covariance of the literature, I / 2, is c = 2; its code multiplies by a
            covariance of .54 in place of dividing, which is c = .54.
        size: Half the side of the square.

    Raises:
        ValueError: If the number of hills is even.

    References:
        Perez-Nieves and others, Modelling behavioural diversity for learning in open-ended games
        (2021), arXiv:2103.07927.

    Example:
        >>> hills = CyclicHills()
        >>> costs = hills.costs((hills.centers[0], hills.centers[1]))
        >>> [round(float(cost), 2) for cost in costs]
        [-1.0, 1.0]
    """

    centers: Float[Array, "hills 2"] = eqx.field(converter=as_float, default=_SEVEN)
    sharpness: Float[Array, ""] = eqx.field(converter=as_float, default=2.0)
    size: float = 4.0

    def __check_init__(self):
        if jnp.shape(self.centers)[0] % 2 == 0:
            raise ValueError(
                "CyclicHills: each hill beats half of the others, so that their number is odd"
            )

    def heights(self, point: Float[Array, " 2"]) -> Float[Array, " hills"]:
        """To what degrees a point stands on each of the hills: `p`."""
        distance = jnp.sum((point[None, :] - self.centers.astype(point.dtype)) ** 2, -1)
        return jnp.exp(-0.5 * self.sharpness.astype(point.dtype) * distance)

    def cycle(self) -> Float[np.ndarray, "hills hills"]:
        """Which hill beats which: `S`."""
        hills = len(self.centers)
        ahead = (np.arange(hills)[None, :] - np.arange(hills)[:, None]) % hills
        return np.where(ahead == 0, 0.0, np.where(ahead <= hills // 2, 1.0, -1.0))

    @override
    def payoff(self, x: Strategy, args: Any = None) -> Float[Array, ""]:
        first, second = (self.heights(block) for block in blocks(x))
        cycle = jnp.asarray(self.cycle(), first.dtype)
        return -(first @ cycle @ second) - 0.5 * (jnp.sum(first) - jnp.sum(second))

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return Box(-self.size, self.size)
