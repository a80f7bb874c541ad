"""The argument of a file about a merely monotone field: how fast its residual falls along methods.

The setting is that of `proof.py`: F is the pseudo-gradient of a game, or another field, on a convex
region D, J its Jacobian, and `|x|_W^2 = sum_i weights_i |x_i|^2`. Statement (B) is the one there:
the Jacobian is in the stated family on each cell, and `|F(center) - value| <= residual`. There need
not be any margin, nor only one solution. What is verified, in exact rational arithmetic:

  * on each cell `W J + J' W` is positive semidefinite and `|J|_W < L` for all J of its family. Both
    pass to averages of J along segments: F is monotone and Lipschitz in W on D.
  * there is a solution z*, and at least how near to each start (`MonotoneClaims.distance`): every
    start is within `distance` of one solution. A solution is a zero of F; or with strategy sets,
    whose product is K, a point of K with `<F(z*), z - z*> >= 0` for all z in K. Of a game whose
    players' costs are convex, as `W J + J' W >= 0` says on its diagonal blocks, it is an
    equilibrium within D and K.
  * the theorems in `anchored` then bound the residual after k steps of each method from every
    start, for the points at which F is evaluated are in D.

With sets, steps are projected onto K, player by player, which is the projection in W too.
"""

from fractions import Fraction

from .anchored import ONTO_SETS, UNCONSTRAINED, Theorem
from .cells import MAX_DIMENSION, Corner, Family, Progress, cells_of
from .claims import StatedGame
from .exact import Work, dyadic_above, root_above
from .matrices import Matrix, bordered, diagonal, minus, plus, product, square, symmetric
from .metric import ExactMetric, dense, loose, times
from .proof import MAX_ADDED, mirror
from .reader import Reader, Unusable
from .semidefinite import family_semidefinite
from .sets import BallSet, SimplexSet
from .verdict import require, require_all

# How a file shows that there is a solution.
ZERO, POINT, COMPACT = "zero", "point", "compact"


class MonotoneClaims(StatedGame):
    """The claims of a file about a monotone field, in exact numbers."""

    def __init__(self, file: Reader) -> None:
        super().__init__(file)
        n = sum(self.sizes)
        if self.natural is not None or self.region.is_everything or "shared" in file["game"]:
            raise Unusable("files about monotone fields have cells of a box or a ball of points")
        if n > MAX_DIMENSION:
            raise Unusable(f"cells are for at most {MAX_DIMENSION} coordinates")
        _, lipschitz, solution, starts, distance, methods = file["claims"].fields(
            "weights", "lipschitz", "solution", "starts", "distance", "methods"
        )
        self.metric = ExactMetric(file["claims"], self.sizes)
        require(min(self.metric.weights) > 0, "the weights are positive")
        self.lipschitz, self.distance = lipschitz.number(), distance.number()
        require(self.lipschitz > 0, "the Lipschitz constant is positive")
        self.kind = solution["kind"].text()
        if self.kind not in (ZERO, POINT, COMPACT):
            solution["kind"].fail(f"one of {ZERO}, {POINT}, {COMPACT}")
        further = ["value"] * bool(self.sets) + ["reach"] * (self.kind == ZERO)
        solution.fields("kind", "center", "residual", *further)
        self.read_point(solution, n)
        self.reach = [Fraction(0)] * n
        if self.kind == ZERO:
            self.reach = solution["reach"].numbers(n)
            require(min(self.reach) > 0, "the box of the zero is not empty")
        start, radius = starts.fields("center", "radius")
        self.start, self.radius = start.numbers(n), radius.number()
        require(self.radius >= 0, "the radius of the starts is not negative")
        self.methods = methods.items()

    def norm_above(self, vector: list[Fraction]) -> Fraction:
        """Bounds the norm of a vector, in the metric, from above."""
        return root_above(self.metric.squared_norm_above([abs(x) for x in vector]))

    def compact(self) -> bool:
        """Says whether K is bounded; without sets it is not."""
        return all(low is not None and high is not None for low, high in self.extents)

    def contains_sets(self, room: Fraction) -> bool:
        """Says whether D contains all points within `room` of K, in the metric; if K is bounded.

        Their coordinates are within `room / sqrt(weight)` of the bounds of K: for a box that is
        compared with its sides, for a ball with the farthest corner.
        """
        far = []
        for k, (low, high) in enumerate(self.extents):
            if low is None or high is None:
                return False
            spare = root_above(room**2 / self.metric.coordinate[k])
            far.append((low - spare, high + spare))
        region = self.region
        if region.is_box:
            sides = zip(region.lower, region.upper, far, strict=True)
            return all(low <= a and b <= high for low, high, (a, b) in sides)
        pairs = zip(far, region.center, strict=True)
        squares = (max(abs(a - c), abs(b - c)) ** 2 for (a, b), c in pairs)
        return sum(squares, Fraction(0)) <= region.radius**2

    def diameter_above(self) -> Fraction:
        """Bounds the diameter of K in the metric, if it is bounded."""
        total = Fraction(0)
        for own, weight in zip(self.sets, self.metric.weights, strict=True):
            if isinstance(own, BallSet):
                total += weight * 4 * own.radius**2
            elif isinstance(own, SimplexSet):
                total += weight * 2 * sum(group.stop - group.start > 1 for group in own.groups)
            else:
                total += weight * _square([high - low for low, high in _bounded(own.extents)])
        return root_above(total)

    def farthest_above(self, point: list[Fraction]) -> Fraction:
        """Bounds how far points of K are from a point, in the metric, if K is bounded.

        The farthest point of a simplex is a vertex: `|e_j - p|^2 = |p|^2 - 2 p_j + 1`.
        """
        total = Fraction(0)
        for own, weight, block in zip(
            self.sets, self.metric.weights, self.coordinates, strict=True
        ):
            p = point[block]
            if isinstance(own, BallSet):
                offset = _square([a - b for a, b in zip(p, own.middle, strict=True)])
                total += weight * (root_above(offset) + own.radius) ** 2
            elif isinstance(own, SimplexSet):
                parts = [p[group] for group in own.groups]
                total += weight * sum(_square(part) - 2 * min(part) + 1 for part in parts)
            else:
                ends = zip(p, _bounded(own.extents), strict=True)
                total += weight * _square([max(x - low, high - x) for x, (low, high) in ends])
        return root_above(dyadic_above(total))


def check_monotone(file: Reader, level: int, progress: Progress | None) -> tuple[str, ...]:
    """Verifies every claim of a file about a monotone field; see the top of this module.

    Returns:
        What was re-derived from the costs, at level 2; nothing at level 1.
    """
    claims = MonotoneClaims(file)
    require_all(
        lambda: check_cells(file["evidence"], claims, progress),
        lambda: check_solution(claims),
        lambda: check_methods(claims),
    )
    if level == 1:
        return ()
    try:
        from .rederive import rederive
    except ImportError:
        raise Unusable("level 2 needs ball arithmetic: install python-flint") from None
    return rederive(file, claims, progress)


def check_cells(evidence: Reader, claims: MonotoneClaims, progress: Progress | None = None) -> None:
    """Verifies that cells cover the region, and by `check_cell` what is claimed on each.

    If the solution is a zero in a small box X, Krawczyk's test is made with the families of all
    cells that X meets. With a matrix Y, let q bound `|I - Y J|`, entry by entry, for J in any of
    them; it bounds `|I - Y A|` also for the averages A of J along segments in X. If
    `|Y| residual + q reach < reach`, then `z - Y F(z)` maps X into itself (`krawczyk`), so it has a
    fixed point there, where `Y F(z) = 0`; and as `q reach < reach`, all Y A are regular, and Y is.
    That takes a box X in the region, which `check_solution` verifies.
    """
    names = ["unit", "cells"] + ["inverse"] * (claims.kind == ZERO)
    unit = evidence.fields(*names)[0].integer_within(-1200, 0)
    numbers = [*claims.metric.weights, claims.lipschitz]
    # Every number is an integer multiple of 2^-bits.
    bits = max(-unit, *(x.denominator.bit_length() - 1 for x in numbers))
    work, size, region = Work(), len(claims.center), claims.region
    longest = max(int(w * 2**bits).bit_length() for w in claims.metric.weights)
    added = bits + unit + longest
    test = _KrawczykTest(evidence["inverse"], claims, bits, work) if claims.kind == ZERO else None
    cells = cells_of(evidence["cells"], region.lower, region.upper, region.misses, progress)
    for node, lower, upper in cells:
        if (len(node["generators"].items()) + 2) * size**2 * added > MAX_ADDED:
            raise Unusable("checking it would take too much memory: too large a cell")
        family = Family(node, size, size, bits + unit)
        family.along(0 if claims.kinks is None else claims.kinks.selectors)
        if claims.zero_sum:
            mirror(family, *claims.coordinates)
        check_cell(family, claims, bits, work)
        if test is not None:
            test.include(family, lower, upper)
    if test is not None:
        test.require_zero()


def check_cell(family: Family, claims: MonotoneClaims, bits: int, work: Work) -> None:
    """Verifies, for every J of the family of a cell, `W J + J' W >= 0` and `|J|_W < L`.

    The second is `[[L W, (W J)'], [W J, L W]] > 0`, as in `proof`. In the first one the entries of
    a zero-sum game that mirror each other cancel, as far as weights are equal (`proof.mirror`).
    """
    metric, n = claims.metric.whole(bits), len(claims.center)

    def form(m: Matrix) -> Matrix:
        return symmetric(times(metric, m))

    monotone = family_semidefinite(
        form(family.centre),
        [form(m) for m in family.generators],
        loose(metric, symmetric, family.remainder),
        family.scaling("monotone_scaling", n),
        work,
    )
    require(monotone, f"the field is monotone on {family.node.where}")
    bound = dense(metric, int(claims.lipschitz * 2**bits))
    family.require_positive(
        lambda m: bordered(times(metric, m)),
        diagonal(bound, bound),
        "the Lipschitz constant holds",
        work,
        family.scaling("lipschitz_scaling", 2 * n),
        remainder=loose(metric, bordered, family.remainder),
    )


class _KrawczykTest:
    """The test of `check_cells`, which takes in the families of one cell after the other."""

    def __init__(self, file: Reader, claims: MonotoneClaims, bits: int, work: Work) -> None:
        n = len(claims.center)
        own, entries = file.fields("unit", "matrix")
        self.unit, self.inverse = own.integer_within(-1200, 0), entries.matrix(n, n)
        self.claims, self.work, self.shift = claims, work, bits - self.unit
        self.size = [[abs(x) for x in row] for row in self.inverse]
        self.spread: Matrix = square(n)

    def include(self, family: Family, lower: Corner, upper: Corner) -> None:
        """Takes in the family of a cell, if the box of the zero meets it."""
        claims, n = self.claims, len(self.inverse)
        ends = zip(lower, upper, claims.center, claims.reach, strict=True)
        if any(c + r < low or high < c - r for low, high, c, r in ends):
            return
        self.work.spend(family.centre)
        self.work.spend(self.inverse)
        off = minus(square(n, 2**self.shift), product(self.inverse, family.centre))
        moving = [[abs(x) for x in row] for row in family.remainder]
        for generator in family.generators:
            moving = plus(moving, [[abs(x) for x in row] for row in generator])
        around = product(self.size, moving)
        pairs = zip(self.spread, off, around, strict=True)
        self.spread = [
            [max(old, abs(x) + y) for old, x, y in zip(*rows, strict=True)] for rows in pairs
        ]

    def require_zero(self) -> None:
        """Requires the test to hold; `check_solution` requires the box to be in the region."""
        claims = self.claims
        for row, q, reach in zip(self.size, self.spread, claims.reach, strict=True):
            start = sum(y * r for y, r in zip(row, claims.residual, strict=True))
            moved = sum(x * r for x, r in zip(q, claims.reach, strict=True))
            width = start * Fraction(2) ** self.unit + moved / Fraction(2) ** self.shift
            require(width < reach, "Krawczyk's test holds for the box of the zero")


def check_solution(claims: MonotoneClaims) -> None:
    """Verifies that there is a solution, and that it is within `distance` of every start.

    Starts are the points of K within `radius` of their centre, in the metric. The solution is

    - in the file's box around `center`, a zero of F by Krawczyk's test, without sets; or
    - `center` itself, where F has the stated value exactly, and the defect of that value is zero:
      its negative is a normal of K there (`sets`), or zero without sets; or
    - somewhere in K, which is convex, compact and in D (Hartman and Stampacchia, 1966).

    In the first two cases the box, or the point, has to be in D: nothing is known of F elsewhere.
    """
    require(not (claims.sets and claims.kind == ZERO), "the zero is one without strategy sets")
    if claims.sets:
        require(claims.compact(), "the strategy sets are bounded")
        require(claims.contains_sets(Fraction(0)), "the strategy sets are inside the region")
    if claims.kind == COMPACT:
        require(bool(claims.sets), "there are strategy sets")
    else:
        ends = list(zip(claims.center, claims.reach, strict=True))
        inside = claims.region.contains_box([c - r for c, r in ends], [c + r for c, r in ends])
        require(inside, "the solution is inside the region")
    if claims.kind == POINT:
        require(not any(claims.residual), "the value at the centre is exact")
        if claims.sets:
            members = zip(claims.sets, claims.coordinates, strict=True)
            for own, block in members:
                point, value = claims.center[block], claims.value[block]
                solved = own.contains(point)
                if solved:
                    defect = own.defect(point, value)
                    solved = not (any(defect.errors) or defect.shift)
                require(solved, "the centre solves the variational inequality")
    require(distance_above(claims) <= claims.distance, "the distance of starts from a solution")


def distance_above(claims: MonotoneClaims) -> Fraction:
    """Bounds how far a start is from a solution, by what the file states of both."""
    bounds = []
    if claims.kind != COMPACT:
        gap = [a - b for a, b in zip(claims.start, claims.center, strict=True)]
        near = claims.norm_above(claims.reach)
        bounds.append(claims.norm_above(gap) + claims.radius + near)
        if claims.sets:
            bounds.append(claims.farthest_above(claims.center))
    if claims.sets:
        bounds.append(claims.farthest_above(claims.start) + claims.radius)
        bounds.append(claims.diameter_above())
    return min(bounds)


def check_methods(claims: MonotoneClaims) -> None:
    """Verifies the bound of each method, and that F is evaluated in the region only.

    The residual after k steps of any size up to `step` is at most
    `constant (step / size) / (k + shift)`, or that with a root, by the method's theorem: it is
    `constant(step L) distance / step` or more. Without sets, the points are in the ball around the
    solution that is the method's reach; with sets, they are in K or within half its diameter.
    """
    table, stated = ONTO_SETS if claims.sets else UNCONSTRAINED, set[tuple[str, str]]()
    for file in claims.methods:
        method, theorem, step, constant = file.fields("method", "theorem", "step", "constant")
        rule = (method.text(), theorem.text())
        if rule not in table:
            raise Unusable(f'field "{file.where}": no theorem {rule[1]!r} of {rule[0]!r} here')
        if rule in stated:
            file.fail("a method that does not occur before")
        stated.add(rule)
        known, size = table[rule], step.number()
        require(size > 0, f"{rule[0]}: the step is positive")
        bound = known.bound(size, claims.lipschitz, claims.distance)
        require(bound is not None, f"{rule[0]}: the step is at most that of the theorem")
        require(bound is None or bound <= constant.number(), f"{rule[0]}: the constant holds")
        inside = points_inside(claims, known, size * claims.lipschitz)
        require(inside, f"{rule[0]}: its points are inside the region")


def points_inside(claims: MonotoneClaims, known: Theorem, a: Fraction) -> bool:
    """Says whether the points at which a method evaluates F, `a = step L`, are in the region."""
    if claims.sets:
        room = claims.diameter_above() / 2 if known.strays else Fraction(0)
        return claims.contains_sets(room)
    radius = known.reach(a) * claims.distance + claims.norm_above(claims.reach)
    floors = claims.metric.coordinate
    if not claims.region.is_box:
        floors = [claims.metric.smallest] * len(claims.center)
    return claims.region.contains_ball(claims.center, radius, floors, claims.extents)


def _bounded(extents: list) -> list[tuple[Fraction, Fraction]]:
    return [(low or Fraction(0), high or Fraction(0)) for low, high in extents]


def _square(vector: list[Fraction]) -> Fraction:
    return sum((x * x for x in vector), Fraction(0))
