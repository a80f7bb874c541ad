"""Alternating gradient steps: the players move one after the other."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, PyTree
from typing_extensions import override

from dgames.fields import AbstractField, own_sets
from dgames.methods.method import (
    AbstractMethod,
    State,
    per_player,
    real_hyperparameter,
    scale_block,
    subtract,
)
from dgames.sets import player_set
from dgames.strategy import Strategy, block, in_turn, replace


class Alternating(AbstractMethod):
    """Alternating gradient descent: `x_i+ = P_i(x_i - h F_i(x_1+, ..., x_{i-1}+, x_i, ..., x_N))`.

    Players move in the players' order, and each of them sees the moves before (Gauss-Seidel). A
    step evaluates one block of the field per player, which together is one evaluation.

    On `x y` its spectral radius is 1 for `0 < h <= 2`, so it neither converges nor diverges for
    `h < 2`; at `h = 2` the eigenvalue -1 is defective and iterates grow linearly.

    Attributes:
        step_size: `h`, a positive number or one per player.

    >>> import jax.numpy as jnp
    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, state = Alternating(0.5).step(field, (jnp.array(1.0), jnp.array(1.0)), None)
    >>> [float(block) for block in x]
    [0.5, 1.25]
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> None:
        return None

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, State]:
        steps, strategy_set = per_player(self.step_size, x), own_sets(field, x)

        def turn(i: Any, x: Strategy) -> Strategy:
            moved = subtract(block(x, i), scale_block(block(steps, i), field.block(x, i, args)))
            return replace(x, i, player_set(strategy_set, x, i).project(moved))

        return in_turn(turn, x, x), None
