"""Mirror maps: the geometry in which strategies move.

A mirror map is the gradient of a strictly convex function psi. It takes strategies to dual points,
where gradients are subtracted, and back. Everything is computed from dual points. For the entropy
these are logarithms, so that nothing underflows. The methods here act on one player's block.
"""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.logits import log_of
from dgames.sets import AbstractSet, Simplex
from dgames.stacked import is_stacked
from dgames.strategy import (
    Block,
    Strategy,
    brief_names,
    inner_product,
    map_players,
    same_players,
)


class AbstractMirrorMap(eqx.Module):
    """The gradient of a strictly convex function psi of a block."""

    @abc.abstractmethod
    def dual(self, x: Block) -> Block:
        """The dual point of a strategy: the gradient of psi."""

    @abc.abstractmethod
    def primal(self, y: Block) -> Block:
        """The strategy with a dual point that `settle` has returned."""

    @abc.abstractmethod
    def settle(self, own: AbstractSet, y: Block) -> Block:
        """The dual point of the Bregman projection onto a set.

        The projection is the minimiser of `psi(x) - <y, x>` over the set.

        Args:
            own: The player's set.
            y: Any dual point.

        Raises:
            ValueError: If the projection onto such a set is not known.
        """

    @abc.abstractmethod
    def divergence(self, y: Block, z: Block) -> Float[Array, ""]:
        """The Bregman divergence of the strategy with dual point `y` from that with `z`.

            psi(x) - psi(w) - <z, x - w>,   x = primal(y),   w = primal(z)

        Args:
            y: A settled dual point.
            z: Another one.
        """

    @abc.abstractmethod
    def keep(self, y: Block) -> PyTree:
        """Returns the part of a dual point that its strategy does not determine."""

    @abc.abstractmethod
    def recall(self, x: Block, kept: PyTree) -> Block:
        """Returns the dual point of a strategy, given what `keep` returned."""


class EuclideanMirror(AbstractMirrorMap):
    """`psi(x) = |x|^2 / 2`: strategies are their own duals, on any set.

    >>> mirror = EuclideanMirror()
    >>> float(mirror.divergence(jnp.array([3.0, 0.0]), jnp.array([0.0, 4.0])))
    12.5
    """

    @override
    def dual(self, x: Block) -> Block:
        return x

    @override
    def primal(self, y: Block) -> Block:
        return y

    @override
    def settle(self, own: AbstractSet, y: Block) -> Block:
        return own.project(y)

    @override
    def divergence(self, y: Block, z: Block) -> Float[Array, ""]:
        offset = jax.tree.map(jnp.subtract, y, z)
        return inner_product(offset, offset) / 2

    @override
    def keep(self, y: Block) -> None:
        return None

    @override
    def recall(self, x: Block, kept: None) -> Block:
        return x


class EntropyMirror(AbstractMirrorMap):
    """`psi(x) = sum_a x_a log x_a` on simplices: duals are log-probabilities.

    The divergence is that of Kullback and Leibler. Where a strategy is given without its dual
    point, probabilities of zero count as the smallest normal number.

    >>> mirror = EntropyMirror()
    >>> y = mirror.settle(Simplex(), jnp.array([-1000.0, 0.0]))
    >>> y.tolist(), mirror.primal(y).tolist()
    ([-1000.0, 0.0], [0.0, 1.0])
    >>> float(mirror.divergence(jnp.log(jnp.array([0.5, 0.5])), y).round(6))
    499.306853
    """

    @override
    def dual(self, x: Block) -> Block:
        return log_of(x)

    @override
    def primal(self, y: Block) -> Block:
        return jax.tree.map(jnp.exp, y)

    @override
    def settle(self, own: AbstractSet, y: Block) -> Block:
        if not isinstance(own, Simplex):
            raise ValueError(
                f"the entropy needs probability vectors (dgames.Simplex), not {type(own).__name__}"
                f"{_of_trees(own)}"
            )
        return jax.tree.map(lambda leaf: jax.nn.log_softmax(leaf, -1), y)

    @override
    def divergence(self, y: Block, z: Block) -> Float[Array, ""]:
        return inner_product(self.primal(y), jax.tree.map(jnp.subtract, y, z))

    @override
    def keep(self, y: Block) -> Block:
        return y

    @override
    def recall(self, x: Block, kept: Block) -> Block:
        return kept


def _of_trees(own: AbstractSet) -> str:
    hint = "; on a tree the mirror maps are those of game.dilated_entropies()"
    return hint if type(own).__name__ == "Treeplex" else ""


class Pull(NamedTuple):
    """A regulariser of one player in the geometry of a mirror map: `strength D(x, reference)`.

    Attributes:
        strength: A number that is not negative.
        reference: The dual point of the strategy that the player is pulled to.
    """

    strength: Any
    reference: Block


# What a `MirrorDescent` takes: one mirror map, which is then every player's, or one per player.
PlayerMirrors: TypeAlias = AbstractMirrorMap | PyTree


def map_mirrors(
    fn: Callable, mirrors: PlayerMirrors, x: Strategy, *rest: Any, who: str = "mirror maps"
) -> Strategy:
    """Applies `fn` to every player's mirror map and block: `map_players` with maps in front.

    Args:
        fn: A function of one player's mirror map, block, and values from `rest`.
        mirrors: One mirror map, or one per player in the first-level structure of `x`.
        x: A joint strategy.
        rest: One value per player each, in the first-level structure of `x`.
        who: What the message names.

    Raises:
        ValueError: If the maps are not one per player of `x`.

    >>> x = jnp.array([3.0, 4.0]), jnp.array([0.5, 0.5])
    >>> mirrors = EuclideanMirror(), EntropyMirror()
    >>> [float(y[0].round(6)) for y in map_mirrors(lambda own, b: own.dual(b), mirrors, x)]
    [3.0, -0.693147]
    """
    if isinstance(mirrors, AbstractMirrorMap):
        return map_players(lambda *values: fn(mirrors, *values), x, *rest)
    if is_stacked(x) or not same_players(x, mirrors):
        raise ValueError(
            f"{who} are one, or one for each of the players {brief_names(x)}; stacked players "
            f"share one"
        )
    return map_players(lambda block, own, *values: fn(own, block, *values), x, mirrors, *rest)


def divergence(mirror: PlayerMirrors, x: Strategy, reference: Strategy) -> Float[Array, ""]:
    """The sum of all players' Bregman divergences of `x` from `reference`.

    Args:
        mirror: The mirror map, or one per player.
        x: A joint strategy.
        reference: Another one.

    >>> first, second = (jnp.array([0.5, 0.5]),), (jnp.array([0.25, 0.75]),)
    >>> float(divergence(EntropyMirror(), first, second).round(6))
    0.143841
    """
    if isinstance(mirror, AbstractMirrorMap):
        return mirror.divergence(mirror.dual(x), mirror.dual(reference))

    def own(mirror: AbstractMirrorMap, block: Block, other: Block) -> Array:
        return mirror.divergence(mirror.dual(block), mirror.dual(other))

    return jax.tree.reduce(jnp.add, map_mirrors(own, mirror, x, reference))
