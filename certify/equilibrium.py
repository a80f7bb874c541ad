"""Finding an equilibrium in floating point, and enclosing it rigorously."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Float

from certify.enclosure.enclose import enclose
from certify.flat import FlatField, compiled_jacobian, compiled_value
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


def find_zero(field: FlatField, region: Region) -> np.ndarray | None:
    """A float near a zero of the field in the region, or None when Newton's method finds none."""
    lower, upper = region.bounds()
    start = jnp.asarray(0.5 * lower + 0.5 * upper)
    for solver in (optx.Newton(1e-12, 1e-12), optx.LevenbergMarquardt(1e-12, 1e-12)):
        solution = optx.root_find(_residual, solver, start, field, throw=False, max_steps=200)
        point = polished(field, np.asarray(solution.value))
        if point is not None and (lower < point).all() and (point < upper).all():
            return point
    return None


def _residual(x: Any, field: FlatField) -> Any:
    return compiled_value(field)(x)


def polished(field: FlatField, point: np.ndarray) -> np.ndarray | None:
    """A few more Newton steps in float64; None when the point is not close to a zero."""
    step = np.full_like(point, np.inf)
    for _ in range(3):
        if not np.isfinite(point).all():
            return None
        jacobian, value = (f(field)(point) for f in (compiled_jacobian, compiled_value))
        try:
            step = np.linalg.solve(np.asarray(jacobian), np.asarray(value))
        except np.linalg.LinAlgError:
            return None
        point = point - step
    close = np.abs(step).max() <= 1e-6 * (1.0 + np.abs(point).max())
    return point if close and np.isfinite(point).all() else None


def residual_bound(field: FlatField, point: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """An upper bound on `|F(point)|`, entry by entry; proved."""
    return np.asarray(_compiled_enclosure(field)(jnp.asarray(point)).magnitude)


@functools.lru_cache(maxsize=32)
def _compiled_enclosure(field: FlatField) -> Callable:
    return jax.jit(enclose(field.function))
