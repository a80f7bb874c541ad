"""Functions of one real variable as trees of operations, and the ranges of their derivatives.

A tree is a nested tuple, so that equal functions are equal values:

    ("sum", ((f, c), ...), a, b)    c f(t) + ... + a t + b      with rational numbers a, b and c
    ("product", f, g)               f(t) g(t)
    ("power", f, n)                 f(t)^n with an integer n
    ("bend", f, b, c)               sqrt(b + c f(t)^2) with positive b and c
    (name, f)                       name(f(t)), one of `SERIES`, or "logcosh": log(cosh u)

Behind these stands the number of operations, and how many are one inside the other: both are
bounded, so that no file can make a tree too large to look at. Ranges are taken over an interval or
over all real numbers. What is not bounded there is UNKNOWN.
"""

from fractions import Fraction
from itertools import pairwise
from math import comb
from typing import Any, NamedTuple

from flint import arb  # pyright: ignore[reportMissingTypeStubs]

from .intervals import UNKNOWN, ZERO, BallInterval, cosh, exact, increasing
from .series import SERIES, power_series, series_over

Tree = tuple[Any, ...]

# The most operations of a tree, and the most of them one inside the other.
MAX_SIZE, MAX_DEPTH = 2**11, 2**6
# The most pieces into which an interval is cut to bound derivatives over it.
PIECES = 16


class Ranges(NamedTuple):
    """Bounds on a function and on its first and second derivative."""

    value: BallInterval
    slope: BallInterval
    bend: BallInterval

    def union(self, other: "Ranges") -> "Ranges":
        """Returns bounds over two intervals together."""
        return Ranges(*(a.union(b) for a, b in zip(self, other, strict=True)))


_TOO_MANY = "a function of one linear form is made of too many operations"


class TooLarge(ValueError):
    """The error that a function of one variable is made of too many operations."""


def total(trees: list[tuple[Tree, Fraction]], slope: Fraction, constant: Fraction) -> Tree:
    """Returns the tree of a sum of functions and of a linear one."""
    if sum(tree[-1][0] for tree, _ in trees) > MAX_SIZE:  # before they are written out
        raise TooLarge(_TOO_MANY)
    ordered = tuple(sorted(trees, key=repr))
    return _sized("sum", [tree for tree, _ in ordered], ordered, slope, constant)


def product(f: Tree, g: Tree) -> Tree:
    """Returns the tree of a product."""
    if f == g:
        return power(f, 2)
    return _sized("product", [f, g], *sorted((f, g), key=repr))


def power(f: Tree, exponent: int) -> Tree:
    """Returns the tree of an integer power."""
    return _sized("power", [f], f, exponent)


def _sized(name: str, children: list[Tree], *parts: Any) -> Tree:
    size = 1 + sum(child[-1][0] for child in children)
    depth = 1 + max((child[-1][1] for child in children), default=0)
    if size > MAX_SIZE or depth > MAX_DEPTH:
        raise TooLarge(_TOO_MANY)
    return (name, *parts, (size, depth))


def linear(tree: Tree) -> tuple[Fraction, Fraction] | None:
    """Returns a and b if a tree is `a t + b`, else None."""
    return (tree[2], tree[3]) if tree[0] == "sum" and not tree[1] else None


def composed(name: str, tree: Tree) -> Tree:
    """Returns the tree of `name(f)`; two functions whose slopes are bounded are recognised.

    `log(a cosh u)` is `logcosh u + log a`, and `sqrt(b + c u^2)` is a bend: where a, b and c are
    positive, they are defined wherever u is.
    """
    inner = _multiple(tree)
    if inner is not None:
        (function, factor), constant = inner
        if name == "log" and function[0] == "cosh" and factor > 0 and not constant:
            known = _sized("logcosh", [function[1]], function[1])
            if factor == 1:
                return known
            scale = total([], Fraction(0), factor)
            logarithm = _sized("log", [scale], scale)
            one = Fraction(1)
            return total([(known, one), (logarithm, one)], Fraction(0), Fraction(0))
        square = function[0] == "power" and function[2] == 2
        if name == "sqrt" and square and factor > 0 and constant > 0:
            return _sized("bend", [function[1]], function[1], constant, factor)
    return _sized(name, [tree], tree)


def _multiple(tree: Tree) -> tuple[tuple[Tree, Fraction], Fraction] | None:
    """Returns f, a and b if a tree is `a f + b`, where f is not linear."""
    if tree[0] != "sum":
        return (tree, Fraction(1)), Fraction(0)
    _, trees, slope, constant, _ = tree
    return (trees[0], constant) if len(trees) == 1 and not slope else None


def ranges(tree: Tree, u: BallInterval) -> Ranges:
    """Bounds a function and its derivatives on an interval, or on all of R where u is UNKNOWN.

    The interval is cut into pieces, because formulas name the variable more than once.
    """
    if not u.is_finite() or linear(tree) is not None or u.is_point:
        return _ranges(tree, u)
    line = _ranges(tree, UNKNOWN)
    width = (u.high - u.low) / PIECES
    cuts = [u.low, *(u.low + k * width for k in range(1, PIECES)), u.high]
    found, *others = (_ranges(tree, BallInterval(*piece)) for piece in pairwise(cuts))
    for other in others:
        found = found.union(other)
    return Ranges(*(_met(a, b) for a, b in zip(found, line, strict=True)))


def is_defined(tree: Tree, u: BallInterval) -> bool:
    """Says whether a function is shown to be defined on an interval, or on R if u is UNKNOWN."""
    if tree[0] == "sum":
        return all(is_defined(inner, u) for inner, _ in tree[1])
    if tree[0] == "product":
        return is_defined(tree[1], u) and is_defined(tree[2], u)
    if tree[0] in ENTIRE or (tree[0] == "power" and tree[2] >= 0):
        return is_defined(tree[1], u)
    return is_defined(tree[1], u) and ranges(tree, u).value.is_finite()


def _met(one: BallInterval, other: BallInterval) -> BallInterval:
    """Returns the intersection of two bounds of which either may be UNKNOWN."""
    if not other.is_finite():
        return one
    return one.meet(other) if one.is_finite() else other


def _times(x: BallInterval, y: BallInterval) -> BallInterval:
    """Returns the product; what vanishes identically makes it vanish, whatever the other is."""
    return ZERO if ZERO in (x, y) else x * y


def _ranges(tree: Tree, u: BallInterval) -> Ranges:
    """Bounds a function and its derivatives where the variable is in u, by the chain rule."""
    found = _by_rule(tree, u)
    return found._replace(value=found.value.moderate()) if found.value.is_finite() else found


def _by_rule(tree: Tree, u: BallInterval) -> Ranges:
    name, one = tree[0], BallInterval.point(1)
    if name == "sum":
        found = [
            u.times(tree[2]) if tree[2] else ZERO,
            one.times(tree[2]) if tree[2] else ZERO,
            ZERO,
        ]
        if tree[3]:
            found[0] = found[0] + one.times(tree[3])
        for inner, factor in tree[1]:
            parts = (x if x is ZERO else x.times(factor) for x in _ranges(inner, u))
            found = [
                x if y is ZERO else y if x is ZERO else x + y
                for x, y in zip(found, parts, strict=True)
            ]
        return Ranges(*found)
    if name == "product":
        f, g = _ranges(tree[1], u), _ranges(tree[2], u)
        both = _times(f.slope, g.slope)
        return Ranges(
            _times(f.value, g.value),
            _plus(_times(f.slope, g.value), _times(f.value, g.slope)),
            _plus(_times(f.bend, g.value), both, both, _times(f.value, g.bend)),
        )
    f = _ranges(tree[1], u)
    g = _outer(tree, f.value)
    return Ranges(
        g.value,
        _times(g.slope, f.slope),
        _plus(_times(g.bend, _square(f.slope)), _times(g.slope, f.bend)),
    )


def _plus(*terms: BallInterval) -> BallInterval:
    found = ZERO
    for term in terms:
        found = term if found is ZERO else found if term is ZERO else found + term
    return found


def _square(x: BallInterval) -> BallInterval:
    return ZERO if x is ZERO else x**2


def _outer(tree: Tree, u: BallInterval) -> Ranges:
    """Bounds the outermost function of a tree and its derivatives, its argument being in u."""
    name = tree[0]
    if name == "power":
        return _power(u, tree[2])
    if name == "bend":
        return _bend(u, tree[2], tree[3])
    line = _LINE.get(name, Ranges(UNKNOWN, UNKNOWN, UNKNOWN))
    if not u.is_finite():
        return line
    if name == "logcosh":
        found = _logcosh(u)
    else:
        value, slope, half = series_over(SERIES[name], u, 2)
        found = Ranges(value, slope, half.times(2))
    return Ranges(*(_met(a, b) for a, b in zip(found, line, strict=True)))


def _power(u: BallInterval, n: int) -> Ranges:
    if u.is_finite():
        value, slope, half = power_series(u, n, 2)
        return Ranges(value, slope, half.times(2))
    one = BallInterval.point(1)
    parts = (one.times(comb(n, k) * (1, 1, 2)[k]) if n == k else ZERO if 0 <= n < k else UNKNOWN
             for k in range(3))  # fmt: skip
    return Ranges(*parts)


def _bend(u: BallInterval, b: Fraction, c: Fraction) -> Ranges:
    """Bounds `sqrt(b + c u^2)`, of which c u / sqrt(b + c u^2) is the derivative.

    That is between `-+sqrt c`. The second derivative, `b c / (b + c u^2)^(3/2)`, is `c / sqrt b`
    at 0 and falls with the size of u.
    """
    root, top = exact(c).sqrt(), exact(c) / exact(b).sqrt()
    line = Ranges(UNKNOWN, BallInterval(-root, root), BallInterval(arb(0), top))
    if not u.is_finite():
        return line
    inner = (u**2).times(c) + BallInterval.point(b)
    value = increasing("sqrt")(inner)
    slope = (u * value**-1).times(c)
    return Ranges(value, slope.meet(line.slope), (value**-3).times(b * c).meet(line.bend))


def _logcosh(u: BallInterval) -> Ranges:
    return Ranges(increasing("log")(cosh(u)), increasing("tanh")(u), cosh(u) ** -2)


def _around(value: Any) -> BallInterval:
    """Returns all numbers of at most that size."""
    return BallInterval(-value, value)


def _between(low: Any, high: Any) -> BallInterval:
    return BallInterval(exact(low), exact(high))


# Bounds on all of R. The second derivative of tanh is `-2 t (1 - t^2)`, largest at `t^2 = 1/3`;
# that of atan is `-2 u / (1 + u^2)^2`, largest at `u^2 = 1/3`; that of erf is
# `-4 u exp(-u^2) / sqrt(pi)`, largest at `u^2 = 1/2`.
_LINE: dict[str, Ranges] = {
    "sin": Ranges(*[_between(-1, 1)] * 3),
    "cos": Ranges(*[_between(-1, 1)] * 3),
    "tanh": Ranges(_between(-1, 1), _between(0, 1), _around(4 * arb(3).sqrt() / 9)),
    "atan": Ranges(_around(arb.pi() / 2), _between(0, 1), _around(3 * arb(3).sqrt() / 8)),
    "erf": Ranges(
        _between(-1, 1),
        BallInterval(arb(0), 2 / arb.pi().sqrt()),
        _around(2 * (2 / (arb.pi() * arb(1).exp())).sqrt()),
    ),
    "logcosh": Ranges(UNKNOWN, _between(-1, 1), _between(0, 1)),
}
# Functions that are defined for every real number.
ENTIRE = {*_LINE, "bend", "exp", "sinh", "cosh"}
