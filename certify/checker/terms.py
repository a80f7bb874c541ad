"""Jacobians that are sums of terms of rank one, on a whole region: one matrix in place of cells.

The file states integer vectors p_k and q_k and numbers `low_k <= high_k`, and

    J(x) = sum_k s_k(x) p_k q_k'     with  low_k <= s_k(x) <= high_k     for every x of the region.

*Lemma.* For vectors a and b, a number `|d| <= 1`, and positive t and u with `t u >= 1`,

    d (a b' + b a') + t a a' + u b b'  is positive semidefinite.

It is so for `u = 1 / t`: then it is `(sqrt(t) a + d b / sqrt(t)) (the same)' + (1 - d^2) b b' / t`;
and a larger u adds a multiple of `b b'`.

Every claim below is about a matrix that is linear in J, to which a term adds `s (a b' + b a')` with
vectors a and b made of p and q. With `s = m + r d`, `m = (low + high) / 2`, `r = (high - low) / 2`,

    s (a b' + b a')  >=  m (a b' + b a') - r (t a a' + u b b').

So a claim holds for every x if one matrix is positive definite. Any multipliers t and u are valid;
those in the file are a guess, good ones prove more.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from .claims import Claims
from .dominance import scaled_dominant
from .exact import Work
from .reader import Reader, Unusable
from .sparse import MAX_ENTRIES, Rows, sparse_positive_definite
from .verdict import require

# The most entries of all the outer products that are added up: checking them takes a minute or two.
MAX_PRODUCTS = 2**25
# The most bits of all entries of a matrix together.
MAX_MEMORY = 2**33
# Multipliers u are rounded up to this many bits.
_BITS = 60

# An integer vector, by its entries that are not zero.
Vector = list[tuple[int, int]]
# Makes the vectors a and b of p and q, with entries in units of the form's own.
Form = Callable[[Vector, Vector], tuple[Vector, Vector]]


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


def check_terms(evidence: Reader, claims: Claims) -> None:
    """Verifies the margin and the Lipschitz constant, for every J of the family.

        P J + J' P - 2 margin P > 0              <=>  J is strongly monotone in P with that margin,
        [[L P, (P J)'], [P J, L P]] > 0          <=>  |J|_P < L   (Schur complement).

    A term `s p q'` of J is `s (a b' + b a')` with `a = P p`, `b = q` in the first one, and with
    `a = (0, P p)`, `b = (q, 0)` in the second one. P is made of weights. Both pass to the averages
    of J along segments, which are in the family too.
    """
    names = ("vectors", "terms", "margin_proof", "lipschitz_proof")
    evidence.fields(*names)
    if claims.metric.is_matrix:
        raise Unusable("terms of rank one need a metric of weights")
    size, weights, work = len(claims.center), claims.metric.coordinate, Work()
    terms = read_terms(evidence, size)
    shift = max(w.denominator.bit_length() - 1 for w in weights)
    whole = [int(w * 2**shift) for w in weights]

    def weighted(p: Vector, by: int = 0) -> Vector:
        return [(by + k, whole[k] * x) for k, x in p]

    _require_positive(
        terms,
        lambda p, q: (weighted(p), q),
        {(k, k): -2 * claims.margin * w for k, w in enumerate(weights)},
        shift,
        "the margin holds",
        evidence["margin_proof"],
        work,
    )
    ends = {(k, k): claims.lipschitz * w for k, w in enumerate([*weights, *weights])}
    _require_positive(
        terms,
        lambda p, q: (weighted(p, size), q),
        ends,
        shift,
        "the Lipschitz constant holds",
        evidence["lipschitz_proof"],
        work,
    )


def _require_positive(
    terms: list[RankOneTerm],
    form: Form,
    constant: dict[tuple[int, int], Fraction],
    shift: int,
    claim: str,
    file: Reader,
    work: Work,
) -> None:
    """Requires that `sum_k s_k (a_k b_k' + b_k a_k') + constant` is positive definite for all s.

    Args:
        terms: The terms.
        form: Makes a and b, a in units of `2^-shift`.
        constant: The entries of a symmetric matrix that are not zero, on its diagonal or below.
        shift: See `form`.
        claim: What follows.
        file: Has the multipliers t of all terms, and how the matrix is proved positive definite:
            an `order` in which to eliminate (`sparse`), or a `scaling` (`dominance`).
        work: Pays for the test.
    """
    way = "scaling" if "scaling" in file else "order"
    multipliers, guide = file.fields("multipliers", way)
    inward = multipliers.numbers(len(terms))
    require(min(inward, default=Fraction(1)) > 0, f"{multipliers.where} are positive")
    outward = [_inverse_above(t) for t in inward]
    numbers = [x for term in terms for x in (term.low, term.high)]
    ranges, products = _bits(numbers), _bits([*inward, *outward])
    # All entries are integers in units of 2^-bits.
    bits = ranges + 1 + products + 2 * shift
    bits = max(bits, _bits([*constant.values()]))
    rows: Rows = [{} for _ in range(1 + max(max(key) for key in constant))]
    for (i, j), x in constant.items():
        rows[i][j] = _whole(x, bits)
    left, entries = MAX_PRODUCTS, len(rows)
    of_middle, of_width = bits - shift - ranges - 1, bits - ranges - 1 - products
    for term, t, u in zip(terms, inward, outward, strict=True):
        a, b = form(term.left, term.right)
        count = (len(a) + len(b)) ** 2
        left -= count * (1 + bits // 512)
        entries += count  # at most: many are there before
        if entries > MAX_ENTRIES or entries * (bits + 2048) > MAX_MEMORY:
            left -= len(rows)
            entries = sum(map(len, rows)) + count
            if entries > MAX_ENTRIES or entries * (bits + 2048) > MAX_MEMORY:
                raise Unusable("checking it would take too much memory: the matrix is too full")
        if left < 0:
            raise Unusable("checking it would take too much work: too many or too long terms")
        low, high = _whole(term.low, ranges), _whole(term.high, ranges)
        _add(rows, a, b, (low + high) << of_middle)
        if width := high - low:
            _add_square(rows, a, -(width * _whole(t, products) << of_width - 2 * shift))
            _add_square(rows, b, -(width * _whole(u, products) << of_width))
    guiding = guide.integers(len(rows))
    if way == "scaling":
        require(scaled_dominant(rows, guiding, work), claim)
        return
    require(sorted(guiding) == [*range(len(rows))], f"{guide.where} is an order of all rows")
    require(sparse_positive_definite(rows, guiding, work), claim)


def _add(rows: Rows, a: Vector, b: Vector, factor: int) -> None:
    """Adds `factor (a b' + b a')` to the lower triangle of a matrix."""
    for i, x in a:
        scaled = factor * x
        for j, y in b:
            if i == j:
                rows[i][i] = rows[i].get(i, 0) + 2 * scaled * y
            elif i > j:
                rows[i][j] = rows[i].get(j, 0) + scaled * y
            else:
                rows[j][i] = rows[j].get(i, 0) + scaled * y


def _add_square(rows: Rows, a: Vector, factor: int) -> None:
    """Adds `factor a a'` to the lower triangle of a matrix."""
    for k, (i, x) in enumerate(a):
        row, scaled = rows[i], factor * x
        for j, y in a[: k + 1]:
            row[j] = row.get(j, 0) + scaled * y


@lru_cache(2**16)
def _inverse_above(t: Fraction) -> Fraction:
    """Returns u with `t u >= 1`, of few bits."""
    digits = t.numerator.bit_length() - t.denominator.bit_length()
    scale = Fraction(2) ** (_BITS + digits)
    return -(-scale // t) / scale


def _whole(x: Fraction, bits: int) -> int:
    """Returns a dyadic number in units of 2^-bits, which it is a multiple of."""
    return x.numerator << bits + 1 - x.denominator.bit_length()


def _bits(numbers: list[Fraction]) -> int:
    """Returns how many bits after the point dyadic numbers have, at most."""
    return max((x.denominator.bit_length() - 1 for x in numbers), default=0)
