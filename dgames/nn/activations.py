"""Activation functions, by name: smooth, so that the curvature of networks can be bounded."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Activation(NamedTuple):
    r"""An activation function `s(sharpness t) / sharpness`.

    The sharpness keeps the slopes and multiplies curvatures: a sharp softplus is nearly a relu.

    Attributes:
        name: One of `dgames.nn.ACTIVATIONS`.
        sharpness: A positive number.

    >>> softplus = Activation("softplus", 2.0)
    >>> round(float(softplus(jnp.array(0.0))), 6)  # log(2) / 2
    0.346574
    """

    name: str
    sharpness: float = 1.0

    def __call__(self, x: Float[Array, " *shape"]) -> Float[Array, " *shape"]:
        """The values.

        Args:
            x: Numbers; of "groupsort", pairs along the last axis.
        """
        if self.sharpness == 1.0:
            return ACTIVATIONS[self.name](x)
        return ACTIVATIONS[self.name](self.sharpness * x) / self.sharpness


def _groupsort(x: Float[Array, " *shape"]) -> Float[Array, " *shape"]:
    """Sorts pairs smoothly: `log(exp(a) + exp(b))` in place of the larger one, the rest is left."""
    first, second = x[..., 0::2], x[..., 1::2]
    larger = jnp.logaddexp(first, second)
    return jnp.stack([larger, first + second - larger], -1).reshape(x.shape)


def _identity(x: Float[Array, " *shape"]) -> Float[Array, " *shape"]:
    return x


ACTIVATIONS: dict[str, Callable] = {
    "tanh": jnp.tanh,
    "softplus": jax.nn.softplus,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "erf": jax.scipy.special.erf,
    "sin": jnp.sin,
    "groupsort": _groupsort,
    "identity": _identity,
}
"""The activation functions by name."""
