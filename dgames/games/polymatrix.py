"""Polymatrix games: sums of matrix games between pairs of players."""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.games._pairs import Pairs, PairTable, pair_table
from dgames.policy_game import MultilinearGame
from dgames.strategy import Strategy, blocks, join


class PolymatrixGame(MultilinearGame):
    r"""A game on simplices in which everyone plays a matrix game with each other player.

        f_i(x) = -sum_{j != i} x_i^T A_ij x_j

    with one mixed strategy `x_i` for all opponents: memory is linear in the number of pairs, where
    a `MatrixGame` would be exponential in the number of players.

    Attributes:
        payoffs: `A[i][j]`, the payoffs of player i against player j, of shape
            `(actions[i], actions[j])`; `None` where they do not meet, and on the diagonal.

    Example:
        >>> pennies = jnp.array([[1.0, -1.0], [-1.0, 1.0]])
        >>> ring = PolymatrixGame({(0, 1): pennies, (1, 2): pennies, (2, 0): -pennies})
        >>> first = jnp.array([1.0, 0.0])
        >>> [float(cost) for cost in ring.costs((first, first, first))]
        [-1.0, -1.0, 1.0]
    """

    payoffs: PairTable

    def __init__(self, payoffs: Pairs):
        """Collects the matrices.

        Args:
            payoffs: A mapping `{(i, j): A_ij}` of the pairs that meet, or all of them in nested
                sequences with `None` for those that do not.

        Raises:
            ValueError: If a player meets nobody, or shapes do not fit each other.
        """
        self.payoffs = pair_table("payoffs", payoffs, _actions(payoffs), "nobody plays alone")

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        mixed = [jnp.asarray(block) for block in blocks(x)]
        costs = []
        for own, row in zip(mixed, self.payoffs, strict=True):
            worth = jnp.zeros_like(own)
            for matrix, other in zip(row, mixed, strict=True):
                if matrix is not None:
                    worth += matrix.astype(own.dtype) @ other
            costs.append(-(own @ worth))
        return join(x, tuple(costs))

    def uniform(self) -> tuple[Float[Array, " _"], ...]:
        """The joint strategy in which everyone randomises evenly."""
        matrices = [next(m for m in row if m is not None) for row in self.payoffs]
        return tuple(jnp.full(len(m), 1 / len(m), m.dtype) for m in matrices)


def _actions(payoffs: Pairs) -> list[int]:
    """Returns the number of actions of each player, from the first matrix that has the player."""
    if not isinstance(payoffs, Mapping):
        nested = enumerate(payoffs)
        payoffs = {(i, j): m for i, row in nested for j, m in enumerate(row) if m is not None}
    sizes: dict[int, int] = {}
    for (i, j), matrix in payoffs.items():
        for player, size in zip((i, j), jnp.shape(matrix), strict=True):
            sizes.setdefault(player, size)
    rows = {i for i, _ in payoffs}
    players = range(1 + max(sizes, default=-1))
    lonely = [i for i in players if i not in rows]
    if lonely or not sizes:
        raise ValueError(f"payoffs needs at least one matrix for every player; none for {lonely}")
    return [sizes[i] for i in players]
