"""Reads terms of rank one: a Jacobian is `J(x) = sum_k s_k(x) p_k q_k'`, `low_k <= s_k <= high_k`.

The vectors p_k and q_k are made of integers. A mirrored term is `s_k (p_k q_k' + q_k p_k')` or
`s_k (p_k q_k' - q_k p_k')`, with vectors that are each of one player.
"""

from bisect import bisect
from fractions import Fraction
from typing import NamedTuple

from .reader import Reader
from .verdict import require

# An integer vector, by its entries that are not zero.
Vector = list[tuple[int, int]]


class RankOneTerm(NamedTuple):
    """The matrices `s (p q' + mirror q p')` with `low <= s <= high`; mirror is 0, 1 or -1."""

    left: Vector
    right: Vector
    low: Fraction
    high: Fraction
    mirror: int


def read_terms(evidence: Reader, players: list[slice]) -> list[RankOneTerm]:
    """Reads the terms of the Jacobian, from the coordinates of each player."""
    dimension, ends = players[-1].stop, [own.stop for own in players]
    vectors = [_vector(item, dimension) for item in evidence["vectors"].items()]
    terms = []
    for item in evidence["terms"].items():
        entries = item.items()
        if len(entries) not in (4, 5):
            item.fail("two vectors, two reals, and perhaps a mirror")
        left, right, low, high, *mirrors = entries
        p, q = (vectors[k.integer_within(0, len(vectors) - 1)] for k in (left, right))
        mirror = 0
        for sign in mirrors:
            mirror = sign.integer_within(-1, 1)
            apart = any(bisect(ends, v[0][0]) != bisect(ends, v[-1][0]) for v in (p, q))
            if not mirror or apart:
                sign.fail("1 or -1, with vectors that are each of one player")
        term = RankOneTerm(p, q, low.number(), high.number(), mirror)
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
