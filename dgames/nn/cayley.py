"""Layers with orthonormal columns or rows, by the Cayley transform."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key
from typing_extensions import override

from dgames.nn.activations import Activation, as_activation
from dgames.nn.lipschitz_layer import AbstractAffineLayer, precise


class Cayley(AbstractAffineLayer):
    r"""A layer `s(Q x + b)` with orthonormal columns, or rows where it has fewer outputs.

    The free matrix Z is at least as tall as wide: it is of the shape of Q or of its transpose. With
    its square upper part U and the rest V,

        A = U - U' + V'V,    Q = [(I + A)^(-1) (I - A); -2 V (I + A)^(-1)],    or the transpose.

    All singular values of Q are one: no gradient is lost on the way back. Square matrices have no V
    and are the orthogonal ones without the eigenvalue -1.

    Proof. `I + A` is regular, as `x'(I + A) x >= |x|^2`. `(I - A)'(I - A) + 4 V'V =
    (I + A)'(I + A)`, as `A + A' = 2 V'V`; multiply by the inverse on both sides: `Q'Q = I`.

    References:
        Trockman and Kolter, *Orthogonalizing Convolutional Layers with the Cayley Transform*, ICLR
        2021, arXiv:2104.07167; for tall matrices Wang and Manchester, arXiv:2301.11526.

    Attributes:
        weight: The free matrix Z, of shape (larger, smaller).
        bias: The vector b, or None for a layer without.
        activation: The activation function s, or its name.
        wide: Whether Q is the transpose: fewer outputs than inputs.

    >>> layer = Cayley(jnp.array([[0.0, 1.0], [0.0, 0.0], [2.0, 0.0]]), None)
    >>> q = layer.matrix()
    >>> q.shape, bool(jnp.allclose(q.T @ q, jnp.eye(2), atol=1e-6))
    ((3, 2), True)
    """

    weight: Float[Array, "larger smaller"]
    bias: Float[Array, " outputs"] | None
    activation: Activation = eqx.field(static=True, default="identity", converter=as_activation)
    wide: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        rows, columns = self.weight.shape
        if rows < columns:
            raise ValueError(
                "Cayley: the free matrix has at least as many rows as columns, and `wide` says "
                f"that the layer is its transpose; got shape {self.weight.shape}"
            )

    @override
    def matrix(self) -> Float[Array, "outputs inputs"]:
        q = orthonormal_columns(self.weight)
        return q.T if self.wide else q

    @classmethod
    def draw(
        cls,
        inputs: int,
        outputs: int,
        key: Key[Array, ""],
        *,
        activation: str | Activation = "identity",
    ) -> "Cayley":
        """Draws a layer with a Gaussian free matrix, of variance one over its longer side."""
        larger, smaller = max(inputs, outputs), min(inputs, outputs)
        weight = jax.random.normal(key, (larger, smaller)) / math.sqrt(larger)
        return cls(weight, jnp.zeros(outputs), activation, outputs < inputs)


def orthonormal_columns(weight: Float[Array, "larger smaller"]) -> Float[Array, "larger smaller"]:
    """The Cayley transform of a free matrix: see `Cayley`."""
    size = weight.shape[1]
    upper, lower = weight[:size], weight[size:]
    identity = jnp.eye(size, dtype=weight.dtype)
    with precise():
        a = upper - upper.T + lower.T @ lower
        # Rational functions of A commute; one factorisation of the transpose solves for both parts.
        solved = jnp.linalg.solve((identity + a).T, jnp.concatenate([identity - a, -2 * lower]).T)
    return solved.T
