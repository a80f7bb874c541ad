"""Positive definiteness of integer matrices, and of whole families of them, decided exactly.

Everything here is integer arithmetic, except for one guess in floating point that is then verified.
"""

from fractions import Fraction
from math import ceil, isqrt, lcm
from typing import NamedTuple

from .matrices import Matrix, plus, product, scaled, square, transposed
from .reader import Unusable

# The bits of the guessed factor that are kept; more would only make the products longer.
_BITS = 40
# The most products of numbers of up to 1000 bits for one file: they take some two minutes.
MAX_WORK = 2**31


class Work:
    """A budget: the number of products that checking a file may still take."""

    def __init__(self) -> None:
        self.left = MAX_WORK

    def spend(self, matrix: Matrix, parts: int = 0) -> None:
        """Pays for one test of a matrix, or for its rows as modes, before the work is done.

        `parts` is the number of other matrices whose sum it is.
        """
        longest = max(max(map(int.bit_length, row)) for row in matrix)
        size = len(matrix[0]) + 4
        self.pay((len(matrix) + 4 + parts) * size**2 * (1 + longest // 1000) ** 2)

    def pay(self, products: int) -> None:
        """Pays for that many products before they are made."""
        self.left -= products
        if self.left < 0:
            raise Unusable("checking it would take too much work: too many or too large cells")


def positive_definite(matrix: Matrix) -> bool:
    """Says whether a symmetric integer matrix is proved positive definite; False is no disproof.

    With any integer matrix `C`, let `T = C A C'`. If `T` is strictly diagonally dominant with a
    positive diagonal it is positive definite (Gershgorin); then `C` is nonsingular and `A` is
    positive definite as well (Sylvester's law of inertia). A good `C`, guessed in floating point,
    is the inverse of the Cholesky factor of `A`; a bad one can only fail to prove anything.
    """
    try:
        guess = _inverse_factor(matrix)
    except (ValueError, OverflowError, ZeroDivisionError):  # not positive, or not finite
        return False
    lower = [row + [0] * (len(matrix) - len(row)) for row in guess]
    moved = product(product(lower, matrix), transposed(lower))
    return all(2 * row[i] > sum(map(abs, row)) for i, row in enumerate(moved))


def rational_positive_definite(matrix: list[list[Fraction]]) -> bool:
    """Says whether a symmetric rational matrix is proved positive definite."""
    scale = lcm(*(x.denominator for row in matrix for x in row))
    return positive_definite([[int(x * scale) for x in row] for row in matrix])


def _inverse_factor(matrix: Matrix) -> Matrix:
    """Returns approximately an integer multiple of the inverse Cholesky factor of `matrix`."""
    # Scaling the diagonal to about one makes the guess insensitive to the units of the coordinates.
    root = [isqrt(matrix[i][i] << 2 * _BITS) for i in range(len(matrix))]
    factor: list[list[float]] = []
    inverse: list[list[float]] = []
    columns: list[list[float]] = []  # of the inverse, from the diagonal down
    for i, line in enumerate(matrix):
        scaled = [(line[j] << 2 * _BITS) / (root[i] * root[j]) for j in range(i + 1)]
        row: list[float] = []
        for j in range(i):
            row.append((scaled[j] - sum(map(float.__mul__, row, factor[j]))) / factor[j][j])
        row.append(_root(scaled[i] - sum(map(float.__mul__, row, row))))
        parts = (sum(map(float.__mul__, row[j:i], column)) for j, column in enumerate(columns))
        inverse.append([*(-part / row[i] for part in parts), 1 / row[i]])
        columns.append([])
        for column, x in zip(columns, inverse[i], strict=True):
            column.append(x)
        factor.append(row)
    top = max(root)
    return [[round(x * 2**_BITS) * top // root[j] for j, x in enumerate(row)] for row in inverse]


def _root(pivot: float) -> float:
    if not pivot > 0:
        raise ValueError("not positive")
    return pivot**0.5


class Generator(NamedTuple):
    """A direction `S` in which a family moves by `e S`, `|e| <= 1`, with a lower bound on `e S`.

    With vectors `q_j` and numbers `s_j`, its modes, `S = sum_j s_j q_j q_j' + rest`; and
    `e S >= -bound + e rest` for `bound = sum_j |s_j| q_j q_j'`, because `e s_j >= -|s_j|` and
    `q_j q_j'` is positive semidefinite. Any modes are valid; those of the spectral theorem leave no
    rest and make the bound the absolute value of the matrix `S`. Without modes, all is rest.

    Attributes:
        matrix: The symmetric matrix `S`.
        bound: The matrix above, symmetric and positive semidefinite by construction.
        rest: What is left of `S`, symmetric; only magnitudes count.
    """

    matrix: Matrix
    bound: Matrix
    rest: Matrix


def generator(matrix: Matrix, modes: Matrix, work: Work) -> Generator:
    """Makes the generator of a symmetric matrix, with modes `(s_j, *q_j)`, possibly none."""
    if not modes:
        return Generator(matrix, [[0] * len(matrix)] * len(matrix), matrix)
    bound, rest = square(len(matrix)), [list(row) for row in matrix]
    work.spend(modes)
    for strength, *mode in modes:
        for i, x in enumerate(mode):
            for j, y in enumerate(mode):
                bound[i][j] += abs(strength) * x * y
                rest[i][j] -= strength * x * y
    return Generator(matrix, bound, rest)


def family_positive_definite(
    centre: Matrix, generators: list[Generator], remainder: Matrix, scaling: list[int], work: Work
) -> bool:
    """Says whether every symmetric `centre + sum_k e_k S_k + E` is proved positive definite.

    Here `S_k` are the matrices of the generators, `|e_k| <= 1` and `|E| <= |remainder|` entrywise;
    all matrices are symmetric.

    Three facts are used. *Remainder*: for positive `t`, `|E| <= R` implies
    `E >= -diag((R t)_i / t_i)`, as `2 |x_i x_j| <= x_i^2 t_j / t_i + x_j^2 t_i / t_j`. *Modes*:
    `e_k S_k >= -bound_k + e_k rest_k`, the rest to be treated like a remainder. *Vertices*:
    positive definiteness at both `e_k = -1` and `e_k = 1` implies it in between, as the cone is
    convex. So all generators are bounded and the result is tested; if that fails, the test branches
    on the sign of the first and goes on with the others.

    Args:
        centre: A symmetric matrix.
        generators: The generators, the most important first.
        remainder: A symmetric matrix, of which only magnitudes count.
        scaling: The positive numbers `t`; any choice is valid, a good one proves more.
        work: Pays for the tests.
    """
    lowered = _lowered(centre, generators, remainder, scaling)
    work.spend(lowered, len(generators))
    if positive_definite(lowered):
        return True
    if not generators:
        return False
    first, *others = generators
    ends = (plus(centre, scaled(sign, first.matrix)) for sign in (1, -1))
    return all(family_positive_definite(end, others, remainder, scaling, work) for end in ends)


def _lowered(
    matrix: Matrix, generators: list[Generator], remainder: Matrix, scaling: list[int]
) -> Matrix:
    """Returns `matrix - sum_k bound_k - diag((R t)_i / t_i)`, rounded down to integers.

    Here `R = |remainder| + sum_k |rest_k|`.
    """
    lowered = []
    for i, t in enumerate(scaling):
        loose = [remainder[i], *(g.rest[i] for g in generators)]
        loss = sum(abs(x) * s for row in loose for x, s in zip(row, scaling, strict=True))
        bounds = [g.bound[i] for g in generators]
        lowered.append([x - sum(others) for x, *others in zip(matrix[i], *bounds, strict=True)])
        lowered[i][i] -= -(-loss // t)
    return lowered


def root_above(square: Fraction) -> Fraction:
    """Bounds the square root from above, with a relative error of less than `2^-60`."""
    digits = square.denominator.bit_length() - square.numerator.bit_length()
    scale = max(0, 64 + digits // 2 + 1)
    return Fraction(isqrt(ceil(square * 4**scale)) + 1, 2**scale) if square else square
