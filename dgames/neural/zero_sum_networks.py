"""Zero-sum games whose players are networks, with weight decay."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.game import ZeroSum
from dgames.mirror_map import EuclideanMirror, PlayerMirrors, Pull, map_mirrors
from dgames.neural.network_value import AbstractNetworkValue
from dgames.sets import PlayerSets
from dgames.strategy import Block, Strategy, blocks, join


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

    Raises:
        ValueError: If the value is of another kind, or start or decay are no pairs.
    """

    value: AbstractNetworkValue
    start: Any
    decay: tuple[float, float] = eqx.field(static=True)

    def __check_init__(self):
        if not isinstance(self.value, AbstractNetworkValue):
            raise ValueError(
                "ZeroSumNetworks: the value is one of dgames.neural, for example "
                f"dgames.OutputValue(fn); got {self.value!r}"
            )
        if type(self.start) not in (tuple, list) or len(self.start) != 2:
            raise ValueError(
                "ZeroSumNetworks: the start is a pair of strategies, or None for a player who "
                f"decays to zero; got {type(self.start).__name__}"
            )
        if not isinstance(self.decay, tuple | list):
            raise ValueError(
                "ZeroSumNetworks: decay is a number for each of the two players; got "
                f"{self.decay!r}"
            )

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

    def without_pulls(
        self, x: Strategy, mirrors: PlayerMirrors
    ) -> tuple["ZeroSumNetworks", Strategy, Strategy]:
        """The game without decay and without what its value pulls to, and these pulls.

        Methods that step in the geometry of mirror maps take them into account implicitly. A decay
        is such a pull where the player's mirror map is the Euclidean one; elsewhere it stays.

        Args:
            x: A joint strategy, for its structure and shapes.
            mirrors: One mirror map, or one per player.

        Returns:
            The game that is left, the strength of each player's pull, and the dual points to
            which it pulls.
        """
        own = blocks(map_mirrors(lambda mirror, _: mirror, mirrors, x))
        value, decay = self.value, list(self.decay)
        at_rest = blocks(map_mirrors(lambda mirror, block: mirror.dual(block), mirrors, x))
        pulls = [Pull(0.0, point) for point in at_rest]
        for i, (mirror, block, start) in enumerate(zip(own, blocks(x), self.start, strict=True)):
            if isinstance(mirror, EuclideanMirror) and decay[i]:
                target = jax.tree.map(jnp.zeros_like, block) if start is None else start
                pulls[i], decay[i] = Pull(decay[i], target), 0.0
        if not self.decay[1]:
            value, pull = self.value.pull(blocks(x)[1], own[1])
            pulls[1] = pulls[1] if pull is None else pull
        strengths, references = zip(*pulls, strict=True)
        game = ZeroSumNetworks(value, self.start, (decay[0], decay[1]))
        return game, join(x, strengths), join(x, references)


def half_square(x: Block, start: Block | None) -> Float[Array, ""]:
    """Half the squared distance of a strategy from where it decays to, or from zero."""
    moved = x if start is None else jax.tree.map(lambda a, b: a - b, x, start)
    return sum((jnp.sum(leaf**2) for leaf in jax.tree.leaves(moved)), jnp.zeros(())) / 2
