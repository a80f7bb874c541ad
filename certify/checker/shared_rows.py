"""Shared constraints: where a generalised equilibrium is, and with which multipliers.

The players' sets K_i are boxes or products of simplices, `A x <= b` and `A x = b` are rows on all
strategies together, `g(x) <= 0` are convex functions of them (`shared_functions`), and X is the set
of the points of `K = K_1 x ... x K_N` that satisfy them all. Functions are known to be convex on D
alone. Where there are any, X stands for the part of that set in D, which is convex and, with D,
closed; steps are projected onto it. If they are convex on K, so is all of that set; then x* solves
the inequality on all of it, being a solution near itself, and steps may be projected onto that.
With `W = diag(w_i I)`, the metric of the file, x* is a solution of

    <F(x*), z - x*>_W >= 0    for all z in X.

As each z may differ from x* in one block alone and costs are convex there, x* is a generalised Nash
equilibrium: no player gains by a deviation that stays in D, in the own set and, with the others'
strategies at x*, in all rows. Such equilibria are seldom unique, and nothing is claimed of others.
This one is *normalised* in the sense of Rosen (1965): there are numbers `l_j`, not negative where
the row is an inequality and zero where it is not active, with which

    W F(x*) + A' l + n = 0,     n normal to K at x*:

the multipliers of the rows in the problem of player i are `l / w_i`. (The sets and the rows are
linear, so that multipliers exist without further conditions: Farkas' lemma. If there are functions,
of which nothing like it is said, multipliers are claimed only if all of them are inactive at x*.
Then X is the set of the sets and rows near x*.) So *the metric selects
the equilibrium*. If all weights are 1, it is called the *variational* equilibrium, the one whose
multipliers are the same for all players. If no row involves more than one player, X is a product,
every weight leads to the same x*, and it is a Nash equilibrium of the game on that product. If all
rows are inactive, it is a Nash equilibrium of the game without them.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from .exact import Work, dyadic_above, root_above
from .reader import Reader, Unusable
from .sets import BallSet, Extent, SimplexSet, StrategySet
from .shared_functions import ACTIVE, INACTIVE, POSSIBLE, Functions
from .verdict import require

if TYPE_CHECKING:
    from .claims import Claims

MAX_ROWS = 2**12
VARIATIONAL, NORMALISED, NASH = "variational", "normalised", "nash"
EQUALITY = "equality"


class Row(NamedTuple):
    """One row, `sum_k entries_k x_k <= bound`, or `=` if it is an equality."""

    entries: dict[int, Fraction]
    bound: Fraction
    is_equality: bool

    def left(self, x: Sequence[Fraction]) -> Fraction:
        """Returns the left side at a point."""
        return sum((a * x[k] for k, a in self.entries.items()), Fraction(0))

    def slack(self, x: Sequence[Fraction]) -> Fraction:
        """Returns by how much the left side at a point is below the bound."""
        return self.bound - self.left(x)

    def is_beyond(self, c: list[Fraction], weights: list[Fraction], radius: Fraction) -> bool:
        """Says whether every point within the radius of c, in weights, has slack."""
        parts = (dyadic_above(a**2 / weights[k]) for k, a in self.entries.items())
        norm = sum(parts, Fraction(0))
        slack = self.slack(c)
        return slack > 0 and slack**2 > radius**2 * norm


class Shared:
    """The rows of a file, and what it claims of them.

    Attributes:
        rows: The rows.
        couples: Whether any row involves more than one player.
        notion: Which equilibrium x* is said to be.
        multipliers: Of each row, about `l`.
        states: What is claimed of each row at x*.
        radius: How far `l` is from the multipliers at most; None if they need not be unique.
        functions: The convex functions; None if there are none.
    """

    def __init__(self, game: Reader, claims: Reader, evidence: Reader, sizes: list[int]) -> None:
        curved = ["functions"] if "functions" in game else []
        rows, *graph = game.fields("rows", *curved)
        self.rows = [_row(file, sum(sizes)) for file in rows.items()]
        if not len(curved) <= len(self.rows) + len(curved) <= MAX_ROWS or not (self.rows or curved):
            rows.fail(f"at most {MAX_ROWS} rows, and at least one if there are no functions")
        owners = [player for player, size in enumerate(sizes) for _ in range(size)]
        self.couples = any(len({owners[k] for k in row.entries}) > 1 for row in self.rows)
        optional = ["radius"] if "radius" in claims else []
        notion, multipliers, states, *further = claims.fields(
            "notion", "multipliers", "states", *optional, *curved
        )
        radius = further[: len(optional)]
        self.functions: Functions | None = None
        if curved:
            self.functions = Functions(graph[0], further[-1], evidence["functions"], sum(sizes))
        self.notion, count = notion.text(), len(self.rows)
        if self.notion not in (VARIATIONAL, NORMALISED, NASH):
            notion.fail(f'"{VARIATIONAL}", "{NORMALISED}" or "{NASH}"')
        self.multipliers = multipliers.numbers(count)
        self.states = [state.text() for state in states.items(count)]
        for state, row in zip(self.states, self.rows, strict=True):
            if state not in ((EQUALITY,) if row.is_equality else (ACTIVE, INACTIVE, POSSIBLE)):
                states.fail('"equality" for equalities, else "active", "inactive" or "possible"')
        self.radius = radius[0].numbers(count) if radius else None

    def pull(self, weights: list[Fraction]) -> list[Fraction]:
        """Returns `W^-1 A' l`, for a weight of each coordinate."""
        total = [Fraction(0)] * len(weights)
        for row, multiplier in zip(self.rows, self.multipliers, strict=True):
            if multiplier:
                for k, a in row.entries.items():
                    total[k] += a * multiplier / weights[k]
        if self.functions is not None:
            for k, pull in enumerate(self.functions.pull()):
                total[k] += pull / weights[k]
        return total

    def feasible(
        self, center: list[Fraction], sets: list[StrategySet], blocks: list[slice]
    ) -> list[Fraction]:
        """Returns a point of X near the centre, on all equalities and rows with a multiplier.

        It differs from the centre in coordinates that are inside their bounds there, in as few of
        them as there are rows to satisfy: those on which Gauss and Jordan's elimination of the rows
        pivots. Floats are seldom on a hyperplane, so that such a point has fractions in it.
        """
        pairs = zip(self.rows, self.multipliers, strict=True)
        held = [row for row, multiplier in pairs if row.is_equality or multiplier]
        ends = [end for own in sets for end in own.extents]
        free = {k for k, (c, end) in enumerate(zip(center, ends, strict=True)) if c not in end}
        sums = [Row(group, Fraction(1), True) for group in simplices(sets, blocks)]
        work = Work()
        moves = _solution([*held, *sums], center, free, work)
        longest = max((x.denominator.bit_length() for x in moves.values()), default=0)
        work.pay(sum(len(row.entries) for row in self.rows) * (2 + longest // 64) ** 2)
        point = [c + moves.get(k, 0) for k, c in enumerate(center)]
        require(
            all(own.contains(point[block]) for own, block in zip(sets, blocks, strict=True)),
            "the centre, moved onto the rows, is in the strategy sets",
        )
        require(
            all(row.slack(point) == 0 for row in held)
            and all(row.slack(point) >= 0 for row in self.rows),
            "the centre, moved onto the rows with a multiplier, satisfies all rows",
        )
        return point


def check_shared(claims: "Claims", evidence: Reader) -> None:
    """Verifies the notion, which rows are active at x*, and where their multipliers are.

    x* is within `radius` of the centre c in W, and so `|A_j (x* - c)| <= radius |A_j|` with the
    norm `|A_j|^2 = sum_k A_jk^2 / w_k`. A row with more slack than this at c is *inactive*. It has
    the multiplier zero. A row is *active* if all of its possible multipliers are positive.
    """
    shared = claims.shared
    if shared is None:
        return
    if shared.notion == VARIATIONAL:
        require(
            all(w == 1 for w in claims.metric.weights), "the weights of a variational one are 1"
        )
    curved = shared.functions is not None and not shared.functions.are_inactive
    if shared.functions is not None:
        shared.functions.check_states(claims.metric.coordinate, claims.radius)
    if shared.notion == NASH and (curved or set(shared.states) - {INACTIVE}):
        apart = not (shared.couples or curved)
        require(apart, "no row involves two players, or all are inactive")
    triples = zip(shared.rows, shared.multipliers, shared.states, strict=True)
    for number, (row, multiplier, state) in enumerate(triples):
        name = f"row {number}"
        require(row.is_equality or multiplier >= 0, f"the multiplier of {name} is not negative")
        if state == INACTIVE:
            far = row.is_beyond(claims.center, claims.metric.coordinate, claims.radius)
            require(far and not multiplier, f"{name} is inactive, with the multiplier zero")
        if state == ACTIVE:
            sure = shared.radius is not None and multiplier > shared.radius[number]
            require(sure, f"{name} is active: its multiplier is surely positive")
    if shared.radius is not None:
        require(not curved, "multipliers are claimed of rows alone: all functions are inactive")
        _check_multipliers(claims, shared, shared.radius, evidence["shared"])


def _check_multipliers(
    claims: "Claims", shared: Shared, radius: list[Fraction], evidence: Reader
) -> None:
    """Verifies that there is one vector of multipliers, and that it is where the file says.

    The coordinates that are surely inside their bounds at x* are *free*: their entry of n is zero,
    or, in a simplex, the same number for all of its free coordinates, a *level*. Let B be the
    columns of the free coordinates, and its rows those that are not inactive, and one row of ones
    for each simplex. With y the multipliers and the levels, `B' y = -W F(x*)` on the free
    coordinates; other entries of l are zero. For any matrix M and any approximation y0,

        y - y0 = M q + (I - M B') (y - y0),      q = -W F(x*) - B' y0.

    Let E = |I - M B'| and `g >= |M q|`, entry by entry. If `E r < r` and `g + E r <= r` for some
    r > 0, then `|y - y0| <= r`: let k be where `|y - y0|_k / r_k` is largest, d; then
    `d r_k <= g_k + d (E r)_k`, so `d (r_k - (E r)_k) <= g_k <= r_k - (E r)_k`. The same with
    another solution in place of y0, and q = 0, shows that there is only one.

    F(x*) is known up to `|F(x*) - F(c)|_W <= lipschitz radius`.
    """
    inverse, levels, spread = evidence.fields("inverse", "levels", "level_radius")
    weights = claims.metric.coordinate
    free = surely_free(claims.center, claims.extents, weights, claims.radius)
    place = {k: column for column, k in enumerate(free)}
    groups = [g for g in simplices(claims.sets, claims.coordinates) if any(k in place for k in g)]
    unknown = [j for j, state in enumerate(shared.states) if state != INACTIVE]
    lines = [shared.rows[j].entries for j in unknown] + groups
    start = [shared.multipliers[j] for j in unknown] + levels.numbers(len(groups))
    reach = [radius[j] for j in unknown] + spread.numbers(len(groups))
    require(
        all(
            (r > 0) if state != INACTIVE else (r == 0)
            for r, state in zip(radius, shared.states, strict=True)
        )
        and all(r > 0 for r in reach),
        "radii of multipliers are positive, and zero for inactive rows",
    )
    Work().pay((len(lines) + 1) ** 2 * (sum(map(len, lines)) + len(free)))
    matrix = [row.numbers(len(free)) for row in inverse.items(len(lines))]
    drift = root_above((claims.lipschitz * claims.radius) ** 2)
    sizes = []
    for k in free:
        value = weights[k] * claims.value[k]
        value += sum(
            (y * line[k] for y, line in zip(start, lines, strict=True) if k in line), Fraction(0)
        )
        sizes.append((value, root_above(weights[k]) * drift + weights[k] * claims.residual[k]))
    for row, (own, r) in enumerate(zip(matrix, reach, strict=True)):
        middle = sum((m * value for m, (value, _) in zip(own, sizes, strict=True)), Fraction(0))
        wide = sum((abs(m) * size for m, (_, size) in zip(own, sizes, strict=True)), Fraction(0))
        loss = Fraction(0)
        for column, (line, other) in enumerate(zip(lines, reach, strict=True)):
            product = sum((own[place[k]] * a for k, a in line.items() if k in place), Fraction(0))
            loss += abs((row == column) - product) * other
        require(
            loss < r and abs(middle) + wide + loss <= r,
            f"the multipliers are unique and within their radii (number {row})",
        )


def surely_free(
    center: list[Fraction], extents: list[Extent], weights: list[Fraction], radius: Fraction
) -> list[int]:
    """Returns the coordinates that are inside their bounds wherever x is within the radius of c."""
    return [
        k
        for k, (c, ends, w) in enumerate(zip(center, extents, weights, strict=True))
        if all(end is None or (c - end) ** 2 * w > radius**2 for end in ends)
    ]


def _solution(
    rows: list[Row], center: list[Fraction], free: set[int], work: Work
) -> dict[int, Fraction]:
    """Returns moves of free coordinates with which the rows hold as equalities.

    Dependent rows are no obstacle if they are consistent; if not, the file is rejected.
    """
    solved = list[tuple[int, dict[int, Fraction], Fraction]]()
    for row in rows:
        line = {k: a for k, a in row.entries.items() if k in free}
        rest = row.slack(center)
        for pivot, other, value in solved:
            rest = _eliminated(line, rest, pivot, other, value, work)
        if not line:
            require(rest == 0, "the centre can be moved onto the rows with a multiplier")
            continue
        pivot = max(line, key=lambda k: (abs(line[k]), -k))
        scale = line.pop(pivot)
        line, rest = {k: a / scale for k, a in line.items()}, rest / scale
        for index, (column, other, value) in enumerate(solved):
            solved[index] = column, other, _eliminated(other, value, pivot, line, rest, work)
        solved.append((pivot, line, rest))
    return {pivot: rest for pivot, _, rest in solved}


def _eliminated(
    line: dict[int, Fraction],
    rest: Fraction,
    pivot: int,
    other: dict[int, Fraction],
    value: Fraction,
    work: Work,
) -> Fraction:
    """Subtracts from a line what makes its entry at the pivot vanish; returns its new right side.

    The other line has one at the pivot, which is left out of it.
    """
    factor = line.pop(pivot, Fraction(0))
    if not factor:
        return rest
    numbers = (factor, value, *other.values())
    longest = max(x.denominator.bit_length() for x in numbers)
    work.pay((len(other) + 1) * (2 + longest // 64) ** 2)
    for k, a in other.items():
        entry = line.get(k, Fraction(0)) - factor * a
        if entry:
            line[k] = entry
        else:
            line.pop(k, None)
    return rest - factor * value


def simplices(sets: list[StrategySet], blocks: list[slice]) -> list[dict[int, Fraction]]:
    """Returns a row of ones for each simplex."""
    return [
        {block.start + k: Fraction(1) for k in range(group.start, group.stop)}
        for own, block in zip(sets, blocks, strict=True)
        if isinstance(own, SimplexSet)
        for group in own.groups
    ]


def _row(file: Reader, size: int) -> Row:
    columns, values, bound, equality = file.fields("columns", "values", "bound", "equality")
    places = [column.integer_within(0, size - 1) for column in columns.items()]
    if not places or any(a >= b for a, b in pairwise(places)):
        columns.fail("at least one coordinate, in order, each once")
    entries = dict(zip(places, values.numbers(len(places)), strict=True))
    if not all(entries.values()):
        values.fail("numbers that are not zero")
    return Row(entries, bound.number(), equality.boolean())


def require_sets(claims: "Claims") -> None:
    """Raises `Unusable` unless the strategy sets are such that rows can be added to them."""
    if not claims.sets or any(isinstance(own, BallSet) for own in claims.sets):
        raise Unusable("shared constraints go with strategy sets that are boxes or simplices")
