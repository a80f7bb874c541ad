"""Arrays of real numbers, each known up to a radius, with every rounding error paid for.

The arithmetic is NumPy's, in float64. An operation is computed as usual; its radius is increased by
a bound on the rounding error of the result, and then by a factor for those of the radius itself.
Bounds on sums hold for any order of summation, with or without fused multiply-adds. Where something
overflows, a radius is infinite or no number, and every test that a proof makes of it fails.
"""

from typing import NamedTuple

import flint
import numpy as np
from jaxtyping import Float

from certify.rounding import EPSILON, TINY, next_above, next_below, raised


class BallArray(NamedTuple):
    """All arrays that are entrywise within `radius` of `middle`."""

    middle: Float[np.ndarray, "*shape"]
    radius: Float[np.ndarray, "*shape"]

    @property
    def magnitude(self) -> Float[np.ndarray, "*shape"]:
        """A bound on the absolute values."""
        return next_above(np.abs(self.middle) + self.radius)

    @property
    def lower(self) -> Float[np.ndarray, "*shape"]:
        """Lower bounds."""
        return next_below(self.middle - self.radius)

    @property
    def upper(self) -> Float[np.ndarray, "*shape"]:
        """Upper bounds."""
        return next_above(self.middle + self.radius)


def exactly(values: np.ndarray) -> BallArray:
    """Returns floats as they are."""
    return BallArray(values, np.zeros_like(values))


def between(lower: np.ndarray, upper: np.ndarray) -> BallArray:
    """Encloses the numbers between two bounds."""
    middle = lower + 0.5 * (upper - lower)
    return BallArray(middle, next_above(np.maximum(upper - middle, middle - lower)))


def added(first: BallArray, second: BallArray) -> BallArray:
    """Encloses sums."""
    middle = first.middle + second.middle
    return BallArray(middle, raised(first.radius + second.radius + EPSILON * np.abs(middle), 4))


def subtracted(first: BallArray, second: BallArray) -> BallArray:
    """Encloses differences of numbers that need not have to do with each other."""
    return added(first, BallArray(-second.middle, second.radius))


def multiplied(first: BallArray, second: BallArray) -> BallArray:
    """Encloses products, entry by entry."""
    middle = first.middle * second.middle
    radius = np.abs(first.middle) * second.radius
    radius = radius + first.radius * (np.abs(second.middle) + second.radius)
    return BallArray(middle, raised(radius + EPSILON * np.abs(middle), 8))


def contracted(formula: str, first: BallArray, second: BallArray, terms: int) -> BallArray:
    """Encloses an `einsum` of two arrays whose entries are sums of so many products."""
    middle = np.einsum(formula, first.middle, second.middle)
    size, size_second = np.abs(first.middle), np.abs(second.middle)
    radius = np.einsum(formula, first.radius, size_second + second.radius)
    radius = radius + np.einsum(formula, size, second.radius + (terms + 2) * EPSILON * size_second)
    return BallArray(middle, raised(radius, 2 * terms + 16))


def softmax(logits: BallArray) -> BallArray:
    """Encloses the probabilities with these logits, of a vector.

    `p_a = 1 / sum_b exp(y_b - y_a)` increases with `y_a` and decreases with every other logit, so
    that its range over a box is between its values at two corners. The exponentials are bounded by
    ball arithmetic.
    """
    top = float(np.max(logits.middle))
    lower = np.array([_exponential(y)[0] for y in next_below(logits.lower - top)])
    upper = np.array([_exponential(y)[1] for y in next_above(logits.upper - top)])
    others_lower, others_upper = _sums_of_others(lower), _sums_of_others(upper)
    slack = 4 * (len(lower) + 4) * EPSILON
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        least = lower / (lower + others_upper) * (1 - slack) - TINY
        total = upper + others_lower
        most = np.where(np.isfinite(total), upper / total * (1 + slack) + TINY, 1.0)
    return between(np.maximum(least, 0.0), np.minimum(most, 1.0))


def _sums_of_others(values: np.ndarray) -> np.ndarray:
    """Sums without one entry each, with relative errors only."""
    return np.where(np.eye(len(values), dtype=bool), 0.0, values[None]).sum(1)


def _exponential(argument: float) -> tuple[float, float]:
    """Returns a lower and an upper bound on the exponential function, both finite or infinite."""
    if not argument < 709:
        return (0.0, np.inf) if np.isnan(argument) else (8e307, np.inf)
    if argument < -745:
        return 0.0, 5e-324
    value = flint.arb(float(argument)).exp()
    # These are bounds as exact numbers; converting them to floats rounds once more.
    lower, upper = float(value.lower()), float(value.upper())
    return max(float(next_below(lower)), 0.0), float(next_above(upper))


def products_of_probabilities(p: BallArray) -> BallArray:
    """Encloses `p_c p_b` of a probability vector for c and b that differ; 0 where they do not.

    Of two actions it is `p (1 - p)`, a concave function with its maximum 1/4 at 1/2. Of more, `p_c
    p_b` is at most `p_c (1 - p_c)` too.
    """
    lower, upper = np.maximum(p.lower, 0.0), np.minimum(p.upper, 1.0)
    least = next_below(lower[:, None] * lower)
    most = next_above(upper[:, None] * upper)
    low, high = next_below(lower * next_below(1 - lower)), next_below(upper * next_below(1 - upper))
    smaller = np.minimum(low, high)
    ends = next_above(lower * next_above(1 - lower)), next_above(upper * next_above(1 - upper))
    largest = np.where((lower <= 0.5) & (upper >= 0.5), 0.25, np.maximum(*ends))
    different = ~np.eye(len(lower), dtype=bool)
    most = np.where(different, np.minimum(most, np.minimum(largest[:, None], largest)), most)
    if len(lower) == 2:
        least = np.where(different, np.maximum(least, smaller.max()), least)
    return between(*(np.where(different, x, 0.0) for x in (np.maximum(least, 0.0), most)))
