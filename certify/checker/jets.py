"""Derivatives of expression graphs: truncated Taylor polynomials with intervals as coefficients.

A jet of order d at a box X holds, for each monomial of degree at most d, an interval that contains
the Taylor coefficient of a function at every point of X: `f(x + t) = sum_m c_m(x) t^m + O(t^(d+1))`
for all x in X. The rules are those of power series, so nothing is differentiated by a program. A
coefficient that is not finite means that nothing is known; the rules for kinks and jumps give such
coefficients where the box reaches one. So a jet whose coefficients are finite also proves that the
function has d continuous derivatives on X.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from .graph import Graph
from .intervals import UNKNOWN, ZERO, BallInterval
from .reader import Unusable
from .series import SERIES, Series, power_series, real_power_series, series_over

# A monomial, by its variables in increasing order: t_0 t_3^2 is (0, 3, 3).
Monomial = tuple[int, ...]
# The coefficients by monomial, of which a missing one is zero.
Jet = dict[Monomial, BallInterval]

_CONSTANT: Monomial = ()
# The most products of coefficients of one order for a file: they take some ten minutes.
MAX_PRODUCTS = 2**28
# The price of an elementary function, beside the products that are counted one by one.
_SERIES_PRODUCTS = 2**8
# The most coefficients that one evaluation of a graph may keep, each of some 350 bytes.
MAX_COEFFICIENTS = 2**21
# Operations of graphs after which an expansion is sharpened: most is lost in products.
PRODUCTS = ("mul", "div")


@lru_cache(maxsize=2**18)
def _product(one: Monomial, other: Monomial) -> Monomial:
    return tuple(sorted(one + other))


class JetArithmetic:
    """The operations of a graph on jets of one order.

    Attributes:
        order: The highest degree kept.
        products: How many products of coefficients have been made.
        operations: The operations, by their names in graphs.
    """

    def __init__(self, order: int) -> None:
        self.order, self.products, self.kept = order, 0, 0
        operations: dict[str, Callable] = {
            "constant": lambda value: {_CONSTANT: BallInterval.point(value)},
            "power": self.power,
            "add": self.add,
            "sub": lambda x, y: self.add(x, self.neg(y)),
            "mul": lambda x, y: self.times(x, y, order),
            "div": lambda x, y: self.times(x, self.power(y, -1), order),
            "neg": self.neg,
            "abs": lambda x: self.larger(x, self.neg(x)),
            "max": self.larger,
            "min": lambda x, y: self.neg(self.larger(self.neg(x), self.neg(y))),
            "pow": self.pow,
            "choose": self.choose,
            **{name: self._elementary(series) for name, series in SERIES.items()},
        }
        self.operations = {name: self._counted(rule) for name, rule in operations.items()}

    def spend(self, products: int) -> None:
        """Pays for work before it is done."""
        self.products += products
        if self.products > MAX_PRODUCTS:
            raise Unusable("the graph of the costs has too many Taylor coefficients for level 2")

    def inputs(self, box: list[tuple[Fraction, Fraction]]) -> list[Jet]:
        """Returns the jets of the coordinates on a box."""
        return self.around([BallInterval.of(*ends) for ends in box])

    def around(self, box: list[BallInterval]) -> list[Jet]:
        """Returns the jets of the coordinates on a box, given by intervals."""
        one, self.kept = BallInterval.point(1), 0
        if self.order == 0:
            return [{_CONSTANT: ends} for ends in box]
        return [{_CONSTANT: ends, (k,): one} for k, ends in enumerate(box)]

    def add(self, x: Jet, y: Jet) -> Jet:
        """Returns the sum of two jets."""
        result = dict(x)
        for key, b in y.items():
            result[key] = result[key] + b if key in result else b
        return result

    def neg(self, x: Jet) -> Jet:
        """Returns the negative of a jet."""
        return {key: -a for key, a in x.items()}

    def times(self, x: Jet, y: Jet, order: int) -> Jet:
        """Returns the product of two jets up to an order."""
        self.spend(len(x) * len(y))
        result: Jet = {}
        for one, a in x.items():
            room = order - len(one)
            for other, b in y.items():
                if len(other) <= room:
                    key, term = _product(one, other), a * b
                    result[key] = result[key] + term if key in result else term
        return result

    def power(self, x: Jet, exponent: int) -> Jet:
        """Returns an integer power of a jet; a negative one is undefined at 0."""
        return self.compose(power_series(x.get(_CONSTANT, ZERO), exponent, self.order), x)

    def pow(self, x: Jet, y: Jet) -> Jet:
        """Returns `x^y = exp(y log x)`, for positive x."""
        if set(y) <= {_CONSTANT}:
            u, constant = x.get(_CONSTANT, ZERO), y.get(_CONSTANT, ZERO)
            # The exponent is known up to roundings, so one ball will do.
            power = constant.low.union(constant.high)
            return self.compose(real_power_series(u, power, self.order), x)
        logarithm, exponential = (self._elementary(SERIES[name]) for name in ("log", "exp"))
        return exponential(self.times(y, logarithm(x), self.order))

    def choose(self, x: Jet, y: Jet, less: Jet, other: Jet) -> Jet:
        """Returns one of two jets, by the order of x and y if it is strict on all of the box."""
        gap = y.get(_CONSTANT, ZERO) - x.get(_CONSTANT, ZERO)
        if gap.low > 0:
            return less
        return other if gap.high < 0 else {_CONSTANT: UNKNOWN}

    def larger(self, x: Jet, y: Jet) -> Jet:
        """Returns the larger of two jets, if it is the same on all of the box; see `choose`.

        Of order zero, which asks for no derivative, it is their maximum wherever they are equal.
        """
        a, b = x.get(_CONSTANT, ZERO), y.get(_CONSTANT, ZERO)
        if self.order == 0 and a.is_finite() and b.is_finite():
            return {_CONSTANT: BallInterval(a.low.max(b.low), a.high.max(b.high))}
        return self.choose(x, y, y, x)

    def compose(self, series: list[BallInterval], x: Jet) -> Jet:
        """Returns `sum_k series_k v^k` for `x = u + v`, v without constant term (Horner's rule)."""
        v = {key: a for key, a in x.items() if key}
        result: Jet = {_CONSTANT: series[-1]}
        for k in range(self.order - 1, -1, -1):
            result = self.times(result, v, self.order - k)
            result[_CONSTANT] = series[k]
        return result

    def _counted(self, rule: Callable[..., Jet]) -> Callable[..., Jet]:
        """Returns the rule with its work counted, and values of absurd size made UNKNOWN."""

        def applied(*operands: Jet | Fraction | int) -> Jet:
            result = rule(*operands)
            self.kept += len(result)
            if self.kept > MAX_COEFFICIENTS:
                raise Unusable("the graph of the costs takes too much memory for level 2")
            self.spend(len(result) + 1)
            if _CONSTANT in result:
                # Other coefficients grow by at most this one's factor, no faster than the graph.
                result[_CONSTANT] = result[_CONSTANT].moderate()
            return result

        return applied

    def _elementary(self, series: Series) -> Callable[[Jet], Jet]:
        def applied(x: Jet) -> Jet:
            self.spend(_SERIES_PRODUCTS)
            return self.compose(series_over(series, x.get(_CONSTANT, ZERO), self.order), x)

        return applied


def derivative(jet: Jet, variables: Monomial, order: int) -> Jet:
    """Returns the jet, of that order, of a derivative along some variables, in their order."""
    result = {}
    for monomial, value in jet.items():
        rest, factor = list(monomial), 1
        for k in variables:
            factor *= rest.count(k)
            if factor:
                rest.remove(k)
        if factor and len(rest) <= order:
            result[tuple(rest)] = value.times(factor)
    return result


class JetExpansion(NamedTuple):
    """The jets of a function at a point of a box, of one order less, and over all of the box."""

    middle: Jet
    box: Jet


class Expansions:
    """The expansions of the outputs of a graph and of its obligations, for jets of one order."""

    def __init__(self, order: int) -> None:
        self.near, self.wide = JetArithmetic(order - 1), JetArithmetic(order)

    def of(
        self, graph: Graph, middle: list[Fraction], box: list[tuple[Fraction, Fraction]]
    ) -> tuple[list[JetExpansion], list[JetExpansion]]:
        """Returns the outputs and the obligations on a box with that middle."""
        reach = [
            BallInterval.of(*ends) - BallInterval.point(m)
            for m, ends in zip(middle, box, strict=True)
        ]
        points, boxes = self.near.inputs([(m, m) for m in middle]), self.wide.inputs(box)

        def both(name: str) -> Callable:
            at, over = self.near.operations[name], self.wide.operations[name]

            def applied(*operands: Any) -> JetExpansion:
                first, second = (
                    [getattr(x, side) if isinstance(x, JetExpansion) else x for x in operands]
                    for side in JetExpansion._fields
                )
                found = JetExpansion(at(*first), over(*second))
                return self._sharpened(found, reach) if name in PRODUCTS else found

            return applied

        inputs = [JetExpansion(*pair) for pair in zip(points, boxes, strict=True)]
        return graph.obliged(inputs, {name: both(name) for name in self.wide.operations})

    def _sharpened(self, found: JetExpansion, reach: list[BallInterval]) -> JetExpansion:
        """Narrows coefficients by the mean value theorem, those of higher degrees first.

        The derivative of the coefficient of m along coordinate k is `m_k + 1` times that of
        `m t_k`. Where nothing is known, that remains so.
        """
        middle, box = found.middle, dict(found.box)
        self.wide.spend(len(box) * len(reach))
        for monomial in sorted(box, key=len, reverse=True):
            if len(monomial) == self.wide.order or not box[monomial].is_finite():
                continue
            bound = middle.get(monomial, ZERO)
            for k, distance in enumerate(reach):
                slope = box.get(_product(monomial, (k,)))
                if slope is not None:
                    bound = bound + (slope * distance).times(monomial.count(k) + 1)
            if bound.is_finite():
                box[monomial] = box[monomial].meet(bound)
        return JetExpansion(middle, box)
