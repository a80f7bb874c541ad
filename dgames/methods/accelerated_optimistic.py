"""Optimistic methods with O(1/k) last iterates: anchored ones, and one with Nesterov's momentum."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree
from typing_extensions import override

from dgames.fields import AbstractField
from dgames.methods.method import (
    AbstractMethod,
    State,
    add,
    real_hyperparameter,
    scale,
    subtract,
    towards,
)
from dgames.strategy import Strategy


class AcceleratedOptimisticState(NamedTuple):
    """The strategy of the start, the last move from the anchored point, and the step's number."""

    anchor: Strategy
    move: Strategy
    round: Int[Array, ""]


class AcceleratedOptimistic(AbstractMethod):
    """The accelerated optimistic gradient method. One evaluation per step.

    With the start `x_1` as its anchor and `a = (x_1 - x) / (t + 1)`, for t = 1, 2, ...:

        w = P(x + a - h g),    g+ = F(w),    x+ = P(x + a - h g+),

    where `g`, the field at the last trial point, is at first `F(x_1)`. On monotone `L`-Lipschitz
    games the gap of the last strategy is O(1/T) for `h <= 1 / (sqrt(6) L)` (Cai and Zheng, 2023).
    Players play `w`, and observe `g+`. (With a step that adapts, which this class has not, their
    regret is O(sqrt T) against opponents of any kind.)

    With `reflected=True` it projects once, and the trial point may lie outside the sets (the
    accelerated reflected gradient method, proved for `h <= 1 / (12 L)`): its move is not `h g` but
    all that the last step did to its anchored point, `x^- + a^- - x`, so that

        w = 2 x - x^- + a - a^-,    x+ = P(x + a - h F(w)).

    Without constraints the two are the same.

    Attributes:
        step_size: `h`, a positive number or one per player.
        reflected: Whether to take the second form.

    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), AcceleratedOptimistic(0.5)
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [float(block) for block in x]
    [0.25, 1.25]

    References:
        Cai and Zheng, *Doubly optimal no-regret learning in monotone games*, ICML 2023,
        arXiv:2301.13120; the same, *Accelerated single-call methods for constrained min-max
        optimization*, ICLR 2023, arXiv:2210.03096.
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)
    reflected: bool = eqx.field(default=False, static=True)

    @override
    def init(
        self, field: AbstractField, x: Strategy, args: PyTree = None
    ) -> AcceleratedOptimisticState:
        move = scale(self.step_size, field(x, args))
        return AcceleratedOptimisticState(x, move, jnp.ones((), int))

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, AcceleratedOptimisticState]:
        near = towards(x, state.anchor, 1 / (state.round + 1))
        trial = subtract(near, state.move)
        if not self.reflected:
            trial = field.project(trial)
        move = scale(self.step_size, field(trial, args))
        x = field.project(subtract(near, move))
        if self.reflected:
            move = subtract(near, x)
        return x, AcceleratedOptimisticState(state.anchor, move, state.round + 1)


class NesterovOptimisticState(NamedTuple):
    """The strategy before, the field there, and the number of steps."""

    before: Strategy
    past: Strategy
    steps: Int[Array, ""]


class NesterovOptimistic(AbstractMethod):
    """An optimistic method with Nesterov's momentum instead of an anchor. One evaluation per step.

    For k = 0, 1, ..., with the strategy before, `z^-`, at first `z_0`:

        z+ = P(z + (k+1)/(k+4) (z - z^-) - 2 h (k+2)/(k+4) (F(z) - (k+1)/(k+2) F(z^-))).

    Its author calls it an accelerated optimistic gradient, too, but it is not
    `AcceleratedOptimistic`. On monotone games without constraints `|F(z_k)| = O(1/k)` for small
    steps; with constraints nothing is known to us.

    Attributes:
        step_size: `h`, a positive number or one per player; `1 / (4 L)` does well.

    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), NesterovOptimistic(0.5)
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [float(block) for block in x]
    [0.75, 1.25]

    References:
        Tran-Dinh, *From Halpern's fixed-point iterations to Nesterov's accelerated interpretations
        for root-finding problems*, Computational Optimization and Applications 87 (2024),
        arXiv:2203.10791.
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)

    @override
    def init(
        self, field: AbstractField, x: Strategy, args: PyTree = None
    ) -> NesterovOptimisticState:
        return NesterovOptimisticState(x, field(x, args), jnp.zeros((), int))

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, NesterovOptimisticState]:
        k, present = state.steps, field(x, args)
        momentum, kept, size = (k + 1) / (k + 4), (k + 1) / (k + 2), 2 * (k + 2) / (k + 4)
        change = subtract(present, scale(kept, state.past))
        pull = scale(self.step_size, scale(size, change))
        ahead = add(x, scale(momentum, subtract(x, state.before)))
        return field.project(subtract(ahead, pull)), NesterovOptimisticState(x, present, k + 1)
