"""Turns games, fields and functions into fields, and checks them."""

from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import PyTree
from typing_extensions import override

from dgames.calls import shapes_of
from dgames.constraints.shared_constraints import SharedConstraints, check_shared
from dgames.fields.adjusted import AbstractAdjustedField
from dgames.fields.field import AbstractField, FunctionField
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.game import Game, ZeroSum, check_shapes, completed, is_zero_sum
from dgames.roles import check_order, minimiser_of
from dgames.sets import PlayerSets, check_sets
from dgames.strategy import (
    Strategy,
    as_strategy,
    blocks,
    brief_names,
    check_strategy,
    player_names,
    split,
)

# Offsets to points about a strategy: fixed, irregular, near and far, in both directions.
_OFFSETS = np.outer([0.1, -0.3, 1.0, -1.3, 10.0, -11.0], [1.0, -0.7, 0.9, -1.2, 0.8, -1.1, 1.3])
_OFFSETS = np.concatenate([_OFFSETS, _OFFSETS * np.array([1, -1, -1, 1, 1, -1, 1])])


def as_field(game: Game | AbstractField | Callable) -> AbstractField:
    """Returns the field that a game, a field or a function `fn(x, args)` stands for.

    Args:
        game: A game (its pseudo-gradient is meant), a field, or a function used as a field.

    Raises:
        ValueError: If it is none of the three.

    >>> as_field(lambda x, args: x)((1.0, 2.0))
    (1.0, 2.0)
    """
    if isinstance(game, AbstractField):
        return game
    if isinstance(game, Game):
        return PseudoGradient(game)
    if isinstance(game, type) and issubclass(game, Game | AbstractField):
        raise ValueError(
            f"expected a game or a field, got the class {game.__name__}: make one, say "
            f"{game.__name__}()"
        )
    if callable(game) and not isinstance(game, type):
        return FunctionField(game)
    raise ValueError(f"expected a game, a field or a function, got {type(game).__name__}")


def prepared(
    game: Game | AbstractField | Callable, x: Strategy
) -> tuple[AbstractField, Strategy, PyTree]:
    """A field of numbers, and the numbers of a joint strategy as it was written.

    Args:
        game: As for `as_field`.
        x: A joint strategy.

    Returns:
        The field, the numbers as arrays, and what is left of modules: `equinox.combine` puts
        strategies together again.

    Raises:
        ValueError: If one of the two is malformed, or who minimises is in doubt.
    """
    field = as_field(game)
    if jax.tree_util.all_leaves([x]):
        x = as_strategy(x)  # raises the error
    field = _in_order(field, x)
    x, rest = split(as_strategy(x))
    return _of_numbers(field, rest), x, rest


def _in_order(field: AbstractField, x: Strategy) -> AbstractField:
    """Returns the field, which knows from now on that the order of the players has been seen."""
    if isinstance(field, AbstractAdjustedField):
        return _around(_in_order(field.field, x), field)
    if isinstance(field, PseudoGradient) and not is_zero_sum(field.game):
        check_order(field.game, x)
    if isinstance(field, PseudoGradient) and is_zero_sum(field.game):
        if len(player_names(x)) == 2:
            minimiser_of(cast(ZeroSum, field.game), x, field.order_is_known)
        if type(field) is PseudoGradient:
            field = PseudoGradient(field.game, order_is_known=True)
    return field


def _around(inner: AbstractField, field: AbstractAdjustedField) -> AbstractField:
    return eqx.tree_at(lambda field: field.field, field, inner)


def _of_numbers(field: AbstractField, rest: PyTree) -> AbstractField:
    if not jax.tree.leaves(rest):
        return field
    if isinstance(field, AbstractAdjustedField):
        return _around(_of_numbers(field.field, rest), field)
    if type(field) is PseudoGradient:
        game = completed(field.game, rest)
        return PseudoGradient(game, order_is_known=field.order_is_known)
    return _CompletedField(field, rest)


class _CompletedField(AbstractField):
    """The field of the numbers of players that are modules, which hold other things too."""

    field: AbstractField
    rest: PyTree

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        value = self.field(eqx.combine(x, self.rest), args)
        return eqx.filter(value, eqx.is_inexact_array)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.field.strategy_set(eqx.combine(x, self.rest))

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.field.shared_constraints(eqx.combine(x, self.rest))

    @override
    def project(self, x: Strategy) -> Strategy:
        if not self.shared_constraints(x):
            return super().project(x)
        whole = self.field.project(eqx.combine(x, self.rest))
        return eqx.filter(whole, eqx.is_inexact_array)


def check_game(game: Game, x: Strategy, args: PyTree = None) -> None:
    """Raises an error unless `game` has a well-formed cost for every player of `x`.

    The costs are traced for their shapes. Where the strategy and the arguments are numbers, and
    not traced by JAX, costs and gradients are computed too, and must be finite.

    Args:
        game: The game.
        x: A joint strategy.
        args: Passed to the costs.

    Raises:
        ValueError: If `x` is not a joint strategy, a player has no cost, a cost belongs to no
            player, a cost is not a real floating-point scalar, the strategy set does not fit, who
            minimises is in doubt, or the cost of a player or its gradient is not finite.

    >>> from dgames.game import game
    >>> root = game(lambda x, args: {"a": x["a"] ** 2, "b": jnp.sqrt(x["b"])})
    >>> check_game(root, {"a": 0.0, "b": 1.0})
    >>> check_game(root, {"a": 0.0, "b": 0.0})
    Traceback (most recent call last):
    ...
    ValueError: the gradient of player 'b' is not finite at this strategy
    """
    if not isinstance(game, Game):
        raise ValueError(f"check_game: expected a game, got {type(game).__name__}")
    check_shapes(game, x, args)
    field, x, _ = prepared(game, x)
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((x, args, game))):
        return
    if isinstance(field, PseudoGradient):
        costs = eqx.filter_jit(_costs)(field, x, args)
        for name, cost in zip(player_names(x), blocks(costs), strict=True):
            if not bool(jnp.isfinite(cost)):
                raise ValueError(f"the cost of player '{name}' is {float(cost)} at this strategy")
    name = not_finite(field, x, args)
    if name is not None:
        raise ValueError(f"the gradient of player '{name}' is not finite at this strategy")


def _costs(field: PseudoGradient, x: Strategy, args: PyTree) -> Strategy:
    if is_zero_sum(field.game):
        payoff = cast(ZeroSum, field.game).payoff(x, args)
        return jax.tree.map(lambda _: payoff, x, is_leaf=lambda part: part is not x)
    return field.game.costs(x, args)


def not_finite(field: AbstractField, x: Strategy, args: PyTree = None) -> str | None:
    """Returns the first player whose block of the field is not finite, or None; not traceable."""
    value = eqx.filter_jit(lambda field, x, args: field(x, args))(field, x, args)
    for name, block in zip(player_names(value), blocks(value), strict=True):
        if not all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(block)):
            return name
    return None


def check_field(field: AbstractField, x: Strategy, args: PyTree = None) -> None:
    """Raises an error unless `field` can be evaluated at `x` and keeps its structure and dtypes.

    Nothing is computed: the field is only traced for its shapes.

    Args:
        field: The field, of numbers.
        x: A joint strategy, as arrays.
        args: Passed to the field.

    Raises:
        ValueError: As `check_game`, or if the field changes the structure, a shape or a dtype.
    """
    if isinstance(field, PseudoGradient):
        return check_shapes(field.game, x, args, field.order_is_known)
    check_strategy(x)
    check_sets(field.strategy_set(x), x)
    check_shared(field.shared_constraints(x), x, args)
    own = field.field if isinstance(field, _CompletedField) else field
    fn = own.fn if isinstance(own, FunctionField) else own
    value = shapes_of("the field", field, x, args, of=fn)
    hint = ""
    if _may_be_costs(value, x):
        hint = "; if these are costs, make a game of them: dgames.game(fn), or dgames.zero_sum(fn)"
    if jax.tree.structure(value) != jax.tree.structure(x):
        raise ValueError(
            f"a field must keep the structure of the strategy, players {brief_names(x)}, "
            f"but it returned {_brief(value)}{hint}"
        )
    for (path, out), leaf in zip(
        jax.tree_util.tree_leaves_with_path(value), jax.tree.leaves(x), strict=True
    ):
        shape, dtype = getattr(out, "shape", None), getattr(out, "dtype", None)
        if (shape, dtype) != (leaf.shape, leaf.dtype):
            what = f"{dtype}{list(shape)}" if shape is not None else type(out).__name__
            raise ValueError(
                "a field must keep shapes and dtypes, but at "
                f"{jax.tree_util.keystr(path)} it returned {what} "
                f"for {leaf.dtype}{list(leaf.shape)}{hint}"
            )


def check_not_costs(game: Any, x: Strategy, args: PyTree = None) -> None:
    """Raises an error if a bare function, to be used as a field, looks like the costs of a game.

    For players with one coordinate each, costs have the shapes of a field. But costs have a minimum
    or a saddle, so that along the player's own coordinate they rise here and fall there, while
    a field that does so for every player is rare. The function is evaluated at a few points about
    `x`, unless it is traced. To use such a function as a field, write `FunctionField(fn)`.

    Args:
        game: As the user gave it.
        x: A joint strategy, as arrays.
        args: Passed to the function.

    Raises:
        ValueError: If every player's value rises and falls along the player's own coordinate.
    """
    bare = callable(game) and not isinstance(game, Game | AbstractField)
    leaves = jax.tree.leaves(x)
    if not bare or not leaves or len(leaves) != len(player_names(x)):
        return
    if any(leaf.shape != () or isinstance(leaf, Tracer) for leaf in leaves):
        return
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(args)):
        return
    try:
        slopes = _own_slopes(cast(Callable, game), x, args)
    except Exception:  # other checks report what is wrong with it
        return
    if slopes is not None and bool(((slopes > 0).any(0) & (slopes < 0).any(0)).all()):
        raise ValueError(
            "a function given in place of a game is used as a field, but this one looks like "
            "costs: it rises and falls along every player's own strategy. Wrap it with "
            "dgames.game(fn); or with dgames.FunctionField(fn), if it is a field"
        )


@eqx.filter_jit
def _own_slopes(fn: Callable, x: Strategy, args: PyTree) -> Any:
    """Returns slopes of every value along the same player's strategy, shape (points, players)."""
    leaves, structure = jax.tree.flatten(x)

    def values(point: list) -> list:
        costs = fn(structure.unflatten(point), args)
        if jax.tree.structure(costs) != structure:
            raise ValueError("not one number per player")
        return jax.tree.leaves(costs)

    def slopes(point: list) -> Any:
        matrix = jax.jacfwd(values)(point)
        return jnp.stack([row[i].astype(float) for i, row in enumerate(matrix)])

    points = [
        leaf + jnp.asarray(_OFFSETS[:, (3 * i) % len(_OFFSETS[0])], leaf.dtype)
        for i, leaf in enumerate(leaves)
    ]
    return jax.vmap(slopes)(points)


def _may_be_costs(value: PyTree, x: Strategy) -> bool:
    """Whether a value is one number, or one number per player."""
    leaves = jax.tree.leaves(value)
    return all(getattr(leaf, "shape", None) == () for leaf in leaves) and (
        jax.tree_util.all_leaves([value]) or len(leaves) == len(player_names(x))
    )


def _brief(value: PyTree) -> str:
    if jax.tree_util.all_leaves([value]):
        shape = getattr(value, "shape", None)
        return "one value of " + (type(value).__name__ if shape is None else f"shape {shape}")
    text = eqx.tree_pformat(value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "..."
