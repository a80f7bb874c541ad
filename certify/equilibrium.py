"""Finding an equilibrium in floating point, and enclosing it rigorously."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Float

from certify.enclosure.enclose import enclose
from certify.region import Region
from dgames.strategy import Strategy


class Equilibrium(NamedTuple):
    """An enclosure of the unique equilibrium of a game in a region.

    Attributes:
        lower: Below the equilibrium in every coordinate; a joint strategy.
        upper: Above it.
        center: The point around which it was proved.
        radius: The equilibrium is within this distance of `center` in the metric.
    """

    lower: Strategy
    upper: Strategy
    center: Strategy
    radius: float


class Basin(NamedTuple):
    """A ball of starting points from all of which the flow, and every certified step, converges.

    Attributes:
        center: Its centre; a joint strategy.
        radius: Its radius in the metric of the certificate.
    """

    center: Strategy
    radius: float


def find_zero(function: Callable, region: Region) -> np.ndarray | None:
    """A float near a zero of the field inside the region, or None when Newton's method finds none."""
    lower, upper = region.bounds()
    start = jnp.asarray(0.5 * lower + 0.5 * upper)
    solvers = (optx.Newton(1e-12, 1e-12), optx.LevenbergMarquardt(1e-12, 1e-12))
    for solver in solvers:
        solution = optx.root_find(
            lambda x, args: function(x), solver, start, throw=False, max_steps=200
        )
        point = polished(function, np.asarray(solution.value))
        if point is not None and (lower < point).all() and (point < upper).all():
            return point
    return None


def polished(function: Callable, point: np.ndarray) -> np.ndarray | None:
    """A few more Newton steps in float64; None when the point is not close to a zero."""
    jacobian = jax.jit(jax.jacfwd(function))
    value = jax.jit(function)
    for _ in range(3):
        if not np.isfinite(point).all():
            return None
        try:
            step = np.linalg.solve(np.asarray(jacobian(point)), np.asarray(value(point)))
        except np.linalg.LinAlgError:
            return None
        point = point - step
    scale = 1.0 + np.abs(point).max()
    return point if np.isfinite(point).all() and np.abs(step).max() <= 1e-6 * scale else None


def residual_bound(function: Callable, point: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """An upper bound on `|F(point)|`, entry by entry; proved."""
    value: Any = enclose(function)(jnp.asarray(point))
    return np.asarray(value.magnitude)
