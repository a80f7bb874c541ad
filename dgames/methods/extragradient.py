"""The extragradient method: a trial step, then the step."""

import equinox as eqx
from jaxtyping import Array, PyTree
from typing_extensions import override

from dgames.fields import AbstractField
from dgames.methods.method import AbstractMethod, State, real_hyperparameter, scale, subtract
from dgames.strategy import Strategy


class Extragradient(AbstractMethod):
    """The extragradient method: `y = P(x - h F(x))`, then `x+ = P(x - h F(y))`. Two evaluations.

    Converges on monotone `beta`-Lipschitz games for `h < 1 / beta` (Korpelevich, 1976). On `x y`
    its spectral radius is `sqrt(1 - h^2 + h^4)`, at best `sqrt(3) / 2` at `h = 1 / sqrt(2)`.

    Attributes:
        step_size: `h`, a positive number or one per player.

    >>> import jax.numpy as jnp
    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, state = Extragradient(0.5).step(field, (jnp.array(1.0), jnp.array(1.0)), None)
    >>> [float(block) for block in x]
    [0.25, 1.25]
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> None:
        return None

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, State]:
        trial = field.project(subtract(x, scale(self.step_size, field(x, args))))
        return field.project(subtract(x, scale(self.step_size, field(trial, args)))), None
