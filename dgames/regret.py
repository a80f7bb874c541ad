"""The regret of a run: what each player would have saved by the best fixed strategy."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from dgames.fields import AbstractField, own_sets, prepared
from dgames.game import Game
from dgames.sets import AbstractSet, Ball, Box, Euclidean, Simplex, map_sets
from dgames.strategy import Block, Strategy, inner_product, map_players, norm
from dgames.trees.treeplex import Treeplex


@functools.singledispatch
def least_linear_cost(own_set: AbstractSet, slope: Block) -> Float[Array, ""]:
    """The minimum of `<slope, y>` over a set, `-inf` if there is none.

    `least_linear_cost.register` adds classes of sets.

    Args:
        own_set: A box, ball, simplex, treeplex or the whole space.
        slope: A block.

    Raises:
        ValueError: If no closed form is known for such a set.

    >>> float(least_linear_cost(Simplex(), jnp.array([3.0, 1.0, 2.0])))
    1.0
    """
    raise ValueError(
        f"the best responses in {type(own_set).__name__} have no closed form here; register "
        "least_linear_cost of dgames.regret for it"
    )


@least_linear_cost.register
def _(own_set: Euclidean, slope: Block) -> Float[Array, ""]:
    size = norm(slope)
    return jnp.where(size > 0, -jnp.inf, 0).astype(size.dtype)


@least_linear_cost.register
def _(own_set: Box, slope: Block) -> Float[Array, ""]:
    def own(leaf: Array, lower: Array, upper: Array) -> Array:
        moves = leaf != 0
        best = jnp.where(moves, jnp.where(leaf > 0, lower, upper), 0)
        return jnp.sum(leaf * best)

    return jax.tree.reduce(jnp.add, jax.tree.map(own, slope, *own_set.bounds(slope)))


@least_linear_cost.register
def _(own_set: Ball, slope: Block) -> Float[Array, ""]:
    zero = jax.tree.map(jnp.zeros_like, slope)
    centre = jax.tree.map(jnp.negative, own_set.offset(zero))
    size = norm(slope)
    at_centre = inner_product(centre, slope).astype(size.dtype)
    return at_centre - own_set.radius.astype(size.dtype) * size


@least_linear_cost.register
def _(own_set: Simplex, slope: Block) -> Float[Array, ""]:
    return jax.tree.reduce(
        jnp.add, jax.tree.map(lambda leaf: jnp.sum(jnp.min(leaf, axis=-1)), slope)
    )


@least_linear_cost.register
def _(own_set: Treeplex, slope: Block) -> Float[Array, ""]:
    return own_set.least(slope)


def regret(
    game: Game | AbstractField | Callable, plays: Strategy, args: PyTree = None
) -> PyTree[Float[Array, "*plays"]]:
    """The external regret of every player after each of the plays of a run.

        R_i(T) = sum_{t <= T} <F_i(x_t), x_t,i>  -  min over y in X_i of <sum_{t <= T} F_i(x_t), y>

    That is the regret in the linear costs which the players saw. Where costs are linear in their
    own player's strategy, as in matrix games, it is the regret in the game's own costs; where they
    are convex, it is an upper bound of it. In two-player zero-sum matrix games the gap of the
    average strategies is exactly the sum of regrets over T.

    Args:
        game: A game, or any field, with boxes, balls, simplices or treeplexes. A player without
            bounds has infinite regret unless the forces add up to zero.
        plays: Joint strategies stacked along a new first axis, such as `history.strategy` of a
            `dgames.solve` with `save_every=1`.
        args: Passed to the field.

    Returns:
        One array of regrets per player, after 1, 2, ... plays, in the first-level structure of the
        strategies.

    Raises:
        ValueError: If the game or the strategies are malformed, a set is of another kind, or the
            players have shared constraints.

    >>> import dgames as dg
    >>> game = dg.games.MatrixGame.matching_pennies()
    >>> plays = (jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([[1.0, 0.0], [1.0, 0.0]]))
    >>> [own.tolist() for own in regret(game, plays)]
    [[0.0, 2.0], [2.0, 0.0]]
    """
    plays = jax.tree.map(jnp.asarray, plays)
    lengths = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(plays)}
    if len(lengths) != 1 or lengths & {(), (0,)}:
        raise ValueError(
            "regret: plays are joint strategies stacked along a new first axis, the same for all "
            f"arrays and not empty; got the first axes {sorted(lengths)}"
        )
    field, first, _ = prepared(game, jax.tree.map(lambda leaf: leaf[0], plays))
    sets = own_sets(field, first)
    forces = jax.vmap(lambda x: field(x, args))(plays)
    paid = jax.vmap(lambda x, force: map_players(inner_product, x, force))(plays, forces)
    sums = jax.tree.map(lambda leaf: jnp.cumsum(leaf, axis=0), forces)
    best = jax.vmap(lambda total: map_sets(least_linear_cost, sets, total))(sums)
    return jax.tree.map(
        lambda cost, least: jnp.cumsum(cost.astype(least.dtype), axis=0) - least, paid, best
    )
