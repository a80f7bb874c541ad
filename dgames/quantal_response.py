"""Logit quantal response equilibria, followed from full randomness towards a Nash equilibrium."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from dgames.arrays import as_float, is_known
from dgames.fields import NaturalGradient
from dgames.game import Game
from dgames.logits import logits, policies
from dgames.strategy import Strategy, as_strategy, ravel

_NEWTON_STEPS = 8


class QuantalResponses(eqx.Module):
    """Equilibria along the principal branch. What `quantal_responses` returns.

    Attributes:
        precisions: Where they were asked for.
        logits: Joint strategies in `LogitDifferences`, with a leading axis of precisions.
        reached: Whether the branch was followed that far; where it was not, logits are those of the
            last point of the branch.
    """

    precisions: Float[Array, " precisions"]
    logits: Strategy
    reached: Bool[Array, " precisions"]

    @property
    def strategies(self) -> Strategy:
        """The equilibria as probabilities, with a leading axis of precisions."""
        return policies(self.logits)


class _Point(NamedTuple):
    """A point `z = (logits, scaled precision)` of the branch, the way on, and how far to go."""

    z: Float[Array, " n"]
    tangent: Float[Array, " n"]
    stride: Float[Array, ""]
    tries: Int[Array, ""]
    there: Bool[Array, ""]


def quantal_responses(
    game: Game, precisions: Any, like: Strategy, args: PyTree = None, *, max_tries: int = 2000
) -> QuantalResponses:
    r"""Logit quantal response equilibria along the principal branch.

    In logit differences x they are the zeros of

        H(x, precision) = x + precision N(x)

    with N the natural gradient of the game: `x_i` is proportional to the expected payoffs. The
    branch starts at the uniform strategies with precision zero and is followed by pseudo-arclength
    continuation (Newton steps normal to a predicted point), through turning points. As the
    precision grows it tends to a Nash equilibrium, for almost all games to one and only one (the
    logit solution). Precision is `1 / temperature` of `dgames.Regularised`.

    Args:
        game: A game on simplices, not regularised.
        precisions: Positive and increasing. Where the branch passes one several times, its first
            pass is meant.
        like: A joint strategy, for its structure and shapes, such as `game.uniform()`.
        args: Passed to the costs.
        max_tries: The number of predictions to try between two precisions.

    Raises:
        ValueError: If the precisions are not positive and increasing.

    Example:
        >>> from dgames.games import MatrixGame
        >>> pennies = MatrixGame([[9.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]])
        >>> found = quantal_responses(pennies, [1.0, 1e3], pennies.uniform())
        >>> [f"{p:.6f}" for p in found.strategies[0][:, 0]]
        ['0.893576', '0.501099']

    References:
        McKelvey and Palfrey, *Quantal response equilibria for normal form games*, Games and
        Economic Behavior 10 (1995); Turocy, *A dynamic homotopy interpretation of the logistic
        quantal response equilibrium correspondence*, Games and Economic Behavior 51 (2005).
    """
    start, _ = ravel(logits(as_strategy(like)))
    goals = as_float(precisions).astype(start.dtype)
    if goals.ndim != 1 or (is_known(goals) and not (jnp.diff(goals, prepend=0) > 0).all()):
        raise ValueError(f"precisions are positive and increasing numbers, not {precisions}")
    return _follow(game, goals, as_strategy(like), args, max_tries)


@eqx.filter_jit
def _follow(
    game: Game, goals: Array, like: Strategy, args: PyTree, max_tries: int
) -> QuantalResponses:
    field = NaturalGradient(game)
    start, unravel = ravel(jax.tree.map(jnp.zeros_like, logits(like)))

    def natural(x: Array) -> Array:
        return ravel(field(unravel(x), args))[0]

    # Precisions count in units of one over the payoffs, so that nothing depends on those.
    largest = jnp.max(jnp.abs(jax.jacfwd(natural)(start))) + jnp.max(jnp.abs(natural(start)))
    scale = jnp.where(largest > 0, largest, 1)

    def homotopy(z: Array) -> Array:
        return z[:-1] + z[-1] * (natural(z[:-1]) / scale)

    def follow(point: _Point, goal: Array) -> tuple[_Point, tuple[Strategy, Array]]:
        point = point._replace(tries=jnp.zeros((), int), there=jnp.array(False))
        point = jax.lax.while_loop(
            lambda p: ~p.there & (p.tries < max_tries),
            lambda p: _advance(homotopy, p, goal),
            point,
        )
        return point, (unravel(point.z[:-1]), point.there)

    z = jnp.concatenate([start, jnp.zeros(1, start.dtype)])
    up = jnp.zeros_like(z).at[-1].set(1)
    tangent, stride = _direction(homotopy, z, up), jnp.full((), 0.1, z.dtype)
    first = _Point(z, tangent, stride, jnp.zeros((), int), jnp.array(False))
    _, (found, reached) = jax.lax.scan(follow, first, scale * goals)
    return QuantalResponses(goals, found, reached)


def _advance(homotopy: Any, point: _Point, goal: Array) -> _Point:
    """One prediction and its correction: on the branch, or at the goal if that is near."""
    z, tangent, stride = point.z, point.tangent, point.stride
    left = goal - z[-1]
    near = (tangent[-1] > 0) & (left <= stride * tangent[-1])
    length = jnp.where(near, left / jnp.where(near, tangent[-1], 1), stride)
    predicted = z + length * tangent
    # Corrections move in the plane through the prediction, or in that of the goal's precision.
    normal = jnp.where(near, jnp.zeros_like(z).at[-1].set(1), tangent)

    def newton(_: Any, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        z, _ = carry
        move = _bordered(homotopy, z, normal, homotopy(z), normal @ (z - predicted))
        return z - move, jnp.linalg.norm(move)

    corrected, last = jax.lax.fori_loop(0, _NEWTON_STEPS, newton, (predicted, jnp.zeros_like(left)))
    size = 1 + jnp.linalg.norm(corrected)
    bend = jnp.linalg.norm(corrected - predicted)
    settled = last <= jnp.sqrt(jnp.finfo(z.dtype).eps) * size
    # A correction longer than half of the way may have landed on another branch. (Rounding errors
    # are let pass: goals may be very near each other.)
    slack = 100 * jnp.finfo(z.dtype).eps * size
    passed = ~near & (corrected[-1] > goal)
    good = settled & ~passed & (bend <= 0.5 * length + slack)
    grow = jnp.where(bend <= 0.1 * length, 2, 1)
    on = _direction(homotopy, jnp.where(good, corrected, z), tangent)
    return _Point(
        z=jnp.where(good, corrected, z),
        tangent=jnp.where(good, on, tangent),
        stride=jnp.where(good, jnp.where(near, stride, stride * grow), 0.5 * length),
        tries=point.tries + 1,
        there=good & near,
    )


def _bordered(homotopy: Any, z: Array, normal: Array, value: Array, offset: Array) -> Array:
    """Solves `DH v = value, normal . v = offset`."""
    matrix = jnp.concatenate([jax.jacfwd(homotopy)(z), normal[None]])
    return jnp.linalg.solve(matrix, jnp.concatenate([value, offset[None]]))


def _direction(homotopy: Any, z: Array, before: Array) -> Array:
    """The unit tangent of the branch, going on in the direction of an earlier one."""
    zeros = jnp.zeros(len(z) - 1, z.dtype)
    tangent = _bordered(homotopy, z, before, zeros, jnp.ones((), z.dtype))
    return tangent / jnp.linalg.norm(tangent)
