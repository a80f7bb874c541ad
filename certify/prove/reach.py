"""How far balls of a metric reach in a region, and where in it the equilibrium is."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.metric.metric import Metric
from certify.problem.constraints import Constraints
from certify.problem.field import FlatField, compiled_value
from certify.problem.region import Box, Limits, Region
from certify.prove.zeros import constrained_radius, residual_bound
from certify.rounding import EPSILON

# A bound on a matrix from below is backed off by so much, so that it can be proved exactly.
BELOW = 1 - 2.0**-20


class Projected(NamedTuple):
    """What is known where steps are projected onto strategy sets.

    Attributes:
        constraints: The sets.
        value: Nearly `F(point)`.
        residual: Bounds on what it is off by.
        limits: Which faces of the region limit balls of points in the sets.
    """

    constraints: Constraints
    value: np.ndarray
    residual: np.ndarray
    limits: Limits


class Reach:
    """Balls around a point near the equilibrium.

    Args:
        field: The pseudo-gradient.
        region: Where.
        point: Nearly the equilibrium.
        constraints: The strategy sets, if steps are to be projected onto them, which takes a metric
            of weights; then the point has to be in them.
        bound: How residuals are bounded, see `residual_bound`.

    Attributes:
        point: Nearly the equilibrium.
    """

    def __init__(
        self,
        field: FlatField,
        region: Region,
        point: Float[np.ndarray, " n"],
        constraints: Constraints | None,
        bound: Callable[..., Float[np.ndarray, " n"]] = residual_bound,
    ):
        self.point, self._region, self._sizes = point, region, field.sizes
        self._residual = bound(field, point) + _pull_error(field)
        self._onto = None
        if constraints is not None:
            value = np.asarray(compiled_value(field)(point))
            limits = constraints.limits(region)
            self._onto = Projected(constraints, value, bound(field, point, value), limits)

    def onto(self, metric: Metric) -> Projected | None:
        """The strategy sets, if there are any and the metric allows projections onto them."""
        return None if metric.is_matrix else self._onto

    def residual(self, metric: Metric) -> Float[np.ndarray, " n"]:
        """Bounds on `F(point)`, or on what its stated value is off by."""
        onto = self.onto(metric)
        return self._residual if onto is None else onto.residual

    def equilibrium(self, metric: Metric, margin: float, lipschitz: float) -> float:
        """The radius of the ball that contains the equilibrium."""
        onto = self.onto(metric)
        if onto is None:
            return metric.length_above(self._residual) / margin * (1 + 2.0**-40)
        weights = weights_below(metric, self._sizes)
        point = self.point, onto.value, onto.residual
        return constrained_radius(onto.constraints, *point, weights, margin, lipschitz)

    def of(self, metric: Metric) -> float:
        """Returns the radius of the largest ball inside the region."""
        return self._of_floors(_floors(metric, self._region), self.onto(metric))

    def of_others(
        self, metric: Metric
    ) -> tuple[Callable[[np.ndarray], float], Callable[[np.ndarray], float]]:
        """Returns the radii in other metrics, by player weights, and in max-norms, by scales.

        Where steps in the metric are projected, these are.
        """
        onto = self.onto(metric)

        def of_weights(weights: np.ndarray) -> float:
            return self._of_floors(np.repeat(weights, self._sizes), onto)

        def of_scale(scale: np.ndarray) -> float:
            # The farthest of all x with |x_i - c_i| <= r scale_i are within r scale_i in a
            # coordinate, and r |scale| in all.
            is_box = isinstance(self._region, Box)
            return of_weights(scale**-2 if is_box else np.full(len(scale), 1 / (scale @ scale)))

        return of_weights, of_scale

    def _of_floors(self, floors: np.ndarray, onto: Projected | None) -> float:
        """Returns the radius by floors per coordinate, among points of the strategy sets if any."""
        limits = None if onto is None else onto.limits
        return self._region.largest_ball(self.point, floors, limits) * (1 - 2.0**-40)


def weights_below(metric: Metric, sizes: tuple[int, ...]) -> Float[np.ndarray, " players"]:
    """Returns one weight per player: the metric, or one that is nowhere larger."""
    if metric.is_matrix:
        return np.full(len(sizes), BELOW * metric.smallest)
    return metric.weighting[np.cumsum(sizes) - 1]


def _floors(metric: Metric, region: Region) -> np.ndarray:
    """Numbers per coordinate that limit what balls of a metric fit in a region."""
    if not metric.is_matrix:
        return metric.weighting
    if isinstance(region, Box):
        return BELOW * metric.coordinate
    return np.full(len(metric.root), BELOW * metric.smallest)


def _pull_error(field: FlatField) -> np.ndarray | float:
    """What the reference of a natural gradient, in floats, may be off by, times the temperature."""
    if field.natural is None:
        return 0.0
    return 64 * EPSILON * field.natural.temperature * np.abs(field.natural.reference)
