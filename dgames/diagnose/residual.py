"""Residuals: how far a joint strategy is from a solution."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from dgames.complex_strategy import as_pairs, has_complex
from dgames.fields import AbstractField, check_field, prepared
from dgames.fields.complex_field import field_of_pairs
from dgames.fields.marks import projected
from dgames.game import Game
from dgames.sets import Euclidean, map_sets
from dgames.strategy import Strategy, norm


def natural_map(field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
    """`x - P(x - F(x))`: zero exactly at the solutions of the variational inequality.

    Without constraints this is the field itself. For costs convex in their own player's block, the
    solutions are the Nash equilibria (Facchinei and Pang, 2003, propositions 1.4.2 and 1.5.8). With
    shared constraints P is the projection onto all of them together, in the metric of the field.

    Args:
        field: The field.
        x: A joint strategy.
        args: Passed to the field.
    """
    with projected():
        value = field(x, args)
    if field.shared_constraints(x):
        moved = field.project(jax.tree.map(jnp.subtract, x, value))
        return jax.tree.map(jnp.subtract, x, moved)

    def own(feasible, block, force):
        if isinstance(feasible, Euclidean):
            return force  # because x - (x - F) would lose digits
        moved = feasible.project(jax.tree.map(jnp.subtract, block, force))
        return jax.tree.map(jnp.subtract, block, moved)

    return map_sets(own, field.strategy_set(x), x, value)


def residual(
    game: Game | AbstractField | Callable, x: Strategy, args: PyTree = None
) -> Float[Array, ""]:
    """The natural residual `|x - P(x - F(x))|` in the Euclidean norm over all players.

    Without constraints this is `|F(x)|`. It costs one evaluation of the field, and it is in float32
    at least.

    Args:
        game: A game, or any field.
        x: A joint strategy.
        args: Passed to the field.

    Raises:
        ValueError: If the game or the strategy is malformed.

    >>> from dgames.game import zero_sum
    >>> float(residual(zero_sum(lambda x, args: x[0] * x[1]), (3.0, 4.0)))
    5.0
    """
    if has_complex(x):
        game, x = field_of_pairs(game), as_pairs(x)
    field, x, _ = prepared(game, x)
    check_field(field, x, args)
    return norm(natural_map(field, x, args))
