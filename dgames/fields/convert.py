"""Everything that can be used as a field."""

from collections.abc import Callable

import equinox as eqx
import jax
from jaxtyping import PyTree

from dgames.fields.base import AbstractField, FunctionField
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.game import Game, check_game
from dgames.sets import check_sets
from dgames.strategy import Strategy, check_strategy


def as_field(game: Game | AbstractField | Callable) -> AbstractField:
    """The field that a game, a field or a function `fn(x, args)` stands for.

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
    if callable(game):
        return FunctionField(game)
    raise ValueError(f"expected a game, a field or a function, got {type(game).__name__}")


def check_field(field: AbstractField, x: Strategy, args: PyTree = None) -> None:
    """Raises an error unless `field` can be evaluated at `x` and keeps its structure and dtypes.

    Nothing is computed: the field is only traced for its shapes.

    Raises:
        ValueError: As `check_game`, or if the field changes the structure, a shape or a dtype.
    """
    if isinstance(field, PseudoGradient):
        return check_game(field.game, x, args)
    check_strategy(x)
    check_sets(field.strategy_set(x), x)
    value = eqx.filter_eval_shape(field, x, args)
    if jax.tree.structure(value) != jax.tree.structure(x):
        raise ValueError(
            f"a field must keep the structure of the strategy {jax.tree.structure(x)}, "
            f"but it returned {jax.tree.structure(value)}"
        )
    for (path, out), leaf in zip(
        jax.tree_util.tree_leaves_with_path(value), jax.tree.leaves(x), strict=True
    ):
        if (out.shape, out.dtype) != (leaf.shape, leaf.dtype):
            raise ValueError(
                "a field must keep shapes and dtypes, but at "
                f"{jax.tree_util.keystr(path)} it returned {out.dtype}{list(out.shape)} "
                f"for {leaf.dtype}{list(leaf.shape)}"
            )
