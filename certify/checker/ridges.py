"""Level 2 for files with terms: the costs as forms, and the terms of their Jacobian.

The second derivatives of a cost `c + g'x + sum_k c_k prod_f U_kf(d_kf'x)` (see `forms`) are a sum
of terms of rank one,

    sum_k c_k ( sum_f U_f'' prod_(g != f) U_g d_f d_f'
                + sum_(f != g) U_f' U_g' prod_(h != f, g) U_h d_f d_g' ),

and the rows of the Jacobian of the pseudo-gradient are those of the own player: a term of cost i
has `E_i d_f` in place of the d_f on the left, E_i being the projection to player i's coordinates.
Terms that belong to several costs are put together, `p = sum_i c_i E_i d_f`. So

    J(x) = sum_k s_k(x) p_k q_k'

with integer vectors p_k and q_k, exactly, and functions s_k whose ranges are bounded on the region,
which may be all of R^n. Nothing is sampled and nothing is differentiated by a program.

The two terms of f and g share their slope. Where each of d_f and d_g is of one player, and the two
players have the product with the same coefficient up to a sign, as in every zero-sum game, they are
one *mirrored* term `s (p q' + q p')` or `s (p q' - q p')`.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import NamedTuple

from .exact import root_above
from .forms import Factor, Factors, Form, Forms, NotRidges, Vector, direction
from .graph import Graph
from .intervals import UNKNOWN, ZERO, BallInterval
from .region import Region
from .univariate import Ranges, Tree, is_defined, ranges

# The most ranges of operations in all trees, and products of ranges: they take a minute or two.
MAX_RANGES = 2**24
# The ranges of each operation over an interval, which is cut, and so are arguments of functions.
_CUTS = 2**7


class Key(NamedTuple):
    """What a term of J is made of: `p q'`, and if it is mirrored `mirror q p'` with 1 or -1."""

    left: Vector
    right: Vector
    mirror: int = 0

    def apart(self) -> "list[tuple[Key, int]]":
        """Returns the two terms that a mirrored one is made of, each with its sign."""
        return [(Key(self.left, self.right), 1), (Key(self.right, self.left), self.mirror)]


class Ridges:
    """The costs of a game, or a field, as forms.

    Args:
        graph: The costs, or the field.
        sizes: Coordinates of each player.
        zero_sum: Whether the graph is the payoff that player 0 minimises and player 1 maximises.
        is_gradient: Whether the graph spells out costs.

    Raises:
        NotRidges: If they are no such forms.
    """

    def __init__(self, graph: Graph, sizes: list[int], zero_sum: bool, is_gradient: bool) -> None:
        arithmetic = Forms()
        self.outputs, self.obliged = arithmetic.of(graph)
        self._partial, self._ranges = arithmetic.partial, 0
        self.players = [player for player, size in enumerate(sizes) for _ in range(size)]
        self.is_gradient = is_gradient
        self.costs = self.outputs
        if zero_sum:
            self.costs = [self.outputs[0], arithmetic.scaled(self.outputs[0], Fraction(-1))]

    def undefined(self, region: Region) -> bool:
        """Says whether an operation of the graph was not shown to be defined on the region."""
        reach = Extents(region)
        factors = {f for form in self.obliged for key in form.products for f in key}
        factors |= self._partial
        self._spend(factors, reach)
        return not all(is_defined(f.tree, reach.of(f.direction)) for f in factors)

    def _spend(self, factors: Iterable[Factor], reach: "Extents | None" = None) -> None:
        """Pays for the ranges of factors before they are taken; at a point they are not cut."""
        cuts = 1 if reach is None or reach.region.is_everything else _CUTS
        self._pay(cuts * sum(factor.tree[-1][0] for factor in factors))

    def _pay(self, count: int) -> None:
        self._ranges += count
        if self._ranges > MAX_RANGES:
            raise NotRidges("the costs have too many functions of one linear form")

    def terms(self, region: Region) -> dict[Key, BallInterval]:
        """Returns the range of s_k over the region for each term of the Jacobian."""
        reach, terms = Extents(region), dict[Key, BallInterval]()
        known: dict[Factor, Ranges] = {}
        everywhere: dict[Tree, Ranges] = {}
        zero = Fraction(0)

        def bounds(factor: Factor) -> Ranges:
            if factor not in known:
                self._spend([factor], reach)
                along, tree = reach.of(factor.direction), factor.tree
                if along is UNKNOWN:  # then all linear forms have the same values
                    if tree not in everywhere:
                        everywhere[tree] = ranges(tree, along)
                    known[factor] = everywhere[tree]
                else:
                    known[factor] = ranges(tree, along)
            return known[factor]

        def add(left: Iterable[tuple[int, Fraction]], right: Vector, s: BallInterval) -> None:
            entries = {k: a for k, a in left if a}
            if entries and right and s is not ZERO:
                along, scale = direction(entries)
                put(Key(along, right), s.times(scale))

        def put(key: Key, part: BallInterval) -> None:
            terms[key] = terms[key] + part if key in terms else part

        if self.is_gradient:
            for factors, shares in self._shares().items():
                self._pay(len(factors) ** 3 + sum(len(f.direction) for f in factors))
                for left, right, s, is_mixed in _second(factors, bounds):
                    found = self._mirrored(left, right, shares) if is_mixed else None
                    if found is not None and s is not ZERO:
                        put(found[0], s.times(found[1]))
                    orders = [] if found else [(left, right), (right, left)][: 1 + is_mixed]
                    for p, q in orders:
                        own = ((k, shares.get(self.players[k], zero) * a) for k, a in p)
                        add(own, q, s)
        else:
            for k, cost in enumerate(self.costs):
                if cost.slopes:
                    along, scale = direction(cost.slopes)
                    add([(k, Fraction(1))], along, BallInterval.point(scale))
            for factors, shares in self._shares().items():
                self._pay(len(factors) ** 2 + sum(len(f.direction) for f in factors))
                for right, s in _first(factors, bounds):
                    add(shares.items(), right, s)
        return terms

    def value(self, point: list[Fraction]) -> list[BallInterval]:
        """Returns F at a point, up to roundings."""
        known: dict[Factor, Ranges] = {}

        def bounds(factor: Factor) -> Ranges:
            if factor not in known:
                self._spend([factor])
                at = sum((a * point[k] for k, a in factor.direction), Fraction(0))
                known[factor] = ranges(factor.tree, BallInterval.point(at))
            return known[factor]

        if not self.is_gradient:
            return [_value(cost, point, bounds) for cost in self.costs]
        total = [BallInterval.point(self.costs[i].slopes.get(k, Fraction(0)))
                 for k, i in enumerate(self.players)]  # fmt: skip
        for factors, shares in self._shares().items():
            self._pay(len(factors) ** 2 + sum(len(f.direction) for f in factors))
            for right, s in _first(factors, bounds):
                for k, a in right:
                    share = shares.get(self.players[k], Fraction(0)) * a
                    if share and s is not ZERO:
                        total[k] = total[k] + s.times(share)
        return total

    def cost_values(self, point: list[Fraction]) -> list[BallInterval]:
        """Returns the outputs of the graph at a point, up to roundings."""

        def bounds(factor: Factor) -> Ranges:
            self._spend([factor])
            at = sum((a * point[k] for k, a in factor.direction), Fraction(0))
            return ranges(factor.tree, BallInterval.point(at))

        return [_value(cost, point, bounds) for cost in self.outputs]

    def _mirrored(
        self, left: Vector, right: Vector, shares: dict[int, Fraction]
    ) -> tuple[Key, Fraction] | None:
        """Returns the mirrored term of two vectors, and its factor, if there is one."""
        owners = [{self.players[k] for k, _ in vector} for vector in (left, right)]
        if any(len(owner) != 1 for owner in owners):
            return None
        (i, p), (j, q) = sorted(zip((min(owner) for owner in owners), (left, right), strict=True))
        mine, other = shares.get(i, Fraction(0)), shares.get(j, Fraction(0))
        if not mine or abs(mine) != abs(other):
            return None
        return Key(p, q, 1 if mine == other else -1), mine

    def _shares(self) -> dict[Factors, dict[int, Fraction]]:
        """Returns the coefficients of each product in the costs that have it."""
        shares: dict[Factors, dict[int, Fraction]] = {}
        for i, cost in enumerate(self.costs):
            for factors, a in cost.products.items():
                shares.setdefault(factors, {})[i] = a
        return shares


Bounds = Callable[[Factor], Ranges]


def _first(factors: Factors, bounds: Bounds) -> Iterable[tuple[Vector, BallInterval]]:
    """Yields the first derivatives of a product: a vector, and the number that goes with it."""
    for f, factor in enumerate(factors):
        yield factor.direction, _others(factors, {f}, bounds(factor).slope, bounds)


def _second(
    factors: Factors, bounds: Bounds
) -> Iterable[tuple[Vector, Vector, BallInterval, bool]]:
    """Yields the second derivatives of a product: two vectors and the number with them.

    Those of two different factors are yielded once, marked as mixed: they stand for both orders.
    """
    for f, one in enumerate(factors):
        s = _others(factors, {f}, bounds(one).bend, bounds)
        yield one.direction, one.direction, s, False
        for g, other in enumerate(factors[:f]):
            s = _product(bounds(one).slope, bounds(other).slope)
            yield one.direction, other.direction, _others(factors, {f, g}, s, bounds), True


def _others(factors: Factors, done: set[int], s: BallInterval, bounds: Bounds) -> BallInterval:
    for h, factor in enumerate(factors):
        if h not in done:
            s = _product(s, bounds(factor).value)
    return s


def _product(x: BallInterval, y: BallInterval) -> BallInterval:
    """Returns the product; what vanishes identically makes it vanish, whatever the other is."""
    return ZERO if x is ZERO or y is ZERO else x * y


def _value(form: Form, point: list[Fraction], bounds: Bounds) -> BallInterval:
    start = form.constant + sum((a * point[k] for k, a in form.slopes.items()), Fraction(0))
    total = BallInterval.point(start)
    for factors, a in form.products.items():
        total = total + _others(factors, set(), BallInterval.point(a), bounds)
    return total


class Extents:
    """How far linear forms reach over a region.

    Over a box, `d'x` is between the sums of its terms' ends; over a ball it is within
    `radius |d|_2` of its value at the centre. Over all of R^n nothing bounds it.
    """

    def __init__(self, region: Region) -> None:
        self.region = region
        self._known: dict[Vector, BallInterval] = {(): BallInterval.point(0)}

    def of(self, along: Vector) -> BallInterval:
        """Returns all values of a linear form, or UNKNOWN."""
        if along not in self._known:
            self._known[along] = self._of(along)
        return self._known[along]

    def _of(self, along: Vector) -> BallInterval:
        region = self.region
        if region.is_everything:
            return UNKNOWN
        if region.is_box:
            low = sum(a * (region.lower if a > 0 else region.upper)[k] for k, a in along)
            high = sum(a * (region.upper if a > 0 else region.lower)[k] for k, a in along)
            return BallInterval.of(low, high)
        middle = sum(a * region.center[k] for k, a in along)
        distance = region.radius * root_above(Fraction(sum(a * a for _, a in along)))
        return BallInterval.of(middle - distance, middle + distance)
