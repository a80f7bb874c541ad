"""Simultaneous gradient steps: all players move at once."""

import equinox as eqx
from jaxtyping import Array, PyTree
from typing_extensions import override

from dgames.fields import AbstractField
from dgames.methods.method import AbstractMethod, State, real_hyperparameter, scale, subtract
from dgames.strategy import Strategy


class Simultaneous(AbstractMethod):
    """Simultaneous gradient descent: `x+ = P(x - h F(x))`. One evaluation per step.

    Contracts for `0 < h < 2 alpha / beta^2` where the field is `alpha`-strongly monotone and
    `beta`-Lipschitz; on bilinear games it diverges for every step size, with spectral radius
    `sqrt(1 + h^2)` on `x y`.

    Attributes:
        step_size: `h`, a positive number or one per player.

    >>> import jax.numpy as jnp
    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, state = Simultaneous(0.5).step(field, (jnp.array(1.0), jnp.array(1.0)), None)
    >>> [float(block) for block in x]
    [0.5, 1.5]
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> None:
        return None

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, State]:
        return field.project(subtract(x, scale(self.step_size, field(x, args)))), None
