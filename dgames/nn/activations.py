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

    @property
    def slopes(self) -> tuple[float, float]:
        """The least and the largest slope, rounded outwards; they do not depend on the sharpness.

        Of "groupsort" they are the least and the largest eigenvalue of the Jacobian.
        """
        return SLOPES[self.name]

    @property
    def steepest(self) -> float:
        """The Lipschitz constant: the largest slope in absolute value, rounded up."""
        return max(map(abs, self.slopes))


def as_activation(activation: str | Activation) -> Activation:
    """An activation function by name or as it is.

    Raises:
        ValueError: If there is none of this name, or if its sharpness is not positive.
    """
    activation = Activation(activation) if isinstance(activation, str) else activation
    if activation.name not in ACTIVATIONS or not activation.sharpness > 0:
        raise ValueError(
            f"An activation is one of {', '.join(ACTIVATIONS)}, of positive sharpness; got "
            f"{activation}"
        )
    return activation


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

# The extremes of silu and gelu are rounded outwards; gelu's are at plus and minus the root of two,
# silu's where t tanh(t / 2) = 2. Those of the others have closed forms.
SLOPES: dict[str, tuple[float, float]] = {
    "tanh": (0.0, 1.0),
    "softplus": (0.0, 1.0),
    "sigmoid": (0.0, 0.25),
    "silu": (-0.0998394, 1.0998394),
    "gelu": (-0.1289043, 1.1289043),
    "erf": (0.0, 1.1283792),
    "sin": (-1.0, 1.0),
    "groupsort": (-1.0, 1.0),
    "identity": (1.0, 1.0),
}
