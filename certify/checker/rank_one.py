"""Reads terms of rank one: a Jacobian is `J(x) = sum_k s_k(x) p_k q_k'`, `low_k <= s_k <= high_k`.

The vectors p_k and q_k are made of integers.
"""

from fractions import Fraction
from typing import NamedTuple

from .reader import Reader
from .verdict import require

# An integer vector, by its entries that are not zero.
Vector = list[tuple[int, int]]


class RankOneTerm(NamedTuple):
    """The matrices `s p q'` with `low <= s <= high`."""

    left: Vector
    right: Vector
    low: Fraction
    high: Fraction


def read_terms(evidence: Reader, dimension: int) -> list[RankOneTerm]:
    """Reads the terms of the Jacobian."""
    vectors = [_vector(item, dimension) for item in evidence["vectors"].items()]
    terms = []
    for item in evidence["terms"].items():
        left, right, low, high = item.items(4)
        p, q = (vectors[k.integer_within(0, len(vectors) - 1)] for k in (left, right))
        term = RankOneTerm(p, q, low.number(), high.number())
        require(term.low <= term.high, f"{item.where} has a range")
        terms.append(term)
    return terms


def _vector(file: Reader, dimension: int) -> Vector:
    places, entries = file.items(2)
    if not isinstance(places.value, list) or not places.value:
        places.fail("a list of coordinates")
    coordinates = places.integers(len(places.value))
    if not all(a < b for a, b in zip(coordinates, [*coordinates[1:], dimension], strict=True)):
        places.fail("coordinates of the game in their order")
    if coordinates[0] < 0:
        places.fail("coordinates of the game in their order")
    return list(zip(coordinates, entries.integers(len(coordinates)), strict=True))
