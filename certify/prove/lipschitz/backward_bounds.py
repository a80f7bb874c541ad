r"""Bounds on what affine maps and functions of one variable do, substituted backward (CROWN).

An upper bound `A z + b` of some quantities in the values z of a layer is turned into one in the
values before it: through functions by a line for each unit, the upper one where the entry of A is
positive and the lower one elsewhere; through an affine map by a product of matrices. At the input,
the largest value over the domain is taken. Whatever a product of floats is off by, times the
largest values that it meets, is added to b (Zhang et al., arXiv:1811.00866, and with rounding).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.prove.lipschitz.ball_products import BallMatrix
from certify.prove.lipschitz.linear_relaxation import Lines
from certify.prove.lipschitz.network_chain import AffineMap
from certify.rounding import EPSILON, TINY, next_above, raised

Rows = Float[np.ndarray, "_ _"]


class BoxDomain(NamedTuple):
    """A box, which may be a point.

    Attributes:
        lower: Its lower corner.
        upper: Its upper corner.
    """

    lower: Float[np.ndarray, " n"]
    upper: Float[np.ndarray, " n"]

    @property
    def size(self) -> Float[np.ndarray, " n"]:
        """Bounds on the sizes of coordinates."""
        return np.maximum(np.abs(self.lower), np.abs(self.upper))

    def largest(self, rows: Rows) -> Float[np.ndarray, " rows"]:
        """Bounds `A x` from above over the box, for each row of A."""
        positive, negative = np.maximum(rows, 0.0), np.minimum(rows, 0.0)
        found = positive @ self.upper + negative @ self.lower
        return next_above(found + _rounding(rows, self.size))


class BallDomain(NamedTuple):
    """A Euclidean ball.

    Attributes:
        centre: Its centre.
        radius: Its radius.
    """

    centre: Float[np.ndarray, " n"]
    radius: float

    @property
    def size(self) -> Float[np.ndarray, " n"]:
        """Bounds on the sizes of coordinates."""
        return raised(np.abs(self.centre) + self.radius, 2)

    def largest(self, rows: Rows) -> Float[np.ndarray, " rows"]:
        """Bounds `A x` from above over the ball, for each row of A."""
        lengths = np.sqrt(raised((rows**2).sum(-1), 2 * rows.shape[-1]))
        reach = raised(self.radius * lengths, 6) + 4 * TINY
        found = rows @ self.centre + reach
        return next_above(found + _rounding(rows, self.size) + EPSILON * np.abs(found))


Domain = BoxDomain | BallDomain


def _rounding(rows: Rows, size: np.ndarray) -> np.ndarray:
    """Bounds the errors of sums of products with numbers of some sizes, twice."""
    count = rows.shape[-1]
    sums = raised(np.abs(rows) @ size, 4 * count)
    return raised(sums * (2 * count + 8) * EPSILON + 32 * count * TINY, 4)


def upper_bounds(
    rows: Rows, maps: list[AffineMap], lines: list[Lines], domain: Domain
) -> Float[np.ndarray, " rows"]:
    """Bounds `A f(x)` from above over the domain, f being the maps with functions between them.

    Args:
        rows: The matrix A.
        maps: Affine maps, the first one first.
        lines: Lines around the functions after each map but the last one.
        domain: The inputs.
    """
    offset = np.zeros(len(rows))
    for k in reversed(range(len(maps))):
        own = maps[k]
        before = domain.size if k == 0 else np.abs(lines[k - 1].range).max(0)
        error = _rounding(rows, raised(own.matrix.size @ before, 4 * len(before)))
        for matter, sizes in ((own.matrix, before), (own.bias, None)):
            error = error + _spread(rows, matter, sizes)
        # Products that underflow are off by less than TINY, each times what it meets.
        error = error + _rounding(rows, own.bias.size) + _lost(rows, before)
        offset = _sum(offset, rows @ own.bias.centre, error)
        rows = rows @ own.matrix.centre
        if k:
            rows, offset = _through(rows, offset, lines[k - 1])
    found = domain.largest(rows)
    return next_above(offset + found)


def _lost(rows: Rows, sizes: np.ndarray) -> float:
    return float(raised(sizes.sum(), 2 * len(sizes))) * 4 * rows.shape[-1] * TINY


def _spread(rows: Rows, matter: BallMatrix, sizes: np.ndarray | None) -> np.ndarray | float:
    """What the radius of a matrix or a bias adds."""
    if not matter.radius.any():
        return 0.0
    reach = matter.radius if sizes is None else raised(matter.radius @ sizes, 4 * len(sizes))
    return raised(np.abs(rows) @ reach, 4 * rows.shape[-1])


def _through(rows: Rows, offset: np.ndarray, lines: Lines) -> tuple[Rows, np.ndarray]:
    positive, negative = np.maximum(rows, 0.0), np.minimum(rows, 0.0)
    through = positive * lines.high[0] + negative * lines.low[0]
    shift = positive @ lines.high[1] + negative @ lines.low[1]
    error = _rounding(rows, np.maximum(np.abs(lines.high[1]), np.abs(lines.low[1])))
    steep = np.maximum(np.abs(lines.high[0]), np.abs(lines.low[0]))
    error = error + _rounding(rows, raised(steep * lines.size, 2)) + _lost(rows, lines.size)
    return through, _sum(offset, shift, error)


def _sum(offset: np.ndarray, shift: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Adds up from above."""
    total = offset + shift + error
    return next_above(total + 2 * EPSILON * (np.abs(offset) + np.abs(shift) + error))


def both_bounds(
    maps: list[AffineMap], lines: list[Lines], domain: Domain
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Bounds the outputs of the last map from below and from above, over the domain.

    The smaller of the bounds by lines and those by ranges alone are taken.
    """
    own = maps[-1].matrix.centre
    unit = np.eye(len(own))
    high = upper_bounds(unit, maps, lines, domain)
    low = -upper_bounds(-unit, maps, lines, domain)
    if lines:
        near = BoxDomain(*lines[-1].range)
        high = np.minimum(high, upper_bounds(unit, maps[-1:], [], near))
        low = np.maximum(low, -upper_bounds(-unit, maps[-1:], [], near))
    return np.minimum(low, high), np.maximum(low, high)
