"""Games in normal form, played with mixed strategies."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.policy_game import MultilinearGame
from dgames.strategy import Strategy, blocks, join


class MatrixGame(MultilinearGame):
    r"""A game in normal form: each player chooses among finitely many actions at random.

    Player i plays a probability vector `x_i` over `actions[i]` actions and pays minus the expected
    payoff, a multilinear function:

        f_i(x) = -sum_a U_i[a_1, ..., a_N] x_1[a_1] ... x_N[a_N]

    Strategies live on a product of simplices.

    Attributes:
        payoffs: `U`, of shape `(players, *actions)`.

    Example:
        >>> game = MatrixGame([[3, 0], [5, 1]], [[3, 5], [0, 1]])  # the prisoners' dilemma
        >>> defect = jnp.array([0.0, 1.0])
        >>> [float(cost) for cost in game.costs((defect, defect))]
        [-1.0, -1.0]
        >>> [float(cost) for cost in game.costs(game.uniform())]
        [-2.25, -2.25]
    """

    payoffs: Float[Array, "players *actions"]  # noqa: F821 (a shape)

    def __init__(self, *payoffs: Any):
        """Stacks the players' payoffs.

        Args:
            *payoffs: One array per player, each of shape `actions`; `MatrixGame(*tensor)` unpacks
                an array of shape `(players, *actions)`. A single matrix is a zero-sum game: the
                payoff of the row player.

        Raises:
            ValueError: If the arrays differ in shape, or do not have one axis per player.
        """
        arrays = [as_float(payoff) for payoff in payoffs]
        if len(arrays) == 1:
            arrays.append(-arrays[0])
        shapes = [array.shape for array in arrays]
        if len(set(shapes)) != 1 or len(shapes[0]) != len(arrays):
            raise ValueError(
                "each of N players needs a payoff array with N axes, one per player and all of one "
                f"shape; got {len(payoffs)} of shape {', '.join(map(str, shapes[: len(payoffs)]))}"
            )
        self.payoffs = jnp.stack(arrays)

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        mixed = [jnp.asarray(block) for block in blocks(x)]
        expected = self.payoffs.astype(mixed[0].dtype)
        for weights in mixed:
            expected = jnp.tensordot(expected, weights, axes=((1,), (0,)))
        return join(x, tuple(-value for value in expected))

    def uniform(self) -> tuple[Array, ...]:
        """The joint strategy in which everyone randomises evenly: a natural start."""
        _, *actions = self.payoffs.shape
        return tuple(jnp.full(n, 1 / n, self.payoffs.dtype) for n in actions)

    def pure_equilibria(self) -> list[tuple[int, ...]]:
        """All equilibria in pure strategies, by enumeration: one action per player in each.

        Payoffs that differ by no more than rounding count as equal: by 16 units in the last place
        of the larger one, or of the player's median payoff in absolute value, whichever is more.

        >>> MatrixGame([[2, 0], [0, 1]], [[1, 0], [0, 2]]).pure_equilibria()  # battle of the sexes
        [(0, 0), (1, 1)]
        >>> MatrixGame([[0.1 + 0.2, 0], [0.3, 0]], [[1, 0], [1, 0]]).pure_equilibria()  # a tie
        [(0, 0), (1, 0)]
        """
        payoffs = np.asarray(self.payoffs)
        stays = np.ones(payoffs.shape[1:], bool)
        for player, own in enumerate(payoffs):
            best = own.max(axis=player, keepdims=True)
            stays &= _ties(own, best)
        return [tuple(profile) for profile in np.argwhere(stays).tolist()]

    @classmethod
    def from_table(cls, payoffs: Any) -> "MatrixGame":
        """Makes a game from payoffs of shape `(players, *actions)`, for one player or more.

        Raises:
            ValueError: If there is not one axis for each player.

        >>> MatrixGame.from_table([[1, 3, 2]]).pure_equilibria()
        [(1,)]
        """
        table = as_float(payoffs)
        if table.ndim == 2 and len(table) == 1:  # a single array would be a zero-sum game
            return eqx.tree_at(lambda game: game.payoffs, cls([[0]]), table)
        return cls(*table)

    @classmethod
    def rock_paper_scissors(cls, ties: tuple[float, float] = (0.0, 0.0)) -> "MatrixGame":
        """Rock, paper, scissors; its unique equilibrium is uniform.

        The interior is a centre: descent circles.

        Args:
            ties: What each player receives in a tie. With `(e, -e)` the game is zero-sum, and
                learning in it is Hamiltonian and, for e other than 0, partly chaotic (Sato, Akiyama
                and Farmer, *Chaos in learning a simple two-person game*, PNAS 99, 2002).

        >>> MatrixGame.rock_paper_scissors((0.5, -0.5)).payoffs[1, 0].tolist()
        [-0.5, 1.0, -1.0]
        """
        cycle = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
        return cls(cycle + ties[0] * np.eye(3), -cycle + ties[1] * np.eye(3))

    @classmethod
    def matching_pennies(cls) -> "MatrixGame":
        """Matching pennies: the row player wants a match. The unique equilibrium is uniform."""
        return cls([[1, -1], [-1, 1]])


def _ties(payoffs: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Returns which payoffs equal the best ones up to rounding."""
    sizes = np.abs(payoffs)
    # Payoffs may have cancelled: `0.1 + 0.2 - 0.3` and zero are equal in a game of ones and twos.
    # The median sets the scale, because one huge penalty says nothing about the rounding of the
    # others.
    typical = sizes[np.isfinite(sizes) & (sizes > 0)]
    unit = np.maximum(np.maximum(sizes, np.abs(best)), np.median(typical) if typical.size else 0)
    with np.errstate(invalid="ignore"):  # infinite payoffs may be subtracted from each other
        near = best - payoffs <= 16 * float(jnp.finfo(payoffs.dtype).eps) * unit
    return (payoffs == best) | (near & np.isfinite(best) & np.isfinite(payoffs))
