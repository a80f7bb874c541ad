"""What layers with a Lipschitz constant by construction have in common."""

import abc

import equinox as eqx
import jax
from jaxtyping import Array, Float
from typing_extensions import override

from dgames.nn.activations import Activation


class AbstractLipschitzLayer(eqx.Module):
    """A layer whose Lipschitz constant in the Euclidean norm is a theorem.

    Its arrays are free parameters: any values are allowed, so that any method and any optimiser may
    move them. The matrices are computed from them in each call, which `jax.vmap` over inputs does
    once for all inputs.

    The theorem is about exact arithmetic. What floating point makes of the matrices may exceed it
    by rounding errors: `certify.lipschitz` proves a constant of the numbers that `matrices()`
    returns.
    """

    @abc.abstractmethod
    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        """The outputs at one input; `jax.vmap` it over many."""

    @abc.abstractmethod
    def matrices(self) -> tuple[Array, ...]:
        """The arrays that the layer multiplies by, as the class says."""

    @property
    @abc.abstractmethod
    def lipschitz(self) -> float:
        """The Lipschitz constant in the Euclidean norm, by the theorem of the class."""


class AbstractAffineLayer(AbstractLipschitzLayer):
    """A layer `s(M x + b)` whose matrix M has a norm of at most one by construction.

    Its Lipschitz constant is the largest slope of the activation in absolute value.

    Attributes:
        weight: The free matrix.
        bias: The vector b, or None for a layer without.
        activation: The activation function s, fixed.
    """

    weight: eqx.AbstractVar[Float[Array, "rows columns"]]
    bias: eqx.AbstractVar[Float[Array, " outputs"] | None]
    activation: eqx.AbstractVar[Activation]

    @abc.abstractmethod
    def matrix(self) -> Float[Array, "outputs inputs"]:
        """The matrix M, of spectral norm at most one."""

    @override
    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        x = self.matrix() @ x
        return self.activation(x if self.bias is None else x + self.bias)

    @override
    def matrices(self) -> tuple[Array, ...]:
        """The matrix M alone."""
        return (self.matrix(),)

    @property
    @override
    def lipschitz(self) -> float:
        """The largest slope of the activation in absolute value."""
        return self.activation.steepest


def check_slopes(layer: str, activation: Activation) -> None:
    """Raises a ValueError unless all slopes of an activation lie in [0, 1]."""
    low, high = activation.slopes
    if activation.name == "groupsort" or not (low >= 0 and high <= 1):
        raise ValueError(
            f"{layer}: the activation has slopes between 0 and 1, as tanh, softplus, sigmoid and "
            f"identity have; got {activation}"
        )


def precise():
    """The context in which matrices are made of parameters: accelerators round products else."""
    return jax.default_matmul_precision("highest")
