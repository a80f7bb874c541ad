"""The argument of a certificate, step by step. Read this file to know what a certificate proves.

The equilibrium and its basin follow from what is proved here, by the theorems in `equilibrium.py`,
and step sizes of methods by those in `steps.py`.

The setting: costs f_i of N players on a convex region D of R^n, the pseudo-gradient
F = (grad_i f_i)_i, its Jacobian J, and the metric |x|_P^2 = x' P x with a constant matrix P: most
often `P = W = diag(w_i I)`, one positive weight per player, else any symmetric positive definite
one. What the file states about J and F and is *not* re-derived here is, in one place:

  (B) on each (closed) cell of the region the costs and F are continuously differentiable, F being
      their gradients (so own-player blocks of J are symmetric), and J(x) = C + sum_k e_k G_k + E
      with |e_k| <= 1 and |E| <= R entrywise, for every x; |F(center) - value| <= residual
      entrywise, value being zero where the file states none. Of a game that the file calls
      zero-sum: it has two players and f_2 = -f_1.

A file may speak of another field in place of the pseudo-gradient, and names it. Then (B) is said of
that F alone: it is continuously differentiable, with that Jacobian and that value; nothing is known
of costs, own-player blocks of J need not be symmetric, and x* is a zero of F (with strategy sets: a
solution of its variational inequality) that nobody says is an equilibrium of anything.

The field may be a natural gradient `N(x) = temperature (x - reference) + g(q(x))` of games played
with probability vectors: x are logit differences, q(x) the probabilities of all actions but the
last of each vector, g the gradients of the costs in q, each in the own player's. Then D can be all
of R^n. Its Jacobian is a function of q, and so (B) says of the cells, which are sets of policies,
what holds for every x whose policies are in them.

Where the file states the players' strategy sets, K is their product, an equilibrium is one of the
game restricted to D and K, and steps and flow are projected onto K, player by player. Then P has to
be W: blocks and their projections are all that weights per player let pass. Without such sets K
is the whole space.

From (B) everything else follows by the inequalities verified below, in exact rational arithmetic.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

from .exact import (
    Matrix,
    Work,
    family_positive_definite,
    generator,
    positive_definite,
)
from .graph import Graph, read_graph
from .metric import Metric, dense, loose, times
from .reader import MAX_BITS, Reader, Unusable
from .region import Region, require
from .sets import Extent, StrategySet, read_set

MAX_DIMENSION = 512
MAX_GENERATORS = 256
# Bits by which all entries of a cell's matrices together may grow in the units of the checker.
MAX_ADDED = 2**30
# Cuts, one within the other: as many boxes are kept.
MAX_DEPTH = 2**10
# Ends of cells that checking a file may take, before a minute has passed.
MAX_ENDS = 2**22


class Natural(NamedTuple):
    """What a natural gradient adds to the slopes of costs of policies."""

    temperature: Fraction
    reference: list[Fraction]


METRIC_POSITIVE = "the metric is positive definite, and as large as the file says"


class Claims:
    """What the file claims, in exact numbers: what every step of the proof refers to."""

    def __init__(self, file: Reader) -> None:
        game = file["game"]
        players = game["players"].items()
        sizes = [player["size"].integer() for player in players]
        names = {player["name"].text() for player in players}
        if not players or min(sizes) < 1 or sum(sizes) > MAX_DIMENSION or len(names) < len(sizes):
            raise Unusable(
                "a game has players of different names, of at least 1 and in all at most "
                f"{MAX_DIMENSION} coordinates"
            )
        self.zero_sum = "zero_sum" in game and game["zero_sum"].boolean()
        if self.zero_sum and len(sizes) != 2:
            raise Unusable("a zero-sum game has two players")
        self.is_gradient = "field" not in game
        if not self.is_gradient and (self.zero_sum or not game["field"].text()):
            game["field"].fail("the name of a field, of a game that is not called zero-sum")
        kind = "metric" if "metric" in file["claims"] else "weights"
        _, margin, lipschitz, gain, equilibrium, basin, steps = file["claims"].fields(
            kind, "margin", "lipschitz", "small_gain", "equilibrium", "basin", "steps"
        )
        self.players, n = range(len(sizes)), sum(sizes)
        self.coordinates = [slice(*ends) for ends in pairwise(accumulate(sizes, initial=0))]
        self.sizes, self.region = sizes, Region(file["region"], n)
        self.natural: Natural | None = None
        if self.region.groups or "natural" in game:
            if self.is_gradient or "sets" in game or not self.region.groups:
                raise Unusable("a natural gradient is a field, without sets, over all policies")
            temperature, reference = game["natural"].fields("temperature", "reference")
            self.natural = Natural(temperature.number(), reference.numbers(n))
        self.sets: list[StrategySet] = []
        if "sets" in game:
            entries = zip(game["sets"].items(len(sizes)), sizes, strict=True)
            self.sets = [read_set(entry, size) for entry, size in entries]
        self.graph: Graph | None = None
        if "graph" in game:
            costs = 1 if self.zero_sum else len(sizes)
            of_costs = self.is_gradient or self.natural is not None
            self.graph = read_graph(game["graph"], n, costs if of_costs else n)
        self.extents: list[Extent] = [(None, None)] * n
        if self.sets:
            self.extents = [extent for own in self.sets for extent in own.extents]
        self.metric = Metric(file["claims"], sizes)
        lowest = min(self.metric.smallest, *self.metric.coordinate)
        require(lowest > 0, "the weights are positive" if kind == "weights" else METRIC_POSITIVE)
        self.margin, self.lipschitz = margin.number(), lipschitz.number()
        require(self.margin > 0, "the margin is positive")
        require(self.lipschitz >= self.margin, "the Lipschitz constant is at least the margin")

        margin, left, right, curvature, smoothness, coupling = gain.fields(
            "margin", "left", "right", "curvature", "smoothness", "coupling"
        )
        self.gain = margin.number()
        self.coupling = [row.numbers(len(sizes)) for row in coupling.items(len(sizes))]
        self.left, self.right, self.curvature, self.smoothness = (
            bounds.numbers(len(sizes)) for bounds in (left, right, curvature, smoothness)
        )
        require(min(self.left + self.right) > 0, "the small-gain vectors are positive")
        signs = ((i == j, x) for i, row in enumerate(self.coupling) for j, x in enumerate(row))
        require(
            all(x == 0 if own else x > 0 for own, x in signs),
            "the coupling bounds are positive, and zero for a player with itself",
        )

        further = ("value",) if self.sets else ()
        center, residual, radius, *value = equilibrium.fields(
            "center", "residual", "radius", *further
        )
        self.center, self.residual = center.numbers(n), residual.numbers(n)
        require(min(self.residual) >= 0, "the residual is not negative")
        self.value = value[0].numbers(n) if value else [Fraction(0)] * n
        self.radius, self.basin = radius.number(), basin.fields("radius")[0].number()
        require(self.radius > 0, "the equilibrium ball has a positive radius")
        require(self.basin > 0, "the basin has a positive radius")
        self.steps = steps.items()

    def spread(self, values: list) -> list:
        """One value per player becomes one per coordinate."""
        return [x for x, size in zip(values, self.sizes, strict=True) for _ in range(size)]

    def reaches(self, radius: Fraction, weights: list[Fraction] | None = None) -> bool:
        """Whether the points of K in the ball of that radius around the centre are in the region.

        In the metric, or in another one that has the given weights per player.
        """
        if weights is not None:
            floors = self.spread(weights)
        elif self.region.is_box:
            floors = self.metric.coordinate
        else:
            floors = [self.metric.smallest] * len(self.center)
        return self.region.contains_ball(self.center, radius, floors, self.extents)


def check_metric(claims: Claims) -> None:
    """A matrix P is positive definite, and the file bounds it from below as `Metric` says.

    `P - smallest I > 0` with `smallest > 0`, and `P - coordinate_k e_k e_k' > 0` for each unit
    vector e_k. Of weights there is nothing more to verify than that they are positive.
    """
    metric, work = claims.metric, Work()
    if not metric.is_matrix:
        return
    numbers = [*metric.entries(), *metric.coordinate, metric.smallest]
    bits = max(x.denominator.bit_length() - 1 for x in numbers)
    indices = range(len(metric.rows))
    bounds = [({*indices}, metric.smallest), *(({k}, x) for k, x in enumerate(metric.coordinate))]
    for where, bound in bounds:
        matrix = dense(metric.whole(bits))
        for k in where:
            matrix[k][k] -= int(bound * 2**bits)
        work.spend(matrix)
        require(positive_definite(matrix), METRIC_POSITIVE)


def check_cells(
    evidence: Reader, claims: Claims, progress: Callable[[int, int], None] | None = None
) -> None:
    """The cells cover the region, and `check_cell` proves the constants on each of them.

    The cells are the leaves of a tree that cuts the bounding box of the region in two, again and
    again; so they cover it by construction.
    """
    unit = evidence["unit"].integer()
    if not -1200 <= unit <= 0:
        evidence["unit"].fail("an integer from -1200 to 0")
    numbers = [*claims.metric.entries(), claims.margin, claims.lipschitz, *claims.curvature]
    numbers += [*claims.smoothness, *(x for row in claims.coupling for x in row)]
    # Every number is an integer multiple of 2^-bits.
    bits = max(-unit, *(x.denominator.bit_length() - 1 for x in numbers))
    work, nodes, metric = Work(), evidence["cells"].items(), claims.metric.whole(bits)
    added = bits + unit + max(x.bit_length() for row in metric for x in row.values())
    for node, _, _ in cells_of(nodes, claims.region, progress):
        matrices = len(node["generators"].items()) + 2
        if matrices * len(claims.center) ** 2 * added > MAX_ADDED:
            raise Unusable("checking it would take too much memory: too large a cell")
        check_cell(Family(node, claims, bits + unit, work), claims, bits)


def cells_of(
    nodes: list[Reader], region: Region, progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[Reader, list[Fraction], list[Fraction]]]:
    """The cells with their corners, by the tree that they form; they cover the region."""
    pending, found = [(region.lower, region.upper)], 0
    if len(nodes) * len(region.lower) > MAX_ENDS:
        raise Unusable("checking it would take too much work: too many cells")
    for count, node in enumerate(nodes):
        if progress is not None:
            progress(count, len(nodes))
        require(bool(pending), "the cells form one tree")
        lower, upper = pending.pop()
        if "split" in node:
            axis, at = node["split"].integer(), node["at"].number()
            require(0 <= axis < len(lower), f"{node.where} splits an existing coordinate")
            require(lower[axis] < at < upper[axis], f"{node.where} splits inside the cell")
            below, above = list(upper), list(lower)
            below[axis] = above[axis] = at
            pending += [(above, upper), (lower, below)]
            if len(pending) > MAX_DEPTH:
                node.fail(f"at most {MAX_DEPTH} cuts, one within the other")
        elif "outside" in node:
            require(region.misses(lower, upper), f"{node.where} lies outside the region")
        else:
            yield node, lower, upper
            found += 1
    if progress is not None:
        progress(len(nodes), len(nodes))
    require(not pending and found > 0, "the cells cover the region")


class Family:
    """The Jacobians of one cell: integer matrices `C`, `G_k` and `R` in units of `2^-bits`.

    In a zero-sum game `F = (grad_1 f, -grad_2 f)`, so `f` is twice continuously differentiable and
    `J_21 = -J_12'` at every point. `C` and the `G_k` are required to have the same property; then
    so has `E`: entries that mirror each other are one number up to the sign, `E_ba = -E_ab`. `R`,
    required to be symmetric there, is given the same signs. Then `|form(E)| <= |form(R)|` entrywise
    for every form below, with weights w or the diagonal of P in their place: in `W E + E' W` such a
    pair becomes the one entry `(w_1 - w_2) E_ab`, of size at most `|w_1 - w_2| R_ab` and not
    `(w_1 + w_2) R_ab`; in all others its two entries stay apart, so that signs make no difference.
    """

    def __init__(self, node: Reader, claims: Claims, shift: int, work: Work) -> None:
        size = sum(claims.sizes)

        def matrix(file: Reader) -> Matrix:
            flat = [x << shift for x in file.integers(size * size)]
            return [flat[i * size : (i + 1) * size] for i in range(size)]

        self.node, self.work = node, work
        generators = node["generators"].items()
        if len(generators) > MAX_GENERATORS:
            node["generators"].fail(f"at most {MAX_GENERATORS} matrices")
        if "along" in node:
            along(node, len(generators), size)
        self.centre, self.remainder = matrix(node["centre"]), matrix(node["remainder"])
        self.generators = [matrix(item) for item in generators]
        require(min(map(min, self.remainder)) >= 0, f"{node.where}.remainder is not negative")
        if claims.zero_sum:
            first, second = claims.coordinates
            for row in self.remainder[second]:
                row[first] = [-x for x in row[first]]
            for m in (self.centre, *self.generators, self.remainder):
                below = [list(column) for column in zip(*block(m, first, second, -1), strict=True)]
                require(block(m, second, first) == below, f"{node.where} is of a zero-sum game")

    def scaling(self, name: str, length: int) -> list[int]:
        """Positive integers of the file, with which a remainder is absorbed."""
        scaling = self.node[name].integers(length)
        require(min(scaling) > 0, f"{self.node.where}.{name} is positive")
        return scaling

    def modes(self, name: str, length: int, bits: int) -> list[Matrix] | None:
        """Modes of a form of each generator, in units of `2^-bits`, or None if the file has none.

        A mode is a strength, in units of the file, and an integer vector.
        """
        if name not in self.node:
            return None
        unit, vectors = self.node[name].fields("unit", "vectors")
        shift = unit.integer() + bits
        if not 0 <= shift <= bits + MAX_BITS:
            unit.fail("an integer, from twice the unit of the evidence")
        modes = [
            [row.integers(length + 1) for row in rows.items()]
            for rows in vectors.items(len(self.generators))
        ]
        return [[[row[0] << shift, *row[1:]] for row in rows] for rows in modes]

    def require_positive(
        self,
        form: Callable[[Matrix], Matrix],
        constant: Matrix,
        claim: str,
        scaling: list[int] | None = None,
        modes: list[Matrix] | None = None,
        remainder: Matrix | None = None,
    ) -> None:
        """`form(J) + constant` is positive definite for all J; `form` linear, symmetric.

        `remainder` bounds `form(E)` entry by entry, by `form(R)` when it is not given.
        """
        centre = plus(form(self.centre), constant)
        generators = [
            generator(form(g), rows, self.work)
            for g, rows in zip(self.generators, modes or [[]] * len(self.generators), strict=True)
        ]
        # Which come first is only a matter of speed: those of which modes leave the most.
        generators.sort(key=lambda g: -sum(map(abs, chain(*g.rest))))
        scaling = scaling or [1] * len(constant)
        remainder = form(self.remainder) if remainder is None else remainder
        proved = family_positive_definite(centre, generators, remainder, scaling, self.work)
        require(proved, f"{claim} on {self.node.where}")


def along(node: Reader, generators: int, size: int) -> list[int]:
    """The coordinate that each generator goes along, or -1: of use at level 2 only."""
    found = node["along"].integers(generators)
    if not all(-1 <= k < size for k in found):
        node["along"].fail("coordinates, or -1")
    return found


def check_cell(family: Family, claims: Claims, bits: int) -> None:
    """The inequalities that hold on one cell, for every J of its family.

        P J + J' P - 2 margin P > 0              <=>  J is strongly monotone in P with that margin,
        [[L P, (P J)'], [P J, L P]] > 0          <=>  |J|_P < L   (Schur complement),
        J_ii + J_ii' - 2 curvature_i I > 0,  2 smoothness_i I - J_ii - J_ii' > 0,
        [[coupling_ij I, J_ij'], [J_ij, coupling_ij I]] > 0   <=>   |J_ij| < coupling_ij.

    The Schur complement of the second is `L P - (P J)' (L P)^-1 P J = (L^2 P - J' P J) / L`.

    The third line is about symmetric parts, and needs no symmetry. All pass to the averages of
    J along segments, because P and the bounds are the same in all cells: `<F(x) - F(y), x -
    y>_P >= margin |x - y|_P^2` and `|F(x) - F(y)|_P <= L |x - y|_P` on D.
    """

    def whole(number: Fraction) -> int:
        return int(number * 2**bits)

    metric, n = claims.metric.whole(bits), len(claims.center)

    def weighted(m: Matrix) -> Matrix:
        if claims.metric.is_matrix:
            family.work.spend(m)
        return times(metric, m)

    family.require_positive(
        lambda m: symmetric(weighted(m)),
        dense(metric, -2 * whole(claims.margin)),
        "the margin holds",
        family.scaling("margin_scaling", n),
        family.modes("margin_modes", n, 2 * bits),
        loose(metric, symmetric, family.remainder),
    )
    size = dense(metric, whole(claims.lipschitz))
    family.require_positive(
        lambda m: bordered(weighted(m)),
        [[*row, *[0] * n] for row in size] + [[*[0] * n, *row] for row in size],
        "the Lipschitz constant holds",
        family.scaling("lipschitz_scaling", 2 * n),
        remainder=loose(metric, bordered, family.remainder),
    )
    for i, own in enumerate(claims.coordinates):
        low, high = whole(claims.curvature[i]), whole(claims.smoothness[i])
        for sign, bound, name in ((1, low, "curvature"), (-1, high, "smoothness")):
            family.require_positive(
                lambda m, own=own, sign=sign: symmetric(block(m, own, own, sign)),
                identity(claims.sizes[i], -2 * sign * bound),
                f"the {name} of player {i} holds",
            )
        for j, other in enumerate(claims.coordinates):
            if i != j:
                family.require_positive(
                    lambda m, own=own, other=other: bordered(block(m, own, other)),
                    identity(claims.sizes[i] + claims.sizes[j], whole(claims.coupling[i][j])),
                    f"the coupling of players {i} and {j} holds",
                )


def identity(size: int, factor: int) -> Matrix:
    """A multiple of the identity."""
    return [[factor * (i == j) for j in range(size)] for i in range(size)]


def plus(first: Matrix, second: Matrix) -> Matrix:
    """The sum of two matrices."""
    return [list(map(int.__add__, *rows)) for rows in zip(first, second, strict=True)]


def block(m: Matrix, rows: slice, columns: slice, sign: int = 1) -> Matrix:
    """The part of a matrix that belongs to two players, with a sign."""
    return [[sign * x for x in row[columns]] for row in m[rows]]


def symmetric(m: Matrix) -> Matrix:
    """`m + m'`."""
    return [
        [x + y for x, y in zip(row, column, strict=True)]
        for row, column in zip(m, zip(*m, strict=True), strict=True)
    ]


def bordered(m: Matrix) -> Matrix:
    """`[[0, m'], [m, 0]]`."""
    top = [[0] * len(m[0]) + list(column) for column in zip(*m, strict=True)]
    return top + [row + [0] * len(m) for row in m]


def check_small_gain(claims: Claims) -> None:
    """Two positive vectors prove the small-gain margin.

    With `K = diag(curvature) - coupling`, `K v >= a v` and `u' K >= a u'` make
    `W K + K' W - 2 a W` positive semidefinite for `W = diag(u / v)`: it has non-positive
    off-diagonal entries and maps v to a non-negative vector.
    """
    for i in claims.players:
        own = claims.curvature[i] - claims.gain
        row = sum(claims.coupling[i][j] * claims.right[j] for j in claims.players)
        column = sum(claims.left[j] * claims.coupling[j][i] for j in claims.players)
        require(own * claims.right[i] >= row, f"the small-gain margin holds in row {i}")
        require(own * claims.left[i] >= column, f"the small-gain margin holds in column {i}")
