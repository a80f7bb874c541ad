"""The pseudo-gradient of a game: every player's gradient of their own cost."""

from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree
from typing_extensions import override

from dgames.complex_strategy import as_pairs, from_pairs, game_of_pairs, has_complex
from dgames.constraints.shared_constraints import SharedConstraints
from dgames.fields.field import AbstractField
from dgames.fields.marks import mark_of
from dgames.fields.own_gradients import own_gradients
from dgames.game import (
    Game,
    ZeroSum,
    check_shapes,
    completed,
    is_zero_sum,
    zero_sum_costs,
)
from dgames.network import NetworkGame
from dgames.roles import minimiser_of
from dgames.sets import PlayerSets
from dgames.stacked import Player, Stacked, is_stacked
from dgames.strategy import (
    Block,
    Strategy,
    as_strategy,
    blocks,
    join,
    player_names,
    replace,
    split,
)
from dgames.strategy import block as own_block

_FEW = 8  # up to so many players, each gradient is a transpose of all the costs


class PseudoGradient(AbstractField):
    """The field `F(x) = (d f_1 / d x_1, ..., d f_N / d x_N)` of the costs `f_i` of a game.

    One evaluation linearises the costs once and transposes once per player (of stacked players, all
    at once; the work still grows with the square of their number). A `ZeroSum` game takes a single
    backward pass, and a `NetworkGame` the gradient of its one cost, mapped over the players. The
    zeros of F are the candidates for Nash equilibria, and all of them are equilibria if every cost
    is convex in its own player's block (Rosen, 1965).

    Where strategies are complex, the field is `df/da + i df/db` along `a + ib`: the direction in
    which the cost rises most, as for real ones, and the conjugate of what `jax.grad` returns.

    Attributes:
        game: The game.
        order_is_known: Whether the order of the players has been seen as it was written, see
            `ZeroSum`.
    """

    game: Game
    order_is_known: bool = eqx.field(static=True, default=False, kw_only=True)

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        if has_complex(x):
            real = PseudoGradient(game_of_pairs(self.game), order_is_known=self.order_is_known)
            return from_pairs(real(as_pairs(x), args))
        given, first = x, self._minimiser(x)
        x, rest = split(as_strategy(x))
        game = completed(self.game, rest)
        try:
            with mark_of(game.strategy_set(x), x, bool(game.shared_constraints(x))):
                return _gradients(game, x, args, first)
        except (KeyError, IndexError, AttributeError, TypeError, ValueError):
            # If the game is malformed, this raises an error that says what is wrong with it.
            check_shapes(self.game, given, args, order_is_known=True)
            raise

    @override
    def block(self, x: Strategy, player: Player, args: PyTree = None) -> Block:
        if has_complex(x):
            return own_block(self(x, args), player)
        self._minimiser(x)
        x, rest = split(as_strategy(x))
        game = completed(self.game, rest)
        if type(game) is NetworkGame:
            return game.gradient(x, player, args)

        def own_cost(own: Block) -> Any:
            joint = replace(x, player, own)
            if is_zero_sum(game):
                return own_block(
                    zero_sum_costs(cast(ZeroSum, game), joint, args, order_is_known=True), player
                )
            return own_block(game.costs(joint, args), player)

        return jax.grad(own_cost)(own_block(x, player))

    def _minimiser(self, x: Strategy) -> int:
        if not is_zero_sum(self.game) or len(player_names(x)) != 2:
            return 0
        return minimiser_of(self.game, x, self.order_is_known)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.game.strategy_set(x)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.game.shared_constraints(x)


def _gradients(game: Game, x: Strategy, args: PyTree, minimiser: int) -> Strategy:
    if is_zero_sum(game):
        slopes = list(blocks(jax.grad(cast(ZeroSum, game).payoff)(x, args)))
        slopes[1 - minimiser] = jax.tree.map(jnp.negative, slopes[1 - minimiser])
        return join(x, tuple(slopes))
    if type(game) is NetworkGame:
        return game.gradients(x, args)
    if is_stacked(x):
        return _stacked_gradients(game, x, args)
    if len(blocks(x)) > _FEW:
        return join(x, own_gradients(lambda x: blocks(game.costs(x, args)), x))
    costs, derivative = jax.linearize(lambda x: blocks(game.costs(x, args)), x)
    gradients = []
    for i, cost in enumerate(costs):
        # With one output at a time the transpose skips what only the other costs depend on.
        pull = jax.linear_transpose(lambda dx, i=i: derivative(dx)[i], x)
        (gradient,) = pull(jnp.ones((), jnp.result_type(cost)))
        gradients.append(blocks(gradient)[i])
    return join(x, tuple(gradients))


def _stacked_gradients(game: Game, x: Stacked, args: PyTree) -> Stacked:
    """Returns the gradients of stacked costs, by one transpose mapped over the players."""
    costs, derivative = jax.linearize(lambda x: game.costs(x, args).blocks, x)
    pull = jax.linear_transpose(derivative, x)

    def own(player: Player, unit: Any) -> Block:
        return pull(unit)[0][player]

    units = jnp.eye(len(x), dtype=costs.dtype)
    return Stacked(jax.vmap(own)(jnp.arange(len(x)), units))


def pseudo_gradient(game: Game) -> PseudoGradient:
    """The pseudo-gradient of a game, as a field: call it as `F(x, args=None)`.

    Args:
        game: The game.

    Returns:
        A field; `F(x)` has the structure, shapes and dtypes of `x`.

    >>> from dgames.game import zero_sum
    >>> field = pseudo_gradient(zero_sum(lambda x, args: x["x"] * x["y"]))
    >>> {name: float(value) for name, value in field({"x": 2.0, "y": 3.0}).items()}
    {'x': 3.0, 'y': -2.0}
    """
    return PseudoGradient(game)
