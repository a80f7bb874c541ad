"""Computes how large balls of a metric fit in a region, and where the equilibrium is in it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from certify.metric.metric import Metric
from certify.problem.constraints import Constraints
from certify.problem.field import FlatField, compiled_value
from certify.problem.region import Box, Limits, Region
from certify.prove.equilibrium import constrained_radius, residual_bound
from certify.prove.function_bounds import function_bounds
from certify.prove.shared_multipliers import moved_inside, refined, shared_at
from certify.rounding import EPSILON

# Lower bounds on a matrix are reduced by this factor, so that they can be proved exactly.
BELOW = 1 - 2.0**-20


class Projected(NamedTuple):
    """The data of steps that are projected onto strategy sets.

    Attributes:
        constraints: The strategy sets.
        value: An approximation of `F(point)`.
        residual: Bounds on its errors.
        limits: Which faces of the region limit balls of points in the sets.
        multipliers: Of the shared rows, about those of the equilibrium, in the metric of a problem
            that they couple, and else in the Euclidean one.
    """

    constraints: Constraints
    value: np.ndarray
    residual: np.ndarray
    limits: Limits
    multipliers: np.ndarray


class Reach:
    """Balls around a point near the equilibrium.

    Args:
        field: The pseudo-gradient.
        region: The region that contains the balls.
        point: A point near the equilibrium.
        constraints: The strategy sets, if steps are to be projected onto them, which takes a metric
            of weights; then the point has to be in them.
        bound: How residuals are bounded, see `residual_bound`.
        multipliers: About the multipliers of the shared constraints, if there are any.

    Attributes:
        point: The point near the equilibrium.
    """

    def __init__(
        self,
        field: FlatField,
        region: Region,
        point: Float[np.ndarray, " n"],
        constraints: Constraints | None,
        bound: Callable[..., Float[np.ndarray, " n"]] = residual_bound,
        multipliers: Float[np.ndarray, " rows"] | None = None,
    ):
        self.point, self._region, self._sizes = point, region, field.sizes
        self._residual = bound(field, point) + _pull_error(field)
        self._onto, self._bounds = None, dict[bytes, dict[str, Any]]()
        if constraints is not None:
            value = np.asarray(compiled_value(field)(point))
            limits = constraints.limits(region)
            found = np.zeros(constraints.shared_count) if multipliers is None else multipliers
            if constraints.functions is not None:
                point = moved_inside(constraints, region, point, found, value)
                value, self.point = np.asarray(compiled_value(field)(point)), point
            errors = bound(field, point, value)
            self._onto = Projected(constraints, value, errors, limits, found)

    def onto(self, metric: Metric) -> Projected | None:
        """Returns the strategy sets, if there are any and the metric allows projections on them."""
        return None if metric.is_matrix else self._onto

    def residual(self, metric: Metric) -> Float[np.ndarray, " n"]:
        """Returns bounds on `F(point)`, or on the error of its stated value."""
        onto = self.onto(metric)
        return self._residual if onto is None else onto.residual

    def equilibrium(self, metric: Metric, margin: float, lipschitz: float) -> float:
        """Returns the radius of the ball around the point that contains the equilibrium."""
        onto = self.onto(metric)
        if onto is None:
            return metric.length_above(self._residual) / margin * (1 + 2.0**-40)
        weights = weights_below(metric, self._sizes)
        point = self.point, onto.value, onto.residual
        shared = None
        if onto.constraints.rows is not None:
            bounds = self.function_bounds(metric)
            shared = shared_at(onto.constraints, self.multipliers(metric), bounds)
        return constrained_radius(onto.constraints, *point, weights, margin, lipschitz, shared)

    def multipliers(self, metric: Metric) -> Float[np.ndarray, " rows"]:
        """Returns about the multipliers of shared constraints in a metric of weights."""
        onto = self.onto(metric)
        if onto is None or onto.constraints.rows is None:
            return np.zeros(0)
        start, spread = onto.multipliers, metric.weighting
        if not onto.constraints.couple:
            # Each row is of one player, and a multiple of that player's forces balances it.
            start = start * spread[(onto.constraints.rows.matrix != 0).argmax(1)]
        return refined(onto.constraints, self.point, onto.value, start, spread)

    def function_bounds(self, metric: Metric) -> dict[str, Any] | None:
        """Returns what is proved of shared functions in a metric of weights; None if none."""
        onto = self.onto(metric)
        if onto is None or onto.constraints.functions is None:
            return None
        known = metric.weighting.tobytes()
        if known not in self._bounds:
            self._bounds[known] = function_bounds(
                onto.constraints, self._region, self.point, metric.weighting
            )
        return self._bounds[known]

    def of(self, metric: Metric) -> float:
        """Returns the radius of the largest ball inside the region."""
        return self._of_floors(_floors(metric, self._region), self.onto(metric))

    def of_others(
        self, metric: Metric
    ) -> tuple[Callable[[np.ndarray], float], Callable[[np.ndarray], float]]:
        """Returns the radii in other metrics as functions of player weights, or of max-norm scales.

        Steps in these metrics are projected if steps in `metric` are.
        """
        onto = self.onto(metric)

        def of_weights(weights: np.ndarray) -> float:
            return self._of_floors(np.repeat(weights, self._sizes), onto)

        def of_scale(scale: np.ndarray) -> float:
            # All x with |x_i - c_i| <= r scale_i are within r scale_i in each coordinate, and
            # within r |scale| in the Euclidean norm.
            is_box = isinstance(self._region, Box)
            return of_weights(scale**-2 if is_box else np.full(len(scale), 1 / (scale @ scale)))

        return of_weights, of_scale

    def _of_floors(self, floors: np.ndarray, onto: Projected | None) -> float:
        """Returns the radius for floors per coordinate, among points of any strategy sets."""
        limits = None if onto is None else onto.limits
        return self._region.largest_ball(self.point, floors, limits) * (1 - 2.0**-40)


def weights_below(metric: Metric, sizes: tuple[int, ...]) -> Float[np.ndarray, " players"]:
    """Returns one weight per player, of the metric itself or of one that is nowhere larger."""
    if metric.is_matrix:
        return np.full(len(sizes), BELOW * metric.smallest)
    return metric.weighting[np.cumsum(sizes) - 1]


def _floors(metric: Metric, region: Region) -> np.ndarray:
    """Returns numbers per coordinate that limit which balls of a metric fit in a region."""
    if not metric.is_matrix:
        return metric.weighting
    if isinstance(region, Box):
        return BELOW * metric.coordinate
    return np.full(len(metric.root), BELOW * metric.smallest)


def _pull_error(field: FlatField) -> np.ndarray | float:
    """Bounds the rounding error of a natural gradient's reference, times the temperature."""
    if field.natural is None:
        return 0.0
    return 64 * EPSILON * field.natural.temperature * np.abs(field.natural.reference)
