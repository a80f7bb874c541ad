"""The optimistic method: a past value of the field replaces that of the trial step."""

import equinox as eqx
from jaxtyping import Array, PyTree
from typing_extensions import override

from dgames.fields import AbstractField
from dgames.methods.method import AbstractMethod, State, add, real_hyperparameter, scale, subtract
from dgames.strategy import Strategy


class Optimistic(AbstractMethod):
    """The optimistic method, also called past extragradient. One evaluation per step.

    With the past field value `g` as its state (at first `F(x_0)`), it extrapolates and steps
    (Popov, 1980):

        y = P(x - h g),   g+ = F(y),   x+ = P(x - h g+).

    With `reflected=True` it projects once, and `g` is the field at the previous strategy (the
    forward-reflected-backward method of Malitsky and Tam, arXiv 1808.04162):

        x+ = P(x - 2 h F(x) + h g),   g+ = F(x).

    Without constraints, the points `y` of the first form follow the second one. Both converge on
    monotone `beta`-Lipschitz games for `h < 1 / (2 beta)`. On `x y` the spectral radius is the
    largest root of `z^2 - (1 - 2ih) z - ih`, at best `1 / sqrt(2)` at `h = 1/2`.

    Attributes:
        step_size: `h`, a positive number or one per player.
        reflected: Whether to take the second form.

    >>> import jax.numpy as jnp
    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), Optimistic(0.5)
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [float(block) for block in x]
    [0.25, 1.25]
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)
    reflected: bool = eqx.field(default=False, static=True)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        return field(x, args)

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, State]:
        if self.reflected:
            present = field(x, args)
            direction = subtract(add(present, present), state)
        else:
            trial = field.project(subtract(x, scale(self.step_size, state)))
            present = direction = field(trial, args)
        return field.project(subtract(x, scale(self.step_size, direction))), present
