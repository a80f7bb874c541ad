"""Projections onto polyhedra of joint strategies: exact, batched, differentiable."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import qpax
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from dgames.constraints.feasible_set import FeasibleSet, feasible_set
from dgames.constraints.shared_constraints import SharedConstraints
from dgames.sets import PlayerSets
from dgames.strategy import Strategy, ravel

# What qpax is asked for: it only tells active from inactive constraints, and starts the correction.
_ROUGH, _CORRECTIONS = 1e-7, 20

Vector = Float[Array, " coordinates"]


def project_onto(feasible: FeasibleSet, z: Vector, metric: Vector | None = None) -> Vector:
    """The point of a polyhedron nearest to z, in `|x|^2 = sum_j metric_j x_j^2`.

    An interior-point method (qpax) finds which constraints are active. They are then corrected by a
    primal-dual active-set method, which is Newton's on the conditions of optimality, and the
    projection onto the active constraints is computed directly: it is exact up to rounding errors.
    Derivatives are those with active constraints held fixed, which are the derivatives wherever the
    projection has some. It may be jitted, and batched by `jax.vmap`.

    Args:
        feasible: The polyhedron, not empty, with linearly independent equations.
        z: A vector.
        metric: Positive weights of the coordinates (default: ones).

    >>> from dgames import Box, Polyhedron
    >>> from dgames.constraints.feasible_set import feasible_set
    >>> x = (jnp.array(2.0), jnp.array(1.0))
    >>> half = feasible_set(Box(0.0, jnp.inf), (Polyhedron([[1.0, 1.0]], [1.0]),), x)
    >>> project_onto(half, jnp.array([2.0, 1.0])).tolist()
    [1.0, 0.0]
    >>> project_onto(half, jnp.array([1.0, 1.0]), jnp.array([1.0, 3.0])).round(9).tolist()
    [0.25, 0.75]
    """
    metric = jnp.ones_like(z) if metric is None else metric
    fixed, active, at_lower = jax.lax.stop_gradient(_active(feasible, z, metric))
    return _onto_active(feasible, z, metric, fixed, active, at_lower)[0]


def project_strategy(
    strategy_set: PlayerSets,
    constraints: SharedConstraints,
    x: Strategy,
    metric: Strategy | None = None,
) -> Strategy:
    """Projects a joint strategy onto the product of the players' sets and shared constraints.

    Args:
        strategy_set: As for `dgames.player_sets`.
        constraints: What `Game.shared_constraints` returned.
        x: A joint strategy, as arrays.
        metric: Positive weights of all coordinates, in the structure of `x` (default: ones).

    Raises:
        ValueError: If a set or a constraint is not given by linear equations and inequalities.
    """
    vector, unravel = ravel(x)
    weights = None if metric is None else ravel(metric)[0]
    return unravel(project_onto(feasible_set(strategy_set, constraints, x), vector, weights))


def _active(
    feasible: FeasibleSet, z: Vector, metric: Vector
) -> tuple[Bool[Array, " coordinates"], Bool[Array, " rows"], Bool[Array, " coordinates"]]:
    """Returns which coordinates are at a bound, which rows are active, and which bound it is."""
    rows, lower, upper = feasible
    below, above = jnp.isfinite(lower), jnp.isfinite(upper)
    eye = jnp.eye(z.size, dtype=z.dtype)
    # A bound that is infinite becomes the row 0 x <= 1, which no point violates.
    scales = jnp.linalg.norm(rows.A, axis=1)
    scales = jnp.where(scales > 0, scales, 1)
    G = jnp.concatenate(
        [
            rows.A / scales[:, None],
            jnp.where(below[:, None], -eye, 0),
            jnp.where(above[:, None], eye, 0),
        ]
    )
    h = jnp.concatenate([rows.b / scales, jnp.where(below, -lower, 1), jnp.where(above, upper, 1)])
    # qpax mixes integers and floats.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        _, slack, dual, _, _, _ = qpax.solve_qp(
            jnp.diag(metric), -metric * z, rows.A_eq, rows.b_eq, G, h, solver_tol=_ROUGH
        )
    tight = dual > slack
    count = len(rows.b)
    row, low, high = jnp.split(tight, [count, count + z.size])
    start = (low | high, row, low)

    def corrected(sets: Any) -> Any:
        x, multipliers = _onto_active(feasible, z, metric, *sets)
        # Newton's method on the conditions of optimality, with max(0, multiplier - slack).
        mu = multipliers[:count] * scales
        row = mu + (rows.A @ x - rows.b) / scales > _noise(feasible, x)
        pull = metric * (z - x) - rows.A.T @ multipliers[:count]
        pull = (pull - rows.A_eq.T @ multipliers[count:]) / metric
        low = below & (x + pull < lower - _noise(feasible, x))
        high = above & (x + pull > upper + _noise(feasible, x))
        return low | high, row, low

    def step(carry: Any) -> Any:
        sets, _, count = carry
        new = corrected(sets)
        changed = jnp.any(jnp.concatenate([a != b for a, b in zip(sets, new, strict=True)]))
        return new, changed, count + 1

    sets, changed, _ = jax.lax.while_loop(
        lambda carry: carry[1] & (carry[2] < _CORRECTIONS),
        step,
        (start, jnp.array(True), jnp.zeros((), int)),
    )
    # Where the corrections go in a circle, which they may, the sets of the solver stand.
    return tuple(jnp.where(changed, a, b) for a, b in zip(start, sets, strict=True))  # pyright: ignore


def _noise(feasible: FeasibleSet, x: Vector) -> Array:
    """Returns what counts as zero when it is decided which constraints are active."""
    return 8 * jnp.finfo(x.dtype).eps * (1 + jnp.max(jnp.abs(x), initial=0))


def _onto_active(
    feasible: FeasibleSet,
    z: Vector,
    metric: Vector,
    fixed: Bool[Array, " coordinates"],
    active: Bool[Array, " rows"],
    at_lower: Bool[Array, " coordinates"],
) -> tuple[Vector, Array]:
    """Projects onto the active constraints as equations; returns multipliers of all rows too."""
    rows, lower, upper = feasible
    bound = jnp.where(at_lower, lower, upper)
    start = jnp.where(fixed, jnp.where(fixed, bound, 0), z)
    every = jnp.concatenate([active, jnp.ones_like(rows.b_eq, bool)])
    A = jnp.concatenate([rows.A, rows.A_eq])
    A = jnp.where(every[:, None], A, 0)
    b = jnp.where(every, jnp.concatenate([rows.b, rows.b_eq]), 0)
    size = jnp.linalg.norm(A, axis=1)
    size = jnp.where(every & (size > 0), size, 1)
    A, b = A / size[:, None], b / size
    free = jnp.where(fixed[None], 0, A)
    gram = (free / metric[None]) @ free.T
    inverse = jnp.linalg.pinv(gram, rtol=1e-12, hermitian=True)
    x, mu = start, jnp.zeros_like(b)
    for _ in range(2):  # the second time it removes the rounding errors of the first
        more = inverse @ (A @ x - b)
        x, mu = x - (free.T @ more) / metric, mu + more
    return x, mu / size


def require_projectable(feasible: FeasibleSet) -> None:
    """Raises an error if there is nothing to project onto, or equations depend on each other.

    Args:
        feasible: The polyhedron; if it is traced, nothing is known and nothing is done.

    Raises:
        InfeasibleError: If it is empty; the error carries a proof.
        ValueError: If an equation is a combination of those before it.
    """
    from dgames.constraints.feasibility import dependent_equations, inner_point

    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(feasible)):
        return
    inner_point(feasible)
    equations = feasible.rows.A_eq
    if np.linalg.matrix_rank(np.asarray(equations)) < len(equations):
        places = dependent_equations(feasible) or ["one"]
        raise ValueError(
            f"projections need independent equations, but equation {places[0]} is, up to rounding "
            "errors, a combination of others: leave it out"
        )
