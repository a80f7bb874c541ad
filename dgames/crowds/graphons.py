"""Graphons, the limits of dense networks, and linear-quadratic games on them.

In the game on a network with weights A, player i pays `s_i^2 / 2 - s_i (beta + alpha/N sum_j A_ij
s_j)`; the equilibrium is `s = beta (I - alpha A / N)^-1 1`, beta times Bonacich's centrality. Its
limit for many players is the game on a graphon W, `s = beta + alpha int W(., y) s(y) dy`.
"""

import abc
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from typing_extensions import override

from dgames.arrays import as_float, is_known
from dgames.network import NetworkGame, neighbour_lists


class AbstractGraphon(eqx.Module):
    r"""A symmetric function W from the unit square to [0, 1]: how much x and y have to do.

    The linear-quadratic game on it has the equilibrium s with

        s(x) = beta + alpha int_0^1 W(x, y) s(y) dy

    and for `alpha >= 0` its field `s - alpha W s - beta` is strongly monotone in L2 with the margin
    `1 - alpha lambda_max(W)`; if that is positive, there is exactly one.

    References:
        Parise and Ozdaglar, *Graphon games: a statistical framework for network games and
        interventions*, Econometrica 2023, arXiv:1802.00080.
    """

    @abc.abstractmethod
    def __call__(
        self, x: Float[Array, "*places"], y: Float[Array, "*places"]
    ) -> Float[Array, "*places"]:
        """Returns `W(x, y)` at pairs of places in [0, 1]."""

    @abc.abstractmethod
    def largest_eigenvalue(self) -> Float[Array, ""]:
        """Returns lambda_max of the integral operator with the kernel W, in closed form."""

    @abc.abstractmethod
    def equilibrium(self, alpha: Any, x: Float[Array, " places"]) -> Float[Array, " places"]:
        """Returns the equilibrium of the game with `beta = 1`, in closed form.

        Args:
            alpha: At least 0, with `alpha lambda_max(W) < 1`.
            x: Places in [0, 1].

        Raises:
            ValueError: If `alpha` is out of this range.
        """

    @abc.abstractmethod
    def slope(self) -> float:
        """Returns a K with `|W(x, y) - W(x', y')| <= K (|x - x'| + |y - y'|)`, or infinity."""

    def margin(self, alpha: Any) -> Float[Array, ""]:
        """Returns the margin `1 - alpha lambda_max(W)` of the game, for `alpha >= 0`."""
        return 1 - as_float(alpha) * self.largest_eigenvalue()

    def matrix(self, places: Float[Array, " n"]) -> Float[Array, "n n"]:
        """Returns the weights between places: `W(x_i, x_j)`.

        >>> ErdosRenyi(0.5).matrix(midpoints(2)).tolist()
        [[0.5, 0.5], [0.5, 0.5]]
        """
        n = len(places)
        square = (n, n)
        return self(
            jnp.broadcast_to(places[:, None], square), jnp.broadcast_to(places[None], square)
        )

    def sample(self, key: Key[Array, ""], places: Float[Array, " n"]) -> Float[Array, "n n"]:
        """Draws a network: an edge between i and j with probability `W(x_i, x_j)`, no loops.

        Args:
            key: A random key.
            places: The places of the players.
        """
        chances = self.matrix(places)
        drawn = jnp.triu(jax.random.uniform(key, chances.shape, chances.dtype) < chances, 1)
        return (drawn | drawn.T).astype(chances.dtype)

    def _allowed(self, alpha: Any) -> Array:
        alpha = as_float(alpha)
        if is_known(alpha) and not (alpha >= 0 and self.margin(alpha) > 0):
            raise ValueError(
                f"{type(self).__name__}: alpha must be from 0 to less than "
                f"{float(1 / self.largest_eigenvalue()):.6g}, not {float(alpha):.6g}; beyond it "
                "the game has no margin"
            )
        return alpha


class ErdosRenyi(AbstractGraphon):
    """`W = p`: every pair is connected with the same probability.

    The equilibrium is `1 / (1 - alpha p)` everywhere.

    Attributes:
        p: A probability.
    """

    p: Float[Array, ""] = eqx.field(converter=as_float)

    @override
    def __call__(self, x: Array, y: Array) -> Array:
        return jnp.full(x.shape, self.p, x.dtype)

    @override
    def largest_eigenvalue(self) -> Float[Array, ""]:
        return self.p

    @override
    def slope(self) -> float:
        return 0.0

    @override
    def equilibrium(self, alpha: Any, x: Float[Array, " places"]) -> Float[Array, " places"]:
        return jnp.full_like(x, 1 / (1 - self._allowed(alpha) * self.p))


class MinMaxGraphon(AbstractGraphon):
    """`W(x, y) = min(x, y) (1 - max(x, y))`, Green's function of `-u''` with zeros at the ends.

    `(s - 1)'' = -alpha s` gives `s(x) = cos(sqrt(alpha) (x - 1/2)) / cos(sqrt(alpha) / 2)`; the
    eigenvalues are `1 / (k pi)^2`.

    >>> f"{MinMaxGraphon().equilibrium(4.0, jnp.array([0.5]))[0]:.6f}"
    '1.850816'
    """

    @override
    def __call__(self, x: Array, y: Array) -> Array:
        return jnp.minimum(x, y) * (1 - jnp.maximum(x, y))

    @override
    def largest_eigenvalue(self) -> Float[Array, ""]:
        return jnp.asarray(1 / np.pi**2, float)

    @override
    def slope(self) -> float:
        return 1.0

    @override
    def equilibrium(self, alpha: Any, x: Float[Array, " places"]) -> Float[Array, " places"]:
        root = jnp.sqrt(self._allowed(alpha)).astype(x.dtype)
        return jnp.cos(root * (x - 0.5)) / jnp.cos(root / 2)


class UniformAttachment(AbstractGraphon):
    """`W(x, y) = 1 - max(x, y)`, the limit of networks that grow by uniform attachment.

    It is Green's function of `-u''` with `u'(0) = 0` and `u(1) = 0`, so that the equilibrium is
    `cos(sqrt(alpha) x) / cos(sqrt(alpha))`; the largest eigenvalue is `4 / pi^2`.

    >>> f"{UniformAttachment().equilibrium(1.0, jnp.array([0.0]))[0]:.6f}"
    '1.850816'
    """

    @override
    def __call__(self, x: Array, y: Array) -> Array:
        return 1 - jnp.maximum(x, y)

    @override
    def largest_eigenvalue(self) -> Float[Array, ""]:
        return jnp.asarray(4 / np.pi**2, float)

    @override
    def slope(self) -> float:
        return 1.0

    @override
    def equilibrium(self, alpha: Any, x: Float[Array, " places"]) -> Float[Array, " places"]:
        root = jnp.sqrt(self._allowed(alpha)).astype(x.dtype)
        return jnp.cos(root * x) / jnp.cos(root)


class RankedAttachment(AbstractGraphon):
    """`W(x, y) = 1 - x y`, the limit of networks that grow by ranked attachment.

    The equilibrium is `p + q x`, from two linear equations; the largest eigenvalue is
    `1/3 + sqrt(7)/6`.
    """

    @override
    def __call__(self, x: Array, y: Array) -> Array:
        return 1 - x * y

    @override
    def largest_eigenvalue(self) -> Float[Array, ""]:
        return jnp.asarray(1 / 3 + np.sqrt(7.0) / 6, float)

    @override
    def slope(self) -> float:
        return 1.0

    @override
    def equilibrium(self, alpha: Any, x: Float[Array, " places"]) -> Float[Array, " places"]:
        # W s = (p + q / 2) - x (p / 2 + q / 3).
        a = self._allowed(alpha).astype(x.dtype)
        determinant = (1 - a) * (1 + a / 3) + a**2 / 4
        return ((1 + a / 3) - a / 2 * x) / determinant


class BlockGraphon(AbstractGraphon):
    """A stochastic block model: W is constant on pairs of groups.

    The equilibrium is constant on groups, `(I - alpha B D) s = 1` with the weights B and the sizes
    D; the eigenvalues are those of `D^(1/2) B D^(1/2)`.

    Attributes:
        weights: Shape `(groups, groups)`, symmetric, between 0 and 1.
        sizes: Shape `(groups,)`: positive shares that sum to 1. Groups lie in [0, 1] in order.

    Raises:
        ValueError: If the shapes do not fit, weights are not symmetric or sizes do not sum to 1.
    """

    weights: Float[Array, "groups groups"] = eqx.field(converter=as_float)
    sizes: Float[Array, " groups"] = eqx.field(converter=as_float)

    def __check_init__(self):
        if self.weights.shape != (len(self.sizes),) * 2:
            raise ValueError(
                f"BlockGraphon: {len(self.sizes)} groups need a matrix of weights of as many rows "
                f"and columns, not of shape {self.weights.shape}"
            )
        if is_known(self.weights) and not (self.weights == self.weights.T).all():
            raise ValueError("BlockGraphon: the weights must be symmetric")
        if is_known(self.sizes) and not (
            (self.sizes > 0).all() and abs(float(self.sizes.sum()) - 1) < 1e-9
        ):
            raise ValueError(f"BlockGraphon: sizes are positive and sum to 1; got {self.sizes}")

    @override
    def __call__(self, x: Array, y: Array) -> Array:
        return self.weights[self._group(x), self._group(y)]

    @override
    def largest_eigenvalue(self) -> Float[Array, ""]:
        root = jnp.sqrt(self.sizes)
        return jnp.linalg.eigvalsh(root[:, None] * self.weights * root[None])[-1]

    @override
    def slope(self) -> float:
        return math.inf

    @override
    def equilibrium(self, alpha: Any, x: Float[Array, " places"]) -> Float[Array, " places"]:
        values = bonacich(self.weights * self.sizes[None], self._allowed(alpha))
        return values[self._group(x)]

    def _group(self, x: Array) -> Array:
        ends = jnp.cumsum(self.sizes)[:-1]
        return jnp.searchsorted(ends, x, side="right")


def midpoints(n: int) -> Float[Array, " n"]:
    """The midpoints of n equal intervals of [0, 1].

    >>> midpoints(2).tolist()
    [0.25, 0.75]
    """
    return (jnp.arange(n, dtype=float) + 0.5) / n


def bonacich(weights: Float[Array, "n n"], alpha: Any) -> Float[Array, " n"]:
    """Bonacich's centrality `(I - alpha A)^-1 1`.

    With `A = W / N` it is the equilibrium of the linear-quadratic game with `beta = 1`, and with
    the matrix of a graphon at `midpoints(N)` its discretisation.

    Args:
        weights: A, of shape (n, n).
        alpha: The strength of interaction.

    >>> bonacich(jnp.array([[0.0, 1.0], [1.0, 0.0]]), 0.5).tolist()
    [2.0, 2.0]
    """
    identity = jnp.eye(len(weights), dtype=weights.dtype)
    matrix = identity - jnp.asarray(alpha, weights.dtype) * weights
    return jnp.linalg.solve(matrix, jnp.ones(len(weights), weights.dtype))


def linear_quadratic_network(adjacency: Any, alpha: Any, beta: Any = 1.0) -> NetworkGame:
    """The linear-quadratic game on a network, whose equilibrium is beta times a centrality.

        f_i(s) = s_i^2 / 2 - s_i (beta_i + alpha / N sum_j A_ij s_j)

    Args:
        adjacency: A, shape (N, N), `scipy.sparse` or dense, with a diagonal of zeros.
        alpha: The strength of interaction.
        beta: One number, or one per player.

    Raises:
        ValueError: If the matrix is not square, or a player is their own neighbour.

    >>> from dgames.stacked import Stacked
    >>> game = linear_quadratic_network([[0.0, 1.0], [1.0, 0.0]], 1.0)
    >>> game.gradients(Stacked(jnp.array([2.0, 2.0]))).blocks.tolist()
    [0.0, 0.0]
    """
    places, weights = neighbour_lists(adjacency)
    players = len(places)
    parameters = {
        "weights": as_float(alpha) / players * weights,
        "beta": jnp.broadcast_to(as_float(beta), (players,)),
    }
    return NetworkGame(_cost, places, parameters)


def _cost(own: Array, others: Array, parameters: Any, args: Any) -> Array:
    return own**2 / 2 - own * (parameters["beta"] + parameters["weights"] @ others)
