"""The metric of a certificate, an exact matrix, and products of other matrices with it."""

from collections.abc import Callable
from fractions import Fraction

from .matrices import Matrix, plus
from .reader import Reader, Unusable

# The most rows of a metric that is a matrix: each row takes a test of all of it.
MAX_ROWS = 512

# A matrix by its rows: the entries that are not zero, and always the one on the diagonal.
Rows = list[dict[int, int]]


class ExactMetric:
    """The norm `|x|_P^2 = x' P x` of a symmetric P, positive definite by `proof.check_metric`.

    The file has either `weights`, one per player, and then `P = diag(w_i I)`; or `metric`, with the
    lower triangle of P, which is symmetric by construction, and numbers that bound P from below:

        |x|_P^2 >= smallest |x|^2,      |x|_P^2 >= coordinate_k x_k^2      for every x and k.

    Attributes:
        is_matrix: Whether the file has `metric`.
        rows: The entries of P that are not zero, and its diagonal.
        weights: Per player, with `|x|_P^2 >= sum_i weights_i |x_i|^2`; equal if P is made of them.
        coordinate: The numbers above, which are the largest possible if P is made of weights.
        smallest: The number above, which is the largest possible if P is made of weights.
    """

    def __init__(self, claims: Reader, sizes: list[int]) -> None:
        self.is_matrix = "metric" in claims
        if not self.is_matrix:
            self.weights = claims["weights"].numbers(len(sizes))
            self.coordinate = [
                w for w, size in zip(self.weights, sizes, strict=True) for _ in range(size)
            ]
            self.smallest = min(self.weights)
            self.rows = [{k: w} for k, w in enumerate(self.coordinate)]
            return
        if sum(sizes) > MAX_ROWS:
            raise Unusable(f"a metric that is a matrix has at most {MAX_ROWS} rows")
        lower, smallest, coordinate = claims["metric"].fields("lower", "smallest", "coordinate")
        self.smallest, self.coordinate = smallest.number(), coordinate.numbers(sum(sizes))
        self.weights = [self.smallest] * len(sizes)
        self.rows: list[dict[int, Fraction]] = [{} for _ in self.coordinate]
        for i, row in enumerate(lower.items(len(self.rows))):
            for j, x in enumerate(row.numbers(i + 1)):
                if x or i == j:
                    self.rows[i][j] = self.rows[j][i] = x

    def entries(self) -> list[Fraction]:
        """Returns the entries of P, or the weights that it is made of."""
        return [x for row in self.rows for x in row.values()] if self.is_matrix else self.weights

    def whole(self, bits: int) -> Rows:
        """Returns the rows in units of `2^-bits`."""
        return [{j: int(x * 2**bits) for j, x in row.items()} for row in self.rows]

    def squared_norm_above(self, bounds: list[Fraction]) -> Fraction:
        """Bounds `|x|_P^2` from above for every x with `|x_k| <= bounds_k`."""
        pairs = ((i, j, x) for i, row in enumerate(self.rows) for j, x in row.items())
        return sum((abs(x) * bounds[i] * bounds[j] for i, j, x in pairs), Fraction(0))


def dense(rows: Rows, factor: int = 1) -> Matrix:
    """Returns a multiple of a matrix, from its entries that are not zero."""
    return [[factor * row.get(j, 0) for j in range(len(rows))] for row in rows]


def times(rows: Rows, m: Matrix) -> Matrix:
    """Returns `P m`."""
    parts = ([[p * x for x in m[j]] for j, p in row.items()] for row in rows)
    return [list(map(sum, zip(*part, strict=True))) for part in parts]


def loose(rows: Rows, form: Callable[[Matrix], Matrix], remainder: Matrix) -> Matrix:
    """Bounds the entries of `form(P E)` for all E of a remainder R, in which signs count.

    With `P = D + O`, D its diagonal, `|form(D E)| <= |form(D R)|` as `mirror` in `proof.py` says,
    and `|O E| <= |O| |R|`; a form with non-negative coefficients keeps that inequality.
    """
    diagonal = form(times([{i: row[i]} for i, row in enumerate(rows)], remainder))
    if all(len(row) == 1 for row in rows):
        return diagonal
    others = [{j: abs(x) * (i != j) for j, x in row.items()} for i, row in enumerate(rows)]
    other = form(times(others, [list(map(abs, row)) for row in remainder]))
    return plus([list(map(abs, row)) for row in diagonal], other)
