"""Logit quantal response equilibria, followed from full randomness towards a Nash equilibrium."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from dgames.arrays import as_float, is_known
from dgames.constraints.shared_constraints import refuse_shared
from dgames.fields import NaturalGradient
from dgames.game import Game
from dgames.logits import LogitDifferences, log_policies, logits, policies
from dgames.strategy import Strategy, as_strategy, ravel

_NEWTON_STEPS = 8
# How much a step may change the Jacobian, relative to itself; the logarithm of a probability that
# matters; and, in logits, the effect of all smaller probabilities.
_JACOBIAN, _LOGARITHM, _NEGLIGIBLE = 0.5, 0.5, 0.01
_PROBES = 16


class QuantalResponses(eqx.Module):
    """Equilibria along the principal branch, as `quantal_responses` returns them.

    Attributes:
        precisions: The precisions that were asked for.
        logits: Joint strategies in `LogitDifferences`, with a leading axis of precisions.
        reached: Whether the branch was followed that far, every step of it verified; where it was
            not, logits are those of the last point of the branch.
        followed: The precisions of the points returned: the one asked for where it was reached, and
            otherwise that of the last point of the branch.
        turns: The number of times that the branch has turned, from rising to falling precisions or
            back, before each point returned.
    """

    precisions: Float[Array, " precisions"]
    logits: Strategy
    reached: Bool[Array, " precisions"]
    followed: Float[Array, " precisions"]
    turns: Int[Array, " precisions"]

    @property
    def strategies(self) -> Strategy:
        """The equilibria as probabilities, with a leading axis of precisions."""
        return policies(self.logits)


class _Branch(NamedTuple):
    """The branch as the zeros of equations in points `z = (logits, scaled precision)`.

    Attributes:
        equations: The values of the equations, which are zero on the branch, and their Jacobian.
        change: How much probabilities change along the straight line between two points, relative
            to what a step may change.
    """

    equations: Callable[[Array], tuple[Array, Array]]
    change: Callable[[Array, Array], Array]


class _Point(NamedTuple):
    """A point `z` of the branch, the Jacobian and the tangent there, and the next stride."""

    z: Float[Array, " n"]
    jacobian: Float[Array, "m n"]
    tangent: Float[Array, " n"]
    stride: Float[Array, ""]
    turns: Int[Array, ""]
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

    A step from z0 to z1 is accepted only if points between the two show no sign that they lie on
    different branches: with M the Jacobian of H, bordered by the tangent at z0,

        |M(z0)^-1 M(z) - I| <= 1/2

    at z1 and halfway (if M is invertible along the whole way, z1 is the only solution in its
    plane), and no probability that matters changes by more than a factor of `e^(1/2)`. Steps that
    fail are shortened. Where branches meet, as they do in games with symmetries, no step is short
    enough: the branch ends there, and greater precisions are not reached.

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
        >>> branch = quantal_responses(pennies, [1.0, 1e3], pennies.uniform())
        >>> [f"{p:.6f}" for p in branch.strategies[0][:, 0]], branch.reached.all().item()
        (['0.893576', '0.501099'], True)

        In a game with a symmetry branches meet: here at precision 2, where the run stops.

        >>> meet = MatrixGame([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
        >>> branch = quantal_responses(meet, [1.0, 3.0], meet.uniform())
        >>> branch.reached.tolist(), [f"{precision:.3f}" for precision in branch.followed]
        ([True, False], ['1.000', '2.000'])

    References:
        McKelvey and Palfrey, *Quantal response equilibria for normal form games*, Games and
        Economic Behavior 10 (1995); Turocy, *A dynamic homotopy interpretation of the logistic
        quantal response equilibrium correspondence*, Games and Economic Behavior 51 (2005).
    """
    start, _ = ravel(logits(as_strategy(like)))
    refuse_shared(
        game.shared_constraints(as_strategy(like)),
        "quantal_responses: logit responses know no shared constraints",
    )
    goals = as_float(precisions).astype(start.dtype)
    if goals.ndim != 1 or (is_known(goals) and not (jnp.diff(goals, prepend=0) > 0).all()):
        raise ValueError(f"precisions are positive and increasing numbers, not {precisions}")
    return _follow(game, goals, as_strategy(like), args, max_tries)


@eqx.filter_jit
def _follow(
    game: Game, goals: Array, like: Strategy, args: PyTree, max_tries: int
) -> QuantalResponses:
    start, unravel = ravel(jax.tree.map(jnp.zeros_like, logits(like)))
    branch, scale = _branch(game, start, unravel, args)

    def follow(point: _Point, goal: Array) -> tuple[_Point, tuple[Any, ...]]:
        point = point._replace(tries=jnp.zeros((), int), there=jnp.array(False))
        point = jax.lax.while_loop(
            lambda p: ~p.there & ~_stuck(p) & (p.tries < max_tries),
            lambda p: _advance(branch, p, goal),
            point,
        )
        return point, (unravel(point.z[:-1]), point.there, point.z[-1], point.turns)

    z = jnp.concatenate([start, jnp.zeros(1, start.dtype)])
    jacobian = branch.equations(z)[1]
    first = _Point(
        z=z,
        jacobian=jacobian,
        tangent=_direction(jacobian, jnp.zeros_like(z).at[-1].set(1)),
        stride=jnp.full((), 0.1, z.dtype),
        turns=jnp.zeros((), int),
        tries=jnp.zeros((), int),
        there=jnp.array(False),
    )
    _, (points, reached, last, turns) = jax.lax.scan(follow, first, scale * goals)
    return QuantalResponses(goals, points, reached, jnp.where(reached, goals, last / scale), turns)


def _branch(
    game: Game, start: Array, unravel: Callable[[Array], Strategy], args: PyTree
) -> tuple[_Branch, Array]:
    """Returns the branch, and the unit of payoffs in which its precisions are measured."""
    field = NaturalGradient(game)

    def natural(x: Array) -> Array:
        return ravel(field(unravel(x), args))[0]

    # Precisions are measured in units of one over the payoffs, so that nothing depends on the scale
    # of payoffs. It is estimated at the start, where forces may vanish, and at fixed other
    # policies.
    probes = 3 * jax.random.normal(jax.random.key(0), (_PROBES, start.size), start.dtype)
    probes = jnp.concatenate([start[None], probes])
    largest = jnp.max(jnp.abs(jax.vmap(natural)(probes)), initial=0)
    scale = jnp.where(largest > 0, largest, 1)

    def homotopy(z: Array) -> tuple[Array, Array]:
        value = z[:-1] + z[-1] * (natural(z[:-1]) / scale)
        return value, value

    def equations(z: Array) -> tuple[Array, Array]:
        jacobian, value = jax.jacfwd(homotopy, has_aux=True)(z)
        return value, jacobian

    def change(z: Array, on: Array) -> Array:
        precision = jnp.maximum(jnp.abs(z[-1]), jnp.abs(on[-1]))
        ends = (unravel(z[:-1]), unravel(on[:-1]))
        each = jax.tree.map(lambda a, b: _change(a, b, precision), *ends)
        return jax.tree.reduce(jnp.maximum, each, jnp.zeros((), z.dtype))

    return _Branch(equations, change), scale


def _change(x: Array, on: Array, precision: Array) -> Array:
    """Measures the change of probabilities between two logits, relative to what a step may change.

    On the line between them the logarithm of a probability is concave: it is nowhere less than at
    both ends, nor above the tangents there. Smaller changes than `_NEGLIGIBLE` do not matter, after
    multiplication by the precision.
    """
    way = LogitDifferences().logits(on - x)
    first, last = log_policies(x), log_policies(on)
    slope_first = way - jnp.sum(jnp.exp(first) * way, -1, keepdims=True)
    slope_last = way - jnp.sum(jnp.exp(last) * way, -1, keepdims=True)
    inside = (slope_first > 0) & (slope_last < 0)
    bend = jnp.where(inside, slope_first - slope_last, 1)
    meeting = first + slope_first * (last - first - slope_last) / bend
    lowest = jnp.minimum(first, last)
    highest = jnp.where(inside, jnp.minimum(meeting, 0), jnp.maximum(first, last))
    grows = (highest - lowest) / _LOGARITHM
    matters = precision * (jnp.exp(highest) - jnp.exp(lowest)) / _NEGLIGIBLE
    return jnp.max(jnp.minimum(grows, matters), initial=0)


def _advance(branch: _Branch, point: _Point, goal: Array) -> _Point:
    """One prediction and its correction: on the branch, or at the goal if that is near."""
    z, tangent, stride = point.z, point.tangent, point.stride
    left = goal - z[-1]
    near = (tangent[-1] > 0) & (left <= stride * tangent[-1])
    length = jnp.where(near, left / jnp.where(near, tangent[-1], 1), stride)
    predicted = z + length * tangent
    # Corrections move in the plane through the prediction, or in that of the goal's precision.
    normal = jnp.where(near, jnp.zeros_like(z).at[-1].set(1), tangent)
    corrected, settled = _corrected(branch, predicted, normal)

    _, jacobians = jax.vmap(branch.equations)(jnp.stack([(z + corrected) / 2, corrected]))
    strain = jnp.maximum(
        _distortion(point.jacobian, jacobians, normal) / _JACOBIAN, branch.change(z, corrected)
    )
    # The chord also shows how much Jacobians change in between. Rounding errors are tolerated,
    # because goals may be very near each other.
    bend = jnp.linalg.norm(corrected - predicted)
    slack = 100 * jnp.finfo(z.dtype).eps * _size(corrected)
    bent = bend > _JACOBIAN * jnp.linalg.norm(corrected - z) + slack
    on = _direction(jacobians[1], tangent)
    passed = ~near & (_highest(z, tangent, corrected, on) > goal)
    good = settled & ~bent & ~passed & (strain <= 1)
    strain = jnp.where(jnp.isfinite(strain) & ~bent, strain, jnp.inf)
    longer = length * jnp.clip(0.7 / strain, 0.5, 2)
    shorter = length * jnp.clip(0.7 / strain, 0.1, 0.5)
    return _Point(
        z=jnp.where(good, corrected, z),
        jacobian=jnp.where(good, jacobians[1], point.jacobian),
        tangent=jnp.where(good, on, tangent),
        stride=jnp.where(good, jnp.where(near, stride, longer), shorter),
        turns=point.turns + (good & ((on[-1] > 0) != (tangent[-1] > 0))).astype(int),
        tries=point.tries + 1,
        there=good & near,
    )


def _corrected(branch: _Branch, predicted: Array, normal: Array) -> tuple[Array, Array]:
    """The point of the branch in a plane through a prediction, and whether Newton settled there."""
    enough = jnp.sqrt(jnp.finfo(predicted.dtype).eps)

    def going(carry: tuple[Array, Array, Array]) -> Array:
        z, last, steps = carry
        return (last > enough * _size(z)) & (steps < _NEWTON_STEPS)

    def newton(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        z, _, steps = carry
        value, jacobian = branch.equations(z)
        offset = normal @ (z - predicted)
        move = _bordered(jacobian, normal, jnp.concatenate([value, offset[None]]))
        return z - move, jnp.linalg.norm(move), steps + 1

    far = jnp.full((), jnp.inf, predicted.dtype)
    z, last, _ = jax.lax.while_loop(going, newton, (predicted, far, jnp.zeros((), int)))
    return z, last <= enough * _size(z)


def _distortion(jacobian: Array, others: Array, normal: Array) -> Array:
    """`|M^-1 M' - I|` in the Frobenius norm, of bordered Jacobians: the largest of several."""
    change = jnp.pad(others - jacobian[None], ((0, 0), (0, 1), (0, 0)))
    return jnp.max(
        jnp.linalg.norm(jax.vmap(lambda c: _bordered(jacobian, normal, c))(change), axis=(1, 2))
    )


def _bordered(jacobian: Array, normal: Array, values: Array) -> Array:
    """Solves `(DH v, normal . v) = values`."""
    return jnp.linalg.solve(jnp.concatenate([jacobian, normal[None]]), values)


def _direction(jacobian: Array, before: Array) -> Array:
    """The unit tangent of the branch, going on in the direction of an earlier one."""
    tangent = _bordered(jacobian, before, jnp.zeros_like(before).at[-1].set(1))
    return tangent / jnp.linalg.norm(tangent)


def _highest(z: Array, tangent: Array, on: Array, tangent_on: Array) -> Array:
    """The highest precision between two points: where tangents meet, if the branch turns."""
    length = jnp.linalg.norm(on - z)
    turns = (tangent[-1] > 0) & (tangent_on[-1] < 0)
    bend = jnp.where(turns, tangent[-1] - tangent_on[-1], 1)
    meeting = z[-1] + tangent[-1] * (on[-1] - z[-1] - tangent_on[-1] * length) / bend
    return jnp.where(turns, meeting, jnp.maximum(z[-1], on[-1]))


def _stuck(point: _Point) -> Array:
    """Returns whether no step is short enough."""
    return point.stride < jnp.finfo(point.z.dtype).eps ** (2 / 3) * _size(point.z)


def _size(z: Array) -> Array:
    return 1 + jnp.linalg.norm(z)
