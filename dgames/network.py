"""Network games: one cost for players of one shape, each of whom meets a few others."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, PyTree
from typing_extensions import override

from dgames.game import Game
from dgames.sets import Euclidean, PlayerSets
from dgames.stacked import Player, Stacked, is_stacked
from dgames.strategy import Block, Strategy, brief_names


class NetworkGame(Game):
    """N players of one shape with one cost function, each of whom meets at most `degree` others.

        f_i(x) = cost(x_i, (x_j for j in neighbours[i]), parameters[i], args)

    Strategies are `Stacked`. Costs and pseudo-gradient are one `jax.vmap`: their traced code does
    not depend on N, and their work is linear in the entries of `neighbours`. A million players are
    fine; a player with very many neighbours makes the padded array wide for all.

    Attributes:
        cost: `cost(own, others, parameters, args)`, a real scalar that player i minimises: `own` is
            the player's block, `others` is structured like it with a leading axis of `degree`
            neighbours in every array, `parameters` are the player's own, `args` are what `dg.solve`
            and others were given. An `equinox.Module` with a `__call__` keeps its arrays as
            parameters that all players share.
        neighbours: Shape `(N, degree)`: positions of the players that each one meets, -1 where
            there are fewer. In those places `others` is zero; whatever a cost makes of zeros
            counts, so give them a weight of zero (as `neighbour_lists` does), or a mask such as
            `neighbours >= 0` among the parameters. A neighbour may occur twice; both places then
            hold that player's block.
        parameters: A pytree of arrays with the players as leading axis, or None.
        sets: Every player's set, or a `Stacked` set whose arrays have the players as leading axis.

    Raises:
        ValueError: If `neighbours` is not a matrix of integers from -1 to N - 1, a player is their
            own neighbour, or `parameters` have no leading axis of N.

    Example:
        >>> def cost(own, others, weights, args):
        ...     return own**2 - own * jnp.tanh(weights @ others)
        >>> ring = jnp.array([[1, 2], [2, 0], [0, 1]])
        >>> game = NetworkGame(cost, ring, parameters=jnp.full((3, 2), 0.5))
        >>> game.costs(Stacked(jnp.array([1.0, 0.0, 0.0]))).blocks.tolist()
        [1.0, 0.0, 0.0]

    References:
        Jackson and Zenou, *Games on Networks*, 2015, for many examples.
    """

    cost: Callable
    neighbours: Int[Array, "players degree"]
    parameters: PyTree
    sets: PlayerSets

    def __init__(
        self,
        cost: Callable,
        neighbours: Any,
        parameters: PyTree = None,
        strategy_set: PlayerSets = None,
    ):
        """Checks the network.

        Args:
            cost: See the class.
            neighbours: See the class.
            parameters: See the class.
            strategy_set: `sets` of the class; by default there is no constraint.
        """
        self.cost = cost
        self.neighbours = _checked(neighbours)
        self.parameters = jax.tree.map(jnp.asarray, parameters)
        self.sets = Euclidean() if strategy_set is None else strategy_set
        for leaf in jax.tree.leaves(self.parameters):
            if jnp.shape(leaf)[:1] != (self.players,):
                raise ValueError(
                    f"NetworkGame: parameters are one per player: arrays with a leading axis of "
                    f"{self.players}, not of shape {jnp.shape(leaf)}"
                )

    @property
    def players(self) -> int:
        """N, the number of players."""
        return self.neighbours.shape[0]

    @property
    def degree(self) -> int:
        """The most neighbours that a player can have."""
        return self.neighbours.shape[1]

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> Stacked:
        blocks = self._blocks(x)
        each = jax.vmap(self.cost, in_axes=(0, 0, 0, None))
        return Stacked(each(blocks, gathered(blocks, self.neighbours), self.parameters, args))

    def gradients(
        self, x: Strategy, args: PyTree = None, others: Strategy | None = None
    ) -> Stacked:
        """Returns the pseudo-gradient: the gradient of each cost along its player's block.

        Args:
            x: A joint strategy.
            args: Passed to the cost.
            others: The joint strategy from which each player's neighbours are taken, if it is not
                `x` itself.
        """
        blocks = self._blocks(x)
        around = gathered(blocks if others is None else self._blocks(others), self.neighbours)
        each = jax.vmap(jax.grad(self.cost), in_axes=(0, 0, 0, None))
        return Stacked(each(blocks, around, self.parameters, args))

    def gradient(self, x: Strategy, player: Player, args: PyTree = None) -> Block:
        """Returns one player's block of the pseudo-gradient; `player` may be traced."""
        blocks = self._blocks(x)
        own, parameters = jax.tree.map(lambda leaf: leaf[player], (blocks, self.parameters))
        others = gathered(blocks, self.neighbours[player])
        return jax.grad(self.cost)(own, others, parameters, args)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.sets

    def _blocks(self, x: Strategy) -> PyTree:
        if not is_stacked(x) or len(x) != self.players:
            given = f"{len(x)} stacked players" if is_stacked(x) else f"{brief_names(x)} one by one"
            raise ValueError(
                f"NetworkGame: a strategy is a dgames.Stacked of {self.players} players; got "
                f"{given}"
            )
        return jax.tree.map(jnp.asarray, x.blocks)


def gathered(blocks: PyTree, neighbours: Int[Array, "*players degree"]) -> PyTree:
    """Returns the blocks of neighbours, with zeros where there are none."""
    present = neighbours >= 0
    places = jnp.where(present, neighbours, 0)

    def gather(leaf: Array) -> Array:
        shape = present.shape + (1,) * (leaf.ndim - 1)
        there = jnp.broadcast_to(present.reshape(shape), present.shape + leaf.shape[1:])
        return jnp.where(there, leaf[places], jnp.zeros((), leaf.dtype))

    return jax.tree.map(gather, blocks)


def neighbour_lists(
    adjacency: Any,
) -> tuple[Int[np.ndarray, "players degree"], Float[np.ndarray, "players degree"]]:
    """A sparse matrix as padded lists: who meets whom, and with what weight.

    Args:
        adjacency: Shape (N, N), `scipy.sparse` or dense: entry (i, j) is the weight of player j for
            player i. Entries that a sparse matrix stores twice are added up; those that it stores
            as zero stay neighbours.

    Returns:
        The positions, -1 where a player has fewer neighbours than others, for `NetworkGame`; and
        the weights, zero there, which are good `parameters`.

    Raises:
        ValueError: If the matrix is not square.

    >>> places, weights = neighbour_lists([[0.0, 0.5, 0.0], [0.1, 0.0, 0.2], [0.0, 0.0, 0.0]])
    >>> places.tolist(), weights.tolist()
    ([[1, -1], [0, 2], [-1, -1]], [[0.5, 0.0], [0.1, 0.2], [0.0, 0.0]])
    """
    shape = np.shape(adjacency)
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"neighbour_lists: the matrix must be square, not of shape {shape}")
    import scipy.sparse

    matrix = scipy.sparse.csr_array(adjacency, dtype=np.float64, copy=True)
    matrix.sum_duplicates()
    counts = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    columns = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], counts)
    shape = (len(counts), int(counts.max(initial=0)))
    places, weights = np.full(shape, -1, np.int32), np.zeros(shape)
    places[rows, columns], weights[rows, columns] = matrix.indices, matrix.data
    return places, weights


def _checked(neighbours: Any) -> Array:
    if isinstance(neighbours, Tracer):
        return neighbours
    positions = np.asarray(neighbours)
    if positions.ndim != 2 or positions.dtype.kind not in "iu":
        raise ValueError(
            "NetworkGame: neighbours must be integers of shape (players, degree), not "
            f"{positions.dtype} of shape {positions.shape}; dgames.neighbour_lists makes them of "
            "a matrix"
        )
    outside = (positions < -1) | (positions >= len(positions))
    own = positions == np.arange(len(positions))[:, None]
    for bad, what in ((outside, "who is no player"), (own, "themselves")):
        if bad.any():
            i, k = np.argwhere(bad)[0].tolist()
            raise ValueError(
                f"NetworkGame: player {i} has the neighbour {positions[i, k]}, {what}; neighbours "
                f"are other players from 0 to {len(positions) - 1}, or -1 for none"
            )
    return jnp.asarray(positions.astype(np.int32))
