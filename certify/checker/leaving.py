"""The argument of a file of the kind "expansion": runs leave a region, but for at most one.

The setting: a field F on a box D of R^n, the step `T(x) = x - H F(x)` with step sizes H, one for
each player, or the flow `x' = -F(x)`, and the metric `|x|_P^2 = x' P x` with P positive definite,
the same everywhere; no projection. What the file states and is *not* re-derived here is:

  (B) on each (closed) cell of D, F is continuously differentiable, and its Jacobian J has
      `|J(x) - C| <= R` entrywise.

Level 2 derives it from the graph in the file. With one matrix K for all cells, any one, the checker
verifies on each cell, for all J of the interval matrix,

    A' P K + K' P A - K' P K - growth P > 0  with A = I - H J,    growth > 1,
    or of the flow  -(P J + J' P) - 2 growth P > 0,               growth > 0.

*Theorem.* For all x and y in D, `|T(x) - T(y)|_P^2 >= growth |x - y|_P^2`; and for two solutions of
the flow `|x(t) - y(t)|_P >= exp(growth t) |x(0) - y(0)|_P` as long as both are in D. So D contains
at most one zero of F, any two runs separate until one of them has left D, and every run that starts
in D at any other point than a zero leaves D.
*Proof.* The left-hand sides are affine in J, and P, K and growth are those of all cells; so they
hold for the average B of A along the segment from y to x, which is in D, and `T(x) - T(y) = B (x -
y)`. From `(B - K)' P (B - K) >= 0` follows `B' P B >= B' P K + K' P B - K' P K > growth P`. For the
flow, `d/dt |x - y|_P^2 = -2 (x - y)' P B (x - y)`, now with the average B of J. Two zeros would be
two fixed points of T, or of the flow, whose distance does not grow. Let `x_0, ..., x_(k+1)` be in
D, of a run that does not start at a zero: then `|x_(k+1) - x_k|_P >= growth^(k/2) |x_1 - x_0|_P >
0`, while D is bounded, so k cannot be arbitrarily large. For the flow, compare `x(t)` and
`x(s + t)`, for a small s with `x(s) != x(0)`.

Nothing is said of what happens outside of D, from where runs may come back.
"""

from fractions import Fraction

from .cells import Progress, cells_of
from .contraction import Symmetric
from .exact import Work, positive_definite
from .krawczyk import IntervalMatrix, corners_of, paid_product, read_game
from .matrices import Matrix, minus, scaled, symmetric, transposed
from .reader import Reader, Unusable
from .repulsion import absolute, all_positive, flow_grows
from .step_matrices import BITS, RoundedIntervalMatrix, StepMethod, step_jacobian
from .systems import EquationSystem
from .verdict import require

# Entries of K are integers in units of two to the power of minus that.
REFERENCE_BITS = 64
# The least and the greatest exponent of the units of integers.
_UNITS = -1200, 1000


class ExpansionClaims:
    """The claims of a file about a region that runs leave, in exact numbers."""

    def __init__(self, file: Reader) -> None:
        game = file["game"]
        self.system, self.graph = read_game(game)
        own = self.system
        if not isinstance(own, EquationSystem) or own.conditions or own.forms:
            raise Unusable("the system of this kind of file is a field, without conditions")
        self.sizes = [player["size"].integer() for player in game["players"].items()]
        region, metric, method, growth = file["claims"].fields(
            "region", "metric", "method", "growth"
        )
        self.region = corners_of(region, sum(self.sizes))
        require(all(map(Fraction.__lt__, *self.region)), "the region is not empty")
        self.metric = Symmetric(metric, sum(self.sizes)).matrix  # in any unit
        self.method = StepMethod(method, len(self.sizes))
        if self.method.name not in ("flow", "simultaneous"):
            method["name"].fail('"flow" or "simultaneous"')
        self.growth = growth.number()
        least = 0 if self.method.is_flow else 1
        require(self.growth > least, f"the growth is more than {least}")
        self.unit = file["evidence"]["unit"].integer_within(*_UNITS)


def check_expansion(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies every claim of a file about a region that runs leave; see the top of this module.

    Returns:
        What was re-derived from the graph, at level 2; nothing at level 1.
    """
    claims, work = ExpansionClaims(file), Work()
    n, p = len(claims.metric), claims.metric
    work.spend_test(p)
    require(positive_definite(p), "the metric is positive definite")
    names = [] if claims.method.is_flow else ["reference"]
    _, nodes, *reference = file["evidence"].fields("unit", "cells", *names)
    k = reference[0].matrix(n, n) if reference else []
    for node, _, _ in cells_of(nodes, *claims.region, None, progress):
        stated = IntervalMatrix(node["jacobian"], n, n)
        jacobian = RoundedIntervalMatrix.of(stated, claims.unit)
        claim = f"distances grow on {node.where}"
        if claims.method.is_flow:
            require(flow_grows(jacobian, p, claims.growth, work), claim)
        else:
            step = step_jacobian(claims.method, jacobian, claims.sizes, work).step
            require(step_expands(step, k, p, claims.growth, work), claim)
    if level == 1:
        return ()
    try:
        from .rederive_zero import rederive_jacobian
    except ImportError:
        raise Unusable("level 2 needs ball arithmetic: install python-flint") from None
    count = 0
    for node, *cell in cells_of(nodes, *claims.region, None, progress):
        stated = IntervalMatrix(node["jacobian"], n, n)
        rederive_jacobian(claims.graph, claims.system, (cell[0], cell[1]), stated, claims.unit)
        count += 1
    return (
        "that the field is continuously differentiable on the region",
        f"that its Jacobian is in the stated interval matrices ({count} cells)",
    )


def step_expands(
    a: RoundedIntervalMatrix, reference: Matrix, p: Matrix, growth: Fraction, work: Work
) -> bool:
    """Says whether `A' P K + K' P A - K' P K - growth P` is positive definite for all A.

    For `A = C + E`, `|E| <= R`, it differs from that of C by `E' P K + K' P E`, at most
    `R' |P K| + |P K|' R` in size.
    """
    k = scaled(2 ** (BITS - REFERENCE_BITS), reference)
    turned = paid_product(p, k, work)
    back = symmetric(paid_product(transposed(a.centre), turned, work))
    middle = minus(back, paid_product(transposed(k), turned, work))
    loose = symmetric(paid_product(transposed(a.radius), absolute(turned), work))
    top, bottom = growth.as_integer_ratio()
    centre = minus(scaled(bottom, middle), scaled(top << 2 * BITS, p))
    return all_positive(centre, scaled(bottom, loose), work)
