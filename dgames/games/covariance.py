"""Estimation of a covariance matrix by a game: the smallest linear GAN that is not bilinear."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.game import ZeroSum
from dgames.roles import in_roles
from dgames.strategy import Strategy


class CovarianceEstimation(ZeroSum):
    r"""The zero-sum game `min_W max_V <W, V V' - S>` that estimates a covariance matrix S.

    A generator V turns white noise into data with the covariance `V V'`, and a discriminator W
    weighs the difference from S. The pseudo-gradient is

        F(W, V) = (V V' - S, -(W + W') V),

    so that the equilibria are the points with `V V' = S` and `W + W' = 0` on the range of V.
    Descent-ascent circles around them.

    Attributes:
        covariance: S, of shape (d, d), symmetric; W and V have this shape too.
        minimiser: The name of the discriminator, see `ZeroSum`.
        maximiser: The name of the generator.

    Example:
        >>> from dgames.fields import pseudo_gradient
        >>> game = CovarianceEstimation([[4.0]])
        >>> force = pseudo_gradient(game)((jnp.array([[0.5]]), jnp.array([[3.0]])))
        >>> [float(own.squeeze()) for own in force]
        [5.0, -3.0]

    References:
        Daskalakis, Ilyas, Syrgkanis and Zeng, *Training GANs with optimism*, ICLR 2018,
        arXiv:1711.00141; Schaefer and Anandkumar, *Competitive gradient descent*, NeurIPS 2019,
        arXiv:1905.12103.
    """

    covariance: Float[Array, "d d"] = eqx.field(converter=as_float)
    minimiser: str | None = eqx.field(static=True, default=None, kw_only=True)
    maximiser: str | None = eqx.field(static=True, default=None, kw_only=True)

    def __check_init__(self):
        shape = jnp.shape(self.covariance)
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"CovarianceEstimation: S is a square matrix, not of shape {shape}")

    @classmethod
    def random(cls, key: Array, size: int) -> tuple["CovarianceEstimation", Strategy]:
        """The random instance of the paper, and the strategy that it starts from.

        `S = U U'` with normal U; `W = B B'` and `V = U + C` with B and C uniform in (-1/2, 1/2).

        Args:
            key: A random key.
            size: d; the paper has 20, 40 and 60.
        """
        first, second, third = jax.random.split(key, 3)
        U = jax.random.normal(first, (size, size))
        B = jax.random.uniform(second, (size, size), minval=-0.5, maxval=0.5)
        C = jax.random.uniform(third, (size, size), minval=-0.5, maxval=0.5)
        return cls(U @ U.T), (B @ B.T, U + C)

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        W, V = in_roles(self, x)
        return jnp.sum(W * (V @ V.T - self.covariance.astype(V.dtype)))

    def distance(self, x: Strategy) -> Float[Array, ""]:
        """The distance from equilibria, `sqrt(|V V' - S|^2 + |(W + W') / 2|^2)`."""
        W, V = in_roles(self, x)
        error = V @ V.T - self.covariance.astype(V.dtype)
        return jnp.hypot(jnp.linalg.norm(error), jnp.linalg.norm((W + W.T) / 2))
