"""Level 2 of a refutation: statement (B) of `nonconvexity.py`, derived from the graph of the costs.

The graph is evaluated over the box in ball arithmetic, with derivatives along the player's own
coordinates by truncated Taylor polynomials of the second order; other coordinates are constants
that may be anywhere in their sides of the box.
"""

from fractions import Fraction

from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

from .graph import require_graph
from .intervals import ZERO
from .jets import Jet, JetArithmetic
from .nonconvexity import Nonconvexity
from .reader import Reader
from .rederive import PRECISION
from .rederive_zero import Balls, require_within
from .verdict import require


def rederive_nonconvexity(file: Reader, claims: Nonconvexity) -> tuple[str, ...]:
    """Re-derives statement (B) from the graph; rejects the file where it cannot.

    Args:
        file: The file, accepted at level 1.
        claims: Its claims.

    Returns:
        What was re-derived, one sentence each.

    Raises:
        Unusable: If there is no graph in the file.
        Rejected: If something of (B) does not follow from the graph.
    """
    graph, scale = require_graph(file, claims.graph), Fraction(2) ** claims.unit
    with ctx.workprec(PRECISION):
        arithmetic = JetArithmetic(2)
        inputs = arithmetic.inputs([*zip(claims.lower, claims.upper, strict=True)])
        for k, jet in enumerate(inputs):
            if k not in claims.own:
                jet.pop((k,))
        outputs, obliged = graph.obliged(inputs, arithmetic.operations)
        cost = outputs[claims.output]
        finite = (x.is_finite() for jet in (cost, *obliged) for x in jet.values())
        require(all(finite), "the cost is defined and smooth on the box (level 2)")
        require_within(_hessian(cost, claims), claims.hessian, scale, "the Hessian")
    return (
        "that the cost is twice continuously differentiable in the player's strategy on the box",
        "that its Hessian is in the stated interval matrix there",
    )


def _hessian(cost: Jet, claims: Nonconvexity) -> Balls:
    """Returns the second derivatives along own coordinates, from coefficients."""
    return [
        [
            cost.get((min(a, b), max(a, b)), ZERO).times(claims.sign * (1 + (a == b)))
            for b in claims.own
        ]
        for a in claims.own
    ]
