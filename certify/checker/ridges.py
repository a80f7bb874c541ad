"""Level 2 for structured files: the costs as sums of products of functions of linear forms.

Each entry of each node of the graph is brought to the form

    c + g'x + sum_k c_k prod_f U_kf(d_kf'x)

with rational numbers c_k, integer vectors d, and functions U of one variable (`univariate`). The
second derivatives of such a cost are a sum of terms of rank one,

    sum_k c_k ( sum_f U_f'' prod_(g != f) U_g d_f d_f'
                + sum_(f != g) U_f' U_g' prod_(h != f, g) U_h d_f d_g' ),

and the rows of the Jacobian of the pseudo-gradient are those of the own player: a term of cost i
has `E_i d_f` in place of the d_f on the left, E_i being the projection to player i's coordinates.
Terms that belong to several costs are put together, `p = sum_i c_i E_i d_f`. So

    J(x) = sum_k s_k(x) p_k q_k'

with integer vectors p_k and q_k, exactly, and functions s_k whose ranges are bounded on the region,
which may be all of R^n. Nothing is sampled and nothing is differentiated by a program.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import partial
from math import gcd, lcm
from typing import NamedTuple

from .exact import root_above
from .graph import Graph
from .intervals import UNKNOWN, ZERO, BallInterval
from .region import Region
from .univariate import (
    ENTIRE,
    Ranges,
    TooLarge,
    Tree,
    composed,
    is_defined,
    power,
    product,
    ranges,
    total,
)

# An integer vector without common divisor, by its entries that are not zero, the first positive.
Vector = tuple[tuple[int, int], ...]

# The most products of numbers in bringing the costs to this form: they take about a minute.
MAX_WORK = 2**25
# What making a form costs, besides its parts.
_FORM = 32
# The most terms that a product of two sums may have.
MAX_PRODUCTS = 2**12
# The most ranges of operations in all trees, and products of ranges: they take about a minute.
MAX_RANGES = 2**23
# The ranges of each operation over an interval, which is cut, and so are arguments of functions.
_CUTS = 2**7
# The most bits of a numerator or a denominator.
MAX_FRACTION_BITS = 2**12


class NotRidges(ValueError):
    """The error that costs are no sum of products of functions of linear forms; it says why."""


class Factor(NamedTuple):
    """The function `U(d'x)`."""

    tree: Tree
    direction: Vector


Factors = tuple[Factor, ...]


class Form(NamedTuple):
    """A function of x: a constant, a linear form, and products with their coefficients."""

    constant: Fraction
    slopes: dict[int, Fraction]
    products: dict[Factors, Fraction]

    @property
    def is_constant(self) -> bool:
        """Whether it is the same everywhere."""
        return not self.slopes and not self.products


class Key(NamedTuple):
    """What a term of J is made of: the vectors on its left and right."""

    left: Vector
    right: Vector


class Forms:
    """The operations of a graph on forms."""

    def __init__(self) -> None:
        self.work = 0
        # What may be undefined, whether or not anything depends on it in the end.
        self.partial: set[Factor] = set()
        self.operations: dict[str, Callable] = {
            "constant": lambda value: Form(value, {}, {}),
            "total": self.total,
            "add": lambda x, y: self.total([x, y]),
            "sub": lambda x, y: self.total([x, self.scaled(y, Fraction(-1))]),
            "neg": lambda x: self.scaled(x, Fraction(-1)),
            "mul": self.times,
            "div": lambda x, y: self.times(x, self.power(y, -1)),
            "power": self.power,
            "pow": self.real_power,
            **{name: partial(self.applied, name) for name in _UNARY},
            **{name: partial(_kink, name) for name in ("abs", "max", "min", "choose")},
        }

    def inputs(self, count: int) -> list[Form]:
        """Returns the coordinates."""
        return [Form(Fraction(0), {k: Fraction(1)}, {}) for k in range(count)]

    def total(self, terms: list[Form]) -> Form:
        """Returns a sum."""
        constant, slopes, products = Fraction(0), dict(terms[0].slopes), dict(terms[0].products)
        for place, term in enumerate(terms):
            constant = _bounded(constant + term.constant)
            if place:
                self._spend(len(term.slopes) + len(term.products))
                _add(slopes, term.slopes)
                _add(products, term.products)
        self._spend(len(slopes) + len(products) + _FORM)
        return Form(constant, slopes, products)

    def scaled(self, x: Form, factor: Fraction) -> Form:
        """Returns a multiple of a form; zero times it is zero."""
        if factor == 1:
            return x
        if not factor:
            return Form(Fraction(0), {}, {})
        self._spend(_FORM + len(x.slopes) + len(x.products))
        return Form(
            _bounded(x.constant * factor),
            {k: _bounded(a * factor) for k, a in x.slopes.items()},
            {key: _bounded(a * factor) for key, a in x.products.items()},
        )

    def times(self, x: Form, y: Form) -> Form:
        """Returns a product, of sums term by term."""
        for one, other in ((x, y), (y, x)):
            if one.is_constant:
                return self.scaled(other, one.constant)
        parts = [self._parts(x), self._parts(y)]
        if len(parts[0]) * len(parts[1]) > MAX_PRODUCTS:
            raise NotRidges("a product of two sums has too many terms")
        products: dict[Factors, Fraction] = {}
        rest: list[Form] = []
        for a, left in parts[0]:
            for b, right in parts[1]:
                self._spend(_FORM + sum(factor.tree[-1][0] for factor in left + right))
                if left and right:
                    _add(products, {_joined(left + right): _bounded(a * b)})
                else:
                    rest.append(self.scaled(_of_factors(left + right), a * b))
        return self.total([Form(Fraction(0), {}, products), *rest])

    def power(self, x: Form, exponent: int) -> Form:
        """Returns an integer power."""
        if exponent == 0:
            return Form(Fraction(1), {}, {})
        if x.is_constant:
            if not x.constant and exponent < 0:
                raise NotRidges("the costs divide by zero")
            parts = x.constant.numerator, x.constant.denominator
            if abs(exponent) * max(map(int.bit_length, parts)) > MAX_FRACTION_BITS:
                raise NotRidges(_TOO_LONG)
            return Form(x.constant**exponent, {}, {})
        factor = univariate(x)
        if factor is not None:
            return self._function(power(factor.tree, exponent), factor.direction, exponent < 0)
        if exponent < 0:
            raise NotRidges("the costs divide by a function of more than one linear form")
        result = x
        for _ in range(exponent - 1):
            result = self.times(result, x)
        return result

    def real_power(self, x: Form, y: Form) -> Form:
        """Returns `x^y = exp(y log x)`."""
        return self.applied("exp", self.times(y, self.applied("log", x)))

    def applied(self, name: str, x: Form) -> Form:
        """Returns an elementary function of a function of one linear form."""
        self._spend(_FORM + len(x.slopes) + len(x.products))
        factor, partial = univariate(x), name not in ENTIRE
        if factor is not None:
            self._spend(factor.tree[-1][0])
            return self._function(composed(name, factor.tree), factor.direction, partial)
        if x.is_constant:
            # Its value is only known up to roundings, so it stays a function, of no direction.
            return self._function(composed(name, total([], Fraction(0), x.constant)), (), partial)
        raise NotRidges(f"{name} is applied to a function of more than one linear form")

    def _function(self, tree: Tree, along: Vector, partial: bool) -> Form:
        """Returns a function of one linear form, and notes it if it may be undefined."""
        if partial:
            self.partial.add(Factor(tree, along))
        return _function(tree, along)

    def _parts(self, x: Form) -> list[tuple[Fraction, Factors]]:
        """Returns a form as a sum of products of factors."""
        factor = univariate(x)
        if factor is not None:
            return [(Fraction(1), (factor,))]
        parts: list[tuple[Fraction, Factors]] = [(a, key) for key, a in x.products.items()]
        if x.slopes:
            own = univariate(Form(x.constant, x.slopes, {}))
            assert own is not None
            return [(Fraction(1), (own,)), *parts]
        return [(x.constant, ()), *parts] if x.constant else parts

    def _spend(self, products: int) -> None:
        self.work += products
        if self.work > MAX_WORK:
            raise NotRidges("the costs take too much work to be brought to sums of ridges")


_UNARY = (
    "exp",
    "log",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "tanh",
    "sinh",
    "cosh",
    "atan",
    "asin",
    "acos",
    "erf",
)


def _kink(name: str, *_: Form) -> Form:
    raise NotRidges(f"the costs use {name}, which has kinks")


_TOO_LONG = "the numbers in the costs get too long to be followed exactly"


def _bounded(x: Fraction) -> Fraction:
    if max(x.numerator.bit_length(), x.denominator.bit_length()) > MAX_FRACTION_BITS:
        raise NotRidges(_TOO_LONG)
    return x


def _add(sums: dict, others: dict) -> None:
    for key, a in others.items():
        found = _bounded(sums.get(key, 0) + a)
        if found:
            sums[key] = found
        else:
            sums.pop(key, None)


def direction(slopes: dict[int, Fraction]) -> tuple[Vector, Fraction]:
    """Returns an integer vector d and a number a with `slopes = a d`."""
    common = lcm(*(a.denominator for a in slopes.values()))
    whole = {k: int(slopes[k] * common) for k in sorted(slopes)}
    divisor = gcd(*whole.values())
    if next(iter(whole.values())) < 0:
        divisor = -divisor
    return tuple((k, a // divisor) for k, a in whole.items()), Fraction(divisor, common)


def univariate(x: Form) -> Factor | None:
    """Returns a form as a function of one linear form, or None if it is none."""
    directions = {key[0].direction if len(key) == 1 else None for key in x.products}
    slope = Fraction(0)
    if x.slopes:
        along, slope = direction(x.slopes)
        directions.add(along)
    if len(directions) != 1 or None in directions:
        return None
    (along,) = directions
    trees = [(key[0].tree, a) for key, a in x.products.items()]
    if len(trees) == 1 and trees[0][1] == 1 and not slope and not x.constant:
        return Factor(trees[0][0], along or ())
    return Factor(total(trees, slope, x.constant), along or ())


def _function(tree: Tree, along: Vector) -> Form:
    return Form(Fraction(0), {}, {(Factor(tree, along),): Fraction(1)})


def _of_factors(factors: Factors) -> Form:
    if not factors:
        return Form(Fraction(1), {}, {})
    if len(factors) > 1:
        return Form(Fraction(0), {}, {factors: Fraction(1)})
    factor, *_ = list(factors)
    if factor.tree[0] != "sum":
        return _function(*factor)
    _, trees, slope, constant, _ = factor.tree
    products = {(Factor(tree, factor.direction),): a for tree, a in trees}
    return Form(constant, {k: slope * a for k, a in factor.direction if slope}, products)


def _joined(factors: Factors) -> Factors:
    """Returns a product in one order, with one factor for each direction."""
    found: dict[Vector, Tree] = {}
    for tree, along in factors:
        found[along] = product(found[along], tree) if along in found else tree
    return tuple(Factor(found[along], along) for along in sorted(found))


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
        inputs = arithmetic.inputs(graph.inputs)
        try:
            self.outputs, self.obliged = graph.obliged(inputs, arithmetic.operations)
        except TooLarge as error:
            raise NotRidges(str(error)) from None
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
        """Returns the range of s_k over the region for each `p_k q_k'` of the Jacobian."""
        reach, terms = Extents(region), {}
        known: dict[Factor, Ranges] = {}
        zero = Fraction(0)

        def bounds(factor: Factor) -> Ranges:
            if factor not in known:
                self._spend([factor], reach)
                known[factor] = ranges(factor.tree, reach.of(factor.direction))
            return known[factor]

        def add(left: Iterable[tuple[int, Fraction]], right: Vector, s: BallInterval) -> None:
            entries = {k: a for k, a in left if a}
            if entries and right and s is not ZERO:
                along, scale = direction(entries)
                key, part = Key(along, right), s.times(scale)
                terms[key] = terms[key] + part if key in terms else part

        if self.is_gradient:
            for factors, shares in self._shares().items():
                self._pay(len(factors) ** 3 + sum(len(f.direction) for f in factors))
                for left, right, s in _second(factors, bounds):
                    own = ((k, shares.get(self.players[k], zero) * a) for k, a in left)
                    add(own, right, s)
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


def _second(factors: Factors, bounds: Bounds) -> Iterable[tuple[Vector, Vector, BallInterval]]:
    """Yields the second derivatives of a product: two vectors and the number with them."""
    for f, one in enumerate(factors):
        for g, other in enumerate(factors):
            slopes = (bounds(each).slope for each in (one, other))
            s = bounds(one).bend if f == g else _product(*slopes)
            yield one.direction, other.direction, _others(factors, {f, g}, s, bounds)


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
