"""Zero-sum games whose players are networks, with weight decay."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.game import ZeroSum
from dgames.neural.network_value import AbstractNetworkValue
from dgames.sets import PlayerSets
from dgames.strategy import Block, Strategy, blocks


class ZeroSumNetworks(ZeroSum):
    r"""A zero-sum game of networks: a value of their outputs on data, and weight decay.

        V(x, y; data) + decay_1/2 |x - start_1|^2 - decay_2/2 |y - start_2|^2

    The first player minimises and the second one maximises. A joint strategy is a pair of
    `dgames.nn.MLP`, or what the value says; data are the `args` of the costs, so that they are an
    argument of compiled code rather than a constant in it. The value has to be convex-concave up to
    a curvature that the decay exceeds: that is what `certify.certify_networks` proves.

    Attributes:
        value: V, an `AbstractNetworkValue`.
        start: A pair of strategies to which the weights decay; None for a player who decays to
            zero.
        decay: A number per player, not negative; zero for a player who is not a network.
    """

    value: AbstractNetworkValue
    start: Any
    decay: tuple[float, float] = eqx.field(static=True)

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        first, second = blocks(x)
        own, other = (
            decay * half_square(block, start) if decay else 0.0
            for decay, block, start in zip(self.decay, (first, second), self.start, strict=True)
        )
        return self.value(first, second, args) + own - other

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.value.strategy_set(x)


def half_square(x: Block, start: Block | None) -> Float[Array, ""]:
    """Half the squared distance of a strategy from where it decays to, or from zero."""
    moved = x if start is None else jax.tree.map(lambda a, b: a - b, x, start)
    return sum((jnp.sum(leaf**2) for leaf in jax.tree.leaves(moved)), jnp.zeros(())) / 2
