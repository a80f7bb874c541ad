"""Layers whose matrix is divided by an upper bound of its norm."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key
from typing_extensions import override

from dgames.nn.activations import Activation, as_activation
from dgames.nn.lipschitz_layer import AbstractAffineLayer
from dgames.nn.spectral_norm import spectral_norm_bound


class SpectralNormalised(AbstractAffineLayer):
    r"""A layer `s(M x + b)` with `M = W / sigma`, where sigma is an upper bound of the norm of W.

    The norm of M is at most one because `sigma >= |W|_2` is proved, by `spectral_norm_bound`, and
    no estimate as in power iteration (Miyato et al., arXiv:1802.05957), which is too small. The
    largest singular value is one up to the accuracy of the bound, the others are what they are.

    Proof. `|W x| <= |W|_2 |x| <= sigma |x|`.

    Attributes:
        weight: The free matrix W, of shape (outputs, inputs).
        bias: The vector b, or None for a layer without.
        activation: The activation function s, or its name.
        iterations: How often `spectral_norm_bound` squares.

    >>> layer = SpectralNormalised(jnp.diag(jnp.array([4.0, 1.0])), None)
    >>> print(layer.matrix().round(2))
    [[1.   0.  ]
     [0.   0.25]]
    """

    weight: Float[Array, "outputs inputs"]
    bias: Float[Array, " outputs"] | None
    activation: Activation = eqx.field(static=True, default="identity", converter=as_activation)
    iterations: int = eqx.field(static=True, default=5)

    @override
    def matrix(self) -> Float[Array, "outputs inputs"]:
        return self.weight / spectral_norm_bound(self.weight, self.iterations)

    @classmethod
    def draw(
        cls,
        inputs: int,
        outputs: int,
        key: Key[Array, ""],
        *,
        activation: str | Activation = "identity",
    ) -> "SpectralNormalised":
        """Draws a layer with Gaussian weights of variance 1 / inputs, and no bias yet."""
        weight = jax.random.normal(key, (outputs, inputs)) / math.sqrt(inputs)
        return cls(weight, jnp.zeros(outputs), activation)
