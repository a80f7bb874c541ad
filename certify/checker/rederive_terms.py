"""Level 2 for terms of rank one: statement (B) of `proof.py`, re-derived from the costs.

The graph of the costs is brought to sums of products of functions of linear forms (`ridges`), which
gives the terms of the Jacobian, with balls around the ranges of their slopes over the region. What
has to be shown is that the family in the file contains that Jacobian: for each pair of vectors, the
range in the file contains the one that was found. A pair that only the file has must allow zero.
"""

from fractions import Fraction

from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

from .claims import Claims
from .forms import NotRidges
from .graph import Graph, require_graph
from .intervals import ZERO, BallInterval
from .reader import Reader, Unusable
from .ridges import Key, Ridges
from .verdict import require

# Bits of ball arithmetic: the file's numbers have 53, and the checker should lose nothing.
PRECISION = 128


def rederive_terms(file: Reader, claims: Claims) -> tuple[str, ...]:
    """Re-derives statement (B) from the graph of the costs; rejects the file where it cannot.

    Returns:
        What was re-derived, one sentence each.

    Raises:
        Unusable: If there is no graph in the file, or its costs are no sums of ridges.
        Rejected: If something of (B) does not follow from the graph.
    """
    graph = require_graph(file, claims.graph)
    with ctx.workprec(PRECISION):
        try:
            found = _check_graph(graph, claims)
        except NotRidges as error:
            raise Unusable(f"level 2 cannot find the terms of the Jacobian: {error}") from None
    field = "pseudo-gradient" if claims.is_gradient else "field"
    return (
        f"that the {field} is continuously differentiable on the region",
        f"that its Jacobian is a sum of the {len(found)} stated terms, with slopes in their ranges",
        f"that the {field} at the centre is what is stated, within the residual",
    )


def _check_graph(graph: Graph, claims: Claims) -> dict[Key, BallInterval]:
    """Verifies the terms and the residual; returns the terms that were found."""
    ridges = Ridges(graph, claims.sizes, claims.zero_sum, claims.is_gradient)
    defined = "every operation of the graph is defined on the region (level 2)"
    require(not ridges.undefined(claims.region), defined)
    found = ridges.terms(claims.region)
    _check_ranges(claims, found)
    for k, entry in enumerate(ridges.value(claims.center)):
        error = (entry - BallInterval.point(claims.value[k])).magnitude()
        holds = bool(error <= BallInterval.point(claims.residual[k]).low)
        require(holds, "the residual at the centre holds (level 2)")
    return found


def _check_ranges(claims: Claims, found: dict[Key, BallInterval]) -> None:
    """Verifies that each slope found is in the sum of the ranges that the file has for it."""
    stated: dict[Key, tuple[Fraction, Fraction]] = {}
    for term in claims.terms or ():
        key = Key(tuple(term.left), tuple(term.right), term.mirror)
        low, high = stated.get(key, (Fraction(0), Fraction(0)))
        stated[key] = (low + term.low, high + term.high)
    for key in [key for key in found if key.mirror and key not in stated]:
        # The file may treat the two as if they had nothing in common.
        slope = found.pop(key).sharp()
        for part, sign in key.apart():
            found[part] = found.get(part, ZERO).sharp() + slope.times(Fraction(sign))
    for key, (low, high) in stated.items():
        slope = found.get(key, ZERO)
        inside = slope.is_finite() and bool(
            BallInterval.point(low).low <= slope.low and slope.high <= BallInterval.point(high).high
        )
        require(inside, "the slope of every term is in its range (level 2)")
    require(found.keys() <= stated.keys(), "the Jacobian has no other terms (level 2)")
