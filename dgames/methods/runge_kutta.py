"""Following the flow closely."""

import equinox as eqx
import jax
from jaxtyping import Array, PyTree
from typing_extensions import override

from dgames.fields import AbstractField
from dgames.methods.base import AbstractMethod, State, add, real_hyperparameter, scale, subtract
from dgames.strategy import Strategy


class RungeKutta4(AbstractMethod):
    """The classical fourth-order Runge-Kutta step of the flow `dx/dt = -F(x)`. Four evaluations.

    Only the result is projected, not the stages. On `x y` its spectral radius is
    `sqrt(1 - h^6/72 + h^8/576)`, below 1 for `0 < h < sqrt(8)`; on ODE-GANs see Qin et al.,
    arXiv 2010.15040.

    Attributes:
        step_size: `h`, a positive number or one per player.

    >>> import jax.numpy as jnp
    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, state = RungeKutta4(1.0).step(field, (jnp.array(1.0), jnp.array(0.0)), None)
    >>> [round(float(block), 6) for block in x]
    [0.541667, 0.833333]
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> None:
        return None

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, State]:
        full, half = self.step_size, _times(0.5, self.step_size)
        k1 = field(x, args)
        k2 = field(subtract(x, scale(half, k1)), args)
        k3 = field(subtract(x, scale(half, k2)), args)
        k4 = field(subtract(x, scale(full, k3)), args)
        middle = add(k2, k3)
        total = add(add(k1, k4), add(middle, middle))
        return field.project(subtract(x, scale(_times(1 / 6, full), total))), None


def _times(factor: float, value: PyTree[Array]) -> PyTree[Array]:
    return jax.tree.map(lambda leaf: factor * leaf, value)
