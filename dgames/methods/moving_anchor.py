"""A pull to an anchor that follows the strategies from time to time."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree
from typing_extensions import override

from dgames.fields import AbstractField
from dgames.fields.wrapped import AbstractWrappedField
from dgames.methods.method import (
    AbstractMethod,
    State,
    add,
    real_hyperparameter,
    scale_block,
    subtract,
    towards,
)
from dgames.stacked import Player
from dgames.strategy import Block, Strategy
from dgames.strategy import block as own_block


class MovingAnchorState(NamedTuple):
    """The first strategy, the anchor, which epoch it is, the steps so far, and the inner state."""

    start: Strategy
    anchor: Strategy
    epoch: Int[Array, ""]
    steps: Int[Array, ""]
    inner: PyTree


class MovingAnchor(AbstractMethod):
    """Runs a method on the field `F(x) + m (x - c)`, which pulls to a centre that moves.

    The pull makes monotone games strongly monotone, at the price of another solution. Every
    `period` steps the anchor moves to the current strategy, so the price vanishes. In epoch
    k = 1, 2, ... with the anchor `s_k` (`s_1` is the start), the centre is

        c = (k s_k + s_1) / (k + 1),

    or `s_k` alone if not `boosted`. With `Simultaneous(h)` inside, these are the methods of
    Abe et al.: gradient ascent with boosting payoff perturbation (GABP), whose gap is O(1/T) up to
    logarithms, and adaptively perturbed gradient ascent (APGA), with O(1/sqrt T); both for `h < m /
    (L + m)^2` and a period that grows as `log T`. Within an epoch each step divides the squared
    distance from the perturbed solution by `1 + h m` at least. A step costs what the inner method's
    does.

    Attributes:
        method: The method that moves.
        strength: `m`, a positive number.
        period: The number of steps between moves of the anchor.
        boosted: Whether the centre is averaged with the start.

    >>> from dgames import Simultaneous, pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), MovingAnchor(Simultaneous(0.5), 1.0, 1)
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [float(block) for block in x], int(state.epoch)
    ([0.5, 1.5], 2)

    References:
        Abe et al., *Boosting perturbed gradient ascent for last-iterate convergence in games*, ICLR
        2025, arXiv:2410.02388; *Adaptively perturbed mirror descent for learning in games*, ICML
        2024, arXiv:2305.16610.
    """

    method: AbstractMethod
    strength: Float[Array, ""] = eqx.field(converter=real_hyperparameter)
    period: Int[Array, ""] = eqx.field(converter=jnp.asarray)
    boosted: bool = eqx.field(default=True, static=True)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> MovingAnchorState:
        one, none = jnp.ones((), int), jnp.zeros((), int)
        inner = self.method.init(_Pulled(field, x, self.strength), x, args)
        return MovingAnchorState(x, x, one, none, inner)

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, MovingAnchorState]:
        start, anchor, epoch, steps, inner = state
        centre = towards(anchor, start, 1 / (epoch + 1)) if self.boosted else anchor
        x, inner = self.method.step(_Pulled(field, centre, self.strength), x, inner, args)
        steps = steps + 1
        due = steps % self.period.astype(steps.dtype) == 0
        anchor = jax.tree.map(lambda new, old: jnp.where(due, new, old), x, anchor)
        return x, MovingAnchorState(start, anchor, epoch + due.astype(epoch.dtype), steps, inner)


class _Pulled(AbstractWrappedField):
    """The field `F(x) + strength (x - centre)`."""

    field: AbstractField
    centre: Strategy
    strength: Float[Array, ""]

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        pull = scale_block(self.strength, subtract(x, self.centre))
        return add(self.field(x, args), pull)

    @override
    def block(self, x: Strategy, player: Player, args: PyTree = None) -> Block:
        away = subtract(own_block(x, player), own_block(self.centre, player))
        return add(self.field.block(x, player, args), scale_block(self.strength, away))
