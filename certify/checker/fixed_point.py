"""Enclosures of real matrices in fixed point, with every rounding error in their radii.

An enclosure has integer midpoints and radii in units of `2^-bits`: it stands for all matrices whose
entries are within the radius of the midpoint, each in its own way. Results of operations enclose
all results of the operation on members.
"""

from fractions import Fraction
from typing import NamedTuple

from .exact import Work, positive_definite
from .matrices import Matrix, minus, plus, product, transposed


class MatrixEnclosure(NamedTuple):
    """Matrices around a middle one.

    Attributes:
        middle: The midpoints.
        radius: The radii, not negative.
    """

    middle: Matrix
    radius: Matrix

    @property
    def transpose(self) -> "MatrixEnclosure":
        """The transposed matrices."""
        return MatrixEnclosure(transposed(self.middle), transposed(self.radius))

    def plus(self, other: "MatrixEnclosure") -> "MatrixEnclosure":
        """Encloses sums, without rounding."""
        return MatrixEnclosure(plus(self.middle, other.middle), plus(self.radius, other.radius))

    def minus(self, other: "MatrixEnclosure") -> "MatrixEnclosure":
        """Encloses differences, without rounding."""
        return MatrixEnclosure(minus(self.middle, other.middle), plus(self.radius, other.radius))

    def rows(self, part: slice) -> "MatrixEnclosure":
        """Returns some of the rows."""
        return MatrixEnclosure(self.middle[part], self.radius[part])

    def columns(self, part: slice) -> "MatrixEnclosure":
        """Returns some of the columns."""
        return MatrixEnclosure(*([row[part] for row in m] for m in self))

    def beside(self, other: "MatrixEnclosure") -> "MatrixEnclosure":
        """Returns the matrices `[A, B]`."""
        pairs = zip(self, other, strict=True)
        return MatrixEnclosure(*([[*a, *b] for a, b in zip(*both, strict=True)] for both in pairs))

    def above(self, other: "MatrixEnclosure") -> "MatrixEnclosure":
        """Returns the matrices with the rows of another one below them."""
        return MatrixEnclosure(self.middle + other.middle, self.radius + other.radius)

    def widened(self, radius: int) -> "MatrixEnclosure":
        """Returns the matrices that are within a radius, entry by entry, of one of these."""
        return MatrixEnclosure(self.middle, [[r + radius for r in row] for row in self.radius])

    def reach(self) -> int:
        """Returns a bound on the size of all entries."""
        pairs = zip(self.middle, self.radius, strict=True)
        return max(abs(x) + r for row, radii in pairs for x, r in zip(row, radii, strict=True))

    def row_sums(self) -> list[int]:
        """Returns bounds on the sums of the sizes of each row's entries."""
        pairs = zip(self.middle, self.radius, strict=True)
        return [sum(map(abs, row)) + sum(radii) for row, radii in pairs]


class FixedPoint:
    """Operations that round, at a number of bits after the point, paid for before they are made."""

    def __init__(self, bits: int, work: Work) -> None:
        self.bits, self.work = bits, work

    def enclosed(self, rows: list[list[Fraction]]) -> MatrixEnclosure:
        """Encloses a rational matrix: exactly, where its entries are multiples of the unit."""
        scaled = [[(x.numerator << self.bits, x.denominator) for x in row] for row in rows]
        middle = [[n // d for n, d in row] for row in scaled]
        return MatrixEnclosure(middle, [[int(n % d != 0) for n, d in row] for row in scaled])

    def exact(self, rows: Matrix) -> MatrixEnclosure:
        """Returns an integer matrix."""
        return MatrixEnclosure(
            [[x << self.bits for x in row] for row in rows], [[0] * len(row) for row in rows]
        )

    def times(self, left: MatrixEnclosure, right: MatrixEnclosure) -> MatrixEnclosure:
        """Encloses products.

        With members `A + a` and `B + b` it is `A B + (a B + (A + a) b)`, whose parts are at most
        `|a| |B|` and `(|A| + |a|) |b|` in size; one unit is added for rounding each product.
        """
        size = len(left.middle) * len(right.middle) * len(right.middle[0])
        longest = max(left.reach().bit_length(), right.reach().bit_length())
        self.work.pay((3 * size + 64) * (1 + longest // 1000) ** 2)
        middle = product(left.middle, right.middle)
        sizes = [[abs(x) for x in row] for row in right.middle]
        reaches = [
            [abs(x) + r for x, r in zip(row, radii, strict=True)]
            for row, radii in zip(left.middle, left.radius, strict=True)
        ]
        spread = plus(product(left.radius, sizes), product(reaches, right.radius))
        return MatrixEnclosure(
            [[x >> self.bits for x in row] for row in middle],
            [[(r >> self.bits) + 2 for r in row] for row in spread],
        )

    def congruence(self, outer: MatrixEnclosure, inner: MatrixEnclosure) -> MatrixEnclosure:
        """Encloses `A' M A` for matrices A and symmetric matrices M."""
        return symmetric_part(self.times(outer.transpose, self.times(inner, outer)))

    def solve(self, system: MatrixEnclosure, sides: MatrixEnclosure) -> MatrixEnclosure | None:
        """Encloses `M^-1 B`, or returns None unless every M is proved nonsingular.

        For any matrix C let `E = I - C M`. If the largest row sum q of `|E|` is below one, `C M` is
        nonsingular, and so is M. A solution X has `X = C B + E X`, hence in each column the largest
        size of its entries is at most `m / (1 - q)` with that m of `C B`, and `|E X|` is at most
        the row sum of `|E|` times that. C is an approximate inverse, by elimination in fixed point.
        """
        inverse = self._approximate_inverse(system.middle)
        if inverse is None:
            return None
        size, one = len(inverse), 1 << self.bits
        known = MatrixEnclosure(inverse, [[0] * size for _ in range(size)])
        identity = self.exact([[int(i == j) for j in range(size)] for i in range(size)])
        defects = identity.minus(self.times(known, system)).row_sums()
        if max(defects) >= one:
            return None
        first = self.times(known, sides)
        pairs = [
            [abs(x) + r for x, r in zip(row, radii, strict=True)]
            for row, radii in zip(first.middle, first.radius, strict=True)
        ]
        room = one - max(defects)
        largest = [max(column) * one // room + 1 for column in zip(*pairs, strict=True)]
        radius = [
            [r + defect * most // one + 1 for r, most in zip(radii, largest, strict=True)]
            for radii, defect in zip(first.radius, defects, strict=True)
        ]
        return MatrixEnclosure(first.middle, radius)

    def _approximate_inverse(self, matrix: Matrix) -> Matrix | None:
        """Returns about the inverse of a matrix, or None if a pivot vanishes."""
        size, one = len(matrix), 1 << self.bits
        longest = max(x.bit_length() for row in matrix for x in row) + 2 * self.bits
        self.work.pay((8 * size**3 + 64) * (1 + longest // 1000) ** 2)
        rows = [[*row, *(one * (i == j) for j in range(size))] for i, row in enumerate(matrix)]
        for k in range(size):
            best = max(range(k, size), key=lambda i: abs(rows[i][k]))
            rows[k], rows[best] = rows[best], rows[k]
            pivot = rows[k][k]
            if not pivot:
                return None
            rows[k] = [(x << self.bits) // pivot for x in rows[k]]
            for i in range(size):
                factor = rows[i][k]
                if i != k and factor:
                    rows[i] = [
                        x - (factor * y >> self.bits) for x, y in zip(rows[i], rows[k], strict=True)
                    ]
        return [row[size:] for row in rows]

    def all_positive_definite(self, symmetric: MatrixEnclosure) -> bool:
        """Says whether all symmetric matrices in an enclosure are proved positive definite.

        A symmetric matrix of radii is at most the diagonal matrix of its row sums (Gershgorin), so
        the middle one without that has to be positive definite.
        """
        self.work.spend_test(symmetric.middle)
        lowered = [list(row) for row in symmetric.middle]
        for i, radii in enumerate(symmetric.radius):
            lowered[i][i] -= sum(radii)
        return positive_definite(lowered)


def symmetric_part(enclosure: MatrixEnclosure) -> MatrixEnclosure:
    """Encloses the symmetric members more closely: they are in the transposed enclosure too.

    The middle between both midpoints is rounded down, by at most one unit.
    """
    middle = plus(enclosure.middle, transposed(enclosure.middle))
    radius = plus(enclosure.radius, transposed(enclosure.radius))
    return MatrixEnclosure(
        [[x >> 1 for x in row] for row in middle],
        [[(r + 1 >> 1) + 1 for r in row] for row in radius],
    )
