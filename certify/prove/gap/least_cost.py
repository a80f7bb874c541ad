"""Branch and bound for the least cost of one player: proved bounds on a minimum.

*What is used of a cell X.* Let `f` be continuous on X, `G` enclose its generalised gradients there,
and c be a point of X. By the mean value theorem (Lebourg's, where there are kinks) each x in X has
`f(x) - f(c) = <g, x - c>` for some g in G. So

    min over X of f  >=  f(c) + sum_k min over g in G_k, y in X_k of g (y - c_k)

and the range of f on X by interval arithmetic is a bound as well. Where `G_k >= 0`, moving to the
lower face of X in coordinate k does not raise f, so the least value on X is taken on that face,
which takes the place of the cell, and `G_k <= 0` likewise. This needs the face to be in the region,
and nothing of what is outside of X: it is done for cells that lie in the region as a whole.
"""

import dataclasses
import heapq
import itertools
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from certify.prove.gap.own_region import OwnRegion
from certify.rounding import next_above, next_below
from certify.search.budget import Budget

# Cells evaluated at a time: one shape, so that nothing is compiled twice.
BATCH = 64
# In place of a coordinate to cut: nothing is left to cut, or the cell is to be measured again.
_POINT, _AGAIN = -1, -2


class CellValues(NamedTuple):
    """What is enclosed on a batch of cells.

    Attributes:
        least: Bounds from below on the cost.
        slope_low: Bounds from below on its derivatives.
        slope_high: Bounds from above on its derivatives.
    """

    least: Float[np.ndarray, " k"]
    slope_low: Float[np.ndarray, "k n"]
    slope_high: Float[np.ndarray, "k n"]


# Encloses a batch of cells, given by their corners; and a batch of points.
EncloseCells: TypeAlias = Callable[[np.ndarray, np.ndarray], CellValues]
EnclosePoints: TypeAlias = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class LeastCost:
    """Bounds on the least cost in a region.

    Attributes:
        lower: A bound from below.
        upper: A bound from above: what `point` pays at most.
        point: A point of the region.
        cells: How many cells were looked at.
        reason: Why the bounds are further apart than asked for, or an empty text.
    """

    lower: float
    upper: float
    point: Float[np.ndarray, " n"]
    cells: int
    reason: str


def least_cost(
    cells: EncloseCells,
    points: EnclosePoints,
    region: OwnRegion,
    starts: Float[np.ndarray, "k n"],
    tolerance: float,
    budget: Budget,
) -> LeastCost:
    """Bounds the least cost in a region: the cells that may hold it are cut, the best ones first.

    Args:
        cells: Encloses the cost on cells.
        points: Encloses it at points.
        region: Where the minimum is taken.
        starts: Points to try first, in the region or not.
        tolerance: How far apart the bounds may be.
        budget: When to stop otherwise.
    """
    best = _Best(points, region)
    middle = region.inward((0.5 * region.lower + 0.5 * region.upper)[None])
    best.try_points(np.concatenate([starts, middle]))
    heap: list[tuple[float, int, np.ndarray, np.ndarray, int]] = []
    count, order, finished = 0, itertools.count(), np.inf
    lower, upper, _ = region.trimmed(region.lower[None], region.upper[None])
    while True:
        for start in range(0, len(lower), BATCH):
            low, high = lower[start : start + BATCH], upper[start : start + BATCH]
            count += len(low)
            measured = _measure(cells, best, region, low, high)
            for bound, own_low, own_high, axis in zip(*measured, strict=True):
                if axis == _POINT:
                    finished = min(finished, float(bound))
                elif bound < best.value:
                    heapq.heappush(heap, (float(bound), next(order), own_low, own_high, int(axis)))
        known = min(best.value, finished, heap[0][0] if heap else np.inf)
        if best.value - known <= tolerance or not heap:
            reason = "" if best.value - known <= tolerance else "cells are too small to be cut"
            return LeastCost(known, best.value, best.point, count, reason)
        reason = budget.spent(count)
        if reason:
            return LeastCost(known, best.value, best.point, count, reason)
        lower, upper = _halves(heap, best.value, region)


def _halves(
    heap: list[tuple[float, int, np.ndarray, np.ndarray, int]], value: float, region: OwnRegion
) -> tuple[Float[np.ndarray, "k n"], Float[np.ndarray, "k n"]]:
    """Takes the best cells from the heap and returns their halves inside the region."""
    lows, highs = [], []
    while heap and len(lows) < BATCH:
        bound, _, low, high, axis = heapq.heappop(heap)
        if bound >= value:  # the least cost is not below what is known
            continue
        if axis == _AGAIN:
            lows.append(low)
            highs.append(high)
            continue
        middle = 0.5 * low[axis] + 0.5 * high[axis]
        below, above = high.copy(), low.copy()
        below[axis] = above[axis] = middle
        lows += [low, above]
        highs += [below, high]
    size = len(region.lower)
    lower, upper, _ = region.trimmed(
        np.array(lows).reshape(-1, size), np.array(highs).reshape(-1, size)
    )
    return lower, upper


class _Best:
    """The best point so far."""

    def __init__(self, points: EnclosePoints, region: OwnRegion) -> None:
        self.points, self.region = points, region
        self.value, self.point = np.inf, region.inward(region.lower[None])[0]

    def try_points(self, candidates: Float[np.ndarray, "k n"]) -> None:
        """Evaluates candidates that surely lie in the region."""
        inside = candidates[self.region.surely_contains(candidates)]
        for start in range(0, len(inside), BATCH):
            own = inside[start : start + BATCH]
            self.enter(own, self.points(filled(own))[1][: len(own)])

    def enter(self, points: Float[np.ndarray, "k n"], values: Float[np.ndarray, " k"]) -> None:
        """Enters points of the region, and bounds from above on what they pay."""
        values = np.where(np.isnan(values), np.inf, values)
        if len(values) and values.min() < self.value:
            place = int(np.argmin(values))
            self.value, self.point = float(values[place]), points[place]


def _measure(
    cells: EncloseCells,
    best: _Best,
    region: OwnRegion,
    lower: Float[np.ndarray, "k n"],
    upper: Float[np.ndarray, "k n"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns bounds of cells, their corners, which may now be those of faces, and where to cut."""
    count = len(lower)
    center = np.clip(0.5 * lower + 0.5 * upper, lower, upper)
    values = cells(filled(lower), filled(upper))
    least, slope_low, slope_high = (end[:count] for end in values)
    center_low, center_high = (end[:count] for end in best.points(filled(center)))
    inside = region.surely_contains(center)
    best.enter(center[inside], center_high[inside])
    if not inside.all():
        best.try_points(region.inward(center[~inside]))
    from_center = _mean_value(center_low, slope_low, slope_high, lower, center, upper)
    bound = np.maximum(least, from_center)
    bound = np.where(np.isnan(bound), -np.inf, bound)  # nothing is known
    whole = region.whole_cells(lower, upper)[:, None]
    rising, falling = whole & (slope_low >= 0), whole & (slope_high <= 0)
    # Where both hold the cost does not change, and either face will do.
    new_upper = np.where(rising, lower, upper)
    new_lower = np.where(falling & ~rising, upper, lower)
    changed = ((new_lower != lower) | (new_upper != upper)).any(1)
    axes = np.where(changed, _AGAIN, _axes(slope_low, slope_high, lower, upper))
    return bound, new_lower, new_upper, axes


def _mean_value(
    center: Float[np.ndarray, " k"],
    slope_low: Float[np.ndarray, "k n"],
    slope_high: Float[np.ndarray, "k n"],
    lower: Float[np.ndarray, "k n"],
    middle: Float[np.ndarray, "k n"],
    upper: Float[np.ndarray, "k n"],
) -> Float[np.ndarray, " k"]:
    """Returns the bound of the mean value theorem, rounded down in every operation."""
    ahead, behind = next_above(upper - middle), next_above(middle - lower)
    with np.errstate(all="ignore"):
        products = np.minimum(slope_low * ahead, -(slope_high * behind))
        products = np.where(ahead + behind > 0, np.minimum(next_below(products), 0.0), 0.0)
        total = center
        for k in range(products.shape[1]):
            total = next_below(total + products[:, k])
    return np.where(np.isnan(total), -np.inf, total)


def _axes(
    slope_low: Float[np.ndarray, "k n"],
    slope_high: Float[np.ndarray, "k n"],
    lower: Float[np.ndarray, "k n"],
    upper: Float[np.ndarray, "k n"],
) -> np.ndarray:
    """Returns the coordinate in which the cost may change most over each cell; -1 if there is none.

    A coordinate is cut only where a float lies between its ends.
    """
    middle = 0.5 * lower + 0.5 * upper
    open_: Bool[np.ndarray, "k n"] = (lower < middle) & (middle < upper)
    with np.errstate(all="ignore"):
        change = np.maximum(np.abs(slope_low), np.abs(slope_high)) * (upper - lower)
    unknown = ~np.isfinite(change)
    change = np.where(unknown, 1e300 * (upper - lower), change + 1e-12 * (upper - lower))
    change = np.where(open_, change, -1.0)
    return np.where(open_.any(1), np.argmax(change, 1), _POINT)


def filled(rows: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "batch n"]:
    """Returns a whole batch: the first row fills it up."""
    return np.concatenate([rows, np.repeat(rows[:1], BATCH - len(rows), axis=0)])
