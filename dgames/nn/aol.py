"""Almost-orthogonal layers: columns scaled so that the norm is at most one."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key
from typing_extensions import override

from dgames.nn.activations import Activation, as_activation
from dgames.nn.lipschitz_layer import AbstractAffineLayer, precise


class AOL(AbstractAffineLayer):
    r"""An almost-orthogonal Lipschitz layer `s(P D x + b)`, whose columns are scaled.

        D = diag(1 / sqrt(sum_j |P'P|_ij))

    With fewer outputs than inputs, the rows are scaled in the same way: `s(D P x + b)`, with `P P'`
    in place of `P'P`, which is smaller. It costs one product of matrices and no inverse. Its norm
    is at most one, and columns or rows that are orthogonal to all others become unit vectors.

    Proof. `D^(-2) - P'P` has the non-negative diagonal `sum_(j != i) |P'P|_ij` and is diagonally
    dominant, hence positive semidefinite; multiply by D on both sides: `(P D)'(P D) <= I`.

    References:
        Prach and Lampert, *Almost-Orthogonal Layers for Efficient General-Purpose Lipschitz
        Networks*, ECCV 2022, arXiv:2208.03160.

    Attributes:
        weight: The free matrix P, of shape (outputs, inputs).
        bias: The vector b, or None for a layer without.
        activation: The activation function s, or its name.

    >>> layer = AOL(jnp.array([[3.0, 0.0], [4.0, 0.0], [0.0, 7.0]]), None)
    >>> bool(jnp.allclose(layer.matrix(), jnp.array([[0.6, 0.0], [0.8, 0.0], [0.0, 1.0]])))
    True
    """

    weight: Float[Array, "outputs inputs"]
    bias: Float[Array, " outputs"] | None
    activation: Activation = eqx.field(static=True, default="identity", converter=as_activation)

    @override
    def matrix(self) -> Float[Array, "outputs inputs"]:
        wide = self.weight.shape[0] < self.weight.shape[1]
        columns = self.weight.T if wide else self.weight
        with precise():
            sums = jnp.sum(jnp.abs(columns.T @ columns), 1)
        # The column of a sum of zero is zero.
        scale = jax.lax.rsqrt(jnp.where(sums > 0, sums, jnp.ones_like(sums)))
        return scale[:, None] * self.weight if wide else self.weight * scale[None, :]

    @classmethod
    def draw(
        cls,
        inputs: int,
        outputs: int,
        key: Key[Array, ""],
        *,
        activation: str | Activation = "identity",
    ) -> "AOL":
        """Draws a layer with orthonormal columns or rows, which scaling leaves as they are."""
        larger, smaller = max(inputs, outputs), min(inputs, outputs)
        q, _ = jnp.linalg.qr(jax.random.normal(key, (larger, smaller)))
        weight = q if outputs >= inputs else q.T
        return cls(weight, jnp.zeros(outputs), activation)
