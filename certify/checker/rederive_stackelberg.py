"""Level 2 for Stackelberg files: statement (B) of `stackelberg.py`, re-derived from the costs.

The file spells out f and the g_i, or f and a field G, as a graph of (x, y). It is evaluated on
boxes in ball arithmetic, with derivatives by truncated Taylor polynomials (`jets`), of which all
coefficients up to degree 4 have to be finite: so these functions are four times continuously
differentiable near each box, whatever operations they are made of. The optimality system and its
Jacobian are then sums of products of second and third derivatives and adjoints, by the formulas in
`stackelberg.py`: with H the second derivatives of f + w' G in (x, y) for fixed w,

             | H_xx  H_xy  G_x' |
    DPhi  =  | G_x   G_y   0    |
             | H_yx  H_yy  G_y' |
"""

from fractions import Fraction
from math import factorial, prod

from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

from .cells import Progress, cells_of
from .exact import Work
from .graph import Graph, require_graph
from .interval_matrices import RationalIntervalMatrix
from .intervals import ZERO, BallInterval
from .jets import Expansions, Jet
from .reader import Reader
from .stackelberg import (
    LeaderCell,
    StackelbergClaims,
    follower_cells,
    read_leader_cell,
    read_optimum,
    stated,
)
from .verdict import require

PRECISION = 128
ORDER = 4

Balls = list[list[BallInterval]]
Sides = list[tuple[Fraction, Fraction]]


class OptimalitySystem:
    """The system Phi of a leader and followers, by the graph of their costs, in ball arithmetic.

    Args:
        graph: The graph of f and of the costs of all followers, of (x, y).
        leader: The number n of coordinates of x.
        players: The number of the follower to whom each coordinate of y belongs.
        of_field: Whether the graph is that of f and of the entries of G itself.
    """

    def __init__(
        self, graph: Graph, leader: int, players: list[int], *, of_field: bool = False
    ) -> None:
        self.graph, self.n = graph, leader
        self.size = leader + len(players)
        # Each entry of G is a derivative of an output of the graph, or the output itself.
        self.forces: list[tuple[int, tuple[int, ...]]] = [
            (1 + index, ()) if of_field else (1 + player, (leader + index,))
            for index, player in enumerate(players)
        ]
        self.expansions = Expansions(ORDER)

    def jets(self, box: Sides) -> list[Jet] | None:
        """Returns the jets of all costs on a box of (x, y), or None if they may be undefined."""
        middle = [(low + high) / 2 for low, high in box]
        outputs, obliged = self.expansions.of(self.graph, middle, box)
        jets = [found.box for found in (*outputs, *obliged)]
        if not all(value.is_finite() for jet in jets for value in jet.values()):
            return None
        return jets[: len(outputs)]

    def force_slopes(self, jets: list[Jet]) -> Balls:
        """Returns the enclosure of G_y, with the jets of a box."""
        own = range(self.n, self.size)
        return [[_entry(jets[output], *along, b) for b in own] for output, along in self.forces]

    def jacobian(self, jets: list[Jet], adjoint: list[BallInterval]) -> Balls:
        """Returns the enclosure of DPhi, with the jets of a box, for adjoints in a box."""
        n, size = self.n, self.size

        def bend(a: int, b: int) -> BallInterval:
            terms = (
                _entry(jets[output], *along, a, b) * w
                for (output, along), w in zip(self.forces, adjoint, strict=True)
            )
            return sum(terms, _entry(jets[0], a, b))

        bends = [[ZERO] * size for _ in range(size)]
        for a in range(size):
            for b in range(a + 1):
                bends[a][b] = bends[b][a] = bend(a, b)
        slopes = [
            [_entry(jets[output], *along, b) for b in range(size)] for output, along in self.forces
        ]
        turned = [[row[a] for row in slopes] for a in range(size)]
        none = [ZERO] * len(self.forces)
        return [
            *(bends[a] + turned[a] for a in range(n)),
            *(row + none for row in slopes),
            *(bends[a] + turned[a] for a in range(n, size)),
        ]

    def values(self, jets: list[Jet], adjoint: list[BallInterval]) -> list[BallInterval]:
        """Returns the enclosure of Phi, with the jets of a box or of a point."""

        def pull(a: int) -> BallInterval:
            terms = (
                _entry(jets[output], *along, a) * w
                for (output, along), w in zip(self.forces, adjoint, strict=True)
            )
            return sum(terms, _entry(jets[0], a))

        return [
            *(pull(a) for a in range(self.n)),
            *(_entry(jets[output], *along) for output, along in self.forces),
            *(pull(a) for a in range(self.n, self.size)),
        ]


def _entry(jet: Jet, *variables: int) -> BallInterval:
    """Returns a derivative: a coefficient times the factorials of its exponents."""
    key = tuple(sorted(variables))
    if key not in jet:
        return ZERO
    counts = (key.count(k) for k in set(key))
    return jet[key].times(prod(map(factorial, counts)))


def rederive_stackelberg(
    file: Reader, claims: StackelbergClaims, progress: Progress | None = None
) -> tuple[str, ...]:
    """Re-derives statement (B) from the graph of the costs; rejects the file where it cannot.

    Args:
        file: The certificate, accepted at level 1.
        claims: The claims of the certificate.
        progress: See `check`.

    Returns:
        What was re-derived, one sentence each.

    Raises:
        Unusable: If there is no graph in the file.
        Rejected: If something of (B) does not follow from the graph.
    """
    graph, evidence = require_graph(file, claims.graph), file["evidence"]
    scale, work = Fraction(2) ** evidence["unit"].integer(), Work()
    system = OptimalitySystem(graph, claims.n, claims.players, of_field=claims.of_field)
    counts = [0, 0]
    with ctx.workprec(PRECISION):
        for node, lower, upper in follower_cells(evidence["followers"], claims, progress):
            counts[0] += 1
            jets = _smooth(system, list(zip(lower, upper, strict=True)))
            inside = contains(stated(node, claims.m, scale), system.force_slopes(jets))
            require(inside, f"{node.where}: the followers' Jacobian is as stated (level 2)")
        for node, lower, upper in cells_of(evidence["leader"], *claims.leader_box, None, progress):
            counts[1] += 1
            _check_cell(system, read_leader_cell(node, claims, scale, work, lower, upper))
        best = read_optimum(evidence["optimum"], claims, scale, work)
        jets = _check_cell(system, best)
        at, residual = evidence["value"].fields("at", "residual")
        error = _entry(jets[0]) - BallInterval.point(at.number())
        holds = error.magnitude() <= BallInterval.point(residual.number()).low
        require(bool(holds), "the leader's cost at the optimum's point is as stated (level 2)")
    return (
        "that the costs are four times continuously differentiable on the cells",
        f"that the Jacobians of followers and optimality system are as stated ({counts[0]} and "
        f"{counts[1] + 1} cells)",
        "that the optimality system and the leader's cost at points are as stated",
    )


def _smooth(system: OptimalitySystem, box: Sides) -> list[Jet]:
    jets = system.jets(box)
    require(jets is not None, "the costs are smooth on the cells (level 2)")
    return jets or []


def _check_cell(system: OptimalitySystem, cell: LeaderCell) -> list[Jet]:
    """Verifies what a leader's cell states; returns the jets of the costs at its point."""
    sides = list(zip(cell.lower, cell.upper, strict=True))
    own, adjoint = sides[: system.size], sides[system.size :]
    jets = _smooth(system, own)
    jacobian = system.jacobian(jets, [BallInterval.of(*ends) for ends in adjoint])
    inside = contains(cell.jacobian, jacobian)
    require(inside, f"{cell.where}: the Jacobian of the system is as stated (level 2)")
    point = [(p, p) for p in cell.point]
    jets = _smooth(system, point[: system.size])
    values = system.values(jets, [BallInterval.of(*ends) for ends in point[system.size :]])
    for value, most in zip(values[-len(cell.residual) :], cell.residual, strict=True):
        holds = value.magnitude() <= BallInterval.point(most).low
        require(bool(holds), f"{cell.where}: the residual holds (level 2)")
    return jets


def contains(matrix: RationalIntervalMatrix, found: Balls) -> bool:
    """Says whether an interval matrix contains another one."""
    return all(
        bool((x - BallInterval.point(c)).magnitude() <= BallInterval.point(r).low)
        for rows in zip(found, matrix.centre, matrix.radius, strict=True)
        for x, c, r in zip(*rows, strict=True)
    )
