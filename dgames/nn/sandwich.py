"""Sandwich layers: activations between two halves of a matrix with orthonormal rows."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key
from typing_extensions import override

from dgames.nn.activations import Activation, as_activation
from dgames.nn.cayley import orthonormal_columns
from dgames.nn.lipschitz_layer import AbstractLipschitzLayer, check_slopes


class Sandwich(AbstractLipschitzLayer):
    r"""A layer `sqrt2 A' Psi s(sqrt2 Psi^(-1) B x + b)` of Lipschitz constant one.

    `[A B]` has orthonormal rows, `A A' + B B' = I`, by the Cayley transform of a free matrix, and
    `Psi = exp(log_psi)` is a positive diagonal. Activations have slopes in [0, 1]. Networks of
    these layers are all those that LipSDP certifies, unlike products of layers of norm one.

    Proof. Between two points at a distance h, the layer moves by `2 A' y` with `y = S B h` and a
    diagonal S in [0, 1], so that `|y|^2 <= y'B h`. With `A A' <= I - B B'`,

        |A' y|^2 <= |y|^2 - |B' y|^2 <= h'B' y - |B' y|^2 = |h|^2 / 4 - |B' y - h / 2|^2.

    Where the computed matrices only have `A A' + B B' <= g I`, `g >= 1`, the constant is g: the
    first term is at most `g |y|^2 - |B' y|^2 <= g^2 |h|^2 / 4`.

    References:
        Wang and Manchester, *Direct Parameterization of Lipschitz-Bounded Deep Networks*, ICML
        2023, arXiv:2301.11526.

    Attributes:
        weight: The free matrix, of shape (outputs + inputs, outputs); see `Cayley`.
        log_psi: Logarithms of the diagonal of Psi.
        bias: The vector b.
        activation: The activation function s, or its name.

    >>> layer = Sandwich.draw(3, 5, jax.random.key(0))
    >>> layer(jnp.ones(3)).shape, layer.lipschitz
    ((5,), 1.0)
    """

    weight: Float[Array, "both outputs"]
    log_psi: Float[Array, " outputs"]
    bias: Float[Array, " outputs"]
    activation: Activation = eqx.field(static=True, default="softplus", converter=as_activation)

    def __check_init__(self):
        check_slopes("Sandwich", self.activation)

    @override
    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        a, b = self.matrices()
        psi = jnp.exp(self.log_psi)
        hidden = self.activation(math.sqrt(2) * (b @ x) / psi + self.bias)
        return math.sqrt(2) * (a.T @ (psi * hidden))

    @override
    def matrices(self) -> tuple[Array, ...]:
        """The matrices A, of shape (outputs, outputs), and B, of shape (outputs, inputs)."""
        both = orthonormal_columns(self.weight).T
        outputs = both.shape[0]
        return both[:, :outputs], both[:, outputs:]

    @property
    @override
    def lipschitz(self) -> float:
        """One."""
        return 1.0

    @classmethod
    def draw(
        cls,
        inputs: int,
        outputs: int,
        key: Key[Array, ""],
        *,
        activation: str | Activation = "softplus",
    ) -> "Sandwich":
        r"""Draws a layer whose two halves weigh the same: `A A' = B B' = I / 2`, where sizes allow.

        With slopes of one it is an isometry. At random free matrices sandwich layers contract, and
        deep networks of them lose their input.
        """
        larger, smaller = max(inputs, outputs), min(inputs, outputs)
        q, _ = jnp.linalg.qr(jax.random.normal(key, (larger, smaller)))
        # V'V = c I makes the upper part (1 - c) / (1 + c), which is 1 / sqrt2.
        lower = (math.sqrt(2) - 1) * (q if inputs >= outputs else q.T)
        weight = jnp.concatenate([jnp.zeros((outputs, outputs)), lower])
        zeros = jnp.zeros(outputs)
        return cls(weight, zeros, zeros, activation)
