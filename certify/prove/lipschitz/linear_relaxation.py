"""Lines below and above functions of one variable on intervals."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.prove.lipschitz import activation_curve
from certify.prove.lipschitz.unit_slopes import UnitSlopes
from certify.rounding import EPSILON, TINY, next_above, next_below, raised
from dgames.nn import Activation

# Pieces into which an interval is cut, and slopes that are tried for lines.
_PIECES, _TRIED = 32, 9


class Lines(NamedTuple):
    """Lines `slope x + offset` below and above a function of each unit, on its own interval.

    Attributes:
        low: Slopes and offsets of the lower lines, two rows.
        high: Those of the upper lines.
        size: Bounds on `|x|`.
        range: Bounds on the values of the function, two rows.
    """

    low: Float[np.ndarray, "2 units"]
    high: Float[np.ndarray, "2 units"]
    size: Float[np.ndarray, " units"]
    range: Float[np.ndarray, "2 units"]


def activation_lines(
    activation: Activation, lower: Float[np.ndarray, " units"], upper: Float[np.ndarray, " units"]
) -> Lines:
    """Finds lines around an activation function.

    With the slope a of a line given, its offset is the largest value of `s(x) - a x`. On a piece
    between two points with values u and v, where all slopes lie in [p, q], it is at most u or v
    if `p >= a` or `q <= a`, and else `max(u, v) + w (q - a)(a - p) / (q - p)` for its width w.
    Slopes are the chord's and those at some points; the line that is nearest in the middle is
    taken.
    """
    share = np.linspace(0.0, 1.0, _PIECES + 1)
    grid = lower[:, None] * (1 - share) + upper[:, None] * share
    grid = np.clip(grid, lower[:, None], upper[:, None])
    # Kinks are at zero.
    grid = np.sort(np.concatenate([grid, np.clip(0.0, lower, upper)[:, None]], 1), 1)
    grid[:, 0], grid[:, -1] = lower, upper
    low, high = activation_curve.values(activation, grid)
    pieces = activation_curve.slopes(activation, grid[:, :-1], grid[:, 1:])
    middle = 0.5 * low + 0.5 * high
    wide = np.maximum(upper - lower, TINY)
    chord = (middle[:, -1] - middle[:, 0]) / wide
    chosen = np.linspace(0, grid.shape[1] - 2, _TRIED).astype(int)
    tangents = (0.5 * pieces.lower + 0.5 * pieces.upper)[:, chosen]
    ends = [pieces.lower.min(1)[:, None], pieces.upper.max(1)[:, None]]
    tried = np.concatenate([chord[:, None], tangents, *ends, np.zeros((len(lower), 1))], 1)
    tried = np.where(np.isfinite(tried), tried, 0.0)
    above = _offsets(grid, high, pieces.lower, pieces.upper, tried)
    below = -_offsets(grid, -low, -pieces.upper, -pieces.lower, -tried)
    at = (0.5 * lower + 0.5 * upper)[:, None]
    rows = np.arange(len(lower))
    best_high = np.argmin(tried * at + above, 1)
    best_low = np.argmax(tried * at + below, 1)
    return Lines(
        np.stack([tried[rows, best_low], below[rows, best_low]]),
        np.stack([tried[rows, best_high], above[rows, best_high]]),
        np.maximum(np.abs(lower), np.abs(upper)),
        np.stack([below[:, -1], above[:, -1]]),
    )


def _offsets(
    grid: np.ndarray, high: np.ndarray, least: np.ndarray, most: np.ndarray, tried: np.ndarray
) -> np.ndarray:
    """Bounds `s(x) - a x` from above for every slope a that is tried."""
    a = tried[:, :, None]
    heights = high[:, None, :] - a * grid[:, None, :]
    left, right = heights[:, :, :-1], heights[:, :, 1:]
    width = np.diff(grid, axis=1)[:, None, :]
    up, down = most[:, None, :] - a, a - least[:, None, :]
    inside = (up > 0) & (down > 0)
    bulge = np.where(inside, up * down / np.where(inside, up + down, 1.0) * width, 0.0)
    largest = (np.maximum(left, right) + bulge).max(-1)
    steepest = np.maximum(np.abs(least), np.abs(most)).max(1)[:, None] + np.abs(tried)
    reach = np.abs(grid).max(1)[:, None]
    sizes = np.abs(high).max(1)[:, None] + 4 * steepest * reach
    return next_above(largest + raised(sizes, 8) * 16 * EPSILON + 16 * TINY)


def product_lines(slopes: UnitSlopes, lower: np.ndarray, upper: np.ndarray) -> Lines:
    """Finds lines around `d y` for all d in a range of slopes: chords of its largest and smallest.

    The largest product is a convex function of y, which lies below its chord, and the smallest one
    is concave.
    """
    products = [[d * y for y in (lower, upper)] for d in (slopes.lower, slopes.upper)]
    most = [next_above(np.maximum(products[0][k], products[1][k])) for k in (0, 1)]
    least = [next_below(np.minimum(products[0][k], products[1][k])) for k in (0, 1)]
    wide = upper - lower
    with np.errstate(all="ignore"):
        high = np.where(wide > 0, (most[1] - most[0]) / wide, 0.0)
        low = np.where(wide > 0, (least[1] - least[0]) / wide, 0.0)
    high, low = (np.where(np.isfinite(slope), slope, 0.0) for slope in (high, low))
    size = np.maximum(np.abs(lower), np.abs(upper))

    def offset(ends: list[np.ndarray], slope: np.ndarray, side: int) -> np.ndarray:
        found = [side * (ends[k] - slope * y) for k, y in enumerate((lower, upper))]
        error = raised(np.abs(slope) * size + np.maximum(*np.abs(ends)), 4) * 4 * EPSILON
        return side * next_above(np.maximum(*found) + error + 4 * TINY)

    crosses = (lower < 0) & (upper > 0)
    zero = np.where(crosses, 0.0, -np.inf)
    return Lines(
        np.stack([low, offset(least, low, -1)]),
        np.stack([high, offset(most, high, 1)]),
        size,
        np.stack(
            [
                np.minimum(np.minimum(*least), -zero),
                np.maximum(np.maximum(*most), zero),
            ]
        ),
    )


def size_lines(lower: np.ndarray, upper: np.ndarray) -> Float[np.ndarray, "2 entries"]:
    """Finds lines above `|y|`: chords, whose slopes and offsets are returned.

    >>> size_lines(np.array([-1.0, 1.0, -2.0]), np.array([1.0, 2.0, -1.0]))[0].tolist()
    [0.0, 1.0, -1.0]
    """
    wide = upper - lower
    with np.errstate(all="ignore"):
        slope = np.where(wide > 0, (np.abs(upper) - np.abs(lower)) / wide, 0.0)
    slope = np.where(lower >= 0, 1.0, np.where(upper <= 0, -1.0, slope))
    ends = [np.abs(y) - slope * y for y in (lower, upper)]
    size = np.maximum(np.abs(lower), np.abs(upper))
    error = np.where((lower >= 0) | (upper <= 0), 0.0, raised(size, 4) * 8 * EPSILON + 4 * TINY)
    return np.stack([slope, np.where(error > 0, next_above(np.maximum(*ends) + error), 0.0)])
