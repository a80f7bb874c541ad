"""Level 2 of a file about all stationary points: statement (B) of `count`, derived from its graph.

The graph is evaluated over cells in ball arithmetic, with derivatives by truncated Taylor
polynomials (see `rederive_zero`). A sum `sum_k y_k F_k` over a cell is bounded from below in two
ways, of which the better one counts: by bounds on the `F_k` themselves, and with the centre c of
the cell, by the mean value theorem: there are a point s between c and x with

    sum_k y_k F_k(x) = sum_k y_k F_k(c) + sum_j (sum_k y_k dF_k/dx_j (s)) (x_j - c_j).
"""

from fractions import Fraction

from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

from .cells import Corner, Progress
from .count import CountClaims, CountedCell, Point, counted_cells
from .graph import Graph
from .intervals import ZERO, BallInterval, exact
from .jets import Expansions
from .krawczyk import IntervalMatrix
from .rederive import PRECISION
from .rederive_zero import SystemBounds, expansions_of, require_within
from .stationary_points import StationarySystem
from .verdict import require


class FieldBounds:
    """Bounds on a field over one cell, and at its centre.

    Attributes:
        is_smooth: Whether the graph is defined and smooth on the cell; else nothing is known.
    """

    def __init__(
        self,
        graph: Graph,
        system: StationarySystem,
        expansions: Expansions,
        lower: Corner,
        upper: Corner,
    ) -> None:
        self.system = system
        self.middle = [(a + b) / 2 for a, b in zip(lower, upper, strict=True)]
        self.reach = [
            BallInterval.of(a - c, b - c) for a, b, c in zip(lower, upper, self.middle, strict=True)
        ]
        self.wide = [k for k, (a, b) in enumerate(zip(lower, upper, strict=True)) if a < b]
        self.over = SystemBounds(graph, system, expansions, (lower, upper), (lower, upper))
        self.is_smooth = self.over.is_smooth
        self._slopes: dict[tuple[int, int], BallInterval] = {}

    def slope(self, k: int, j: int) -> BallInterval:
        """Returns bounds on `dF_k/dx_j` over the cell."""
        if (k, j) not in self._slopes:
            self._slopes[k, j] = self.over.along(self.system.entry_of_field(k), j)
        return self._slopes[k, j]

    def least(self, weights: dict[int, Fraction]) -> BallInterval:
        """Returns an interval above the lower end of which is `sum_k y_k F_k`, on all of the cell.

        Args:
            weights: The `y_k` that are not zero, by coordinate.
        """
        direct, centred = ZERO, ZERO
        for k, weight in weights.items():
            terms = self.system.entry_of_field(k)
            direct = direct + self.over.value(terms).times(weight)
            centred = centred + self.over.value_in_the_middle(terms).times(weight)
        for j in self.wide:
            along = ZERO
            for k, weight in weights.items():
                along = along + self.slope(k, j).times(weight)
            centred = centred + along * self.reach[j]
        return direct if direct.low >= centred.low else centred


def rederive_count(claims: CountClaims, progress: Progress | None = None) -> tuple[str, ...]:
    """Re-derives statement (B) from the graph; rejects the file where it cannot.

    Args:
        claims: The claims of the file, which was accepted at level 1.
        progress: See `check`.

    Returns:
        What was re-derived, one sentence each.

    Raises:
        Rejected: If something of (B) does not follow from the graph.
    """
    with ctx.workprec(PRECISION):
        expansions = expansions_of(claims.all_free)
        for point in claims.points:
            _rederive_point(point, claims.graph, expansions)
        expansions, count = cell_expansions(claims.all_free), 0
        for node, cell in counted_cells(claims.nodes, claims.faces, progress, every=True):
            if "weights" in node:
                values = node["weights"].numbers(claims.all_free.inputs)
                weights = {k: weight for k, weight in enumerate(values) if weight}
            elif "pin" in node:
                sign = 1 if node["at"].text() == "lower" else -1
                weights = {node["pin"].integer(): Fraction(sign)}
            else:
                continue
            found = cell_bounds(claims.graph, claims.all_free, expansions, cell)
            require(found.is_smooth, f"the functions are smooth on {node.where} (level 2)")
            holds = found.least(weights).low >= exact(node["bound"].number())
            require(bool(holds), f"the bound holds on {node.where} (level 2)")
            count += 1
    return (
        f"that the field is as stated on {count} cells",
        f"that the equations of the {len(claims.points)} points are as stated on their boxes, with "
        "conditions and second derivatives",
    )


def cell_expansions(system: StationarySystem) -> Expansions:
    """Returns expansions of the order that bounds on cells need: that of the Jacobian."""
    return Expansions(system.order)


def cell_bounds(
    graph: Graph, system: StationarySystem, expansions: Expansions, cell: CountedCell
) -> FieldBounds:
    """Returns bounds on the field over a cell."""
    return FieldBounds(graph, system, expansions, cell.lower, cell.upper)


def _rederive_point(point: Point, graph: Graph, expansions: Expansions) -> None:
    """Requires statement (B) of one point."""
    system, where, scale = point.system, point.evidence.where, Fraction(2) ** point.unit

    def over(box: tuple[Corner, Corner], name: str) -> SystemBounds:
        inputs = (system.inputs_of(box[0]), system.inputs_of(box[1]))
        found = SystemBounds(graph, system, expansions, inputs, box)
        require(found.is_smooth, f"the functions are smooth on the {name} of {where} (level 2)")
        return found

    evidence, n = point.evidence, system.unknowns
    if n:
        at = over((point.center, point.center), "centre")
        for k, residual in enumerate(evidence["residual"].numbers(n)):
            holds = at.value(system.equation(k)).magnitude() <= exact(residual)
            require(bool(holds), f"{where}: the residual holds (level 2)")
        jacobian = IntervalMatrix(evidence["jacobian"], n, n)
        require_within(over(point.box, "box").jacobian(), jacobian, scale, "the Jacobian")
    here = over(point.zero, "smaller box")
    for k, bound in enumerate(evidence["bounds"].numbers(system.conditions)):
        holds = here.value(system.condition(k)).low >= exact(bound)
        require(bool(holds), f"{where}: the field is as stated at the ends (level 2)")
    if point.nature == "unsettled":
        return
    for player, entry in enumerate(evidence["curvature"].items(len(system.sizes))):
        size = len(system.own_free(player))
        if size:
            found = [[here.value(terms) for terms in row] for row in system.curvature(player)]
            stated = IntervalMatrix(entry["matrix"], size, size)
            require_within(found, stated, scale, f"the curvature of player {player}")
