"""Activation functions, by name: smooth, so that the curvature of networks can be bounded."""

import math
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

    @property
    def suprema(self) -> tuple[float, float, float]:
        """Upper bounds of `|s'|`, `|s''|` and `|s'''|` on the whole line, see `SUPREMA`.

        >>> Activation("softplus", 1.0).suprema
        (1.0, 0.25, 0.09622504486493763)
        """
        slope, curvature, change = SUPREMA[self.name]
        return slope, self._sharpened(curvature), self._sharpened(self._sharpened(change))

    def _sharpened(self, value: float) -> float:
        """The product with the sharpness, rounded up."""
        product = value * self.sharpness
        exact = self.sharpness == 1.0 or value == 0.0
        return product if exact else math.nextafter(product, math.inf)


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

# Upper bounds of |s'|, |s''| and |s'''| on the whole line, rounded up to floats. They are reached
# as follows, with p = sigmoid(x), q = 1 - p and phi the density of the Gaussian:
#
#     tanh      1                       4 / (3 sqrt 3), tanh^2 = 1/3     2, at 0
#     softplus  1, at infinity          1/4, at 0                        1 / (6 sqrt 3), p q = 1/6
#     sigmoid   1/4, at 0               1 / (6 sqrt 3), p q = 1/6        1/8, at 0
#     silu      at 2.3993...            1/2, at 0                        at 1.0319...
#     gelu      at sqrt 2               2 phi(0), at 0                   at sqrt((7 - sqrt 33) / 2)
#     erf       2 / sqrt(pi), at 0      2 sqrt(2 / (pi e)), at sqrt 1/2  4 / sqrt(pi), at 0
#
# Groupsort is not elementwise. Its Jacobian on a pair is symmetric with the eigenvalues 1 and
# 2p - 1, p = sigmoid(a_1 - a_2). What stands for s'' and s''' belongs to adjoints that are measured
# by half the difference within pairs, |lam|_* = max over pairs of |lam_1 - lam_2| / 2:
#
#     <lam, d^2 x [U, V]> = (lam_1 - lam_2) p q (da_1 - da_2)^U (da_1 - da_2)^V
#
# on a pair, and |da_1 - da_2| <= sqrt 2 |da|, so that the factor of |da^U| |da^V| is at most
# 2 p q |lam_1 - lam_2| <= |lam|_*. It changes at the rate 2 |lam_1 - lam_2| |p q (q - p)| sqrt 2
# per unit of |da|, at most 4 sqrt 2 |lam|_* / (6 sqrt 3).
SUPREMA: dict[str, tuple[float, float, float]] = {
    "tanh": (1.0, 0.769800358919501, 2.0),
    "softplus": (1.0, 0.25, 0.09622504486493763),
    "sigmoid": (0.25, 0.09622504486493763, 0.125),
    "silu": (1.099839320128867, 0.5, 0.3081815157964792),
    "gelu": (1.128904145185155, 0.7978845608028654, 0.7787696350557324),
    "erf": (1.1283791670955128, 0.9678828980765735, 2.2567583341910256),
    "sin": (1.0, 1.0, 1.0),
    "groupsort": (1.0, 1.0, 0.5443310539518174),
    "identity": (1.0, 0.0, 0.0),
}
