"""Derivatives of equilibria by the implicit function theorem, with active constraints too."""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Bool, PyTree

from dgames.diagnose import natural_map
from dgames.fields import AbstractField
from dgames.fields.remembered import RememberedField
from dgames.quiet_solver import QuietSolver
from dgames.scale import epsilon, times
from dgames.strategy import Strategy, map_players, norm

# The step against the field, as a share of the inverse gain. It is short, so that a strategy inside
# its set counts as inside, however near to the boundary, unless the field presses it there.
_STEP = 0.01


def with_implicit_derivative(
    field: AbstractField,
    x: Strategy,
    args: PyTree,
    start: PyTree,
    converged: Bool[Array, ""],
    gains: Strategy,
    linear_solver: lx.AbstractLinearSolver,
) -> Strategy:
    """Returns an equilibrium with its derivatives along everything that the field depends on.

    At an equilibrium `G(x) = x - P(x - h F(x))` is zero for every step h > 0, so that
    `dx = -(dG / dx)^-1 dG`. Where a constraint is active, the derivative of the projection P holds
    the strategy to it.

    Args:
        field: The field F, with its strategy sets.
        x: The equilibrium.
        args: Passed to the field.
        start: What the run started from. Where derivatives along a part of it are taken, those of
            the steps themselves are kept.
        converged: Whether `x` is an equilibrium. If not, the derivatives are NaN.
        gains: How fast the field of each player changes; steps are inverse to it.
        linear_solver: Solves the linear system.
    """
    steps = jax.tree.map(lambda gain: _STEP / gain, gains)

    def residual(x: Strategy) -> Strategy:
        force = field(x, args)
        value = map_players(times, force, steps)
        moved = natural_map(RememberedField(field, x, value, args), x, args)
        return map_players(times, moved, jax.tree.map(jnp.reciprocal, steps))

    # What the code of the field closes over becomes an argument, so that derivatives reach it.
    residual = eqx.filter_closure_convert(residual, x)
    return attached(residual, x, start, converged, linear_solver)


@eqx.filter_custom_jvp
def attached(
    residual: PyTree,
    x: Strategy,
    start: PyTree,
    converged: Array,
    linear_solver: lx.AbstractLinearSolver,
) -> Strategy:
    """Returns x with the derivative by which `residual(x) = 0` is kept; see above.

    Args:
        residual: A function of x, as `equinox.filter_closure_convert` makes it.
        x: A zero of it: any pytree.
        start: As above.
        converged: As above.
        linear_solver: As above.
    """
    del residual, start, converged, linear_solver
    return x


@attached.def_jvp
def _attached_jvp(primals: tuple, tangents: tuple) -> tuple[Strategy, Strategy]:
    residual, _, _, converged, linear_solver = primals
    d_residual, through_steps, d_start, _, _ = tangents
    x = attached(*primals)
    if jax.tree.leaves(d_start) or not jax.tree.leaves(d_residual):
        return x, through_steps
    value, moved = eqx.filter_jvp(lambda residual: residual(x), (residual,), (d_residual,))
    moved = jax.tree.map(
        lambda leaf, d: jnp.zeros_like(leaf) if d is None else d, value, moved, is_leaf=_is_none
    )
    operator = lx.JacobianLinearOperator(lambda x, residual: residual(x), x, residual)
    # The factor is NaN where there is no solution. The solver turns NaN into zeros, so the factor
    # multiplies both the right side and the solution: reverse mode goes through them backwards.
    factor = jnp.where(converged & _is_regular(operator, x, linear_solver), -1.0, jnp.nan)
    moved = jax.tree.map(lambda leaf: factor.astype(leaf.dtype) * leaf, moved)
    value = lx.linear_solve(operator, moved, QuietSolver(linear_solver), throw=False).value
    return x, jax.tree.map(lambda leaf: jnp.square(factor).astype(leaf.dtype) * leaf, value)


def _is_regular(
    operator: lx.AbstractLinearOperator, x: Strategy, linear_solver: lx.AbstractLinearSolver
) -> Bool[Array, ""]:
    """Returns whether a system has a solution that is not just rounding errors."""
    ones = jax.tree.map(jnp.ones_like, x)
    size = norm(lx.linear_solve(operator, ones, linear_solver, throw=False).value)
    return jax.lax.stop_gradient(size * (100 * epsilon(x)) < norm(ones))


def _is_none(leaf: object) -> bool:
    return leaf is None
