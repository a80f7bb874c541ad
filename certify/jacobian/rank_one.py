"""Jacobians as sums of terms of rank one over a whole region, found in the graph of the costs.

The terms are those that level 2 of the checker finds (`certify.checker.ridges`, which says what
they are): the same code is run here, so that what is proposed is what will be verified.
"""

import functools
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Float, Int

from certify.checker.forms import NotRidges, Vector
from certify.checker.intervals import BallInterval
from certify.checker.reader import Reader
from certify.checker.rederive_terms import PRECISION
from certify.checker.region import Region as ExactRegion
from certify.checker.ridges import Ridges
from certify.graph.trace import arrays_of
from certify.problem.field import FlatField
from certify.problem.region import Region

# The most bits of an entry of a vector: products of two are floats, and so are sums of them.
_MOST_BITS = 500


class RankOne(NamedTuple):
    """The matrices `sum_k s_k (p_k q_k' + mirror_k q_k p_k')` with `low_k <= s_k <= high_k`.

    Attributes:
        vectors: All vectors, integers by coordinate.
        left: The number of each p_k.
        right: The number of each q_k.
        low: Lower bounds of the slopes, proved.
        high: Upper bounds of them.
        mirror: 0, or 1 or -1 for terms that are mirrored.
        matrix: The vectors as rows, in floating point.
    """

    vectors: list[Vector]
    left: np.ndarray
    right: np.ndarray
    low: Float[np.ndarray, " terms"]
    high: Float[np.ndarray, " terms"]
    mirror: Int[np.ndarray, " terms"]
    matrix: sp.csr_array

    @property
    def middle(self) -> Float[np.ndarray, " terms"]:
        """The middles of the ranges."""
        return 0.5 * self.low + 0.5 * self.high

    @property
    def radius(self) -> Float[np.ndarray, " terms"]:
        """Half the widths of the ranges."""
        return 0.5 * (self.high - self.low)

    def apart(self) -> "RankOne":
        """Returns the same without mirrored terms: each is two that have nothing in common."""
        there = self.mirror != 0
        signed = np.stack([self.low * self.mirror, self.high * self.mirror])[:, there]
        return RankOne(
            self.vectors,
            np.concatenate([self.left, self.right[there]]),
            np.concatenate([self.right, self.left[there]]),
            np.concatenate([self.low, signed.min(0)]),
            np.concatenate([self.high, signed.max(0)]),
            np.zeros(len(self.mirror) + int(there.sum()), int),
            self.matrix,
        )

    def jacobians(self, slopes: Float[np.ndarray, "samples terms"]) -> Float[np.ndarray, "..."]:
        """Returns the Jacobians with some slopes, shape (samples, n, n)."""
        left, right = (np.asarray(side.todense()) for side in self.rows())
        forth = np.einsum("ck,ki,kj->cij", slopes, left, right, optimize=True)
        back = np.einsum("ck,ki,kj->cij", slopes * self.mirror, right, left, optimize=True)
        return forth + back

    def rows(self) -> tuple[sp.csr_array, sp.csr_array]:
        """Returns the p_k and the q_k as rows."""
        return self.matrix[self.left], self.matrix[self.right]


@functools.lru_cache(maxsize=8)
def ridges_of(field: FlatField) -> Ridges:
    """Returns the costs as sums of products of functions of linear forms.

    Raises:
        GraphError: If there is no graph of arrays of them.
        NotRidges: If they are no such sums.
    """
    with ctx.workprec(PRECISION):
        return Ridges(arrays_of(field), [*field.sizes], field.zero_sum, field.is_gradient)


def rank_one(field: FlatField, region: Region) -> RankOne:
    """Returns the Jacobian of a field over a region as a sum of terms of rank one.

    Raises:
        GraphError: If there is no graph of arrays of its costs.
        NotRidges: If they are no sums of ridges, or a slope is not bounded on the region.
    """
    ridges, where = ridges_of(field), exact_region(region)
    with ctx.workprec(PRECISION):
        if ridges.undefined(where):
            raise NotRidges("an operation of the costs was not shown to be defined on the region")
        found = ridges.terms(where)
        for key, slope in found.items():
            if not slope.is_finite():
                raise NotRidges(
                    "a second derivative of the costs is not bounded on the region, along "
                    f"{len(key.right)} coordinates"
                )
        low = np.array([_below(slope) for slope in found.values()])
        high = np.array([-_below(-slope) for slope in found.values()])
    numbers: dict[Vector, int] = {}
    for key in found:
        for vector in key[:2]:
            numbers.setdefault(vector, len(numbers))
    if any(abs(x).bit_length() > _MOST_BITS for vector in numbers for _, x in vector):
        raise NotRidges(
            "the numbers in a linear form have no common denominator of fair length: they differ "
            "too much in size, or are quotients, as of data scaled within the costs"
        )
    triples = [(numbers[key.left], numbers[key.right], key.mirror) for key in found]
    left, right, mirror = np.array(triples, int).reshape(-1, 3).T
    return RankOne([*numbers], left, right, low, high, mirror, rows_of([*numbers], field.dimension))


def exact_region(region: Region) -> ExactRegion:
    """Returns a region as the checker reads it."""
    said = region.to_json(lambda x: float(x).hex())
    return ExactRegion(Reader(said), region.dimension)


def _below(x: BallInterval) -> float:
    """Returns a float that the interval is above of, with room for another order of roundings."""
    value = float(x.low.lower())
    if x.low.rad() == 0 and x.low == value:
        return value
    return float(np.nextafter(value - 2.0**-60 * abs(value), -np.inf))


def rows_of(vectors: list[Vector], dimension: int) -> sp.csr_array:
    """Returns integer vectors as the rows of a matrix in floating point."""
    counts = np.cumsum([0, *map(len, vectors)])
    places = [k for vector in vectors for k, _ in vector]
    entries = [float(x) for vector in vectors for _, x in vector]
    return sp.csr_array((entries, places, counts), shape=(len(vectors), dimension))
