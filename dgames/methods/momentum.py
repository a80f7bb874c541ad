"""Momentum: positive, negative and complex."""

import operator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree
from typing_extensions import override

from dgames.fields import AbstractField, own_sets
from dgames.methods.method import (
    AbstractMethod,
    State,
    add,
    complex_hyperparameter,
    hyperparameter,
    per_player,
    real_hyperparameter,
    scale,
    scale_block,
    subtract,
)
from dgames.sets import map_sets, player_set
from dgames.strategy import Block, Strategy, block, in_turn, map_players, replace


class Momentum(AbstractMethod):
    """Heavy-ball momentum: `mu+ = b mu - F(x)`, then `x+ = P(x + h mu+)`. One evaluation per step.

    No real momentum makes simultaneous play converge on bilinear games; negative momentum helps
    where the rotation is mild (Gidel et al., arXiv 1807.04740).

    Attributes:
        step_size: `h`, a positive number or one per player.
        momentum: `b`, a number in (-1, 1) or one per player.

    >>> import jax.numpy as jnp
    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), Momentum(0.5, -0.5)
    >>> x, state = method.step(field, x, method.init(field, x))
    >>> [float(block) for block in x], [float(block) for block in state]
    ([0.5, 1.5], [-1.0, 1.0])
    """

    step_size: PyTree[Array] = eqx.field(converter=real_hyperparameter)
    momentum: PyTree[Array] = eqx.field(converter=real_hyperparameter)

    @override
    def init(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        return jax.tree.map(jnp.zeros_like, x)

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, State]:
        buffer = subtract(scale(self.momentum, state), field(x, args))
        return field.project(add(x, scale(self.step_size, buffer))), buffer


class ComplexMomentum(AbstractMethod):
    """Complex momentum: `mu+ = b mu - F(x)`, then `x+ = P(x + Re(h mu+))`. One evaluation per step.

    The buffer is complex and starts at zero; strategies stay real. With `b = |b| exp(i phi)` and
    real `h` the past enters with the real weights `|b|^k cos(k phi)`: positive momentum at first,
    negative later. That converges on bilinear games, where no real momentum does (Lorraine, Acuna,
    Vicol and Duvenaud, arXiv 2102.08431).

    With `alternating=True`, players move in the players' order, each seeing the moves before
    (Gauss-Seidel), with the same buffers and constants.

    The state is the pair `(Re mu, Im mu)` of two real strategies, so that every floating dtype
    works and strategies keep theirs.

    Attributes:
        step_size: `h`, a number or one per player; complex values are allowed.
        momentum: `b`, a complex number inside the unit circle or one per player.
        alternating: Whether players move one after the other.

    >>> import jax.numpy as jnp
    >>> from dgames import pseudo_gradient, zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x[0] * x[1]))
    >>> x, method = (jnp.array(1.0), jnp.array(1.0)), ComplexMomentum(0.5, 0.5j)
    >>> state = method.init(field, x)
    >>> x, state = method.step(field, x, state)
    >>> x, (real, imaginary) = method.step(field, x, state)
    >>> [float(block) for block in imaginary]
    [-0.5, 0.5]
    """

    step_size: PyTree[Array] = eqx.field(converter=hyperparameter)
    momentum: PyTree[Array] = eqx.field(converter=complex_hyperparameter)
    alternating: bool = eqx.field(default=False, static=True)

    @override
    def init(
        self, field: AbstractField, x: Strategy, args: PyTree = None
    ) -> tuple[Strategy, Strategy]:
        return jax.tree.map(jnp.zeros_like, x), jax.tree.map(jnp.zeros_like, x)

    @override
    def step(
        self, field: AbstractField, x: Strategy, state: State, args: PyTree = None
    ) -> tuple[Strategy, State]:
        steps, momenta = (_parts(per_player(value, x)) for value in (self.step_size, self.momentum))
        strategy_set = own_sets(field, x)

        def move(own, h, b, force, position, real, imaginary):
            turned, imaginary = _times(b, real, imaginary)
            real = subtract(turned, force)
            step, _ = _times(h, real, imaginary)
            return own.project(add(position, step)), real, imaginary

        if not self.alternating:
            values = (steps, momenta, field(x, args), x, *state)
            moved = map_sets(lambda own, _, *values: move(own, *values), strategy_set, x, *values)
            # This turns one structure of triples into a triple of structures.
            x, real, imaginary = (map_players(operator.itemgetter(k), moved) for k in range(3))
            return x, (real, imaginary)

        def turn(i: Any, carry: PyTree) -> PyTree:
            x, *_ = carry
            values = (block(steps, i), block(momenta, i), field.block(x, i, args))
            own = player_set(strategy_set, x, i)
            new = move(own, *values, *(block(part, i) for part in carry))
            return tuple(replace(part, i, value) for part, value in zip(carry, new, strict=True))

        x, real, imaginary = in_turn(turn, x, (x, *state))
        return x, (real, imaginary)


def _parts(values: Strategy) -> Strategy:
    """Each scalar as a tuple of its real part and, if it is complex, its imaginary part."""

    def split(scalar: Array) -> tuple[Array, ...]:
        if not jnp.iscomplexobj(scalar):
            return (scalar,)
        with jax.ensure_compile_time_eval():  # no complex numbers in the traced step
            return jnp.real(scalar), jnp.imag(scalar)

    return jax.tree.map(split, values)


def _times(scalar: tuple[Array, ...], real: Block, imaginary: Block) -> tuple[Block, Block]:
    """Real and imaginary part of a complex scalar, in parts, times a complex block."""
    if len(scalar) == 1:
        return scale_block(scalar[0], real), scale_block(scalar[0], imaginary)
    a, b = scalar
    return (
        subtract(scale_block(a, real), scale_block(b, imaginary)),
        add(scale_block(b, real), scale_block(a, imaginary)),
    )
