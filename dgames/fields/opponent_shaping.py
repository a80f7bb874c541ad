"""Players who look ahead at the others' next steps, and shape them."""

from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.fields.adjusted import AbstractAdjustedField
from dgames.fields.convert import as_field
from dgames.fields.field import AbstractField
from dgames.fields.hamiltonian import plus
from dgames.fields.products import interaction, transposed
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.game import Game, ZeroSum, is_zero_sum, zero_sum_costs
from dgames.stacked import Player, Stacked, is_stacked
from dgames.strategy import Block, Strategy, block, blocks, inner_product, join, replace


def _of_costs(game: Any) -> PseudoGradient:
    if isinstance(game, PseudoGradient):
        return game
    if isinstance(game, Game):
        return PseudoGradient(game)
    raise ValueError(
        "opponent shaping differentiates costs, which a field does not have: give it a game, not "
        f"{type(game).__name__}"
    )


class LookAhead(AbstractAdjustedField):
    """Every player's gradient where the others will be: `F - a J_o F`, to first order in a.

    Of a step a of the others, `F_i(x_i, x_-i - a F_-i) = F_i - a (J_o F)_i + O(a^2)`. It does
    not ask how the others' steps depend on the own strategy, see `LOLA` for that. In a zero-sum
    game of two players it is `SymplecticAdjusted` with weight a. It is F and one product `J_o v`:
    about twice N blocks of the field.

    Attributes:
        field: F; a game stands for its pseudo-gradient.
        alpha: a, the step that the others are expected to take, in units of one over J: where a
            paper's costs are larger by a factor, its a is smaller by it.

    >>> import dgames as dg
    >>> game = dg.zero_sum(lambda x, args: x[0] * x[1])
    >>> [float(own) for own in LookAhead(game, 0.5)((1.0, 2.0))]
    [2.5, 0.0]

    References:
        Zhang and Lesser, *Multi-agent learning with policy prediction*, AAAI 2010; Letcher,
        Foerster, Balduzzi, Rocktaeschel and Whiteson, *Stable opponent shaping in differentiable
        games*, ICLR 2019, arXiv:1811.08469.
    """

    field: AbstractField = eqx.field(converter=as_field)
    alpha: Float[Array, ""] = eqx.field(converter=as_float)

    @override
    def adjusted(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        force, times = interaction(field, x, args)
        return plus(force, -self.alpha, times(force))


class LOLA(AbstractAdjustedField):
    """Learning with opponent-learning awareness: players shape the steps of the others.

    Player i descends on `L_i(x_i, x_-i - a F_-i(x))`, in which the others' steps depend on the own
    strategy, too. To first order in a that is

        F - a J_o F - a X,    X_i = sum_(j != i) (dF_j / dx_i)' dL_i / dx_j.

    Zeros of F need not be zeros of this field: players prefer points from which the others will
    step to their advantage, and where all do so, all may lose (in the tandem game they do).

    In a zero-sum game of two players `X = J_o F`, so that this is `LookAhead` with 2 a, and costs
    the same. Otherwise the cost is that of `LookAhead`, the gradient of every cost along all
    players, and one VJP of the interaction for two players, N for more of them; with `exact` one
    gradient through the field per player.

    Attributes:
        field: The pseudo-gradient of a game; give the game.
        alpha: a, the step that the others are expected to take, in units of one over J: where a
            paper's costs are larger by a factor, its a is smaller by it.
        exact: Whether the gradient of that cost is taken itself, and not to first order in a.

    >>> import dgames as dg
    >>> game = dg.zero_sum(lambda x, args: x[0] * x[1])
    >>> [float(own) for own in LOLA(game, 0.5)((1.0, 2.0))]
    [3.0, 1.0]

    References:
        Foerster, Chen, Al-Shedivat, Whiteson, Abbeel and Mordatch, *Learning with
        opponent-learning awareness*, AAMAS 2018, arXiv:1709.04326.
    """

    field: PseudoGradient = eqx.field(converter=_of_costs)
    alpha: Float[Array, ""] = eqx.field(converter=as_float)
    exact: bool = eqx.field(static=True, default=False)

    @override
    def adjusted(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        if self.exact:
            return _shaped(cast(PseudoGradient, field), self.alpha, x, args)
        _, ahead, shaping = _parts(cast(PseudoGradient, field), self.alpha, x, args)
        return plus(ahead, -self.alpha, shaping)


class StableOpponentShaping(AbstractAdjustedField):
    """Stable opponent shaping: `LookAhead` with as much of `LOLA` as keeps it stable.

        G - p a X,    G = F - a J_o F,

    with `X` as in `LOLA` and p the lesser of two numbers: 1 if `<-a X, G> >= 0` and else
    `min(1, b |G|^2 / |<a X, G>|)`, so that the shaping never turns the field around; and `|F|^2` if
    `|F| < c` and else 1, so that zeros of F stay zeros and keep the stability that `LookAhead`
    gives them. Each evaluation costs what one of `LOLA` does.

    Attributes:
        field: The pseudo-gradient of a game; give the game.
        alpha: a, the step that the others are expected to take, in units of one over J: where a
            paper's costs are larger by a factor, its a is smaller by it.
        share: b, the share of `|G|^2` that shaping may take, in (0, 1).
        near: c, the length of F below which shaping fades.

    >>> import dgames as dg
    >>> game = dg.zero_sum(lambda x, args: x[0] * x[1])
    >>> [float(own) for own in StableOpponentShaping(game, 0.5)((1.0, 2.0))]
    [3.0, 1.0]

    References:
        Letcher, Foerster, Balduzzi, Rocktaeschel and Whiteson, *Stable opponent shaping in
        differentiable games*, ICLR 2019, arXiv:1811.08469.
    """

    field: PseudoGradient = eqx.field(converter=_of_costs)
    alpha: Float[Array, ""] = eqx.field(converter=as_float)
    share: Float[Array, ""] = eqx.field(converter=as_float, default=0.5)
    near: Float[Array, ""] = eqx.field(converter=as_float, default=0.1)

    @override
    def adjusted(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        force, ahead, shaping = _parts(cast(PseudoGradient, field), self.alpha, x, args)
        kind = jnp.result_type(*jax.tree.leaves(force))
        alpha, share, near = (v.astype(kind) for v in (self.alpha, self.share, self.near))
        gain = -alpha * inner_product(shaping, ahead)
        turns = gain < 0
        most = -share * inner_product(ahead, ahead) / jnp.where(turns, gain, -jnp.ones_like(gain))
        first = jnp.where(turns, jnp.minimum(most, 1), 1)
        square = inner_product(force, force)
        second = jnp.where(square < near**2, square, 1)
        return plus(ahead, -alpha * jnp.minimum(first, second), shaping)


def _parts(
    field: PseudoGradient, alpha: Array, x: Strategy, args: PyTree
) -> tuple[Strategy, Strategy, Strategy]:
    """Returns F, the field of `LookAhead`, and the X of `LOLA`."""
    force, times = interaction(field, x, args)
    turned = times(force)
    ahead = plus(force, -alpha, turned)
    two = len(x if is_stacked(x) else blocks(x)) == 2
    if two and is_zero_sum(field.game):
        return force, ahead, turned  # J_o' = -J_o, and a cost has minus the other's gradient
    pull = transposed(times, x)
    costs = _costs(field, args)
    if two:
        # The others are one player, so that one product serves both.
        crossed = _each(lambda i, _: block(_slopes(costs, x, 1 - i), i), x)
        return force, ahead, pull(crossed)
    return force, ahead, _each(lambda i, _: block(pull(_slopes(costs, x, i)), i), x)


def _shaped(field: PseudoGradient, alpha: Array, x: Strategy, args: PyTree) -> Strategy:
    """Returns the gradients of `L_i(x_i, x_-i - a F_-i(x))`, each along the own block."""
    costs = _costs(field, args)

    def gradient(player: Player, own: Block) -> Block:
        def shaped(own: Block) -> Array:
            joint = replace(x, player, own)
            moved = plus(joint, -alpha, field(joint, args))
            return block(costs(replace(moved, player, own)), player)

        return jax.grad(shaped)(own)

    return _each(gradient, x)


def _costs(field: PseudoGradient, args: PyTree) -> Callable[[Strategy], PyTree]:
    game = field.game
    if is_zero_sum(game):
        known = field.order_is_known
        return lambda x: zero_sum_costs(cast(ZeroSum, game), x, args, known)
    return lambda x: game.costs(x, args)


def _slopes(costs: Callable[[Strategy], PyTree], x: Strategy, player: Player) -> Strategy:
    """Returns the gradient of one player's cost along everybody's strategies."""
    return jax.grad(lambda x: block(costs(x), player))(x)


def _each(fn: Callable[[Player, Block], Block], x: Strategy) -> Strategy:
    """Returns `fn(i, x_i)` of every player."""
    if is_stacked(x):
        return Stacked(jax.vmap(fn)(jnp.arange(len(x)), x.blocks))
    return join(x, tuple(fn(i, own) for i, own in enumerate(blocks(x))))
