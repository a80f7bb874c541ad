"""Jacobians that are sums of terms of rank one, on a whole region: one matrix in place of cells.

The file states integer vectors p_k and q_k and numbers `low_k <= high_k`, and

    J(x) = sum_k s_k(x) p_k q_k'     with  low_k <= s_k(x) <= high_k     for every x of the region.

A mirrored term is `s_k (p_k q_k' + q_k p_k')` or `s_k (p_k q_k' - q_k p_k')`: two products with one
slope, which may cancel.

*Lemma.* For vectors a and b, a number `|d| <= 1`, and positive t and u with `t u >= 1`,

    d (a b' + b a') + t a a' + u b b'  is positive semidefinite.

It is so for `u = 1 / t`: then it is `(sqrt(t) a + d b / sqrt(t)) (the same)' + (1 - d^2) b b' / t`;
and a larger u adds a multiple of `b b'`.

Every claim below is about a matrix that is linear in J, to which a term adds `s (a b' + b a')` with
vectors a and b made of p and q; or a sum of such parts, each bounded by itself. With `s = m + r d`,
`m = (low + high) / 2`, and `r = (high - low) / 2`,

    s (a b' + b a')  >=  m (a b' + b a') - r (t a a' + u b b').

So a claim holds for every x if one matrix is positive definite. Any multipliers t and u are valid;
those in the file are a guess, good ones prove more.

The family of all `sum_k s_k p_k q_k'` is convex and compact. So it contains the averages of J along
segments, and what is strict for each of its matrices holds with one factor for all of them.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache

from .claims import Claims
from .dominance import scaled_dominant
from .equilibrium import CONVEX
from .exact import Work, positive_definite
from .outer_products import Products, full_sum, sparse_sum
from .rank_one import RankOneTerm, Vector
from .reader import Reader, Unusable
from .sparse import sparse_positive_definite
from .verdict import require

# Multipliers u are rounded up to this many bits.
_BITS = 40
# What looking at one entry of a vector or of the metric costs, in products.
_ENTRY = 4

# Vectors a and b, with entries of a in units of the metric's own, and a sign of the slope.
Part = tuple[Vector, Vector, int]
# Makes the parts of a term: of one that is not mirrored there is one.
Form = Callable[[RankOneTerm], list[Part]]
# A symmetric matrix: its entries that are not zero, on the diagonal or below.
Entries = dict[tuple[int, int], Fraction]


class TermFamily:
    """All `sum_k s_k p_k q_k'` with slopes in their ranges, in the metric of the claims."""

    def __init__(self, claims: Claims, work: Work) -> None:
        """Takes the terms of a file; `work` pays for what is proved of them."""
        if claims.terms is None:
            raise Unusable("the file has no terms of rank one")
        entries = [x for row in claims.metric.rows for x in row.values()]
        self.size, self._terms, self._work = len(claims.center), claims.terms, work
        self._metric = claims.metric.rows
        self._shift = _bits(entries)
        self._whole = claims.metric.whole(self._shift)
        self._mirrored = sum(term.mirror != 0 for term in self._terms)
        if self._mirrored and claims.metric.is_matrix:
            raise Unusable("mirrored terms need a metric of weights")

    def weighted(self, p: Vector, after: int = 0, factor: int = 1) -> Vector:
        """Returns `factor P p` in units of the metric, with its coordinates behind some others."""
        self._work.pay(_ENTRY * sum(len(self._whole[k]) for k, _ in p))
        total: dict[int, int] = {}
        for k, x in p:
            for i, weight in self._whole[k].items():
                total[i] = total.get(i, 0) + weight * x
        return [(after + i, factor * total[i]) for i in sorted(total) if total[i]]

    def symmetric(self, term: RankOneTerm) -> list[Part]:
        """Returns the parts of `P J + J' P`.

        If `P p = v p` and `P q = w q`, a mirrored term adds `s (v + mirror w) (p q' + q p')` to it,
        and so nothing to that of a zero-sum game in equal weights.
        """
        p, q = term.left, term.right
        if not term.mirror:
            return [(self.weighted(p), q, 1)]
        v, w = (self._whole[vector[0][0]][vector[0][0]] for vector in (p, q))
        factor = v + term.mirror * w
        return [([(k, factor * x) for k, x in p], q, 1) if factor else ([], [], 1)]

    def bordered(self, term: RankOneTerm, factor: int = 1) -> list[Part]:
        """Returns the parts of `[[0, factor J' P], [factor P J, 0]]`."""
        p, q, n = term.left, term.right, self.size
        mine: Part = self.weighted(p, n, factor), q, 1
        return [mine, (self.weighted(q, n, factor), p, term.mirror)] if term.mirror else [mine]

    def cocoercive(self, term: RankOneTerm) -> list[Part]:
        """Returns the parts of `[[P J + J' P, 2 J' P], [2 P J, 0]]`."""
        if term.mirror:
            return self.symmetric(term) + self.bordered(term, 2)
        p = term.left
        return [(self.weighted(p) + self.weighted(p, self.size, 2), term.right, 1)]

    def metric(self, factor: Fraction, row: int = 0, column: int = 0) -> Entries:
        """Returns `factor P` as a block; on the diagonal its lower triangle."""
        return {
            (row + i, column + j): factor * x
            for i, entries in enumerate(self._metric)
            for j, x in entries.items()
            if row > column or j <= i
        }

    def convex(self, block: slice, file: Reader) -> bool:
        """Says whether `J_ii + J_ii' > 0` for the coordinates of a player; False is no disproof."""
        unit, size = 2**self._shift, block.stop - block.start

        def own(term: RankOneTerm) -> list[Part]:
            self._work.pay(_ENTRY * (len(term.left) + len(term.right)))
            a, b = _part(term.left, block, unit), _part(term.right, block)
            return [(a, b, 1) if a and b else ([], [], 1)]

        return self.positive(file, {(k, k): Fraction(0) for k in range(size)}, own)

    def positive(
        self,
        file: Reader,
        constant: Entries,
        form: Form,
        scale: Fraction = Fraction(1),
        mirrored: int = 1,
    ) -> bool:
        """Says whether `constant + scale sum_k s_k sum (a b' + b a') > 0` for all slopes.

        The inner sum is over the parts of a term, each with its sign. The lemma is applied to each.

        False is no disproof.

        Args:
            file: Has the multipliers t of all parts, and what proves the matrix positive definite:
                an `order` in which to eliminate (`sparse`), a `scaling` (`dominance`), or neither,
                and then the matrix is taken for full (`exact`).
            constant: The other part of the matrix, with every entry of its diagonal.
            form: Makes the parts of a term.
            scale: See above.
            mirrored: How many parts a mirrored term has.
        """
        guides = [name for name in ("order", "scaling") if name in file][:1]
        multipliers, *guides = file.fields("multipliers", *guides)
        inward = multipliers.numbers(len(self._terms) + (mirrored - 1) * self._mirrored)
        require(min(inward, default=Fraction(1)) > 0, f"{multipliers.where} are positive")
        outward = [_inverse_above(t) for t in inward]
        # All entries are integers in units of 2^-bits: products of numbers in other units.
        of_ends = _bits([x for term in self._terms for x in (term.low, term.high)])
        of_scale, of_multipliers = _bits([scale]), _bits([*inward, *outward])
        bits = of_ends + of_scale + of_multipliers + 1 + 2 * self._shift
        bits = max(bits, _bits([*constant.values()]))
        whole = {place: _whole(x, bits) for place, x in constant.items()}
        factor = _whole(scale, of_scale)
        of_middle = bits - self._shift - of_ends - of_scale - 1
        of_width = bits - of_ends - of_scale - of_multipliers - 1

        def added() -> Iterator[Products]:
            pairs = zip(inward, outward, strict=True)
            for term in self._terms:
                low, high = _whole(term.low, of_ends), _whole(term.high, of_ends)
                middle, width = factor * (low + high), abs(factor) * (high - low)
                for a, b, sign in form(term):
                    t, u = next(pairs)
                    yield Products(
                        a,
                        b,
                        sign * middle << of_middle,
                        width * _whole(t, of_multipliers) << of_width - 2 * self._shift,
                        width * _whole(u, of_multipliers) << of_width,
                    )

        if not guides:
            matrix = full_sum(whole, added, self._work)
            self._work.spend_test(matrix)
            return positive_definite(matrix)
        rows = sparse_sum(whole, added(), bits, self._work)
        guide = guides[0].integers(len(rows))
        if "scaling" in file:
            return scaled_dominant(rows, guide, self._work)
        require(sorted(guide) == [*range(len(rows))], f"{guides[0].where} is an order of all rows")
        return sparse_positive_definite(rows, guide, self._work)


def check_terms(evidence: Reader, claims: Claims) -> None:
    """Verifies the constants of F, for every J of the family.

        P J + J' P - 2 margin P > 0              <=>  J is strongly monotone in P with that margin,
        [[L P, (P J)'], [P J, L P]] > 0          <=>  |J|_P < L   (Schur complement),
        [[P J + J' P, 2 J' P], [2 P J, 2 c P]] > 0    <=>  <J x, x>_P > |J x|_P^2 / c   (the same).

    The last one is for the cocoercivity, which a file need not claim. A term `s p q'` of J is
    `s (a b' + b a')` with `a = P p`, `b = q` in the first one, with `a = (0, P p)`, `b = (q, 0)` in
    the second one, and with `a = (P p, 2 P p)`, `b = (q, 0)` in the third one. A mirrored one is a
    sum of such parts: see `TermFamily`. All of them pass to the averages of J along segments, which
    are in the family too.

    In a metric that is not made of weights, a margin does not make each player's cost convex; there
    `J_ii + J_ii' > 0` is verified for every player i, with a and b the player's parts of p and q.
    """
    needs_curvature = claims.is_gradient and claims.metric.is_matrix
    cocoercive = claims.cocoercivity is not None
    names = ["vectors", "terms", "margin_proof", "lipschitz_proof"]
    names += ["cocoercivity_proof"] * cocoercive + ["curvature_proofs"] * needs_curvature
    names += ["shared"] * (claims.shared is not None and claims.shared.radius is not None)
    names += ["functions"] * (claims.shared is not None and claims.shared.functions is not None)
    evidence.fields(*names)
    family = TermFamily(claims, Work())
    n, metric = family.size, family.metric
    proof, constant = evidence["margin_proof"], metric(-2 * claims.margin)
    require(family.positive(proof, constant, family.symmetric), "the margin holds")
    proof = evidence["lipschitz_proof"]
    constant = metric(claims.lipschitz) | metric(claims.lipschitz, n, n)
    holds = family.positive(proof, constant, family.bordered, mirrored=2)
    require(holds, "the Lipschitz constant holds")
    if claims.cocoercivity is not None:
        proof = evidence["cocoercivity_proof"]
        constant = metric(Fraction(0)) | metric(2 * claims.cocoercivity, n, n)
        holds = family.positive(proof, constant, family.cocoercive, mirrored=3)
        require(holds, "the cocoercivity holds")
    if needs_curvature:
        proofs = evidence["curvature_proofs"].items(len(claims.sizes))
        for block, proof in zip(claims.coordinates, proofs, strict=True):
            require(family.convex(block, proof), CONVEX)


def _part(p: Vector, block: slice, factor: int = 1) -> Vector:
    """Returns a player's part of a multiple of a vector."""
    return [(k - block.start, factor * x) for k, x in p if block.start <= k < block.stop]


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
