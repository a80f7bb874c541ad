"""Hyper-parameters that change from step to step."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from dgames.fields import AbstractField
from dgames.methods.method import real_hyperparameter
from dgames.strategy import Strategy


class PowerDecay(eqx.Module):
    """A schedule that falls like a power of the step counter and a power of its logarithm.

        scale / (s^exponent log(s)^logarithms),    s = t + shift,    t = 1, 2, ...

    Attributes:
        scale: A positive number, or one per player.
        exponent: At least 0.
        logarithms: The exponent of the logarithm, at least 0. Where it is positive, `shift` has to
            be so too, because the logarithm of one is zero.
        shift: At least 0.

    >>> float(PowerDecay(0.5, 0.25)(jnp.array(16.0)))
    0.25
    """

    scale: PyTree[Array] = eqx.field(converter=real_hyperparameter)
    exponent: Float[Array, "*batch"] = eqx.field(converter=real_hyperparameter)
    logarithms: Float[Array, "*batch"] = eqx.field(default=0.0, converter=real_hyperparameter)
    shift: Float[Array, "*batch"] = eqx.field(default=0.0, converter=real_hyperparameter)

    def __call__(self, step: Float[Array, ""]) -> PyTree[Array]:
        """The value at a step.

        Args:
            step: The number t of the step, at first one, as a floating-point number.
        """
        s = step + self.shift
        factor = s**-self.exponent * jnp.log(s) ** -self.logarithms
        return jax.tree.map(lambda scale: scale * factor, self.scale)


def schedule(value: Any) -> Any:
    """Stores a schedule as it is, and a number, or one per player, as arrays."""
    return value if callable(value) else real_hyperparameter(value)


def at_step(value: Any, step: Int[Array, ""], field: AbstractField, x: Strategy) -> PyTree[Array]:
    """Returns a step size, or the value of its schedule, at a step.

    Raises:
        ValueError: If players with shared constraints have steps of their own.
    """
    if callable(value):
        value = real_hyperparameter(value(step.astype(jnp.result_type(float))))
    if not eqx.is_array(value) and field.shared_constraints(x):
        raise ValueError(
            "with shared constraints all players take the same step, since steps per player select "
            "another equilibrium; choose that one by dgames.Normalised"
        )
    return value
