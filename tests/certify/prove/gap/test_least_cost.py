"""Branch and bound on functions whose slopes and minima are known, without any code to enclose."""

import numpy as np
import pytest

from certify.prove.gap.least_cost import CellValues, least_cost
from certify.prove.gap.own_region import OwnRegion
from certify.search.budget import Budget

SQUARE = OwnRegion(np.array([-1.0, -1.0]), np.array([1.0, 1.0]))
DISC = OwnRegion(np.full(2, -1.0), np.full(2, 1.0), np.zeros(2), 1.0)
NO_STARTS = np.zeros((0, 2))


def solved(value, least, slopes, region, tolerance=1e-6, cells=20_000):
    """Runs on a cost given by its values, its least value on cells, and its slopes on them."""

    def enclose_cells(lower, upper):
        return CellValues(least(lower, upper), *slopes(lower, upper))

    def enclose_points(points):
        own = value(points)
        return np.nextafter(own, -np.inf), np.nextafter(own, np.inf)

    return least_cost(
        enclose_cells, enclose_points, region, NO_STARTS, tolerance, Budget(cells=cells)
    )


def unknown(lower, upper):
    return np.full(len(lower), -np.inf)


def plane(direction):
    def slopes(lower, upper):
        rows = np.broadcast_to(direction, lower.shape)
        return rows, rows

    return lambda points: points @ direction, unknown, slopes


def corner(center):
    """The sum of the distances in each coordinate, with kinks at the ends of cells.

    On a cell that only touches a kink, the slope is that of the inside.
    """

    def slopes(lower, upper):
        return np.where(lower < center, -1.0, 1.0), np.where(upper > center, 1.0, -1.0)

    return lambda points: np.abs(points - center).sum(1), unknown, slopes


def saddle():
    """The product of both coordinates."""

    def slopes(lower, upper):
        return lower[:, ::-1], upper[:, ::-1]

    return lambda points: points[:, 0] * points[:, 1], unknown, slopes


@pytest.mark.parametrize(
    ("cost", "region", "minimum"),
    [
        (plane(np.array([2.0, -1.0])), SQUARE, -3.0),
        (plane(np.array([3.0, -4.0])), DISC, -5.0),
        (corner(np.zeros(2)), SQUARE, 0.0),
        (corner(np.array([0.25, -0.5])), DISC, 0.0),
        (corner(np.array([2.0, 0.0])), DISC, 1.0),
        (corner(np.array([1 / 3, 0.1])), SQUARE, 0.0),
        (saddle(), SQUARE, -1.0),
        (saddle(), DISC, -0.5),
    ],
)
def test_the_bounds_meet_at_the_minimum(cost, region, minimum):
    value, least, slopes = cost
    found = solved(value, least, slopes, region)
    assert found.lower <= minimum + 1e-15 and minimum - 1e-15 <= found.upper
    assert found.upper - found.lower <= 1e-6 and found.reason == ""
    assert value(found.point[None])[0] <= found.upper
    assert region.surely_contains(found.point[None])[0]


def test_a_small_budget_leaves_bounds_that_hold():
    value, least, slopes = saddle()
    found = solved(value, least, slopes, DISC, tolerance=1e-12, cells=40)
    assert found.lower <= -0.5 <= found.upper and found.upper - found.lower > 1e-12
    assert "40 cells" in found.reason


def test_nothing_is_claimed_where_nothing_is_known():
    value, least, _ = saddle()

    def slopes(lower, upper):
        return np.full(lower.shape, -np.inf), np.full(lower.shape, np.inf)

    found = solved(value, least, slopes, SQUARE, cells=500)
    assert found.lower == -np.inf and found.upper <= 0


def test_cells_are_trimmed_to_what_they_have_in_common_with_the_ball():
    rng = np.random.default_rng(0)
    center = np.array([0.1, 0.0, -0.1])
    region = OwnRegion(np.full(3, -1.2), np.full(3, 1.2), center, 1.0)
    lower = rng.uniform(-1.2, 1.0, (300, 3))
    upper = lower + rng.uniform(0, 0.6, (300, 3))
    low, high, kept = region.trimmed(lower, upper)
    place = np.cumsum(kept) - 1
    points = rng.normal(size=(4000, 3))
    points *= rng.uniform(0, 1, (4000, 1)) ** (1 / 9) / np.linalg.norm(points, axis=1)[:, None]
    points += center
    for k in range(300):
        here = ((lower[k] <= points) & (points <= upper[k])).all(1)
        if here.any():
            assert kept[k]
            own = place[k]
            assert ((low[own] <= points[here]) & (points[here] <= high[own])).all()
        if region.whole_cells(lower[k : k + 1], upper[k : k + 1])[0]:
            assert kept[k] and (low[place[k]] <= lower[k]).all()
    assert 20 < kept.sum() < 300
