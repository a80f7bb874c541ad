"""Many players of one shape: their blocks in one, with the players along the leading axis."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeGuard

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

# A player's position in the players' order; for stacked players it may be traced.
Player: TypeAlias = int | np.integer | Int[Array, ""]


class Stacked(eqx.Module):
    """One value for each of N players, all of one structure and all of the same shapes.

    A joint strategy that is a `Stacked` has the players "0", ..., "N-1": the first level of it is
    the leading axis of its arrays. Fields and methods treat all players at once with `jax.vmap`,
    so that the size of the traced code does not depend on N. Everything that is "one per player"
    can be stacked likewise: step sizes, costs, sets such as `Stacked(Box(lower, upper))`.

    It is a sequence: `x[i]` is player i's block, `len(x)` is N.

    Attributes:
        blocks: A pytree of arrays, such as one array of shape `(N, ...)`: the blocks of all
            players, stacked along the first axis of every array.

    Raises:
        ValueError: If an array has no leading axis, or not the same one as the others.

    >>> x = Stacked({"price": jnp.array([1.0, 2.0, 3.0]), "mix": jnp.ones((3, 2))})
    >>> len(x), float(x[1]["price"]), x[1]["mix"].shape
    (3, 2.0, (2,))
    """

    blocks: PyTree

    def __check_init__(self):
        leaves = jax.tree.leaves(self.blocks)
        if not all(hasattr(leaf, "shape") or np.isscalar(leaf) for leaf in leaves):
            return  # equinox and jax rebuild pytrees with leaves that are not arrays
        shapes = [np.shape(leaf) for leaf in leaves]
        if () in shapes or len({shape[0] for shape in shapes}) > 1:
            raise ValueError(
                "Stacked: every array needs the players as its leading axis, of one length; "
                f"got shapes {', '.join(map(str, shapes))}"
            )

    def __len__(self) -> int:
        leaves = [leaf for leaf in jax.tree.leaves(self.blocks) if hasattr(leaf, "shape")]
        if not leaves:
            raise ValueError("Stacked: without arrays the number of players is unknown")
        return int(np.shape(leaves[0])[0])

    def __getitem__(self, player: Player) -> PyTree:
        if isinstance(player, int | np.integer) and not -len(self) <= player < len(self):
            raise IndexError(f"there is no player {player} among {len(self)}")
        return jax.tree.map(
            lambda leaf: leaf[player] if hasattr(leaf, "shape") else leaf, self.blocks
        )

    def __iter__(self) -> Iterator[PyTree]:
        return (self[i] for i in range(len(self)))

    def at_player(self, player: Player, block: PyTree) -> "Stacked":
        """Returns a stack with one player's value replaced.

        >>> Stacked(jnp.zeros(3)).at_player(1, 5.0).blocks.tolist()
        [0.0, 5.0, 0.0]
        """
        return Stacked(
            jax.tree.map(lambda leaf, value: leaf.at[player].set(value), self.blocks, block)
        )


def stack(values: Sequence[PyTree]) -> Stacked:
    """Stacks one value per player: the inverse of iterating over a `Stacked`.

    Args:
        values: At least one pytree, all of one structure with arrays of the same shapes.

    Raises:
        ValueError: If there are none, or their structures or shapes differ.

    >>> stack([{"a": 1.0}, {"a": 2.0}]).blocks["a"].tolist()
    [1.0, 2.0]
    """
    structures = {jax.tree.structure(value) for value in values}
    shapes = {tuple(np.shape(leaf) for leaf in jax.tree.leaves(value)) for value in values}
    if len(structures) != 1 or len(shapes) != 1:
        raise ValueError(
            f"stack: the {len(values)} values must all have one structure and the same shapes"
        )
    return Stacked(jax.tree.map(lambda *leaves: jnp.stack([*map(jnp.asarray, leaves)]), *values))


def is_stacked(value: object) -> TypeGuard[Stacked]:
    """Returns whether a value is a stack of players; use it as `is_leaf=` to stop there."""
    return isinstance(value, Stacked)
