"""Equilibria as solutions of the conditions of optimality of all players together (KKT systems)."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PyTree

from dgames.constraints.coupling import owners_of
from dgames.constraints.damped_solver import Damped, determines
from dgames.constraints.kkt_system import (
    KKTSystem,
    kkt_system,
    largest,
    on_faces,
    rescaled,
    row_scales,
)
from dgames.game import Game, check_shapes
from dgames.implicit import attached
from dgames.strategy import (
    Strategy,
    as_strategy,
    check_strategy,
    ravel,
)

# Smoothing of the complementarity functions, in the order in which it is taken away.
_SMOOTHING = (1e-4, 1e-8, 1e-14)
_POLISH = 30
# Multipliers and slacks below this count as zero when weakly active constraints are reported.
_WEAK = 1e-7


class KKTPoint(eqx.Module):
    """What `solve_kkt` returns: an equilibrium with its multipliers.

    For costs that are convex in their own player's block, and constraints that are too, it is an
    equilibrium; otherwise a candidate.

    Attributes:
        strategy: The joint strategy.
        multipliers: One per row: inequalities constraint by constraint, then equations. Of the
            normalised notion these are `lambda`, of which player i has `lambda / r_i`. Of the
            generalised notion every player has their own: shape (rows, players), zero where a
            player is not bound.
        bound_multipliers: Of the players' sets, in the structure of the strategy: positive at lower
            bounds, negative at upper ones.
        residual: The largest violation of a condition, see `kkt_residual`.
        active: Which rows hold as equations.
        weakly_active: Which of them have a multiplier of zero; there derivatives are one-sided.
        weakly_active_bounds: Which coordinates are at a bound with a multiplier of zero.
        successful: Whether the residual is at most the tolerance.
        steps: The number of steps of Levenberg-Marquardt and of Newton's method.
    """

    strategy: Strategy
    multipliers: Float[Array, " rows"] | Float[Array, "rows players"]
    bound_multipliers: Strategy
    residual: Float[Array, ""]
    active: Bool[Array, " rows"]
    weakly_active: Bool[Array, " rows"]
    weakly_active_bounds: Strategy
    successful: Bool[Array, ""]
    steps: Int[Array, ""]


def solve_kkt(
    game: Game,
    x0: Strategy,
    args: PyTree = None,
    *,
    notion: str = "variational",
    weights: PyTree = None,
    multipliers: Any = None,
    tol: float | int | Array = 1e-10,
    max_steps: int = 500,
    throw: bool = True,
) -> KKTPoint:
    """Solves the conditions of optimality of all players together.

        F(x) + R^-1 Dg(x)' lambda  in -N_K(x),    0 <= lambda,  g(x) <= 0,  lambda' g(x) = 0

    The notion says how players share the multipliers of shared rows: all have the same ones
    (`"variational"`), `lambda / r_i` with weights r (`"normalised"`, Rosen, 1965), or each has
    own ones (`"generalised"`, where solutions are hardly ever unique, and which of them is found
    depends on the start). Rows that bind one player are alike in all of them.

    Complementarity is written with Fischer's function, smoothed; Levenberg-Marquardt (optimistix)
    solves it with less and less smoothing, and Newton's method with the active constraints, damped
    in the way of Levenberg and Marquardt, ends the run. Close to a regular solution the steps are
    quadratic; solutions need not be regular. From afar nothing is promised.

    The result is differentiable along `args` and parameters of the game, with active constraints
    held: by the implicit function theorem on the active equations. Derivatives are NaN where the
    run failed or these do not determine the strategy; multipliers need not be unique, and then
    their own derivatives are those of least norm. May be jitted and batched.

    Args:
        game: A game, with or without shared constraints. Sets are boxes, balls, simplices or
            products of them; shared functions are differentiated twice.
        x0: The joint strategy to start from.
        args: Passed to the costs and the constraints.
        notion: How multipliers of shared rows are shared.
        weights: Rosen's weights, for the normalised notion: one positive number per player.
        multipliers: Where multipliers start, in the shape of the result (default: zeros).
        tol: The residual at which the run is successful.
        max_steps: The most steps of Levenberg-Marquardt for each smoothing. With 0 there are none,
            which is quick where the start, with its multipliers, is near the solution already.
        throw: Whether to raise an error unless the run was successful.

    Raises:
        ValueError: If the game, the notion or the weights are malformed.
        RuntimeError: If `throw` and the run was not successful.

    >>> import dgames as dg
    >>> line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    >>> game = dg.game(lambda x, _: ((x[0] - 1) ** 2, (x[1] - 0.5) ** 2), shared=line)
    >>> point = solve_kkt(game, (0.0, 0.0))
    >>> [round(float(block), 9) for block in point.strategy], point.multipliers.round(9).tolist()
    ([0.75, 0.25], [0.5])
    """
    x0 = _checked(game, x0, args, notion, weights)
    point = _solve(game, x0, args, notion, weights, multipliers, jnp.asarray(tol, float), max_steps)
    if throw and not isinstance(point.successful, Tracer) and not bool(jnp.all(point.successful)):
        worst = float(jnp.max(point.residual))
        raise RuntimeError(
            f"solve_kkt: the conditions of optimality hold up to {worst:.2g} only, not up to "
            f"{float(tol):.2g}; try another start, or see whether dgames.feasible_point finds one"
        )
    return point


def kkt_residual(
    game: Game,
    x: Strategy,
    multipliers: Any = None,
    args: PyTree = None,
    *,
    notion: str = "variational",
    weights: PyTree = None,
) -> Float[Array, ""]:
    """The largest violation of a condition of optimality, over all coordinates and rows.

    Of a coordinate it is that of `x = P(x - F(x) - R^-1 Dg(x)' lambda)`, P the projection on its
    bounds; of an inequality that of `lambda = max(lambda + g(x), 0)`; of an equation its value. It
    is zero at equilibria and there alone; but a small residual is no small distance.

    Args:
        game: A game.
        x: A joint strategy.
        multipliers: In the shape in which `solve_kkt` returns them. Without them those with the
            least squared violations of stationarity are taken among rows that are active up to
            1e-6; this is not traceable.
        args: Passed to the costs and the constraints.
        notion: As for `solve_kkt`.
        weights: As for `solve_kkt`.

    >>> import dgames as dg
    >>> line = dg.Polyhedron([[1.0, 1.0]], [1.0])
    >>> game = dg.game(lambda x, _: ((x[0] - 1) ** 2, (x[1] - 0.5) ** 2), shared=line)
    >>> [round(float(kkt_residual(game, x)), 9) for x in ((0.75, 0.25), (0.7, 0.3))]
    [0.0, 0.1]
    >>> round(float(kkt_residual(game, (0.7, 0.3), notion="generalised")), 9)
    0.0
    """
    x = _checked(game, x, args, notion, weights)
    check_shapes(game, x, args)
    system, owners = kkt_system(game, x, args, notion, weights)
    vector, _ = ravel(x)
    if multipliers is None:
        own = jnp.asarray(_best_multipliers(system, np.asarray(vector)), vector.dtype)
    else:
        own = _flat(multipliers, owners, notion, system, vector.dtype)
    return largest(system.sharp((vector, own)))


def _checked(game: Any, x: Strategy, args: PyTree, notion: str, weights: PyTree) -> Strategy:
    if not isinstance(game, Game):
        raise ValueError(f"solve_kkt: expected a game, got {type(game).__name__}")
    if notion not in ("variational", "normalised", "generalised"):
        raise ValueError(
            f'the notion is "variational", "normalised" or "generalised", not {notion!r}'
        )
    if (weights is not None) != (notion == "normalised"):
        raise ValueError("weights are given with the normalised notion, and with no other")
    check_strategy(x)
    return as_strategy(x)


@eqx.filter_jit
def _solve(
    game: Game,
    x0: Strategy,
    args: PyTree,
    notion: str,
    weights: PyTree,
    multipliers: Any,
    tol: Array,
    max_steps: int,
) -> KKTPoint:
    check_shapes(game, x0, args)  # when it is compiled, and not in every call
    system, owners = kkt_system(game, x0, args, notion, weights)
    vector, unravel = ravel(x0)
    count = row_count_of(game, x0, args)
    start = jnp.zeros(len(system.row_of), vector.dtype)
    if multipliers is not None:
        start = _flat(multipliers, owners, notion, system, vector.dtype)
    scales = jax.lax.stop_gradient(row_scales(system, vector))
    scaled = rescaled(system, scales)
    y, steps = (vector, start / scales), jnp.zeros((), int)
    if max_steps > 0:
        y, steps = _searched(scaled, y, max_steps)
    y, more = jax.lax.stop_gradient(_polished(scaled, y))
    faces = jax.lax.stop_gradient(scaled.faces(y))
    y = on_faces(scaled, y, faces)
    residual = largest(system.sharp((y[0], y[1] * scales)))
    successful = residual <= tol
    held = eqx.filter_closure_convert(lambda y: scaled.held(y, faces), y)
    unique = successful & _determined(scaled, y, faces)
    x, own = attached(held, jax.lax.stop_gradient(y), (), unique, Damped())
    force, values = system.both(x, own * scales)
    low, high, active = faces
    bound = jnp.where(low | high, force, jnp.zeros_like(force))
    at_bound = (x - scaled.lower <= _WEAK) | (scaled.upper - x <= _WEAK)
    small = jnp.abs(force) <= _WEAK
    shown, is_active, weak = _per_row(own * scales, values, active, system, owners, notion, count)
    return KKTPoint(
        strategy=unravel(x),
        multipliers=shown,
        bound_multipliers=unravel(bound),
        residual=residual,
        active=is_active,
        weakly_active=weak,
        weakly_active_bounds=_flags(unravel, at_bound & small),
        successful=successful,
        steps=steps + more,
    )


def row_count_of(game: Game, x: Strategy, args: PyTree) -> int:
    """Returns the number of rows of a game's shared constraints."""
    return len(owners_of(game.shared_constraints(x), x, args))


def _searched(
    system: KKTSystem, y: tuple[Array, Array], max_steps: int
) -> tuple[tuple[Array, Array], Array]:
    """Solves the smoothed conditions with less and less smoothing."""
    system = jax.tree.map(
        lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf, system
    )
    solver = optx.LevenbergMarquardt(rtol=1e-12, atol=1e-12)

    def less(y: tuple[Array, Array], smoothing: Array) -> tuple[tuple[Array, Array], Array]:
        run = optx.least_squares(
            system.smooth, solver, y, smoothing, max_steps=max_steps, throw=False
        )
        finite = jnp.all(jnp.isfinite(jnp.concatenate(run.value)))
        value = jax.tree.map(lambda new, old: jnp.where(finite, new, old), run.value, y)
        return value, run.stats["num_steps"]

    y, steps = jax.lax.scan(less, jax.lax.stop_gradient(y), jnp.asarray(_SMOOTHING, y[0].dtype))
    return jax.lax.stop_gradient(y), jax.lax.stop_gradient(jnp.sum(steps))


def _polished(
    system: KKTSystem, y: tuple[Array, Array]
) -> tuple[tuple[Array, Array], Int[Array, ""]]:
    """Takes damped Newton steps on the active equations while they help."""
    flat, back = ravel(y)

    def residual(flat: Array) -> Array:
        return jnp.concatenate(system.sharp(back(flat)))

    def improved(flat: Array) -> Array:
        faces = system.faces(back(flat))

        def held(flat: Array) -> Array:
            return jnp.concatenate(system.held(back(flat), faces))

        value, jacobian = held(flat), jax.jacfwd(held)(flat)
        gram = jacobian.T @ jacobian
        unit = jnp.max(jnp.diag(gram), initial=1e-300)
        damping = unit * jnp.maximum(1e-14, 1e-2 * jnp.minimum(jnp.linalg.norm(value), 1) ** 2)
        factor = jax.scipy.linalg.cho_factor(gram + damping * jnp.eye(flat.size, dtype=flat.dtype))
        return flat - jax.scipy.linalg.cho_solve(factor, jacobian.T @ value)

    def step(carry: Any) -> Any:
        best, size, count, _ = carry
        new = improved(best)
        better = jnp.linalg.norm(residual(new))
        helps = better < size
        return (
            jnp.where(helps, new, best),
            jnp.where(helps, better, size),
            count + 1,
            helps,
        )

    start = (flat, jnp.linalg.norm(residual(flat)), jnp.zeros((), int), jnp.array(True))
    end = jax.lax.while_loop(lambda carry: carry[3] & (carry[2] < _POLISH), step, start)
    return back(end[0]), end[2]


def _determined(system: KKTSystem, y: tuple[Array, Array], faces: Any) -> Bool[Array, ""]:
    """Returns whether the active equations leave no freedom in the strategy near a solution."""
    flat, back = ravel(jax.lax.stop_gradient(y))
    system = jax.tree.map(
        lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf, system
    )
    jacobian = jax.jacfwd(lambda flat: jnp.concatenate(system.held(back(flat), faces)))(flat)
    return jax.lax.stop_gradient(determines(jacobian, y[0].size))


def _flat(
    multipliers: Any, owners: np.ndarray, notion: str, system: KKTSystem, dtype: Any
) -> Float[Array, " multipliers"]:
    """Returns multipliers as they are shown as a vector; those of own sets are zero."""
    shape = owners.shape if notion == "generalised" else owners.shape[:1]
    given = jnp.asarray(multipliers, dtype)
    if given.shape != shape:
        raise ValueError(
            f"multipliers of the {notion} notion have shape {shape}, got {given.shape}"
        )
    flat = given[np.nonzero(owners)] if notion == "generalised" else given
    return jnp.concatenate([flat, jnp.zeros(len(system.row_of) - len(flat), dtype)])


def _per_row(
    multipliers: Array,
    values: Array,
    active: Array,
    system: KKTSystem,
    owners: np.ndarray,
    notion: str,
    count: int,
) -> tuple[Array, Array, Array]:
    """Returns the multipliers of shared rows, which rows are active, and which weakly."""
    zero = (jnp.abs(values) <= _WEAK) & (jnp.abs(multipliers) <= _WEAK)
    weak = zero & ~system.equation
    if notion != "generalised":
        return multipliers[:count], active[:count] | weak[:count], weak[:count]
    rows, players = np.nonzero(owners)
    many = len(rows)
    shape = owners.shape
    shown = jnp.zeros(shape, multipliers.dtype).at[rows, players].set(multipliers[:many])
    on = jnp.zeros(shape[0], bool).at[rows].max(active[:many] | weak[:many])
    return shown, on, jnp.zeros(shape[0], bool).at[rows].max(weak[:many])


def _flags(unravel: Callable, flags: Array) -> Strategy:
    return jax.tree.map(lambda leaf: leaf > 0, unravel(flags.astype(float)))


def _best_multipliers(system: KKTSystem, x: np.ndarray) -> np.ndarray:
    """Returns multipliers that fit stationarity best, zero for rows that are not active."""
    from scipy.optimize import lsq_linear

    count = len(system.row_of)
    force, values = map(np.asarray, system.both(jnp.asarray(x), jnp.zeros(count)))
    gradients = np.asarray(jax.jacrev(system.values)(jnp.asarray(x)))[system.row_of]
    gradients = gradients * np.asarray(system.shares)
    kept = system.equation | (values > -1e-6)
    low, high = np.asarray(system.lower), np.asarray(system.upper)
    # At a bound the force may point outward: a variable of its own makes that good.
    outward = np.concatenate([-np.eye(x.size)[x <= low + 1e-6], np.eye(x.size)[x >= high - 1e-6]])
    columns = np.concatenate([gradients[kept], outward])
    least = np.where(system.equation[kept], -np.inf, 0.0)
    multipliers = np.zeros(count)
    if kept.any():
        bounds = (np.concatenate([least, np.zeros(len(outward))]), np.inf)
        multipliers[kept] = lsq_linear(columns.T, -force, bounds, method="bvls", tol=1e-15).x[
            : kept.sum()
        ]
    return multipliers
