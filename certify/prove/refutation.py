"""Proves that some player's cost is not convex in the player's own strategy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from certify.enclosure.enclose import enclose
from certify.enclosure.interval import Interval
from certify.enclosure.registry import RULES, SMOOTH_RULES
from certify.problem.draws import first_key
from certify.problem.field import FlatField
from certify.problem.messages import clipped, coordinate_names, vector_in_words
from certify.problem.region import Region

# How many points are tried for each player, and the half-width of the box around each, in
# half-widths of the region.
_TRIED = 3
_NEAR = 2.0**-36


def refute(
    field: FlatField, region: Region, jacobians: Float[np.ndarray, "samples n n"]
) -> str | None:
    """Proves that some player's cost is not convex near a point of the region, or returns None.

    The code of a derivative proves nothing at a single point: `where(x == p, x**2 - 9 * (x - p)**2,
    x**2)` is `x**2`. So all costs are shown to be smooth on a small box around the point, where no
    choice of the code is left undecided, and the curvature is shown to be negative on all of it.

    Args:
        field: The pseudo-gradient of a game.
        region: The region to look in.
        jacobians: Jacobians at the points `region.sample(jax.random.key(0), samples)`.
    """
    points = region.sample(first_key(0), len(jacobians))
    starts = np.concatenate([[0], np.cumsum(field.sizes)])
    for name, first, last in zip(field.names, starts[:-1], starts[1:], strict=True):
        own = jacobians[:, first:last, first:last]
        values, vectors = np.linalg.eigh(0.5 * (own + np.swapaxes(own, -1, -2)))
        for worst in np.argsort(values[:, 0])[:_TRIED].tolist():
            if values[worst, 0] >= 0:
                break
            direction = np.zeros(jacobians.shape[-1])
            direction[first:last] = vectors[worst, :, 0]
            most = _curvature_near(field, region, points[worst], direction)
            if most < 0:
                called = coordinate_names(field.names, field.sizes)
                return (
                    f"the cost of player '{clipped(name)}' is not convex in the player's own "
                    f"strategy: at {vector_in_words(points[worst], called)} its curvature along "
                    f"{vector_in_words(direction[first:last], called[first:last])} is at most "
                    f"{most:.6g}"
                )
    return None


def _curvature_near(
    field: FlatField, region: Region, point: np.ndarray, direction: np.ndarray
) -> float:
    """Bounds the curvature of a cost near a point from above; infinite if it may not exist.

    The costs are enclosed too, because a derivative may be defined where the cost is not, such as
    1 / x where log(x) is not.
    """
    along, rules = jnp.asarray(direction), RULES | SMOOTH_RULES
    lower, upper = region.bounds()
    width = _NEAR * (upper - lower) + 2.0**-48 * np.abs(point)
    box = Interval(jnp.asarray(point - width), jnp.asarray(point + width))

    def curvature(x: Any) -> Any:
        return jnp.vdot(along, jax.jvp(field.function, (x,), (along,))[1])

    bound = enclose(curvature, rules)(box)
    values = [enclose(function, rules)(box) for function in (field.costs, field.function)]
    known = jax.tree.leaves((values, bound))
    return float(bound.upper) if all(np.isfinite(x).all() for x in known) else np.inf
