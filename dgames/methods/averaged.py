"""Averages of the strategies that a method plays."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree
from typing_extensions import override

from dgames.fields import AbstractField
from dgames.methods.method import AbstractMethod, State
from dgames.strategy import Strategy


class AveragedState(NamedTuple):
    """The last strategy of the inner method, its state, and how many strategies were averaged."""

    last: Strategy
    inner: PyTree
    plays: Int[Array, ""]


class Averaged(AbstractMethod):
    """Runs a method and returns the average of all its strategies, the first one included.

    In zero-sum games the average of no-regret play tends to the equilibrium, while the strategies
    themselves may circle: the gap after T strategies is at most the players' regret over T. The
    last strategy is `state.last`.

    Attributes:
        method: The method that moves.

    >>> from dgames import Simultaneous, pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), Averaged(Simultaneous(0.5))
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [float(block) for block in x], [float(block) for block in state.last]
    ([0.75, 1.25], [0.5, 1.5])

    References:
        Freund and Schapire, *Adaptive game playing using multiplicative weights*, Games and
        Economic Behavior 29 (1999).
    """

    method: AbstractMethod

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> AveragedState:
        return AveragedState(x, self.method.init(field, x, args), jnp.ones((), int))

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, AveragedState]:
        last, inner = self.method.step(field, state.last, state.inner, args)
        plays = state.plays + 1

        def mean(average: Array, leaf: Array) -> Array:
            return average + (leaf - average) / plays.astype(leaf.dtype)

        return jax.tree.map(mean, x, last), AveragedState(last, inner, plays)
