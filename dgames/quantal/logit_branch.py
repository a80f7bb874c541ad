"""A branch of logit equilibria as the zeros of equations: its tangents, and steps along it."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from dgames.fields import NaturalGradient
from dgames.game import Game
from dgames.logits import LogitDifferences, log_policies, logits
from dgames.strategy import Strategy, ravel

_NEWTON_STEPS = 8
# How much a step may change the Jacobian, relative to itself; the logarithm of a probability that
# matters; and, in logits, the effect of all smaller probabilities.
_JACOBIAN, _LOGARITHM, _NEGLIGIBLE = 0.5, 0.5, 0.01
_PROBES = 16


class LogitBranch(NamedTuple):
    """The branch as the zeros of equations in points `z = (logits, scaled precision)`.

    Attributes:
        equations: The values of the equations, which are zero on the branch, and their Jacobian.
        change: How much probabilities change along the straight line between two points, relative
            to what a step may change.
        unravel: Makes a joint strategy of logits.
    """

    equations: Callable[[Array], tuple[Array, Array]]
    change: Callable[[Array, Array], Array]
    unravel: Callable[[Array], Strategy]


class BranchPoint(NamedTuple):
    """A point `z` of the branch, the Jacobian and the tangent there, and the next stride."""

    z: Float[Array, " n"]
    jacobian: Float[Array, "m n"]
    tangent: Float[Array, " n"]
    stride: Float[Array, ""]
    turns: Int[Array, ""]
    tries: Int[Array, ""]
    there: Bool[Array, ""]


@eqx.filter_jit
def payoff_scale(game: Game, like: Strategy, args: PyTree) -> Float[Array, ""]:
    """The size of payoffs: scaled precisions are precisions times this.

    Nothing depends on the scale of payoffs if precisions are measured in units of one over it. It
    is estimated at the start, where forces may vanish, and at fixed other policies.
    """
    start, unravel = ravel(jax.tree.map(jnp.zeros_like, logits(like)))
    field = NaturalGradient(game)
    probes = 3 * jax.random.normal(jax.random.key(0), (_PROBES, start.size), start.dtype)
    probes = jnp.concatenate([start[None], probes])
    natural = jax.vmap(lambda x: ravel(field(unravel(x), args))[0])
    largest = jnp.max(jnp.abs(natural(probes)), initial=0)
    return jnp.where(largest > 0, largest, 1)


def logit_branch(game: Game, like: Strategy, args: PyTree, scale: Array) -> LogitBranch:
    """The equations of a game, with strategies for their structure and the scale of payoffs."""
    _, unravel = ravel(logits(like))
    field = NaturalGradient(game)

    def natural(x: Array) -> Array:
        return ravel(field(unravel(x), args))[0]

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

    return LogitBranch(equations, change, unravel)


def beginning(like: Strategy) -> tuple[Array, Array]:
    """The uniform strategies at precision zero, and the direction of rising precisions."""
    start = jnp.append(jnp.zeros_like(ravel(logits(like))[0]), 0.0)
    return start, jnp.zeros_like(start).at[-1].set(1)


def first_point(branch: LogitBranch, z: Array, tangent: Array) -> BranchPoint:
    """A point to go on from, in about the direction of a tangent."""
    jacobian = branch.equations(z)[1]
    return BranchPoint(
        z=z,
        jacobian=jacobian,
        tangent=_direction(jacobian, tangent),
        stride=jnp.full((), 0.1, z.dtype),
        turns=jnp.zeros((), int),
        tries=jnp.zeros((), int),
        there=jnp.array(False),
    )


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


def advance(branch: LogitBranch, point: BranchPoint, goal: Array) -> BranchPoint:
    """One prediction and its correction: on the branch, or at the goal if that is near."""
    z, tangent, stride = point.z, point.tangent, point.stride
    left = goal - z[-1]
    near = (tangent[-1] > 0) & (left <= stride * tangent[-1])
    length = jnp.where(near, left / jnp.where(near, tangent[-1], 1), stride)
    predicted = z + length * tangent
    # Corrections move in the plane through the prediction, or in that of the goal's precision.
    normal = jnp.where(near, jnp.zeros_like(z).at[-1].set(1), tangent)
    corrected, settled = correct(branch, predicted, normal)

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
    return BranchPoint(
        z=jnp.where(good, corrected, z),
        jacobian=jnp.where(good, jacobians[1], point.jacobian),
        tangent=jnp.where(good, on, tangent),
        stride=jnp.where(good, jnp.where(near, stride, longer), shorter),
        turns=point.turns + (good & ((on[-1] > 0) != (tangent[-1] > 0))).astype(int),
        tries=point.tries + 1,
        there=good & near,
    )


def correct(branch: LogitBranch, predicted: Array, normal: Array) -> tuple[Array, Array]:
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


def is_stuck(point: BranchPoint) -> Array:
    """Returns whether no step is short enough."""
    return point.stride < jnp.finfo(point.z.dtype).eps ** (2 / 3) * _size(point.z)


def _size(z: Array) -> Array:
    return 1 + jnp.linalg.norm(z)
