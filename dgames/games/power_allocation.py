"""Users of a communication channel who need a rate and disturb each other."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.constraints.shared_constraints import SharedConstraint, SharedConstraints
from dgames.game import Game
from dgames.sets import Box
from dgames.stacked import Stacked
from dgames.strategy import Strategy, blocks, join, player_names


class PowerAllocation(Game):
    r"""Every user spends as little power as gives them the rate that they need.

        f_i(x) = sum_k x_i^k,   sum_k log2(1 + x_i^k / n_i^k) >= rate,
        n_i^k = (noise^2 + sum_{j != i} h_ij^k x_j^k) / h_ii^k

    over `x_i >= 0`, with one number per channel k. The constraint is the user's own: others enter
    it by the noise that they make. Best responses are known in closed form (`best_response`), and
    from any start a few rounds of them are a good start for `solve_kkt`.

    Attributes:
        gain: `h_ij^k` from user j to the receiver of user i, shape (users, users, channels).
        noise: The standard deviation of the noise.
        rate: The rate that each user needs, in bits.

    Example:
        >>> game = PowerAllocation.facchinei_kanzow()
        >>> x = game.rounds(tuple(jnp.zeros(8) for _ in range(7)), 10)
        >>> round(float(sum(own.sum() for own in x)), 10)  # the equilibrium
        29.5397677416

    References:
        Facchinei and Kanzow, *Penalty methods for the solution of generalized Nash equilibrium
        problems (with complete test problems)*, 2009, problem A.9a; Pang, Scutari, Facchinei and
        Wang, *Distributed power allocation with rate constraints in Gaussian parallel interference
        channels*, IEEE Transactions on Information Theory 54 (2008).
    """

    gain: Float[Array, "users users channels"] = eqx.field(converter=as_float)
    noise: Float[Array, ""] = eqx.field(default=0.3162, converter=as_float)
    rate: Float[Array, ""] = eqx.field(default=8.0, converter=as_float)

    def disturbance(self, x: Strategy) -> Float[Array, "users channels"]:
        """The noise and interference of each user, over their own gain."""
        powers = jnp.stack(blocks(x))
        received = jnp.einsum("ijk,jk->ik", self.gain, powers)
        own = jnp.diagonal(self.gain).T
        return (self.noise**2 + received - own * powers) / own

    def excess(self, x: Strategy) -> Float[Array, " users"]:
        """How many bits each user lacks."""
        signal = jnp.stack(blocks(x)) / self.disturbance(x)
        return self.rate - jnp.sum(jnp.log2(1 + signal), 1)

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        return join(x, tuple(jnp.sum(block) for block in blocks(x)))

    @override
    def strategy_set(self, x: Strategy) -> Box:
        return Box(0.0, jnp.inf)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        def of(i: int, name: str) -> SharedConstraint:
            return SharedConstraint(lambda x, args: self.excess(x)[i], (name,))

        return tuple(of(i, name) for i, name in enumerate(player_names(x)))

    def best_response(self, x: Strategy) -> Strategy:
        """What each user would spend against the others: water is filled in up to a level.

        `x_k = max(level - n_k, 0)`, n the disturbance. With the c least disturbed channels in use,
        `c log2 level = rate + sum of log2 n_k` over them.
        """

        def own(n: Float[Array, " channels"]) -> Float[Array, " channels"]:
            order = jnp.sort(n)
            count = jnp.arange(1, n.size + 1).astype(n.dtype)
            levels = 2 ** ((self.rate.astype(n.dtype) + jnp.cumsum(jnp.log2(order))) / count)
            level = levels[jnp.sum(levels > order) - 1]
            return jnp.maximum(level - n, 0)

        return join(x, tuple(jax.vmap(own)(self.disturbance(x))))

    def rounds(self, x: Strategy, count: int) -> Strategy:
        """Returns what rounds of best responses of all users at once lead to."""
        stacked = Stacked(jnp.stack(blocks(x)))
        end = jax.lax.fori_loop(0, count, lambda _, x: self.best_response(x), stacked)
        return join(x, tuple(end))

    @classmethod
    def facchinei_kanzow(cls) -> "PowerAllocation":
        """Problem A.9a: 7 users, 8 channels; all users together spend 29.5397677416."""
        return cls(np.reshape(_GAINS, (7, 8, 7)).transpose(2, 0, 1) / 1e4)


# Gains times 10^4 of problem A.9a: from user j, on channel k, to each of the receivers.
# fmt: off
_GAINS = [
    [362, 8, 18, 22, 85, 8, 60],
    [2211, 3, 14, 74, 5, 37, 6],
    [3356, 32, 27, 43, 7, 12, 3],
    [77, 39, 32, 73, 89, 6, 2],
    [36, 19, 32, 14, 17, 38, 46],
    [1811, 13, 14, 24, 10, 0, 121],
    [442, 93, 2, 36, 96, 31, 42],
    [3507, 17, 4, 42, 34, 61, 129],
    [145, 1487, 1, 13, 1, 5, 8],
    [35, 1341, 21, 1, 0, 1, 0],
    [42, 3074, 24, 2, 1, 4, 4],
    [6, 3358, 17, 8, 2, 4, 22],
    [7, 83, 45, 3, 2, 0, 19],
    [24, 2214, 11, 0, 1, 6, 16],
    [34, 1261, 79, 2, 2, 7, 1],
    [32, 288, 59, 4, 1, 1, 14],
    [40, 51, 1475, 42, 2, 0, 5],
    [30, 2, 300, 3, 0, 1, 1],
    [46, 14, 2207, 89, 0, 1, 3],
    [59, 5, 3028, 24, 2, 1, 2],
    [37, 2, 828, 8, 3, 1, 1],
    [23, 3, 167, 9, 14, 1, 2],
    [9, 1, 956, 1, 5, 0, 3],
    [6, 28, 566, 18, 0, 1, 2],
    [5, 2, 4, 991, 57, 0, 3],
    [0, 0, 16, 377, 3, 2, 3],
    [14, 1, 2, 8100, 35, 1, 0],
    [19, 2, 16, 3608, 141, 0, 0],
    [13, 5, 14, 617, 14, 6, 0],
    [16, 3, 4, 723, 16, 5, 1],
    [7, 0, 28, 3314, 126, 2, 0],
    [11, 1, 2, 953, 26, 0, 1],
    [1, 0, 1, 9, 993, 15, 1],
    [2, 3, 3, 13, 1702, 210, 0],
    [7, 0, 2, 24, 11062, 33, 4],
    [12, 2, 6, 14, 2817, 91, 4],
    [3, 3, 4, 8, 5208, 24, 1],
    [1, 1, 1, 6, 3959, 10, 1],
    [4, 1, 11, 9, 1057, 29, 4],
    [0, 1, 0, 20, 932, 58, 6],
    [2, 10, 6, 1, 1, 3905, 28],
    [4, 1, 0, 1, 9, 1322, 32],
    [1, 9, 1, 3, 18, 3691, 130],
    [4, 7, 3, 1, 18, 1142, 22],
    [9, 10, 2, 1, 19, 1127, 46],
    [17, 14, 0, 1, 22, 1665, 15],
    [9, 1, 0, 2, 15, 66, 42],
    [4, 6, 5, 1, 22, 2389, 26],
    [8, 54, 4, 1, 1, 40, 1110],
    [5, 13, 8, 4, 0, 6, 834],
    [33, 63, 1, 4, 0, 13, 4948],
    [12, 79, 0, 0, 1, 29, 355],
    [2, 95, 2, 2, 1, 3, 3045],
    [10, 18, 0, 2, 3, 9, 5359],
    [3, 45, 2, 1, 2, 7, 328],
    [5, 35, 6, 0, 8, 8, 2950],
]
# fmt: on
