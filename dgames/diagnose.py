"""Measures how good a point and a method are: residuals, and Jacobians of one step."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from dgames.fields import AbstractField, check_field, prepared
from dgames.fields.marks import projected
from dgames.game import Game
from dgames.methods import AbstractMethod
from dgames.sets import Euclidean, map_sets
from dgames.strategy import Strategy, norm, ravel


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
    field, x, _ = prepared(game, x)
    check_field(field, x, args)
    return norm(natural_map(field, x, args))


def step_jacobian(
    game: Game | AbstractField | Callable,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree = None,
    state: PyTree = None,
) -> Float[Array, "coordinates coordinates"]:
    """The dense Jacobian of one step, as a map of augmented states `(x, state)`.

    Its spectral radius at an equilibrium is the local rate of the method; for a linear field the
    matrix is the whole dynamics.

    Args:
        game: A game, or any field.
        method: The method whose step is differentiated.
        x: A joint strategy.
        args: Passed to the field.
        state: The method's state (default: `method.init` at `x`).

    Returns:
        A square matrix over all floating-point coordinates of the augmented state, those of `x`
        first. Counters and other integers are held fixed.

    Raises:
        ValueError: If the game or the strategy is malformed.

    >>> from dgames.game import zero_sum
    >>> from dgames.methods import Simultaneous
    >>> step_jacobian(zero_sum(lambda x, args: x[0] * x[1]), Simultaneous(0.5), (0.0, 0.0)).tolist()
    [[1.0, -0.5], [0.5, 1.0]]
    """
    field, x, _ = prepared(game, x)
    check_field(field, x, args)
    if state is None:
        state = method.init(field, x, args)
    moving, fixed = eqx.partition((x, state), eqx.is_inexact_array)
    vector, unravel = ravel(moving)

    def step(vector: Array) -> Array:
        x, state = eqx.combine(unravel(vector), fixed)
        return ravel(eqx.filter(method.step(field, x, state, args), eqx.is_inexact_array))[0]

    return jax.jacfwd(step)(vector)
