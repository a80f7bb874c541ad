"""All of a branch of quantal responses at once: its points, in order, and others between them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from dgames.game import Game
from dgames.quantal.logit_branch import (
    LogitBranch,
    advance,
    correct,
    first_point,
    is_stuck,
    logit_branch,
)
from dgames.strategy import Strategy


class Curve(eqx.Module):
    """Points of a branch that was followed from one end.

    Attributes:
        z: Logit differences and, last, scaled precisions: points in order, then copies of the last.
        tangents: Unit tangents in the direction of the branch.
        count: The number of points.
        stuck: Whether no step was short enough, as where branches meet.
    """

    z: Float[Array, "points n"]
    tangents: Float[Array, "points n"]
    count: Int[Array, ""]
    stuck: Array


@eqx.filter_jit
def follow_curve(
    game: Game,
    like: Strategy,
    args: PyTree,
    scale: Array,
    start: Array,
    tangent: Array,
    largest: Array,
    points: int,
) -> Curve:
    """Follows a branch to the first point outside precisions from 0 to the largest.

    Args:
        game: See `dgames.quantal_responses`.
        like: Strategies, for their shapes.
        args: Passed to the costs.
        scale: Of payoffs, by `payoff_scale`.
        start: A point of the branch, such as `beginning(like)`.
        tangent: A direction there along the branch.
        largest: A scaled precision.
        points: The number of points to return.
    """
    branch = logit_branch(game, like, args, scale)
    first, z = first_point(branch, start, tangent), start
    zs = jnp.zeros((points, z.size), z.dtype).at[0].set(z)
    tangents = jnp.zeros_like(zs).at[0].set(first.tangent)

    def going(carry: Any) -> Array:
        point, _, _, count = carry
        precision = point.z[-1]
        inside = (precision < largest) & (precision >= 0)
        return inside & ~is_stuck(point) & (count < points) & (point.tries < 20 * points)

    def step(carry: Any) -> Any:
        point, zs, tangents, count = carry
        on = advance(branch, point, jnp.full((), jnp.inf, z.dtype))
        moved = jnp.any(on.z != point.z)
        # A step that was refused is written where the next point will be.
        zs, tangents = zs.at[count].set(on.z), tangents.at[count].set(on.tangent)
        return on, zs, tangents, count + moved.astype(int)

    point, zs, tangents, count = jax.lax.while_loop(
        going, step, (first, zs, tangents, jnp.ones((), int))
    )
    after = jnp.arange(points)[:, None] >= count
    return Curve(
        jnp.where(after, point.z, zs),
        jnp.where(after, point.tangent, tangents),
        count,
        is_stuck(point),
    )


def between(branch: LogitBranch, first: Array, second: Array, share: Array) -> Array:
    """The point of the branch across the chord of two points, a share of the way along it."""
    chord = second - first
    length = jnp.linalg.norm(chord)
    normal = chord / jnp.where(length > 0, length, 1)
    normal = jnp.where(length > 0, normal, jnp.zeros_like(chord).at[-1].set(1))
    return correct(branch, first + share * chord, normal)[0]


@eqx.filter_jit
def corrected_to(
    game: Game, like: Strategy, args: PyTree, scale: Array, guesses: Array, normals: Array
) -> tuple[Array, Array, Array]:
    """Points of branches in planes through guesses, whether they were found, and the Jacobians.

    Where a normal is zero, a guess stays as it is.
    """
    branch = logit_branch(game, like, args, scale)

    def one(guess: Array, normal: Array) -> tuple[Array, Array, Array]:
        z, settled = correct(branch, guess, normal)
        z = jnp.where(jnp.any(normal != 0), z, guess)
        value, jacobian = branch.equations(z)
        near = jnp.linalg.norm(value) <= 1e-6 * (1 + jnp.linalg.norm(z))
        return z, settled & near & jnp.all(jnp.isfinite(z)), jacobian

    return jax.vmap(one)(guesses, normals)
