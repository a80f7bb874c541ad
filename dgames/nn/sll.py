"""Residual layers of Lipschitz constant one, by semidefinite programming in closed form."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key
from typing_extensions import override

from dgames.nn.activations import Activation, as_activation
from dgames.nn.lipschitz_layer import AbstractLipschitzLayer, check_slopes, precise


class SLL(AbstractLipschitzLayer):
    r"""A residual layer `x - 2 W' T s(W x + b)` of Lipschitz constant one.

        T = diag(1 / sum_j |W W'|_ij q_j / q_i),    q = exp(log_q)

    for activations with slopes in [0, 1]. Being residual, deep networks of it stay near the
    identity, and lose no gradients.

    Proof. The q-scaled `T^(-1) - W W'` is diagonally dominant, so that `M = T^(1/2) W` has
    `M M' <= I`. Between two points the layer is `I - 2 M' S M` with a diagonal S in [0, 1], which
    is symmetric, and `0 <= M' S M <= I`: eigenvalues lie in [-1, 1].

    References:
        Araujo, Havens, Delattre, Allauzen and Hu, *A Unified Algebraic Perspective on Lipschitz
        Neural Networks*, ICLR 2023, arXiv:2303.03169.

    Attributes:
        weight: The free matrix W, of shape (hidden, inputs).
        log_q: Logarithms of the free scales q, one per hidden unit.
        bias: The vector b, one number per hidden unit.
        activation: The activation function s, or its name.

    >>> layer = SLL(jnp.array([[3.0, 4.0]]), jnp.zeros(1), jnp.zeros(1), "identity")
    >>> print(layer(jnp.array([3.0, 4.0])).round(4))  # a reflection
    [-3. -4.]
    """

    weight: Float[Array, "hidden inputs"]
    log_q: Float[Array, " hidden"]
    bias: Float[Array, " hidden"]
    activation: Activation = eqx.field(static=True, default="softplus", converter=as_activation)

    def __check_init__(self):
        check_slopes("SLL", self.activation)

    def scales(self) -> Float[Array, " hidden"]:
        """The diagonal of T."""
        q = jnp.exp(self.log_q - jnp.max(self.log_q))
        with precise():
            sums = (jnp.abs(self.weight @ self.weight.T) @ q) / q
        # The row of a sum of zero is zero.
        return 1 / jnp.where(sums > 0, sums, jnp.ones_like(sums))

    @override
    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " inputs"]:
        hidden = self.activation(self.weight @ x + self.bias)
        return x - 2 * (self.weight.T @ (self.scales() * hidden))

    @override
    def matrices(self) -> tuple[Array, ...]:
        """The matrix W and the diagonal of T."""
        return self.weight, self.scales()

    @property
    @override
    def lipschitz(self) -> float:
        """One."""
        return 1.0

    @classmethod
    def draw(
        cls,
        inputs: int,
        hidden: int,
        key: Key[Array, ""],
        *,
        activation: str | Activation = "softplus",
    ) -> "SLL":
        """Draws a layer with Gaussian weights of variance one over the number of inputs."""
        weight = jax.random.normal(key, (hidden, inputs)) / math.sqrt(inputs)
        return cls(weight, jnp.zeros(hidden), jnp.zeros(hidden), activation)
