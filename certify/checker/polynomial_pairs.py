"""Common real zeros of two polynomials in two unknowns, all of them, with rational arithmetic.

Every common zero `(x, y)` has x among the real roots of the resultant with respect to y, and y
among those of the other one; both are polynomials in one unknown, whose real roots are isolated. So
all common zeros are in finitely many small boxes. A box is left out if one polynomial has no zero
in it, by interval arithmetic; and it is accepted if Krawczyk's test proves exactly one common zero
in a somewhat larger box. If roots are refined until each box is left out or accepted, and the
accepted larger boxes are disjoint, then their number is that of all common zeros.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

from .exact import Work
from .real_roots import RealRoots

# The polynomial `sum c_ij x^i y^j` by its coefficients.
Bivariate = dict[tuple[int, int], Fraction]
Interval = tuple[Fraction, Fraction]
# The widths to which roots are refined, one after the other: bits after the point.
_BITS = (100, 200, 400, 800)


class CommonZero(NamedTuple):
    """A box with exactly one common zero.

    Attributes:
        x: Bounds on the first coordinate.
        y: Bounds on the second one.
    """

    x: Interval
    y: Interval


def common_zeros(
    first: Bivariate, second: Bivariate, outside: Callable[[Interval, Interval], bool], work: Work
) -> list[CommonZero] | None:
    """Encloses all common real zeros in a region, or returns None if that was not possible.

    It is not where a resultant vanishes identically (there may be a curve of zeros), or a common
    zero in the region is a multiple one. Zeros outside of the region may be among those returned.

    Args:
        first: A polynomial.
        second: Another one.
        outside: Says whether a box is known to have no point of the region.
        work: Pays for the arithmetic.
    """
    first, second = ({k: c for k, c in p.items() if c} for p in (first, second))
    if not first or not second:
        return None
    roots = []
    for axis in (0, 1):
        resultant = _resultant(_seen_from(first, axis), _seen_from(second, axis), work)
        if not any(resultant):
            return None
        of_axis = RealRoots(resultant, work)
        roots.append((of_axis, of_axis.isolated()))
    pairs = [(x, y) for x in roots[0][1] for y in roots[1][1]]
    for bits in _BITS:
        work.pay(len(pairs) * 2**12 * (1 + bits // 100))
        width = Fraction(1, 2**bits)
        refined = [
            {root: of_axis.refined(root, width) for root in isolated} for of_axis, isolated in roots
        ]
        boxes = {(x, y): CommonZero(refined[0][x], refined[1][y]) for x, y in pairs}
        pairs = [
            pair
            for pair, box in boxes.items()
            if not outside(*box) and _has_zero(first, *box) and _has_zero(second, *box)
        ]
        larger = [_accepted(first, second, *boxes[pair], bits) for pair in pairs]
        certain = [box for box in larger if box is not None]
        if len(certain) == len(pairs) and all(_apart(*both) for both in combinations(certain, 2)):
            # The zero in a larger box is in the box of some pair, and only this one's is there.
            return [boxes[pair] for pair in pairs]
    return None


def value(polynomial: Bivariate, x: Interval, y: Interval) -> Interval:
    """Encloses the values of a polynomial over a box, by Horner's rule in x of sums in y."""
    degree = max((i for i, _ in polynomial), default=0)
    total: Interval = (Fraction(0), Fraction(0))
    for i in range(degree, -1, -1):
        inner: Interval = (Fraction(0), Fraction(0))
        own = {j: c for (k, j), c in polynomial.items() if k == i}
        for j in range(max(own, default=-1), -1, -1):
            inner = _shifted(_product(inner, y), own.get(j, Fraction(0)))
        product = _product(total, x)
        total = (product[0] + inner[0], product[1] + inner[1])
    return total


def _product(a: Interval, b: Interval) -> Interval:
    ends = [s * t for s in a for t in b]
    return min(ends), max(ends)


def _shifted(a: Interval, c: Fraction) -> Interval:
    return a[0] + c, a[1] + c


def _has_zero(polynomial: Bivariate, x: Interval, y: Interval) -> bool:
    low, high = value(polynomial, x, y)
    return low <= 0 <= high


def _derivative(polynomial: Bivariate, axis: int) -> Bivariate:
    found = {}
    for (i, j), c in polynomial.items():
        power = (i, j)[axis]
        if power:
            found[(i - 1, j) if axis == 0 else (i, j - 1)] = power * c
    return found


def _accepted(
    first: Bivariate, second: Bivariate, x: Interval, y: Interval, bits: int
) -> CommonZero | None:
    """Returns a box around the given one with exactly one common zero, or None.

    It is Krawczyk's test, see `stationary`, with the inverse of the Jacobian at the middle,
    rounded.
    """
    middle = [_rounded((low + high) / 2, bits) for low, high in (x, y)]
    radius = Fraction(1, 2 ** (bits // 2))
    box = [(m - radius, m + radius) for m in middle]
    if not all(
        low < end[0] and end[1] < high for (low, high), end in zip(box, (x, y), strict=True)
    ):
        return None
    point = [(m, m) for m in middle]
    slopes = [[_derivative(p, axis) for axis in (0, 1)] for p in (first, second)]
    a, b, c, d = (value(slope, *point)[0] for row in slopes for slope in row)
    determinant = a * d - b * c
    if not determinant:
        return None
    inverse = [[_rounded(entry / determinant, bits) for entry in row] for row in ((d, -b), (-c, a))]
    residual = [value(p, *point)[0] for p in (first, second)]
    over = [[value(slope, *box) for slope in row] for row in slopes]
    for i in (0, 1):
        shift = abs(sum(inverse[i][k] * residual[k] for k in (0, 1)))
        defect = Fraction(0)
        for j in (0, 1):
            low = high = Fraction(int(i == j))
            for k in (0, 1):
                part = _product((inverse[i][k], inverse[i][k]), over[k][j])
                low, high = low - part[1], high - part[0]
            defect += max(abs(low), abs(high))
        if not shift < radius * (1 - defect):
            return None
    return CommonZero(*box)


def _rounded(x: Fraction, bits: int) -> Fraction:
    return Fraction((x.numerator << bits) // x.denominator, 1 << bits)


def _apart(one: CommonZero, other: CommonZero) -> bool:
    return any(a[1] < b[0] or b[1] < a[0] for a, b in zip(one, other, strict=True))


def _seen_from(polynomial: Bivariate, axis: int) -> Bivariate:
    """Returns the polynomial with the chosen unknown first."""
    return {((i, j) if axis == 0 else (j, i)): c for (i, j), c in polynomial.items()}


def _resultant(first: Bivariate, second: Bivariate, work: Work) -> list[Fraction]:
    """Returns the resultant with respect to y, a polynomial in x, by its coefficients.

    It is the determinant of the Sylvester matrix, whose entries are polynomials in x: so it
    vanishes at every x at which both polynomials have a common zero. It is interpolated through as
    many points as its degree, bounded by the product of the total degrees, requires.
    """
    degrees = [max((j for _, j in p), default=0) for p in (first, second)]
    totals = [max((i + j for i, j in p), default=0) for p in (first, second)]
    widest = [max((i for i, _ in p), default=0) for p in (first, second)]
    count = 1 + max(totals[0] * totals[1], widest[0] * degrees[1] + widest[1] * degrees[0])
    size = sum(degrees)
    work.pay(64 * count * (size + 1) ** 3 + 16 * count**2)
    points = [Fraction(k - count // 2) for k in range(count)]
    values = []
    for x in points:
        rows = []
        for p, degree, copies in (
            (first, degrees[0], degrees[1]),
            (second, degrees[1], degrees[0]),
        ):
            line = [Fraction(0)] * (degree + 1)
            for (i, j), c in p.items():
                line[degree - j] += c * x**i
            none = [Fraction(0)] * (size - degree - 1)
            rows += [none[:k] + line + none[k:] for k in range(copies)]
        values.append(_determinant(rows))
    return _interpolated(points, values)


def _determinant(matrix: list[list[Fraction]]) -> Fraction:
    rows, found = [list(row) for row in matrix], Fraction(1)
    for k in range(len(rows)):
        pivot = next((i for i in range(k, len(rows)) if rows[i][k]), None)
        if pivot is None:
            return Fraction(0)
        if pivot != k:
            rows[k], rows[pivot], found = rows[pivot], rows[k], -found
        found *= rows[k][k]
        for i in range(k + 1, len(rows)):
            if rows[i][k]:
                factor = rows[i][k] / rows[k][k]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    return found


def _interpolated(points: list[Fraction], values: list[Fraction]) -> list[Fraction]:
    """Returns the coefficients of the polynomial through given values, by Newton's differences."""
    differences = list(values)
    for level in range(1, len(points)):
        for k in range(len(points) - 1, level - 1, -1):
            step = points[k] - points[k - level]
            differences[k] = (differences[k] - differences[k - 1]) / step
    found = [Fraction(0)]
    for k in range(len(points) - 1, -1, -1):
        shifted = [Fraction(0), *found]
        found = [s - points[k] * f for s, f in zip(shifted, [*found, Fraction(0)], strict=True)]
        found[0] += differences[k]
    return found
