"""Level 2 of a file about a zero: statement (B) of `krawczyk.py`, derived from the graph in it.

The graph is evaluated over boxes in ball arithmetic, with derivatives by truncated Taylor
polynomials (`jets`) of one order more than what is asked for, so that the mean value theorem
narrows it. Where all coefficients, of outputs and of obligations, are finite, the graph is defined
and its outputs have that many continuous derivatives.
"""

from fractions import Fraction
from math import factorial, prod

from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

from .cells import Corner, Progress, cells_of
from .graph import Graph
from .intervals import ZERO, BallInterval, exact
from .jets import Expansions, Jet
from .krawczyk import IntervalMatrix, ZeroClaims
from .reader import Reader
from .rederive import PRECISION
from .systems import DerivativeTerm, SymmetricForm, System
from .verdict import require

Balls = list[list[BallInterval]]


class SystemBounds:
    """Bounds on the sums of a system over one box of its unknowns, or of inputs and multipliers.

    Attributes:
        is_smooth: Whether the graph is defined and smooth enough on the box; else nothing is known.
    """

    def __init__(
        self,
        graph: Graph,
        system: System,
        expansions: Expansions,
        inputs: tuple[Corner, Corner],
        unknowns: tuple[Corner, Corner],
    ) -> None:
        self.system, self.expansions = system, expansions
        middle = [(a + b) / 2 for a, b in zip(*inputs, strict=True)]
        found, obliged = expansions.of(graph, middle, [*zip(*inputs, strict=True)])
        whole = [jet for pair in (*found, *obliged) for jet in (pair.middle, pair.box)]
        self.is_smooth = all(x.is_finite() for jet in whole for x in jet.values())
        self.jets: list[Jet] = [pair.box for pair in found]
        self.middles: list[Jet] = [pair.middle for pair in found]
        self.unknowns = [BallInterval.of(a, b) for a, b in zip(*unknowns, strict=True)]
        # The input that is an unknown; None for multipliers.
        self.input_of: list[int | None] = [None] * system.unknowns
        for k, place in enumerate(system.places):
            if isinstance(place, int):
                self.input_of[place] = k

    def value(self, terms: list[DerivativeTerm]) -> BallInterval:
        """Returns bounds on a sum."""
        return self._sum(terms, self.jets)

    def value_in_the_middle(self, terms: list[DerivativeTerm]) -> BallInterval:
        """Returns bounds on a sum without multipliers, in the middle of the box alone."""
        return self._sum(terms, self.middles)

    def _sum(self, terms: list[DerivativeTerm], jets: list[Jet]) -> BallInterval:
        self.expansions.wide.spend(len(terms))
        result = ZERO
        for sign, output, along, factor in terms:
            part = _derivative(jets[output], along).times(sign)
            result = result + (part if factor is None else self.unknowns[factor] * part)
        return result

    def along(self, terms: list[DerivativeTerm], k: int) -> BallInterval:
        """Returns bounds on the derivative of a sum along an input of the graph."""
        return self.value([term._replace(along=(*term.along, k)) for term in terms])

    def slope(self, terms: list[DerivativeTerm], unknown: int) -> BallInterval:
        """Returns bounds on the derivative of a sum along an unknown."""
        k = self.input_of[unknown]
        if k is not None:
            return self.along(terms, k)
        return self.value([t._replace(factor=None) for t in terms if t.factor == unknown])

    def jacobian(self) -> Balls:
        """Returns bounds on the Jacobian of the equations."""
        unknowns = range(self.system.unknowns)
        rows = [self.system.equation(k) for k in unknowns]
        return [[self.slope(row, unknown) for unknown in unknowns] for row in rows]

    def form(self, number: int, form: SymmetricForm) -> Balls:
        """Returns bounds on a symmetric matrix."""
        lower = [
            [self.value(self.system.entry(number, i, j)) for j in range(i + 1)]
            for i in range(form.size)
        ]
        return [[lower[max(i, j)][min(i, j)] for j in range(form.size)] for i in range(form.size)]

    def rows(self, number: int, form: SymmetricForm) -> Balls:
        """Returns bounds on the rows of a form."""
        return [
            [self.value(self.system.row_entry(number, i, j)) for j in range(form.size)]
            for i in range(form.rows)
        ]


def _derivative(jet: Jet, along: tuple[int, ...]) -> BallInterval:
    """Returns a derivative: a coefficient times the factorials of its exponents."""
    monomial = tuple(sorted(along))
    if monomial not in jet:
        return ZERO
    return jet[monomial].times(prod(factorial(monomial.count(k)) for k in set(monomial)))


def bounds_over(
    graph: Graph, system: System, expansions: Expansions, unknowns: tuple[Corner, Corner]
) -> SystemBounds:
    """Returns bounds over a box of the unknowns."""
    inputs = (system.inputs_of(unknowns[0]), system.inputs_of(unknowns[1]))
    return SystemBounds(graph, system, expansions, inputs, unknowns)


def expansions_of(system: System) -> Expansions:
    """Returns expansions of the order that a system needs."""
    return Expansions(system.order + 1)


def rederive_zero(
    evidence: Reader, claims: ZeroClaims, progress: Progress | None = None
) -> tuple[str, ...]:
    """Re-derives statement (B) from the graph; rejects the file where it cannot.

    Args:
        evidence: The evidence of the file, which was accepted at level 1.
        claims: Its claims.
        progress: See `check`.

    Returns:
        What was re-derived, one sentence each.

    Raises:
        Rejected: If something of (B) does not follow from the graph.
    """
    with ctx.workprec(PRECISION):
        return _rederived(evidence, claims, progress)


def _rederived(evidence: Reader, claims: ZeroClaims, progress: Progress | None) -> tuple[str, ...]:
    system, expansions = claims.system, expansions_of(claims.system)
    n, scale = system.unknowns, Fraction(2) ** claims.unit

    def over(unknowns: tuple[Corner, Corner], where: str) -> SystemBounds:
        found = bounds_over(claims.graph, system, expansions, unknowns)
        require(found.is_smooth, f"the functions are defined and smooth {where} (level 2)")
        return found

    at = over((claims.center, claims.center), "at the centre")
    residual = evidence["residual"].numbers(n)
    for k in range(n):
        require(
            bool(at.value(system.equation(k)).magnitude() <= exact(residual[k])),
            "the residual at the centre holds (level 2)",
        )
    jacobian = IntervalMatrix(evidence["jacobian"], n, n)
    require_within(over(claims.box, "on the box").jacobian(), jacobian, scale, "the Jacobian")
    here, bounds = over(claims.zero, "at the zero"), evidence["bounds"].numbers(system.conditions)
    for k, bound in enumerate(bounds):
        require(
            bool(here.value(system.condition(k)).low >= exact(bound)),
            "the conditions are as large as stated (level 2)",
        )
    sentences = [
        "that the functions of the system are smooth on the box",
        "that the Jacobian of the equations is in the stated interval matrix on the box",
        "that the equations hold at the centre up to the stated residual",
    ]
    if bounds:
        sentences.append("that the conditions are as large as stated at the zero")
    if claims.region is None:
        forms = claims.forms_at_zero
        _require_forms(here, forms, evidence["forms"], scale)
        sentences += ["that the forms are in the stated matrices at the zero"] if forms else []
        return tuple(sentences)
    count = 0
    for node, *cell in cells_of(evidence["cells"], *claims.region, None, progress):
        found = SystemBounds(claims.graph, system, expansions, (cell[0], cell[1]), claims.zero)
        require(found.is_smooth, f"the functions are smooth on {node.where} (level 2)")
        _require_forms(found, system.forms, node["forms"], scale)
        count += 1
    return (*sentences, f"that the forms are in the stated matrices on the region ({count} cells)")


def rederive_jacobian(
    graph: Graph, system: System, box: tuple[Corner, Corner], stated: IntervalMatrix, unit: int
) -> None:
    """Requires that the Jacobian of equations is in an interval matrix of a file, on a box.

    Raises:
        Rejected: If this does not follow from the graph.
    """
    with ctx.workprec(PRECISION):
        found = bounds_over(graph, system, expansions_of(system), box)
        require(found.is_smooth, f"the functions are smooth for {stated.where} (level 2)")
        require_within(found.jacobian(), stated, Fraction(2) ** unit, "the Jacobian")


def _require_forms(
    found: SystemBounds, forms: list[SymmetricForm], file: Reader, scale: Fraction
) -> None:
    for number, (entry, form) in enumerate(zip(file.items(len(forms)), forms, strict=True)):
        stated = IntervalMatrix(entry["matrix"], form.size, form.size)
        require_within(found.form(number, form), stated, scale, form.name)
        if form.rows:
            stated = IntervalMatrix(entry["rows"], form.rows, form.size)
            require_within(found.rows(number, form), stated, scale, f"the rows of {form.name}")


def require_within(found: Balls, stated: IntervalMatrix, scale: Fraction, what: str) -> None:
    """Requires that all matrices within bounds are in an interval matrix."""
    claim = f"{what} is in {stated.where} (level 2)"
    for rows in zip(found, stated.centre, stated.remainder, strict=True):
        for entry, centre, remainder in zip(*rows, strict=True):
            gap = entry - BallInterval.point(centre * scale)
            require(bool(gap.magnitude() <= exact(remainder * scale)), claim)
