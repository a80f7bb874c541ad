"""The followers' answer to a leader: a Nash equilibrium within bounds, with its derivatives."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jaxtyping import Array, Bool, Float

Vector = Float[Array, " coordinates"]

# A coordinate lies on a bound, and a force is zero there, up to this share of their scales.
_CLOSE = 1e-7

# Attempts with Newton's method, and extragradient steps between two of them.
_ATTEMPTS, _STEPS = 6, 200


class Response(NamedTuple):
    """The followers' answer, as a vector, and how it lies within their bounds.

    Attributes:
        value: The answer y.
        residual: The largest entry of `y - P(y - G)` in size.
        active: On which coordinates a bound holds y against a force.
        weakly_active: On which coordinates y lies on a bound without a force. The answer then need
            not be differentiable; its derivatives are those with these coordinates free.
        converged: Whether the residual is zero up to rounding.
    """

    value: Vector
    residual: Float[Array, ""]
    active: Bool[Array, " coordinates"]
    weakly_active: Bool[Array, " coordinates"]
    converged: Bool[Array, ""]


class Bounds(NamedTuple):
    """The least and the greatest value of each coordinate of the followers."""

    lower: Vector
    upper: Vector


def respond(
    field: Callable[[Vector], Vector],
    bounds: Bounds,
    start: Vector,
    solver: Any,
    max_steps: int,
) -> Response:
    """Solves the followers' game, a variational inequality in a box, by Newton's method.

    The equation is `y = P(y - G(y))` with the projection P onto the box, whose derivative is one
    matrix on each set of active bounds. The result has the derivatives of the answer along all that
    `field` and `bounds` close over: with the active coordinates A moving with their bounds and the
    others solving `G_j(y) = 0`, by the implicit function theorem, of any order.

    Args:
        field: The pseudo-gradient G of the followers, the leader's strategy being given.
        bounds: Their bounds.
        start: Where to start.
        solver: A root finder or least-squares solver of optimistix.
        max_steps: The most steps.
    """
    fixed = eqx.filter_closure_convert(field, start)
    fixed = jax.tree.map(lambda x: jax.lax.stop_gradient(x) if eqx.is_array(x) else x, fixed)
    lower, upper = jax.lax.stop_gradient(bounds)

    def natural(y: Vector, _: None = None) -> Vector:
        return y - jnp.clip(y - fixed(y), lower, upper)

    start = jnp.clip(jax.lax.stop_gradient(start), lower, upper)
    y = jax.lax.stop_gradient(_solved(natural, fixed, start, (lower, upper), solver, max_steps))
    force, scale = fixed(y), _CLOSE * (1 + jnp.max(jnp.abs(y)))
    weak = _CLOSE * (1 + jnp.max(jnp.abs(force)))
    low, high = y - lower <= scale, upper - y <= scale
    held = (low & (force > weak)) | (high & (force < -weak))

    def equations(y: Vector) -> Vector:
        bound = jnp.where(force > 0, bounds.lower, bounds.upper)
        return jnp.where(held, y - jnp.where(held, bound, y), field(y))

    value = jax.lax.custom_root(equations, y, lambda _, y: y, _linear_solve)
    residual = jnp.max(jnp.abs(natural(y)))
    return Response(value, residual, held, (low | high) & ~held, _is_zero(natural, y))


def _is_zero(natural: Callable[[Vector], Vector], y: Vector) -> Bool[Array, ""]:
    tolerance = jnp.finfo(y.dtype).eps ** 0.4  # some 5e-7 in double precision, 2e-3 in single
    return jnp.max(jnp.abs(natural(y))) <= tolerance * (1 + jnp.max(jnp.abs(y)))


def _solved(
    natural: Callable,
    field: Callable,
    start: Vector,
    bounds: tuple[Vector, Vector],
    solver: Any,
    max_steps: int,
) -> Vector:
    """Returns a zero of the natural map, or where the last attempt ended.

    Newton's method may go around in circles among active sets. Then projected extragradient steps,
    which converge from anywhere if the field is monotone, come nearer before the next attempt.
    """

    def steepness(y: Vector) -> Array:
        return jnp.linalg.norm(jax.jacfwd(field)(y))

    def nearer(y: Vector) -> Vector:
        # Where the field flattens out towards infinity, longer steps would only lead there.
        step = 0.5 / (jnp.maximum(steepness(y), 0.1 * steepness(start)) + 1e-30)

        def move(y: Vector, at: Vector) -> Vector:
            return jnp.clip(y - step * field(at), *bounds)

        return jax.lax.fori_loop(0, _STEPS, lambda _, y: move(y, move(y, y)), y)

    def attempt(carry: tuple[Vector, Vector, Array]) -> tuple[Vector, Vector, Array]:
        near, _, count = carry
        near = jax.lax.cond(count > 0, nearer, lambda y: y, near)
        found = optx.root_find(natural, solver, near, max_steps=max_steps, throw=False).value
        return near, jnp.clip(found, *bounds), count + 1

    def goes_on(carry: tuple[Vector, Vector, Array]) -> Bool[Array, ""]:
        return (carry[2] < _ATTEMPTS) & ~_is_zero(natural, carry[1])

    first = (start, jnp.full_like(start, jnp.nan), jnp.array(0))
    return jax.lax.while_loop(goes_on, attempt, first)[1]


def _linear_solve(operator: Callable[[Vector], Vector], vector: Vector) -> Vector:
    linear = lx.FunctionLinearOperator(operator, jax.eval_shape(lambda: vector))
    return lx.linear_solve(linear, vector, lx.AutoLinearSolver(well_posed=True), throw=False).value
