"""Level 2: statement (B) of `proof.py`, re-derived from the costs themselves.

The file spells the costs out as an expression graph. Here the graph is evaluated on every cell in
ball arithmetic, with derivatives by truncated Taylor polynomials (`jets`), which shows

  * that every operation of the graph is defined on each cell, whether or not an output depends on
    it, and that the costs are four times continuously differentiable there, as all Taylor
    coefficients up to degree 4 are finite on pieces of it;
  * that the Jacobian of their pseudo-gradient is in the family that the file states;
  * that `|F(center) - value| <= residual`;
  * that a zero-sum game has only one payoff: its second cost is the negative of the first;
  * and that the hash of the game belongs to what the file says of it: players, sets and graph.

In a file about another field, the graph spells out that field; in one about a natural gradient
over all policies, it spells out the costs of policies, and cells are sets of policies. A field may
have kinks (`kinks`): then J and its family are those of the loosened graph, for all selectors that
are possible on the cell, the selectors being further coordinates, of which each goes from 0 to 1 on
the cell and is 0 or 1 on pieces where nothing else is possible.

So no part of the enclosures that found the families has to be trusted: no JAX, no interval rules,
no automatic differentiation.

Take one cell, with centre c, half-widths r and family `C + sum_k e_k G_k + E`, `|E| <= R`. Any e
with `|e_k| <= 1` will do, and `e_k = (x_k - c_k) / r_k` for the coordinate k that the file says G_k
goes along is chosen, zero for others. What has to be shown is `|D(x)| <= R` for
`D(x) = J(x) - C - sum_k e_k(x) G_k`. On a piece of the cell, with centre p and half-widths s,

    D(x) = D(p) + sum_k dD/dx_k (p) d_k + 1/2 sum_kl H_kl d_k d_l,     d = x - p,  |d_k| <= s_k,

by Taylor's theorem, with second derivatives H of J somewhere on the piece, which are bounded over
all of it. Each coordinate's own parabola is bounded as a whole. For entries in which all G_k are
zero, bounds on J itself over the piece will do as well. The first piece is the cell; where this is
not enough, a piece is cut in two.
"""

from fractions import Fraction
from itertools import accumulate, pairwise
from math import factorial, prod
from typing import Any

from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

from .cells import Corner, Family, Progress, cells_of
from .claims import StatedGame
from .graph import Graph, require_graph
from .intervals import ZERO, BallInterval
from .jets import Expansions, Jet, JetArithmetic, derivative
from .matrices import Matrix
from .reader import Reader
from .verdict import require

# Bits of ball arithmetic: the file's numbers have 53, and the checker should lose nothing.
PRECISION = 128
# Degree of the Taylor polynomials over cells.
ORDER = 4
# The most pieces that one cell may be cut into.
MAX_PIECES = 2**12
# A piece is at least `1 / FINEST` of the cell along each coordinate: where a bound is attained up
# to roundings, no number of cuts helps.
FINEST = 2**48


def rederive(file: Reader, claims: StatedGame, progress: Progress | None = None) -> tuple[str, ...]:
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
    graph = require_graph(file, claims.graph)
    with ctx.workprec(PRECISION):
        derivation = _Derivation(graph, claims, file["evidence"]["unit"].integer())
        derivation.check_residual()
        region, nodes = claims.region, file["evidence"]["cells"]
        cells = cells_of(nodes, region.lower, region.upper, region.misses, progress)
        pieces = [derivation.check_cell(*cell) for cell in cells]
    count = f"{len(pieces)} cells, cut into {sum(pieces)} pieces"
    costs = "the payoff, and its negative as the other cost," if claims.zero_sum else "the costs"
    smooth = f"{costs} are" if claims.is_gradient else "the field is"
    field = "pseudo-gradient" if claims.is_gradient else "field"
    kinks = derivation.selectors
    beside = f", on either side of its {kinks} kinks" if kinks else ""
    return (
        f"that {smooth} four times continuously differentiable on the region{beside}",
        f"that the Jacobian of the {field} is in the stated families ({count})",
        f"that the {field} at the centre is what is stated, within the residual",
    )


# The side of a cell of a selector.
_ALL = (Fraction(0), Fraction(1))
Balls = list[list[BallInterval]]
# A box, by its sides.
Sides = list[tuple[Fraction, Fraction]]
# An entry of F: an output of the graph, a sign, and the coordinates of the derivative to take.
Entry = tuple[int, int, tuple[int, ...]]


def entries(sizes: list[int], zero_sum: bool, is_gradient: bool) -> list[Entry]:
    """Says how F is made of the outputs of the graph.

    Each entry is the derivative of the own player's cost along the entry's coordinate, or for a
    field the output itself.
    """
    players = [player for player, size in enumerate(sizes) for _ in range(size)]
    if not is_gradient:
        return [(k, 1, ()) for k in range(len(players))]
    return [
        (0, 1 - 2 * player, (k,)) if zero_sum else (player, 1, (k,))
        for k, player in enumerate(players)
    ]


class _Derivation:
    """The graph of the costs of a game, and the claims of a file about their derivatives."""

    def __init__(self, graph: Graph, claims: StatedGame, unit: int) -> None:
        self.graph, self.claims = graph, claims
        self.scale = Fraction(2) ** unit
        self.size = len(claims.center)
        of_costs = claims.is_gradient or claims.natural is not None
        self.kinks = claims.kinks
        self.selectors = 0 if self.kinks is None else self.kinks.selectors
        if self.kinks is not None:
            self.graph = self.kinks.loosened
        self.entries = entries(claims.sizes, claims.zero_sum, of_costs)
        self.plain, self.values = graph, JetArithmetic(0)
        self.first = self.values if self.kinks else JetArithmetic(1)
        self.expansions = Expansions(ORDER)
        smooth = "the costs are smooth" if claims.is_gradient else "the field is smooth"
        self.smooth = f"{smooth} on the region (level 2)"
        self.defined = "every operation of the graph is defined on the region (level 2)"

    def check_residual(self) -> None:
        """Verifies `|F(center) - value| <= residual`."""
        center, natural = self.claims.center, self.claims.natural
        point = self._policies() if self.claims.natural else map(BallInterval.point, center)
        jets, obliged = self.plain.obliged(self.first.around([*point]), self.first.operations)
        require(_finite(obliged), self.defined)
        require(_finite(jets), self.smooth)
        for k, (output, sign, variables) in enumerate(self.entries):
            entry = self._entry(jets[output], *variables).times(sign)
            if natural is not None:
                pull = (center[k] - natural.reference[k]) * natural.temperature
                entry = entry + BallInterval.point(pull)
            error = (entry - BallInterval.point(self.claims.value[k])).magnitude()
            holds = error <= BallInterval.point(self.claims.residual[k]).low
            require(bool(holds), "the residual at the centre holds (level 2)")

    def _policies(self) -> list[BallInterval]:
        """Returns the policies at the centre, `q_a = e^x_a / (1 + sum_b e^x_b)` for each vector."""
        result, center = [], self.claims.center
        for low, high in pairwise([0, *accumulate(self.claims.region.groups)]):
            powers = [BallInterval.exp(c) for c in center[low:high]]
            total = sum(powers, BallInterval.point(1))
            result += [power * total**-1 for power in powers]
        return result

    def _jacobian(
        self, jets: list[Jet], box: list[BallInterval], arithmetic: JetArithmetic
    ) -> list[list[Jet]]:
        """Returns the jets of J, the derivatives of F, of one order less than those of F.

        For a natural gradient, `J = temperature I + H S`, with H the derivatives of g in place of
        F, and `S_cb = [c = b] q_b - q_c q_b` for two coordinates of one probability vector: that is
        how policies depend on logit differences.
        """
        order = arithmetic.order - len(self.entries[0][2]) - 1
        axes, natural = range(self.size), self.claims.natural
        slopes = [
            [
                {m: x.times(sign) for m, x in derivative(jets[output], (*along, b), order).items()}
                for b in axes
            ]
            for output, sign, along in self.entries
        ]
        if natural is None:
            return slopes
        policies, result = arithmetic.around(box), []
        constant = arithmetic.operations["constant"](natural.temperature)
        ends = [0, *accumulate(self.claims.region.groups)]
        group = [range(low, high) for low, high in pairwise(ends) for _ in range(low, high)]
        fisher = {
            (c, b): arithmetic.add(
                policies[b] if b == c else {},
                arithmetic.neg(arithmetic.times(policies[c], policies[b], order)),
            )
            for b in axes
            for c in group[b]
        }
        for a in axes:
            result.append([constant if a == b else {} for b in axes])
            for b in axes:
                for c in group[b]:
                    term = arithmetic.times(slopes[a][c], fisher[c, b], order)
                    result[a][b] = arithmetic.add(result[a][b], term)
        return result

    def check_cell(self, node: Reader, lower: Corner, upper: Corner) -> int:
        """Verifies that J is in the family on one cell; returns the number of pieces it took."""
        axes = self.size + self.selectors
        entries = self.size**2 * axes * (axes + 1) // 2  # of the Jacobian's second derivatives
        self.expansions.wide.spend(entries)
        cell = list(zip(lower, upper, strict=True)) + [_ALL] * self.selectors
        family = Family(node, self.size, self.size)
        stated = _Affine(family, self.scale, cell, self.selectors)
        pending, pieces = [cell], 0
        while pending:
            require(
                pieces + len(pending) <= MAX_PIECES,
                f"{node.where}: the Jacobian is in the stated family (level 2, not shown with "
                f"{MAX_PIECES} pieces)",
            )
            piece = self._possible(pending.pop())
            if piece is None:
                continue
            self.expansions.wide.spend(entries)
            axis = self._failing(stated, piece)
            if axis is None:
                pieces += 1
                continue
            low, high = piece[axis]
            first, last = cell[axis]
            require(
                (high - low) * FINEST >= last - first,
                f"{node.where}: the Jacobian is in the stated family (level 2, not shown with "
                "pieces as narrow as 2^-48 of the cell)",
            )
            middle = (low + high) / 2
            pending += [
                [*piece[:axis], half, *piece[axis + 1 :]]
                for half in ((low, middle), (middle, high))
            ]
        return pieces

    def _possible(self, piece: Sides) -> Sides | None:
        """Returns a piece without selectors that are not possible on it; None if none is left."""
        if self.kinks is None:
            return piece
        inputs = self.values.inputs(piece[: self.size])
        switches = self.kinks.switches.evaluate(inputs, self.values.operations)
        result = piece[: self.size]
        for switch, (low, high) in zip(switches, piece[self.size :], strict=True):
            value = switch.get((), ZERO)
            if value.low > 0:
                low = Fraction(1)
            elif value.high < 0:
                high = Fraction(0)
            if low > high:
                return None
            result.append((low, high))
        return result

    def _failing(self, stated: "_Affine", piece: Sides) -> int | None:
        """Returns None if `|D| <= R` is shown on a piece, else the coordinate that adds most."""
        middle = [(low + high) / 2 for low, high in piece]
        half = [BallInterval.point((high - low) / 2) for low, high in piece]
        found, obliged = self.expansions.of(self.graph, middle, piece)
        at, over = [pair.middle for pair in found], [pair.box for pair in found]
        require(_finite([pair.middle for pair in obliged]), self.defined)
        require(_finite(at), self.smooth)
        # A smaller piece may do: it is cut along the coordinate that has been cut least.
        if not _finite([*over, *(pair.box for pair in obliged)]):
            shares = [
                (high - low) / (end - start)
                for (low, high), (start, end) in zip(piece, stated.cell, strict=True)
            ]
            return shares.index(max(shares))
        box = [BallInterval.of(*ends) for ends in piece]
        near = self._jacobian(at, [BallInterval.point(m) for m in middle], self.expansions.near)
        wide = self._jacobian(over, box, self.expansions.wide)
        centres, axes = stated.at(middle), range(len(piece))
        scores, shown = [0.0] * len(piece), True
        for a in range(self.size):
            for b in range(self.size):
                parts = []
                for k in axes:
                    slope = self._entry(near[a][b], k) - stated.slopes[k][a][b]
                    part = _parabola(slope, self._entry(wide[a][b], k, k), half[k])
                    for m in range(k):
                        both = half[k] * half[m] * BallInterval.of(-1, 1)
                        part = part + self._entry(wide[a][b], m, k) * both
                    parts.append(part)
                value, most = self._entry(near[a][b]) - centres[a][b], stated.remainder[a][b].low
                require(
                    not (value.low > most or value.high < -most),
                    f"{stated.where}: the Jacobian is in the stated family (level 2)",
                )
                if not sum(parts, value).magnitude() <= most:
                    still = all(x[a][b].low == 0 == x[a][b].high for x in stated.slopes)
                    whole = self._entry(wide[a][b]) - centres[a][b]
                    if still and whole.magnitude() <= most:
                        continue
                    shown = False
                    for k, part in enumerate(parts):
                        scores[k] += float(part.magnitude().upper())
        if shown:
            return None
        # Where no coordinate adds anything, the rounding error of the graph is what is too large.
        require(
            max(scores) > 0,
            f"{stated.where}: the Jacobian is in the stated family (level 2, lost in roundings)",
        )
        return max(axes, key=scores.__getitem__)

    def _entry(self, jet: Jet, *variables: int) -> BallInterval:
        """Returns a derivative: a coefficient times the factorials of its exponents."""
        if variables not in jet:
            return BallInterval.point(0)
        counts = (variables.count(k) for k in set(variables))
        return jet[variables].times(prod(map(factorial, counts)))


def _finite(jets: list[Jet]) -> bool:
    return all(value.is_finite() for jet in jets for value in jet.values())


class _Affine:
    """The function `C + sum_k e_k(x) G_k` that a file states for J on a cell, up to a remainder.

    The `slopes` are its derivatives along each coordinate.
    """

    def __init__(self, family: Family, scale: Fraction, cell: Sides, selectors: int) -> None:
        size = len(cell) - selectors

        def balls(m: Matrix, factor: Fraction = scale) -> Balls:
            return [[BallInterval.point(x * factor) for x in row] for row in m]

        self.cell, self.where = cell, family.node.where
        self.middle = [(low + high) / 2 for low, high in cell]
        self.centre, self.remainder = balls(family.centre), balls(family.remainder)
        self.slopes = [[[ZERO] * size for _ in range(size)] for _ in cell]
        for k, generator in zip(family.along(selectors), family.generators, strict=True):
            if k >= 0:
                radius = (cell[k][1] - cell[k][0]) / 2
                self.slopes[k] = _plus(self.slopes[k], balls(generator, scale / radius))

    def at(self, point: list[Fraction]) -> Balls:
        """Returns the value at a point."""
        result = self.centre
        for p, c, slope in zip(point, self.middle, self.slopes, strict=True):
            if p != c:
                result = _plus(result, [[x.times(p - c) for x in row] for row in slope])
        return result


def _plus(one: Balls, other: Balls) -> Balls:
    return [[x + y for x, y in zip(*rows, strict=True)] for rows in zip(one, other, strict=True)]


def _parabola(slope: BallInterval, curvature: BallInterval, half: BallInterval) -> BallInterval:
    """Returns an enclosure of `slope d + curvature d^2 / 2` for all `|d| <= half`, a number."""

    def highest(bend: Any) -> Any:
        """Returns the highest value of a parabola with some slope and at most that curvature.

        A parabola that bends down does not rise above its vertex, nor above its end if the vertex
        is beyond `half`.
        """
        steepness, end = slope.magnitude(), half.high
        if bend < 0:
            if steepness >= -bend * end:
                return steepness * end + bend * end**2 / 2
            return steepness**2 / (-2 * bend)
        return steepness * end + bend.max(0 * bend) * end**2 / 2

    return BallInterval(-highest(-curvature.low), highest(curvature.high))
