"""Functions of many variables as sums of products of functions of linear forms.

Each entry of each node of a graph is brought to the form

    c + g'x + sum_k c_k prod_f U_kf(d_kf'x)

with rational numbers c_k, integer vectors d, and functions U of one variable (`univariate`). All
numbers are exact, so two forms are the same function if they are equal.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from math import gcd, lcm
from typing import NamedTuple

from .graph import Graph
from .univariate import ENTIRE, TooLarge, Tree, composed, power, product, total

# An integer vector without common divisor, by its entries that are not zero, the first positive.
Vector = tuple[tuple[int, int], ...]

# The most products of numbers in bringing the costs to this form: they take about a minute.
MAX_WORK = 2**27
# What making a form costs, besides its parts.
_FORM = 32
# The most terms that a product of two sums may have.
MAX_PRODUCTS = 2**12
# The most bits of a numerator or a denominator.
MAX_FRACTION_BITS = 2**12
# Numbers of more bits than this cost a product more for every so many of them.
_SHORT, _UNIT = 2**7, 2**5


class NotRidges(ValueError):
    """The error that costs are no sum of products of functions of linear forms; it says why."""


class Factor:
    """The function `U(d'x)`.

    Equal ones are equal keys, whose hash is computed once: trees are long, and looked up often.
    """

    __slots__ = ("_hash", "direction", "tree")

    def __init__(self, tree: Tree, direction: Vector) -> None:
        self.tree, self.direction = tree, direction
        self._hash = hash((tree, direction))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Factor) or self._hash != other._hash:
            return False
        return self.direction == other.direction and self.tree == other.tree


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
            **{name: partial(_kink, name) for name in ("abs", "max", "min")},
            "choose": _choice,
        }

    def inputs(self, count: int) -> list[Form]:
        """Returns the coordinates."""
        return [Form(Fraction(0), {k: Fraction(1)}, {}) for k in range(count)]

    def of(self, graph: Graph) -> tuple[list[Form], list[Form]]:
        """Returns the outputs of a graph, and its obligations.

        Raises:
            NotRidges: If they are no forms, or take too much work.
        """
        try:
            return graph.obliged(self.inputs(graph.inputs), self.operations)
        except TooLarge as error:
            raise NotRidges(str(error)) from None

    def total(self, terms: list[Form]) -> Form:
        """Returns a sum."""
        constant, slopes, products = Fraction(0), dict(terms[0].slopes), dict(terms[0].products)
        for place, term in enumerate(terms):
            constant = self._bounded(constant + term.constant)
            if place:
                self._spend(len(term.slopes) + len(term.products))
                self._add(slopes, term.slopes)
                self._add(products, term.products)
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
            self._bounded(x.constant * factor),
            {k: self._bounded(a * factor) for k, a in x.slopes.items()},
            {key: self._bounded(a * factor) for key, a in x.products.items()},
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
                    self._add(products, {_joined(left + right): self._bounded(a * b)})
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

    def _add(self, sums: dict, others: dict) -> None:
        for key, a in others.items():
            found = self._bounded(sums.get(key, 0) + a)
            if found:
                sums[key] = found
            else:
                sums.pop(key, None)

    def _bounded(self, x: Fraction) -> Fraction:
        """Returns a number that is not too long, and pays for what its length adds to the work."""
        bits = max(x.numerator.bit_length(), x.denominator.bit_length())
        if bits > MAX_FRACTION_BITS:
            raise NotRidges(_TOO_LONG)
        if bits > _SHORT:
            self._spend(bits // _UNIT)
        return x

    def _spend(self, products: int) -> None:
        self.work += products
        if self.work > MAX_WORK:
            raise NotRidges("the costs take too much work to be brought to sums of ridges")


_UNARY = (
    *("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh"),
    *("atan", "asin", "acos", "erf"),
)


def _kink(name: str, *_: Form) -> Form:
    raise NotRidges(f"the costs use {name}, which has kinks")


def _choice(*_: Form) -> Form:
    raise NotRidges("the costs choose by real numbers")


_TOO_LONG = "the numbers in the costs get too long to be followed exactly"


def direction(slopes: dict[int, Fraction]) -> tuple[Vector, Fraction]:
    """Returns an integer vector d and a number a with `slopes = a d`."""
    if len(slopes) == 1:
        ((k, a),) = slopes.items()
        return ((k, 1),), a
    common = 1
    for a in slopes.values():
        common = lcm(common, a.denominator)
        if common.bit_length() > MAX_FRACTION_BITS:
            raise NotRidges(_TOO_LONG)
    whole = {k: int(slopes[k] * common) for k in sorted(slopes)}
    divisor = gcd(*whole.values())
    if next(iter(whole.values())) < 0:
        divisor = -divisor
    return tuple((k, a // divisor) for k, a in whole.items()), Fraction(divisor, common)


def univariate(x: Form) -> Factor | None:
    """Returns a form as a function of one linear form, or None if it is none."""
    along, slope = None, Fraction(0)
    for key in x.products:
        if len(key) != 1 or along not in (None, key[0].direction):
            return None
        along = key[0].direction
    if x.slopes:
        if along is not None and len(along) != len(x.slopes):
            return None
        own, slope = direction(x.slopes)
        if along not in (None, own):
            return None
        along = own
    if along is None:
        return None
    trees = [(key[0].tree, a) for key, a in x.products.items()]
    if len(trees) == 1 and trees[0][1] == 1 and not slope and not x.constant:
        return Factor(trees[0][0], along)
    return Factor(total(trees, slope, x.constant), along)


def _function(tree: Tree, along: Vector) -> Form:
    return Form(Fraction(0), {}, {(Factor(tree, along),): Fraction(1)})


def _of_factors(factors: Factors) -> Form:
    if len(factors) != 1:
        empty = Form(Fraction(1), {}, {})
        return empty if not factors else Form(Fraction(0), {}, {factors: Fraction(1)})
    tree, along = factors[0].tree, factors[0].direction
    if tree[0] != "sum":
        return _function(tree, along)
    _, trees, slope, constant, _ = tree
    products = {(Factor(inner, along),): a for inner, a in trees}
    return Form(constant, {k: slope * a for k, a in along if slope}, products)


def _joined(factors: Factors) -> Factors:
    """Returns a product in one order, with one factor for each direction."""
    found: dict[Vector, Tree] = {}
    for factor in factors:
        along, tree = factor.direction, factor.tree
        found[along] = product(found[along], tree) if along in found else tree
    return tuple(Factor(found[along], along) for along in sorted(found))
