"""Finds an equilibrium in floating point, and encloses it rigorously."""

import functools
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Float

from certify.checker.intervals import BallInterval as Ball
from certify.checker.jets import JetArithmetic
from certify.checker.rederive import PRECISION, entries
from certify.checker.shared_rows import Shared
from certify.checker.verdict import Rejected
from certify.enclosure.enclose import enclose
from certify.enclosure.programs.compiling import for_once
from certify.graph.trace import graph_of
from certify.jacobian.enclosure_choice import is_short, kinks_in
from certify.problem.constraints import Constraints
from certify.problem.corners import coordinates
from certify.problem.field import FlatField, compiled_linearisation, compiled_value
from certify.problem.region import Policies, Region

# Radii are larger by this factor than what floating point says of them.
_ROOM = 1 + 2.0**-30


def find_zero(
    field: FlatField, region: Region, spent: Callable[[], bool] = lambda: False
) -> np.ndarray | None:
    """Returns a float vector near a zero of a field, or None when Newton's method finds none.

    Args:
        field: The field.
        region: The region that is to contain the zero.
        spent: Says whether to give up.
    """
    lower, upper = region.bounds()
    start = coordinates(region.center)
    if isinstance(region, Policies):  # whose bounds are those of probabilities
        lower, upper = np.full_like(lower, -np.inf), np.full_like(upper, np.inf)
    for guess in _near_zeros(field, start, spent):
        point = polished(field, guess)
        if point is not None and (lower < point).all() and (point < upper).all():
            return point
    return None


def _near_zeros(
    field: FlatField, start: np.ndarray, spent: Callable[[], bool]
) -> Iterator[np.ndarray]:
    """Yields points from which a few Newton steps may reach a zero, the cheapest first."""
    # Regions are often centred at an equilibrium: then no solver has to be compiled.
    close = polished(field, start)
    if close is not None:
        yield close
    import optimistix as optx

    for solver in (optx.Newton(1e-12, 1e-12), optx.LevenbergMarquardt(1e-12, 1e-12)):
        if spent():
            return
        solution = optx.root_find(
            _residual, solver, jnp.asarray(start), field, throw=False, max_steps=200
        )
        yield np.asarray(solution.value)


def _residual(x: Any, field: FlatField) -> Any:
    return compiled_value(field)(x)


def find_constrained(
    field: FlatField, region: Region, steepness: float, weights: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " rows"]] | None:
    """Finds a point of the strategy sets near an equilibrium, which may be on their boundary.

    A solution of the variational inequality is a zero of `z - P(z - h T(z))`, which is piecewise
    smooth. Newton's method finds the zero from nearby; projected extragradient steps come near it
    first, from anywhere if the field is strongly monotone. Without shared rows `T = F`. With them
    z has multipliers too, which are projected to be positive where the row is an inequality, and
    `T(x, l) = (F(x) + W^-1 A' l, b - A x)`, in units in which its parts are alike. Functions and
    their gradients are treated like rows.

    Args:
        field: The field F with its constraints, which give the projection P.
        region: The region that is to contain the point.
        steepness: About the Lipschitz constant of F in the region: `h` is about its inverse.
        weights: W, one weight for each coordinate; they matter with shared rows only.

    Returns:
        The point, which is in the strategy sets exactly, and the multipliers of the rows and, after
        them, the functions; None when none is found in the region.
    """
    import lineax as lx
    import optimistix as optx

    lower, upper = region.bounds()
    constraints, n = field.constraints, field.dimension
    start, count = constraints.project(jnp.asarray(coordinates(region.center))), 0
    equal, units = np.zeros(0, bool), np.zeros(0)
    if constraints.rows is not None:
        lines = constraints.lines_at(np.asarray(start))
        count, equal = len(lines), constraints.is_equality
        norms = np.sqrt((lines**2 / weights).sum(1))
        units = max(steepness, 1e-300) / np.maximum(norms, 1e-6 * norms.max(initial=1e-300))

    def values(x: Any) -> Any:
        """Returns what is to be zero or less, in those units."""
        rows, functions = constraints.rows, constraints.functions
        assert rows is not None
        parts = [rows.matrix @ x - rows.bounds]
        if functions is not None:
            parts.append(jnp.stack(functions.values(x)))
        return units * jnp.concatenate(parts)

    h = 0.5 / max(steepness * (1 if constraints.rows is None else 2), 1e-300)

    def move(z: Any, y: Any) -> Any:
        if not count:
            return constraints.project(z - h * field.function(y))
        found, pull = jax.vjp(values, y[:n])
        force = field.function(y[:n]) + pull(y[n:])[0] / weights
        moved = z - h * jnp.concatenate([force, -found])
        positive = jnp.where(equal, moved[n:], jnp.maximum(moved[n:], 0.0))
        return jnp.concatenate([constraints.project(moved[:n]), positive])

    @jax.jit
    def approach(z: Any) -> Any:
        return jax.lax.fori_loop(0, 1000, lambda _, z: move(z, move(z, z)), z)

    z = jnp.concatenate([start, jnp.zeros(count)])
    # Dependent rows have many multipliers, of which least squares choose one.
    linear = lx.AutoLinearSolver(well_posed=False if count else None)
    solver = optx.Newton(1e-14, 1e-14, linear_solver=linear)
    for _ in range(6 if count else 3):
        found = optx.root_find(
            lambda z, _: z - move(z, z), solver, z, throw=False, max_steps=50
        ).value
        # The projected step puts coordinates on the boundary that belong there.
        end = np.asarray(move(found, found))
        close = np.abs(end - np.asarray(found)).max() <= 1e-9 * (1.0 + np.abs(end).max())
        if np.isfinite(end).all() and close:
            point, multipliers = constraints.snapped(end[:n]), end[n:]
            inside = ((lower <= point) & (point <= upper)).all()
            return (point, multipliers * units) if inside else None
        z = approach(z)
    return None


def polished(field: FlatField, point: np.ndarray) -> np.ndarray | None:
    """Takes a few Newton steps in float64; returns None when the point is not close to a zero."""
    step = np.full_like(point, np.inf)
    for _ in range(3):
        if not np.isfinite(point).all():
            return None
        value, jacobian = compiled_linearisation(field)(point)
        try:
            step = np.linalg.solve(np.asarray(jacobian), np.asarray(value))
        except np.linalg.LinAlgError:
            return None
        point = point - step
    close = np.abs(step).max() <= 1e-6 * (1.0 + np.abs(point).max())
    return point if close and np.isfinite(point).all() else None


def residual_bound(
    field: FlatField, point: Float[np.ndarray, " n"], value: Float[np.ndarray, " n"] | None = None
) -> Float[np.ndarray, " n"]:
    """Returns a proved upper bound on `|F(point) - value|`, by entry; `value` may be left out.

    Short costs are bounded by their expression graph, in ball arithmetic, which compiles nothing.
    """
    if field.natural is None and is_short(field):
        return _residual_of_graph(field, point, np.zeros_like(point) if value is None else value)
    found = _compiled_enclosure(field)(jnp.asarray(point))
    if value is None:
        return np.asarray(found.magnitude)
    lower, upper = np.asarray(found.lower), np.asarray(found.upper)
    # A computed difference of two floats is exact, or off by at most half a unit in the last place.
    return np.nextafter(np.maximum(np.abs(upper - value), np.abs(value - lower)), np.inf)


def _residual_of_graph(
    field: FlatField, point: Float[np.ndarray, " n"], value: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    made = entries([*field.sizes], field.zero_sum, field.is_gradient)
    with ctx.workprec(PRECISION):
        # The values of a field are known at its kinks, too; its derivatives are not asked for.
        first = JetArithmetic(1 if kinks_in(field) is None else 0)
        start = first.around([Ball.point(Fraction(x)) for x in point.tolist()])
        jets, obliged = graph_of(field).obliged(start, first.operations)
        if not all(x.is_finite() for jet in (*jets, *obliged) for x in jet.values()):
            return np.full(len(point), np.inf)
        errors = [
            jets[output].get(variables, Ball.point(0)).times(sign) - Ball.point(Fraction(stated))
            for (output, sign, variables), stated in zip(made, value.tolist(), strict=True)
        ]
        sizes = [float(error.magnitude().upper()) for error in errors]
    # The bound leaves room for the checker, whose radii are rounded in another order.
    return np.nextafter(np.array(sizes) * (1 + 2.0**-16), np.inf)


def constrained_radius(
    constraints: Constraints,
    point: Float[np.ndarray, " n"],
    value: Float[np.ndarray, " n"],
    residual: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, " players"],
    margin: float,
    lipschitz: float,
    shared: Shared | None = None,
) -> float:
    """Bounds how far a point of the sets is from the equilibrium, in a metric of weights.

    The bound is that of `check_equilibrium` in the checker, with room for rounding. It is infinite
    if the point cannot be moved onto the shared rows.
    """
    sets, blocks = constraints.exact(), constraints.coordinates
    center, values = ([Fraction(x) for x in vector.tolist()] for vector in (point, value))
    spread, moved, near = np.repeat(weights, [len(own.extents) for own in sets]), 0.0, center
    if shared is not None:
        try:
            near = shared.feasible(center, sets, blocks)
        except Rejected:
            return np.inf
        moves = np.array([float(y - c) for y, c in zip(near, center, strict=True)])
        moved = float(spread @ moves**2)
        pulls = shared.pull([Fraction(w) for w in spread.tolist()])
        values = [v + pull for v, pull in zip(values, pulls, strict=True)]
    found = [own.defect(near[b], values[b]) for own, b in zip(sets, blocks, strict=True)]
    errors = residual + np.array([float(error) for d in found for error in d.errors])
    shift = np.sqrt(
        moved + sum(w * float(d.shift) ** 2 for w, d in zip(weights, found, strict=True))
    )
    pulled = sum(w * float(d.pull * d.shift) ** 2 for w, d in zip(weights, found, strict=True))
    defect = lipschitz * shift + np.sqrt(np.sum(spread * errors**2)) + np.sqrt(pulled)
    slack = 0.0
    if shared is not None and shared.functions is not None:
        exact = [Fraction(w) for w in spread.tolist()]
        try:
            gap, slack = map(float, shared.functions.gap(exact, Fraction(float(shift * _ROOM))))
        except Rejected:
            return np.inf
        defect += gap
    reach = (defect + np.sqrt(defect**2 + 4 * margin * slack)) / (2 * margin)
    return float(shift + reach) * _ROOM


@functools.lru_cache(maxsize=32)
def _compiled_enclosure(field: FlatField) -> Callable:
    point = jax.ShapeDtypeStruct((field.dimension,), jnp.float64)
    return for_once(enclose(field.function), point)
