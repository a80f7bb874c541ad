"""The tangent residual: how far a strategy is from equilibrium, with constraints; and gap bounds.

What is known of a set in closed form is registered for its class: `project_tangent.register` and
`diameter.register` add others.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from dgames.fields import AbstractField, check_field, own_sets, prepared
from dgames.fields.marks import projected
from dgames.game import Game
from dgames.sets import AbstractSet, Ball, Box, Euclidean, Simplex, map_sets
from dgames.strategy import Block, Strategy, inner_product, norm


@functools.singledispatch
def project_tangent(
    own_set: AbstractSet, x: Block, direction: Block, tolerance: float = 0.0
) -> Block:
    """Projects a direction onto the tangent cone of a set at one of its points.

    The tangent cone holds the directions in which one can move without leaving the set at once;
    what the projection takes away is in the normal cone.

    Args:
        own_set: A box, ball, simplex or the whole space.
        x: A point of it.
        direction: In the structure of `x`.
        tolerance: What is so near to the boundary counts as on it. Balls add some rounding errors.

    Raises:
        ValueError: If no closed form is known for such a set.

    >>> project_tangent(Box(0.0, 1.0), jnp.array([0.0, 0.5]), jnp.array([-1.0, -1.0])).tolist()
    [0.0, -1.0]
    """
    raise ValueError(
        f"the tangent cones of {type(own_set).__name__} have no closed form here; look at "
        "dgames.residual, or register project_tangent of dgames.tangent_residual for it"
    )


@project_tangent.register
def _(own_set: Euclidean, x: Block, direction: Block, tolerance: float = 0.0) -> Block:
    return direction


@project_tangent.register
def _(own_set: Box, x: Block, direction: Block, tolerance: float = 0.0) -> Block:
    lower, upper = own_set.bounds(x)

    def own(leaf: Array, d: Array, low: Array, high: Array) -> Array:
        d = jnp.where(leaf <= low + tolerance, jnp.maximum(d, 0), d)
        return jnp.where(leaf >= high - tolerance, jnp.minimum(d, 0), d)

    return jax.tree.map(own, x, direction, lower, upper)


@project_tangent.register
def _(own_set: Ball, x: Block, direction: Block, tolerance: float = 0.0) -> Block:
    offset = own_set.offset(x)
    length = norm(offset)
    radius = own_set.radius.astype(length.dtype)
    leaves = jax.tree.leaves(x)
    rounding = max((float(jnp.finfo(leaf.dtype).eps) for leaf in leaves), default=0.0)
    outwards = jnp.maximum(inner_product(offset, direction).astype(length.dtype), 0)
    at_boundary = length >= radius - tolerance - 8 * rounding * (radius + norm(x))
    square = jnp.square(jnp.where(length > 0, length, 1))
    share = jnp.where(at_boundary, outwards / square, 0)
    return jax.tree.map(lambda d, o: d - share.astype(d.dtype) * o, direction, offset)


@project_tangent.register
def _(own_set: Simplex, x: Block, direction: Block, tolerance: float = 0.0) -> Block:
    def own(leaf: Array, d: Array) -> Array:
        # Used coordinates lose theta, others fall from their value less theta to zero at least, and
        # theta is such that the sum is zero: the largest of the means of all used coordinates with
        # the m best of the others.
        used = leaf > tolerance
        count = jnp.sum(used, -1, keepdims=True).astype(d.dtype)
        total = jnp.sum(jnp.where(used, d, 0), -1, keepdims=True)
        others = -jnp.sort(jnp.where(used, jnp.inf, -d), axis=-1)
        added = jnp.arange(1, d.shape[-1] + 1, dtype=d.dtype)
        sizes = jnp.broadcast_to(added, d.shape) + jnp.broadcast_to(count, d.shape)
        sums = jnp.broadcast_to(total, d.shape) + jnp.cumsum(others, -1)
        means = jnp.concatenate([total / count, sums / sizes], -1)
        rest = d - jnp.max(means, -1, keepdims=True)
        return jnp.where(used, rest, jnp.maximum(rest, 0))

    return jax.tree.map(own, x, direction)


@functools.singledispatch
def diameter(own_set: AbstractSet, like: Block) -> Float[Array, ""]:
    """The largest distance between two points of a set; infinite if it is not bounded.

    Args:
        own_set: A box, ball, simplex or the whole space.
        like: A block, for its structure and shapes.

    Raises:
        ValueError: If no closed form is known for such a set.

    >>> float(diameter(Box(0.0, 1.0), jnp.zeros(4)))
    2.0
    """
    raise ValueError(
        f"the diameter of {type(own_set).__name__} is not known here; register diameter of "
        "dgames.tangent_residual for it"
    )


@diameter.register
def _(own_set: Euclidean, like: Block) -> Float[Array, ""]:
    return jnp.full((), jnp.inf)


@diameter.register
def _(own_set: Box, like: Block) -> Float[Array, ""]:
    lower, upper = own_set.bounds(like)
    return norm(jax.tree.map(jnp.subtract, upper, lower))


@diameter.register
def _(own_set: Ball, like: Block) -> Float[Array, ""]:
    return 2 * own_set.radius


@diameter.register
def _(own_set: Simplex, like: Block) -> Float[Array, ""]:
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(like)]
    count = sum(math.prod(shape[:-1]) for shape in shapes if shape[-1] > 1)
    return jnp.sqrt(jnp.full((), 2.0 * count))


def tangent_residual(
    game: Game | AbstractField | Callable,
    x: Strategy,
    args: PyTree = None,
    *,
    tolerance: float = 0.0,
) -> Float[Array, ""]:
    """The tangent residual, the distance of `-F(x)` from the normal cone of the sets at `x`.

        r(x) = min over a in N(x) of |F(x) + a| = |projection of -F(x) onto the tangent cone|

    It is zero exactly at the solutions, at least the natural residual (`dgames.residual`), and the
    field's own norm without constraints. Rates such as that of `dgames.FastExtragradient` bound it.
    As a function of `x` it jumps: next to the boundary the whole field counts, on it only what
    points inwards. Projections put coordinates exactly on bounds, so strategies of methods are
    where they should be. A strategy outside the sets counts as on their boundary.

    Args:
        game: A game, or any field, with boxes, balls, simplices or no set for each player.
        x: A joint strategy.
        args: Passed to the field.
        tolerance: What is so near to the boundary counts as on it; with that, the number need not
            bound anything.

    Raises:
        ValueError: If the game or the strategy is malformed, a set is of another kind, or the
            players have shared constraints.

    >>> import dgames as dg
    >>> game = dg.game(lambda x, args: ((x[0] - 3) ** 2,), dg.Box(0.0, 1.0))
    >>> float(tangent_residual(game, (1.0,))), float(tangent_residual(game, (0.875,)))
    (0.0, 4.25)

    References:
        Cai, Oikonomou and Zheng, *Finite-time last-iterate convergence for learning in multi-player
        games*, NeurIPS 2022, arXiv:2204.09228.
    """
    return norm(_tangents(game, x, args, tolerance)[1])


def gap_bound(
    game: Game | AbstractField | Callable, x: Strategy, args: PyTree = None
) -> Float[Array, ""]:
    """A bound on what deviations can gain: the players' tangent residuals times their diameters.

        max over y of <F(x), x - y> <= sum_i diam(X_i) r_i(x) <= diam(X) r(x)

    because `<a, x - y> >= 0` for `a` in the normal cone at `x`. Where costs are convex in their own
    player's strategy, the left side bounds the sum of what the players could save by deviating,
    each alone. (The arithmetic is floating point: a bound, up to rounding, but no proof.)

    Args:
        game: A game, or any field, with boxes, balls or simplices; without bounds it is infinite.
        x: A joint strategy within the sets.
        args: Passed to the field.

    Raises:
        ValueError: As `tangent_residual`.

    >>> import dgames as dg
    >>> game = dg.games.MatrixGame.matching_pennies()
    >>> x = (jnp.array([1.0, 0.0]), jnp.array([1.0, 0.0]))
    >>> round(float(gap_bound(game, x)), 9), float(dg.nash_gap(game, x))
    (2.0, 2.0)
    """
    field, tangents = _tangents(game, x, args, 0.0)

    def own(feasible: AbstractSet, tangent: Block) -> Array:
        force = norm(tangent)
        size = diameter(feasible, tangent).astype(force.dtype)
        return jnp.where(force > 0, size * jnp.where(force > 0, force, 1), 0)

    bounds = map_sets(own, own_sets(field, tangents), tangents)
    return jax.tree.reduce(jnp.add, jax.tree.map(jnp.sum, bounds))


def _tangents(
    game: Game | AbstractField | Callable, x: Strategy, args: PyTree, tolerance: float
) -> tuple[AbstractField, Strategy]:
    """Returns the field, and the projections of `-F(x)` onto the players' tangent cones."""
    field, x, _ = prepared(game, x)
    check_field(field, x, args)
    sets = own_sets(field, x)
    with projected():
        down = jax.tree.map(jnp.negative, field(x, args))

    def own(feasible: AbstractSet, block: Block, direction: Block) -> Block:
        return project_tangent(feasible, block, direction, tolerance)

    return field, map_sets(own, sets, x, down)
