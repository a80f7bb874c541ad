"""The argument of a file that says how many stationary points there are in a box.

The setting: a field `F: R^n -> R^n`, in most cases of the derivatives of players' costs; a set K,
a product of intervals, some without an end; and a box D in K. A point x of K is *stationary* if it
solves the variational inequality of F on K: for each coordinate k

    F_k(x) = 0,    or x_k is the lower end of K and F_k(x) >= 0,    or the upper one and <= 0.

Without strategy sets K is all of R^n, and stationary points are zeros of F. Where costs are convex
in the own coordinates, stationary points are Nash equilibria; in general each local one is
stationary. A side of D that is on the same side of K is called a *face*. What the file states and
is not re-derived at level 1 is

  (B) on each cell of the kind "weights", `sum_k weights_k F_k >= bound`; on each of the kind "pin",
      `F_k >= bound` for the coordinate k that it names, or `-F_k >= bound` at an upper end; and for
      each of the points the statement (B) of `krawczyk`, on the system of its free coordinates
      (`stationary_points`), and bounds on second derivatives of costs at the point.

Level 2 derives all of it from the graph (`rederive_count`). A file about a game in normal form has
an argument of its own, and is exact (`count_profiles`).

The cells are the leaves of a tree. A "split" cuts a cell in two, which have the border in common. A
"pin" goes from a cell to a part of it: where a cell reaches the face of coordinate k at the lower
end and `F_k >= bound > 0` on it, each stationary point in it is on that face, since it would
otherwise have `F_k <= 0`; so it is in the part of the cell there, on which k is *pinned*. At the
upper end it is the same with `-F_k`. So each stationary point in D is in one of the leaves, which
are of three kinds.

  * "weights": there is no stationary point in the cell. Suppose that x is one. Weights are zero for
    pinned coordinates, not positive where the cell reaches a face at the lower end and not negative
    where it reaches one at the upper end. If `F_k(x)` is not zero, x is at an end, which the cell
    reaches, and `weights_k F_k(x) <= 0` by the sign of both. So the sum is not positive; but it is
    at least `bound > 0`.
  * "zero": the cell is in the box Z of one of the points, which has the same coordinates pinned,
    and reaches no face in free coordinates. So a stationary point in it is a zero of the system of
    free coordinates, and there is exactly one in Z, by the theorem of `krawczyk`.
  * "open": nothing is said about the cell.

*What follows.* Each point of the list has its coordinates pinned at ends of K with the strict sign
of F there, and a zero in its smaller box X, inside of K: it is stationary in K. It is "inside" if X
is in D, otherwise X has no point in D. The boxes X are disjoint, so the points are different; hence
D has at least as many stationary points as are inside, exactly as many if no cell is open, and
any other one is in an open cell. (That points of the list which are not inside, and may be needed
for "zero", are stationary in K as well, is not claimed.)

*What they are*, for costs. At a point with strict signs on all pinned coordinates, let H_i be the
second derivatives of `f_i` along the free coordinates of player i.

  * "local": all H_i are positive definite, and each player's strategy is a strict local minimum:
    the point is a *strict local Nash equilibrium*. Proof: suppose there are feasible own strategies
    `x_i + t d`, `|d| = 1`, with t to zero, none better than x_i; some d converge to a limit. Then
    `0 >= sum_k F_k d_k` over pinned k in the limit, in which no term is negative, so d is zero
    there in the limit; and before, `t sum_k F_k d_k + t^2 d'(f_i'')d / 2 + o(t^2) <= 0`, where the
    first sum is not negative and the second converges to `d'H_i d / 2 > 0`, a contradiction.
  * "descent": for some player i and some vector v, `v' H_i v < 0`. As free coordinates are in the
    interior of K, `f_i` falls along v and -v, to second order: the point is *no* Nash equilibrium,
    not even a local one.
  * "unsettled": nothing is said.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from .cells import MAX_DEPTH, MAX_ENDS, Corner, Progress
from .count_profiles import check_profiles
from .exact import Work
from .graph import Graph, game_hash, read_graph
from .krawczyk import IntervalMatrix, check_contained, corners_of, definite
from .reader import Reader, Unusable
from .stationary_points import Pins, StationarySystem, read_stationary
from .systems import MAX_UNKNOWNS
from .verdict import require

_UNITS = -1200, 1000
NATURES = ("local", "descent", "unsettled")
# The most points of a file, and the most ends of boxes of all pairs of them.
MAX_POINTS, MAX_PAIRS = 2**12, 2**24


class CountedCell(NamedTuple):
    """A cell of the tree.

    Attributes:
        lower: Its lower corner.
        upper: Its upper corner, equal to the lower one in pinned coordinates.
        pins: Which coordinates are pinned.
    """

    lower: Corner
    upper: Corner
    pins: Pins


class Faces(NamedTuple):
    """The box D, and which of its sides are faces.

    Attributes:
        lower: The lower corner of D.
        upper: Its upper corner.
        at_lower: Which lower sides are faces.
        at_upper: Which upper sides are faces.
    """

    lower: Corner
    upper: Corner
    at_lower: list[bool]
    at_upper: list[bool]

    @classmethod
    def of(cls, system: StationarySystem, lower: Corner, upper: Corner) -> "Faces":
        """Returns the faces of a box in the strategy sets of a system."""
        inside = all(
            (low is None or low <= a) and (high is None or b <= high)
            for a, b, (low, high) in zip(lower, upper, system.extents, strict=True)
        )
        require(inside, "the region is in the strategy sets")
        ends = [*zip(lower, upper, system.extents, strict=True)]
        return cls(
            lower, upper, [a == low for a, _, (low, _) in ends], [b == h for _, b, (_, h) in ends]
        )

    def reaches(self, cell: CountedCell, k: int, at: str) -> bool:
        """Says whether a cell reaches a face in a coordinate, at the lower or the upper end."""
        if at == "lower":
            return self.at_lower[k] and cell.lower[k] == self.lower[k]
        return self.at_upper[k] and cell.upper[k] == self.upper[k]

    def root(self) -> CountedCell:
        """Returns the first cell: all of D."""
        return CountedCell(self.lower, self.upper, (None,) * len(self.lower))

    def pinned(self, cell: CountedCell, k: int, at: str) -> CountedCell:
        """Returns the part of a cell on the face of a coordinate."""
        lower, upper = list(cell.lower), list(cell.upper)
        end = (self.lower if at == "lower" else self.upper)[k]
        lower[k] = upper[k] = end
        return CountedCell(lower, upper, (*cell.pins[:k], at, *cell.pins[k + 1 :]))


def halves(cell: CountedCell, axis: int, at: Fraction) -> tuple[CountedCell, CountedCell]:
    """Returns the parts of a cell below and above a cut."""
    below, above = list(cell.upper), list(cell.lower)
    below[axis] = above[axis] = at
    return cell._replace(upper=below), cell._replace(lower=above)


class Point:
    """What a file says of one stationary point.

    Attributes:
        system: The system of its free coordinates.
        box: The box of the free coordinates in which there is one zero.
        zero: The smaller box that it is in.
        center: A point in it.
        is_inside: Whether it is said to be in the region.
        nature: What it is said to be.
        unit: The exponent of the unit of integers.
    """

    def __init__(
        self, claim: Reader, evidence: Reader, all_free: StationarySystem, faces: Faces
    ) -> None:
        fixed, box, zero, inside, nature = claim.fields("fixed", "box", "zero", "inside", "nature")
        pins: list[str | None] = [None] * all_free.inputs
        for entry in fixed.items():
            coordinate, at = entry.fields("coordinate", "at")
            k = coordinate.integer_within(0, all_free.inputs - 1)
            if at.text() not in ("lower", "upper") or pins[k] is not None:
                entry.fail('a coordinate, once, at the "lower" or the "upper" end')
            is_face = (faces.at_lower if at.text() == "lower" else faces.at_upper)[k]
            require(is_face, f"{entry.where} is a face of the region")
            pins[k] = at.text()
        ends = (faces.lower, faces.upper)
        self.system = StationarySystem(all_free.sizes, all_free.of_costs, tuple(pins), ends)
        self.system.extents = all_free.extents
        self.box, self.zero = (corners_of(each, self.system.unknowns) for each in (box, zero))
        self.is_inside, self.nature = inside.boolean(), nature.text()
        if self.nature not in NATURES:
            nature.fail(" or ".join(f'"{known}"' for known in NATURES))
        self.evidence = evidence
        self.unit = evidence["unit"].integer_within(*_UNITS)
        self.center = evidence["center"].numbers(self.system.unknowns)
        own = [*zip(self.zero[0], self.center, self.zero[1], strict=True)]
        require(all(a <= c <= b for a, c, b in own), f"{claim.where}: the centre is in its box")

    @property
    def whole(self) -> tuple[Corner, Corner]:
        """The smaller box in all coordinates."""
        return self.system.inputs_of(self.zero[0]), self.system.inputs_of(self.zero[1])


class CountClaims:
    """The claims of a file about all stationary points in a box, in exact numbers."""

    def __init__(self, file: Reader) -> None:
        game, claims, evidence = file["game"], file["claims"], file["evidence"]
        self.all_free, self.graph = read_counted_game(game)
        region, zeros, count, opened = claims.fields("region", "zeros", "count", "open")
        lower, upper = corners_of(region, self.all_free.inputs)
        require(all(map(Fraction.__lt__, lower, upper)), "the region has a width everywhere")
        self.faces = Faces.of(self.all_free, lower, upper)
        points, self.nodes = evidence.fields("zeros", "cells")
        entries = zeros.items()
        if len(entries) > MAX_POINTS:
            zeros.fail(f"at most {MAX_POINTS} points")
        if len(entries) ** 2 * self.all_free.inputs > MAX_PAIRS:
            raise Unusable("checking it would take too much work: too many points")
        pairs = zip(entries, points.items(len(entries)), strict=True)
        self.points = [Point(claim, own, self.all_free, self.faces) for claim, own in pairs]
        self.count = count.integer_within(0, MAX_POINTS)
        self.open = opened.integer_within(0, MAX_ENDS)


def read_counted_game(game: Reader) -> tuple[StationarySystem, Graph]:
    """Reads what a file says of the field, and verifies its hash."""
    players = game["players"].items()
    sizes = [player["size"].integer_within(1, MAX_UNKNOWNS) for player in players]
    names = {player["name"].text() for player in players}
    if not players or len(names) < len(sizes) or sum(sizes) > MAX_UNKNOWNS:
        raise Unusable(
            f"players have different names, and from 1 to {MAX_UNKNOWNS} coordinates in all"
        )
    system = read_stationary(game, sizes)
    graph = read_graph(game["graph"], system.inputs, system.outputs)
    require(
        game["hash"].text() == game_hash(game.value),
        "the hash is that of the game: its players, its system and its graph",
    )
    return system, graph


def check_count(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies every claim of a file about all stationary points; see the top of this module.

    Returns:
        What was re-derived from the graph, at level 2; nothing at level 1.
    """
    if "terms" in file["game"]:
        return check_profiles(file, progress)
    claims = CountClaims(file)
    work = Work()
    for point in claims.points:
        check_point(point, claims.faces, work)
    whole = [point.whole for point in claims.points]
    for number, one in enumerate(whole):
        others = whole[:number]
        require(all(_apart(one, other) for other in others), "the boxes of points are disjoint")
    inside = sum(point.is_inside for point in claims.points)
    require(claims.count == inside, "the count is the number of points inside")
    opened = 0
    for node, cell in counted_cells(claims.nodes, claims.faces, progress):
        opened += check_leaf(node, cell, claims)
    require(claims.open == opened, "as many cells are open as the file says")
    if level == 1:
        return ()
    try:
        from .rederive_count import rederive_count
    except ImportError:
        raise Unusable("level 2 needs ball arithmetic: install python-flint") from None
    return rederive_count(claims, progress)


def check_point(point: Point, faces: Faces, work: Work) -> None:
    """Verifies that there is one point in its box, and what is said of it, given (B)."""
    names = ["center", "residual", "unit", "jacobian", "inverse", "bounds", "curvature"]
    fields = dict(zip(names, point.evidence.fields(*names), strict=True))
    system, where = point.system, point.evidence.where
    ends = zip(point.box[0], *point.zero, point.box[1], strict=True)
    require(all(a <= c and d <= b for a, c, d, b in ends), f"{where}: one box is in the other")
    if system.unknowns:
        check_contained(fields, point, point.unit, work)
    bounds = fields["bounds"].numbers(system.conditions)
    require(all(bound > 0 for bound in bounds), f"{where}: pinned coordinates stay at their ends")
    lower, upper = point.whole
    if point.is_inside:
        for k in range(system.inputs):
            low, high = faces.lower[k], faces.upper[k]
            require(low <= lower[k] and upper[k] <= high, f"{where}: the point is in the region")
            if system.pins[k] is None:
                free = low < lower[k] or not faces.at_lower[k]
                free = free and (upper[k] < high or not faces.at_upper[k])
                require(free, f"{where}: free coordinates are in the interior of their sets")
    else:
        apart = _apart((lower, upper), (faces.lower, faces.upper))
        require(apart, f"{where}: the point is outside of the region")
    _check_nature(point, fields["curvature"], work)


def _check_nature(point: Point, file: Reader, work: Work) -> None:
    """Verifies what is said of second derivatives."""
    system, where = point.system, point.evidence.where
    if point.nature == "unsettled":
        file.items(0)
        return
    require(system.of_costs, f"{where}: a field says nothing about second derivatives of costs")
    descends = False
    for player, entry in enumerate(file.items(len(system.sizes))):
        matrix, direction = entry.fields("matrix", "direction")
        size = len(system.own_free(player))
        vector = direction.integers(size) if direction.items() else []
        if size == 0:
            matrix["centre"].items(0)
            continue
        family = IntervalMatrix(matrix, size, size, symmetric=True)
        if point.nature == "local":
            claim = f"{where}: the cost of player {player} curves upward"
            require(definite(family.centre, family.remainder, work), claim)
        elif vector:
            work.pay(size * size)
            bent = sum(
                v * w * c + abs(v * w) * r
                for v, centres, radii in zip(vector, family.centre, family.remainder, strict=True)
                for w, c, r in zip(vector, centres, radii, strict=True)
            )
            descends = descends or bent < 0
    require(point.nature == "local" or descends, f"{where}: some cost curves downward")


def counted_cells(
    file: Reader, faces: Faces, progress: Progress | None = None, every: bool = False
) -> Iterator[tuple[Reader, CountedCell]]:
    """Yields the leaves of the tree with their cells; once all are yielded, they cover the region.

    Args:
        file: The list of nodes, in preorder.
        faces: The region.
        progress: Called with the number of nodes done and of all.
        every: Whether nodes that pin a coordinate are yielded, too.
    """
    pending, nodes = [faces.root()], file.items()
    if len(nodes) * len(faces.lower) > MAX_ENDS:
        raise Unusable("checking it would take too much work: too many cells")
    for count, node in enumerate(nodes):
        if progress is not None:
            progress(count, len(nodes))
        require(bool(pending), "the cells form one tree")
        cell = pending.pop()
        if "split" in node:
            split, place = node.fields("split", "at")
            axis, at = split.integer_within(0, len(faces.lower) - 1), place.number()
            inside = cell.lower[axis] < at < cell.upper[axis]
            require(inside, f"{node.where} splits inside the cell")
            below, above = halves(cell, axis, at)
            pending += [above, below]
            if len(pending) > MAX_DEPTH:
                node.fail(f"at most {MAX_DEPTH} cuts, one within the other")
        elif "pin" in node:
            pin, end, bound = node.fields("pin", "at", "bound")
            axis, at = pin.integer_within(0, len(faces.lower) - 1), end.text()
            if at not in ("lower", "upper"):
                end.fail('"lower" or "upper"')
            free = cell.pins[axis] is None and faces.reaches(cell, axis, at)
            require(free, f"{node.where} pins a free coordinate at a face that the cell reaches")
            require(bound.number() > 0, f"{node.where}: the bound is positive")
            if every:
                yield node, cell
            pending.append(faces.pinned(cell, axis, at))
        else:
            yield node, cell
    if progress is not None:
        progress(len(nodes), len(nodes))
    require(not pending and bool(nodes), "the cells cover the region")


def check_leaf(node: Reader, cell: CountedCell, claims: CountClaims) -> bool:
    """Verifies what is said of a leaf; returns whether it is open."""
    faces, where = claims.faces, node.where
    if "open" in node:
        (opened,) = node.fields("open")
        if not opened.boolean():
            opened.fail("true")
        return True
    free = [k for k, pin in enumerate(cell.pins) if pin is None]
    if "zero" in node:
        (number,) = node.fields("zero")
        point = claims.points[number.integer_within(0, len(claims.points) - 1)]
        require(point.system.pins == cell.pins, f"{where} has the pins of its point")
        within = all(
            low <= cell.lower[k] and cell.upper[k] <= high
            for k, low, high in zip(free, *point.box, strict=True)
        )
        require(within, f"{where} is in the box of its point")
        reaches = any(faces.reaches(cell, k, at) for k in free for at in ("lower", "upper"))
        require(not reaches, f"{where} reaches no face")
        return False
    weights, bound = node.fields("weights", "bound")
    require(bound.number() > 0, f"{where}: the bound is positive")
    for k, weight in enumerate(weights.numbers(len(cell.lower))):
        allowed = cell.pins[k] is None or weight == 0
        allowed = allowed and not (weight > 0 and faces.reaches(cell, k, "lower"))
        allowed = allowed and not (weight < 0 and faces.reaches(cell, k, "upper"))
        require(allowed, f"{where}: weights have the signs that faces allow")
    return False


def _apart(one: tuple[Corner, Corner], other: tuple[Corner, Corner]) -> bool:
    """Says whether two boxes have no point in common."""
    return any(map(Fraction.__lt__, one[1], other[0])) or any(
        map(Fraction.__lt__, other[1], one[0])
    )
