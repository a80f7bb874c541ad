"""Extensive-form games in sequence form."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.game import Game
from dgames.games.matrix import MatrixGame
from dgames.sets import Product
from dgames.strategy import Strategy, blocks, join
from dgames.trees.dilated_entropy import DilatedEntropy
from dgames.trees.treeplex import Treeplex


class GameTree(eqx.Module):
    """The tree of an extensive-form game, node by node: each one after its parent.

    It is what bounds need that hold for players who know everything; costs do without it.

    Attributes:
        parents: The parent of each node; -1 of the root.
        movers: Who moves: a player, the number of players for chance, and -1 at a leaf.
        sequences: The sequence of the mover at the parent that ends with the move to this node; -1
            where there is no parent, or chance moves there.
    """

    parents: Int[np.ndarray, " nodes"]
    movers: Int[np.ndarray, " nodes"]
    sequences: Int[np.ndarray, " nodes"]


class TreeGame(Game):
    r"""An extensive-form game with perfect recall, played in sequence form.

    Player i plays a strategy `q_i` of its `Treeplex` and pays minus the expected payoff, which is
    multilinear:

        f_i(q) = - sum over the leaves z of  payoffs[i, z] q_1[s_1(z)] ... q_N[s_N(z)]

    where `s_i(z)` is the sequence of player i that leads to z. The probabilities of chance are in
    the payoffs.

    Attributes:
        payoffs: Payoffs times the probabilities of chance, of shape `(players, leaves)`.
        sequences: The sequences `s_i(z)`, of shape `(players, leaves)`.
        treeplexes: The strategies of each player.
        tree: The tree, or None where it is not known. Its leaves are in the order of the payoffs.
    """

    payoffs: Float[Array, "players leaves"]
    sequences: Int[Array, "players leaves"]
    treeplexes: tuple[Treeplex, ...]
    tree: GameTree | None = None

    def __init__(
        self,
        payoffs: Any,
        sequences: Any,
        treeplexes: tuple[Treeplex, ...],
        tree: GameTree | None = None,
    ):
        """Stores payoffs in sequence form.

        Raises:
            ValueError: If there is not one row of payoffs and sequences for each treeplex, or a
                sequence is not one of its player.
        """
        self.payoffs, self.sequences = as_float(payoffs), jnp.asarray(sequences, int)
        self.treeplexes, self.tree = tuple(treeplexes), tree
        count = len(self.treeplexes)
        if self.payoffs.ndim != 2 or not (
            self.payoffs.shape == self.sequences.shape and len(self.payoffs) == count
        ):
            raise ValueError(
                "TreeGame: payoffs and sequences have the shape (players, leaves) with one player "
                f"for each of {count} treeplexes; got {self.payoffs.shape} and "
                f"{self.sequences.shape}"
            )
        if is_known(self.payoffs) and not jnp.isfinite(self.payoffs).all():
            raise ValueError("TreeGame: payoffs are finite numbers")
        for i, (own, treeplex) in enumerate(
            zip(np.asarray(sequences), self.treeplexes, strict=True)
        ):
            if not ((own >= 0) & (own < treeplex.sequences)).all():
                raise ValueError(f"TreeGame: player {i} has {treeplex.sequences} sequences only")

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        shapes = [jnp.shape(block) for block in blocks(x)]
        if shapes != [(treeplex.sequences,) for treeplex in self.treeplexes]:
            raise ValueError(
                "TreeGame: strategies are in sequence form, one number for each of "
                f"{', '.join(str(t.sequences) for t in self.treeplexes)} sequences; got shapes "
                f"{', '.join(map(str, shapes))}"
            )
        reach = jnp.ones_like(self.payoffs[0], dtype=blocks(x)[0].dtype)
        for own, q in zip(self.sequences, blocks(x), strict=True):
            reach = reach * q[own]
        return join(x, tuple(-jnp.sum(own.astype(reach.dtype) * reach) for own in self.payoffs))

    @override
    def strategy_set(self, x: Strategy) -> Product:
        return Product(join(x, self.treeplexes))

    def uniform(self) -> tuple[Float[Array, " sequences"], ...]:
        """The joint strategy of uniform behaviour."""
        return tuple(treeplex.uniform() for treeplex in self.treeplexes)

    def dilated_entropies(self) -> tuple[DilatedEntropy, ...]:
        """The mirror map of each player, for `MirrorDescent` and its kin."""
        return tuple(DilatedEntropy(treeplex) for treeplex in self.treeplexes)

    def normal_form(self, limit: int = 1_000_000) -> MatrixGame:
        """The reduced normal form: payoffs of all profiles of reduced pure strategies.

        Actions are in the order of `Treeplex.vertices`.

        Args:
            limit: The largest number of profiles that is enumerated.

        Raises:
            ValueError: If there are more.

        >>> from dgames.games import kuhn_poker
        >>> kuhn_poker().game().normal_form().payoffs.shape
        (2, 27, 64)
        """
        counts = [treeplex.pure_strategies for treeplex in self.treeplexes]
        if math.prod(counts) > limit:
            raise ValueError(
                f"TreeGame: the normal form has {' x '.join(map(_brief, counts))} profiles, more "
                f"than the limit {limit}"
            )
        parts: list[Any] = [np.asarray(self.payoffs), [0, 1]]
        for i, (own, treeplex) in enumerate(zip(self.sequences, self.treeplexes, strict=True)):
            parts += [np.asarray(treeplex.vertices(limit))[:, np.asarray(own)], [i + 2, 1]]
        axes = [0, *range(2, len(counts) + 2)]
        return MatrixGame.from_table(np.einsum(*parts, axes, optimize=True))


def _brief(count: int) -> str:
    return str(count) if count < 10**9 else f"1e{len(str(count)) - 1}"
