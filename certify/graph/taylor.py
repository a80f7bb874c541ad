"""Truncated Taylor polynomials of expression graphs, on many boxes at a time.

A jet holds, for each monomial of degree at most d, an interval for each box of a batch: it contains
the Taylor coefficient of a function at every point of that box. The arithmetic is that of
`certify.checker.jets`, which works on one box with balls of many bits; this one works on arrays of
floats, rounded outward, and takes elementary functions from there. Nothing is compiled, so that the
first cell of a new game costs no more than the next.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from flint import arb, ctx  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Float, Int

from certify.checker.intervals import BallInterval, exact
from certify.checker.series import SERIES, power_series, real_power_series, series_over
from certify.rounding import EPSILON, TINY

# Bits of ball arithmetic in elementary functions: twice those of a float.
_PRECISION = 106


class Jet(NamedTuple):
    """Bounds on the coefficients that may differ from zero, by increasing monomials.

    Attributes:
        monomials: Each monomial as a number whose digits, base `order + 1`, are its exponents.
        low: Lower bounds of the coefficients, one row per monomial.
        high: Upper bounds of them. Where nothing is known, ends are not finite.
    """

    monomials: tuple[int, ...]
    low: Float[np.ndarray, "monomials boxes"]
    high: Float[np.ndarray, "monomials boxes"]

    def is_finite(self) -> np.ndarray:
        """Returns on which boxes all coefficients are bounded."""
        return np.all(np.isfinite(self.low) & np.isfinite(self.high), axis=0)


class _Products(NamedTuple):
    """The pairs of coefficients that belong to each monomial of a product."""

    monomials: tuple[int, ...]
    left: Int[np.ndarray, " pairs"]
    right: Int[np.ndarray, " pairs"]
    starts: Int[np.ndarray, " monomials"]
    counts: Int[np.ndarray, "monomials 1"]


class Arithmetic:
    """The operations of a graph on jets.

    Args:
        inputs: Number of variables.
        order: The highest degree kept.
    """

    def __init__(self, inputs: int, order: int) -> None:
        self.inputs, self.order = inputs, order
        self.operations: dict[str, Callable] = {
            "constant": self._constant,
            "power": self._power,
            "add": _add,
            "sub": lambda x, y: _add(x, _neg(y)),
            "mul": lambda x, y: self._times(x, y, order),
            "div": lambda x, y: self._times(x, self._power(y, -1), order),
            "neg": _neg,
            "abs": lambda x: _choose(x, self._constant(0), _neg(x), x),
            "max": lambda x, y: _choose(x, y, y, x),
            "min": lambda x, y: _choose(x, y, x, y),
            "pow": self._pow,
            "choose": _choose,
            **{name: functools.partial(self._elementary, name) for name in SERIES},
        }

    def monomial(self, *variables: int) -> int:
        """Returns the number of the monomial that is a product of variables."""
        return sum((self.order + 1) ** k for k in variables)

    def variables(
        self, low: Float[np.ndarray, "boxes inputs"], high: Float[np.ndarray, "boxes inputs"]
    ) -> list[Jet]:
        """Returns the jets of the coordinates on some boxes."""
        one = np.ones(len(low))
        return [
            Jet((0, self.monomial(k)), np.stack([a, one]), np.stack([b, one]))
            for k, (a, b) in enumerate(zip(low.T, high.T, strict=True))
        ]

    def exponents(self, monomial: int) -> tuple[int, ...]:
        """Returns the variables of a monomial, each as often as its exponent says."""
        variables, k = [], 0
        while monomial:
            monomial, exponent = divmod(monomial, self.order + 1)
            variables += [k] * exponent
            k += 1
        return tuple(variables)

    def degree(self, monomial: int) -> int:
        """Returns the degree of a monomial."""
        return len(self.exponents(monomial))

    def _constant(self, value: Any) -> Jet:
        return Jet((0,), *(np.full((1, 1), float(value)) for _ in range(2)))

    def _times(self, x: Jet, y: Jet, order: int) -> Jet:
        """Returns the product up to an order; every sum is widened by more than its roundings."""
        table = _products(self, x.monomials, y.monomials, order)
        a, b = x.low[table.left], x.high[table.left]
        c, d = y.low[table.right], y.high[table.right]
        corners = a * c, a * d, b * c, b * d
        low, high = functools.reduce(np.minimum, corners), functools.reduce(np.maximum, corners)
        if len(table.left) > len(table.monomials):
            size = np.add.reduceat(np.maximum(np.abs(low), np.abs(high)), table.starts)
            low, high = (np.add.reduceat(end, table.starts) for end in (low, high))
        else:
            size = np.maximum(np.abs(low), np.abs(high))
        slack = (table.counts + 4) * (EPSILON * size + TINY)
        return Jet(table.monomials, low - slack, high + slack)

    def _power(self, x: Jet, exponent: int) -> Jet:
        return self._compose(lambda u: power_series(u, exponent, self.order), x)

    def _pow(self, x: Jet, y: Jet) -> Jet:
        """Returns `x^y = exp(y log x)`, for positive x; more sharply where y is one number."""
        if y.monomials == (0,) and y.low.shape == (1, 1):
            power = exact(y.low.item()).union(exact(y.high.item()))
            return self._compose(lambda u: real_power_series(u, power, self.order), x)
        product = self._times(y, self._elementary("log", x), self.order)
        return self._elementary("exp", product)

    def _elementary(self, name: str, x: Jet) -> Jet:
        return self._compose(lambda u: series_over(SERIES[name], u, self.order), x)

    def _compose(self, series: Callable[[BallInterval], list[BallInterval]], x: Jet) -> Jet:
        """Returns `sum_k series(u)_k v^k` for `x = u + v`, by Horner's rule.

        `v` has no constant term.
        """
        low, high = _tabulated(series, *_first(x), self.order)
        others = int(x.monomials[0] == 0)
        v = Jet(x.monomials[others:], x.low[others:], x.high[others:])
        result = Jet((0,), low[-1:], high[-1:])
        if not v.monomials:
            return Jet((0,), low[:1], high[:1])
        for k in range(self.order - 1, -1, -1):
            result = self._times(result, v, self.order - k)
            result = Jet(
                (0, *result.monomials),
                _joined(low[k], result.low),
                _joined(high[k], result.high),
            )
        return result


def _joined(first: np.ndarray, others: np.ndarray) -> np.ndarray:
    shape = np.broadcast_shapes(first.shape, others.shape[1:])
    rows = np.broadcast_to(first, shape)[None], np.broadcast_to(others, (len(others), *shape))
    return np.concatenate(rows)


@functools.lru_cache(maxsize=2**14)
def _products(
    arithmetic: Arithmetic, one: tuple[int, ...], other: tuple[int, ...], order: int
) -> _Products:
    degrees = [np.array([arithmetic.degree(m) for m in side]) for side in (one, other)]
    left, right = np.nonzero(degrees[0][:, None] + degrees[1] <= order)
    numbers = np.array(one, np.int64)[left] + np.array(other, np.int64)[right]
    places = np.argsort(numbers, kind="stable")
    found, starts, counts = np.unique(numbers[places], return_index=True, return_counts=True)
    return _Products(
        tuple(found.tolist()), left[places], right[places], starts, counts[:, None].astype(float)
    )


def _tabulated(
    series: Callable[[BallInterval], list[BallInterval]],
    low: np.ndarray,
    high: np.ndarray,
    order: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the coefficients for each of some intervals; equal intervals are computed once."""
    ends, places = np.unique(np.stack([low, high]), axis=1, return_inverse=True)
    table = np.full((2, order + 1, ends.shape[1]), np.nan)
    with ctx.workprec(_PRECISION):
        for column, (a, b) in enumerate(ends.T.tolist()):
            if np.isfinite([a, b]).all():
                first = arb(a)
                values = series(BallInterval(first, first if a == b else arb(b)))
                table[0, :, column] = [_down(x.low) for x in values]
                table[1, :, column] = [-_down(-x.high) for x in values]
    return table[0][:, places.ravel()], table[1][:, places.ravel()]


def _down(ball: Any) -> float:
    """Returns a float that no number of a ball is below."""
    return float(np.nextafter(float(ball.lower()), -np.inf)) if ball.is_finite() else np.nan


def _first(x: Jet) -> tuple[np.ndarray, np.ndarray]:
    """Returns the constant terms."""
    if x.monomials[0] == 0:
        return x.low[0], x.high[0]
    zero = np.zeros(x.low.shape[1])
    return zero, zero


def _neg(x: Jet) -> Jet:
    return Jet(x.monomials, -x.high, -x.low)


def _aligned(monomials: tuple[int, ...], x: Jet, boxes: int) -> Jet:
    """Returns the same jet with further coefficients, which are zero, for so many boxes."""
    rows = np.searchsorted(np.array(monomials), np.array(x.monomials))
    low, high = (np.zeros((len(monomials), boxes)) for _ in range(2))
    low[rows], high[rows] = x.low, x.high
    return Jet(monomials, low, high)


def _together(*jets: Jet) -> list[Jet]:
    """Returns the jets with the same monomials and boxes."""
    monomials = tuple(sorted(set().union(*(x.monomials for x in jets))))
    boxes = max(x.low.shape[1] for x in jets)
    return [_aligned(monomials, x, boxes) for x in jets]


def _add(x: Jet, y: Jet) -> Jet:
    x, y = _together(x, y)
    low, high = x.low + y.low, x.high + y.high
    # Zeros stay zero.
    slack = [2 * EPSILON * np.abs(end) + TINY * (end != 0) for end in (low, high)]
    return Jet(x.monomials, low - slack[0], high + slack[1])


def _choose(x: Jet, y: Jet, less: Jet, other: Jet) -> Jet:
    """Chooses by the order of x and y where they differ all over a box and in one direction."""
    (a, b), (c, d) = _first(x), _first(y)
    below, above = np.asarray(b < c), np.asarray(a > d)
    less, other = _together(less, other)
    boxes = max(less.low.shape[1], len(below), len(above))
    first, second = (_aligned(z.monomials, z, boxes) for z in (less, other))

    def chosen(one: np.ndarray, another: np.ndarray) -> np.ndarray:
        return np.where(below, one, np.where(above, another, np.nan))

    return Jet(first.monomials, chosen(first.low, second.low), chosen(first.high, second.high))


def ends_of(x: Jet, boxes: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the bounds of a function itself on each of some boxes."""
    low, high = _first(x)
    return np.broadcast_to(low, boxes), np.broadcast_to(high, boxes)


def larger(x: Jet, y: Jet) -> Jet:
    """Returns the maximum of two functions, of which no derivatives are known."""
    (a, b), (c, d) = _first(x), _first(y)
    return Jet((0,), np.maximum(a, c)[None], np.maximum(b, d)[None])


def smaller(x: Jet, y: Jet) -> Jet:
    """Returns the minimum of two functions, of which no derivatives are known."""
    return _neg(larger(_neg(x), _neg(y)))


def size_of(x: Jet) -> Jet:
    """Returns the absolute value of a function, of which no derivatives are known."""
    return larger(x, _neg(x))
