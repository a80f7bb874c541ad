"""Level 2 for shared constraints that are functions: their part of statement (B), re-derived.

Each function is brought to a sum of products of functions of linear forms (`ridges`), which gives
its Hessian as `sum_k s_k p_k q_k'` with a range of s_k over D, and its value and gradient at the
centre. It is convex on D if all its terms have `p_k = q_k` and `s_k >= 0`; or else if a matrix
below the Hessian is positive definite on the coordinates that occur. Terms with `p = q` have the
lower ends of their ranges in it. A part `s (p q' + q p')` of two different vectors, with s between
`m - r` and `m + r`, is at least `m (p q' + q p') - r (t p p' + q q' / t)` for any t > 0 (the lemma
of `terms`). The norm of the Hessian is at most the sum of those of its parts: `|s| |p|_* |q|_*` for
`s p q'`, and `|s| (|p|_* |q|_* + |<p, q>_*|)` for `s (p q' + q p')`, which is twice as much if the
vectors are parallel.
"""

from fractions import Fraction
from math import lcm
from typing import Any, NamedTuple

from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

from .claims import Claims
from .exact import Work, dyadic_above, positive_definite, root_above
from .forms import NotRidges
from .graph import Graph
from .intervals import BallInterval
from .reader import Unusable
from .rederive_terms import PRECISION
from .region import Region
from .ridges import Key, Ridges
from .shared_functions import Functions
from .verdict import require


class Known(NamedTuple):
    """What is known of a convex function on a region.

    Attributes:
        value: Of the function at the centre.
        gradient: At the centre.
        smoothness: A Lipschitz constant of its gradient.
    """

    value: BallInterval
    gradient: list[BallInterval]
    smoothness: Fraction


def known_of(
    graph: Graph, region: Region, center: list[Fraction], weights: list[Fraction]
) -> list[Known | None]:
    """Returns what is known of functions with a graph; None for one not shown to be convex.

    Args:
        graph: A graph whose outputs are numbers.
        region: Where.
        center: The centre.
        weights: The metric, one weight for each coordinate.

    Raises:
        NotRidges: If one is no sum of products of functions of linear forms, or all of them
            together take too much work.
    """
    ridges = Ridges(graph, [len(center)], False, True)
    if ridges.undefined(region):
        return [None] * len(graph.outputs)
    found: list[Known | None] = []
    for value, form in zip(ridges.cost_values(center), ridges.outputs, strict=True):
        ridges.costs = [form]
        terms = ridges.terms(region)
        finite = all(slope.is_finite() for slope in terms.values())
        ends = {key: _ends(slope) for key, slope in terms.items()} if finite else {}
        if not (finite and _is_convex(ends)):
            found.append(None)
            continue
        smoothness = Fraction(0)
        for key, (low, high) in ends.items():
            norm = _length(key.left, weights) * _length(key.right, weights)
            if key.mirror:
                norm += _product(key.left, key.right, weights)
            smoothness += max(abs(low), abs(high)) * norm
        found.append(Known(value, ridges.value(center), smoothness))
    return found


def rederive_shared(claims: Claims) -> tuple[str, ...]:
    """Verifies what a file states of shared constraints that are functions, if it has any.

    Returns:
        What was re-derived, in a sentence.

    Raises:
        Unusable: If a function is no sum of products of functions of linear forms.
        Rejected: If something of (B) does not follow from the graph.
    """
    functions = None if claims.shared is None else claims.shared.functions
    if functions is None:
        return ()
    with ctx.workprec(PRECISION):
        try:
            rederive_functions(functions, claims.region, claims.center, claims.metric.coordinate)
        except NotRidges as error:
            raise Unusable(f"level 2 cannot follow a shared constraint: {error}") from None
    count = len(functions.states)
    return (f"that the {count} functions of shared constraints are convex, and as stated",)


def rederive_functions(
    functions: Functions, region: Region, center: list[Fraction], weights: list[Fraction]
) -> None:
    """Verifies what a file states of its functions.

    Raises:
        NotRidges: As `known_of`.
        Rejected: If something does not follow from the graph.
    """
    for number, known in enumerate(known_of(functions.graph, region, center, weights)):
        name = f"function {number}"
        require(known is not None, f"{name} is convex on the region (level 2)")
        assert known is not None
        smooth = known.smoothness <= functions.smoothness[number]
        require(smooth, f"the gradient of {name} is as smooth as stated (level 2)")
        pairs = [(known.value, functions.values[number], functions.value_errors[number])]
        stated = functions.gradients[number], functions.gradient_errors[number]
        pairs += zip(known.gradient, *stated, strict=True)
        for found, value, error in pairs:
            off = (found - BallInterval.point(value)).magnitude()
            within = bool(off <= BallInterval.point(error).low)
            require(within, f"{name} and its gradient at the centre are as stated (level 2)")


def _ends(slope: BallInterval) -> tuple[Fraction, Fraction]:
    """Returns rational ends of a range, rounded outward."""
    return -_above(-slope.low), _above(slope.high)


def _above(ball: Any) -> Fraction:
    """Returns the upper end of a ball, which is a float of many bits, exactly."""
    mantissa, exponent = ball.upper().man_exp()
    return int(mantissa) * Fraction(2) ** int(exponent)


def _is_convex(ends: dict[Key, tuple[Fraction, Fraction]]) -> bool:
    if all(key.left == key.right and low >= 0 for key, (low, _) in ends.items()):
        return True
    places: dict[int, int] = {}
    for key in ends:
        for k, _ in (*key.left, *key.right):
            places.setdefault(k, len(places))
    size = len(places)
    matrix = [[Fraction(0)] * size for _ in range(size)]

    def add(left: tuple, right: tuple, factor: Fraction) -> None:
        for i, a in left:
            for j, b in right:
                matrix[places[i]][places[j]] += factor * a * b

    for (left, right, mirror), (low, high) in ends.items():
        if left == right:
            add(left, left, low * (1 + mirror))
            continue
        middle, half = (low + high) / 2, (high - low) / 2
        # A term that is not mirrored stands for its own half of a symmetric matrix.
        parts = [(left, right, 1)] if not mirror else [(left, right, 1), (right, left, mirror)]
        for p, q, sign in parts:
            add(p, q, sign * middle / 2)
            add(q, p, sign * middle / 2)
            one, other = (Fraction(sum(abs(a) for _, a in vector)) for vector in (p, q))
            add(p, p, -half * other / one / 2)
            add(q, q, -half * one / other / 2)
    scale = lcm(*(x.denominator for row in matrix for x in row))
    whole = [[int(x * scale) for x in row] for row in matrix]
    Work().spend_test(whole)
    return positive_definite(whole)


def _length(vector: tuple, weights: list[Fraction]) -> Fraction:
    return root_above(_product(vector, vector, weights))


def _product(one: tuple, other: tuple, weights: list[Fraction]) -> Fraction:
    """Bounds the size of `<p, q>_*` from above."""
    known = dict(other)
    parts = [a * known[k] / weights[k] for k, a in one if k in known]
    sums = (sum((dyadic_above(sign * x) for x in parts), Fraction(0)) for sign in (1, -1))
    return max(*sums, Fraction(0))
