"""Positive definiteness of integer matrices, and of whole families of them, decided exactly.

Everything here is integer arithmetic. `sparse` has the same test for matrices of few entries.
"""

from fractions import Fraction
from math import ceil, isqrt, lcm
from typing import NamedTuple

from .matrices import Matrix, Packing, minus, plus, scaled, square
from .reader import Unusable

# The bits of vectors: two digits of Python's integers. More would only make the products longer.
BITS = 60
# After so many rows a packed vector is cut to the length that is needed.
_EVERY = 32
# The most products of numbers of up to 1000 bits for one file: they take some two minutes.
MAX_WORK = 2**31


class Work:
    """A budget: the number of products that checking a file may still take."""

    def __init__(self) -> None:
        self.left = MAX_WORK

    def spend(self, matrix: Matrix) -> None:
        """Pays for a product with a matrix, or for its rows as modes, before the work is done."""
        self._pay_rounds(len(matrix) + 4, matrix)

    def spend_sums(self, matrix: Matrix) -> None:
        """Pays for adding a matrix to a few others."""
        self._pay_rounds(2, matrix)

    def spend_test(self, matrix: Matrix) -> None:
        """Pays for one test of a matrix before it is done.

        The time is that of 8 products for each entry, and one more for every 32 rows, which are
        packed.
        """
        self._pay_rounds(len(matrix) // 32 + 8, matrix)

    def _pay_rounds(self, rounds: int, matrix: Matrix) -> None:
        longest = max(max(map(int.bit_length, row)) for row in matrix)
        self.pay(rounds * (max(map(len, matrix)) + 4) ** 2 * (1 + longest // 1000) ** 2)

    def pay(self, products: int) -> None:
        """Pays for that many products before they are made."""
        self.left -= products
        if self.left < 0:
            raise Unusable("checking it would take too much work: too many or too large cells")


def positive_definite(matrix: Matrix) -> bool:
    """Says whether a symmetric integer matrix is proved positive definite; False is no disproof.

    With any vectors `v_k`, let `R = A - sum_k v_k v_k'`. If R is strictly diagonally dominant with
    a positive diagonal, then R is positive definite (Gershgorin), and so is A, the sum of R and of
    something that is positive semidefinite. Here A is the matrix in units in which its diagonal is
    about `2^(2 BITS)`, see `units`, and entries are rounded down to integers: the true ones are
    larger by less than one, which `column` adds to the losses.

    The vectors are those of Gaussian elimination from the last coordinate to the first, rounded:
    `v_k` ends at coordinate k. When it is subtracted, row k of what is left of A is row k of R, as
    later vectors do not reach it. So R is known, row by row, as soon as it can be.

    Rows are packed, of which entries up to the diagonal are used. All entries of A are at most
    `4^BITS` in size and those of vectors below `2^BITS`, which is verified, so that after n - 1
    vectors all are below `n 4^BITS` and fit into their digits, positive definite or not.
    """
    diagonal = [row[i] for i, row in enumerate(matrix)]
    if min(diagonal, default=0) <= 0:
        return False
    shifts, packing = units(diagonal), Packing(2 * BITS + len(matrix).bit_length())
    rows = []
    for i, line in enumerate(matrix):
        row = [rounded_down(line[j], shifts[i] + shifts[j]) for j in range(i + 1)]
        if max(map(abs, row)) > 4**BITS:
            return False
        rows.append(packing.packed(row))
    owed = [0] * len(matrix)
    while rows:
        *row, pivot = packing.unpacked(rows[-1], len(rows))
        found = column(pivot, row, owed[-1])
        if found is None:
            return False
        rows.pop()
        owed = list(map(int.__add__, owed, found.losses))  # as short as the losses
        _subtract(rows, found.vector, packing)
    return True


def units(diagonal: list[int]) -> list[int]:
    """Returns units for the coordinates of a matrix `A > 0` with that diagonal.

    In the units `2^-u_i`, the entries of A are `2^(u_i + u_j) a_ij`, which is positive definite if
    and only if A is; and `4^BITS / 4 <= 2^(2 u_i) a_ii < 4^BITS`.
    """
    return [(2 * BITS - x.bit_length()) // 2 for x in diagonal]


def rounded_down(x: int, shift: int) -> int:
    """Returns the largest integer that is at most `2^shift x`."""
    return x << shift if shift >= 0 else x >> -shift


class PivotColumn(NamedTuple):
    """A vector `v` of a factorisation, and what it does not explain of a row.

    Attributes:
        vector: Its entries but for the one at the pivot.
        losses: Bounds on the size of the entries of the residual in this row, except the pivot's.
    """

    vector: list[int]
    losses: list[int]


def column(pivot: int, row: list[int], owed: int) -> PivotColumn | None:
    """Returns the next vector for a matrix, or None unless the residual is proved dominant.

    The row of the residual is what is left of the row of the matrix without the square of the
    vector. Here it is verified that its diagonal entry is larger than the sum of the other ones in
    size, with one added to each for the rounding of the matrix.

    The vector is the rounded row divided by its root, so that entries of the residual are at most
    half the root, below `2^BITS / 2`. The root is chosen so small that this cannot be too much: in
    a row of m numbers the sum is at most `m (2^BITS / 2 + 1)`. So a positive definite matrix is
    only refused because a pivot is too small; with its diagonal about one, it then has an
    eigenvalue of the size of `n 2^-BITS`. (After a vector with an entry of `2^BITS` or more, the
    pivot of that coordinate would be negative.)

    Args:
        pivot: The diagonal entry of what is left of the matrix.
        row: Its other entries in that row which are not yet accounted for.
        owed: The sum of the others: what former vectors lost in this row.
    """
    room = pivot - owed - len(row) * (2 ** (BITS - 1) + 1)
    if room <= 1:
        return None
    root = isqrt(room - 1)
    vector = [(2 * x + root) // (2 * root) for x in row]
    losses = [abs(x - root * y) + 1 for x, y in zip(row, vector, strict=True)]
    dominant = pivot - root**2 > owed + sum(losses)
    bounded = max(map(abs, vector), default=0) < 2**BITS
    return PivotColumn(vector, losses) if dominant and bounded else None


def _subtract(rows: list[int], vector: list[int], packing: Packing) -> None:
    """Subtracts `v_i v_j` from entries (i, j) of packed rows, which end at the diagonal."""
    packed = packing.packed(vector)
    for i in reversed(range(len(rows))):
        if i % _EVERY == 0:  # what lies beyond the diagonal is not used, and would take time
            packed = packing.cut(packed, i + 1)
        if vector[i]:
            rows[i] -= vector[i] * packed


def rational_positive_definite(matrix: list[list[Fraction]]) -> bool:
    """Says whether a symmetric rational matrix is proved positive definite."""
    scale = lcm(*(x.denominator for row in matrix for x in row))
    return positive_definite([[int(x * scale) for x in row] for row in matrix])


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
    return _at_vertices(centre, generators, _losses(generators, remainder, scaling, work), work)


class Loss(NamedTuple):
    """What may be lost to some generators and to the remainder.

    Attributes:
        bound: The matrix `sum_k bound_k`.
        diagonal: The numbers `(R t)_i / t_i` for `R = |remainder| + sum_k |rest_k|`, rounded up.
    """

    bound: Matrix
    diagonal: list[int]


def _at_vertices(
    matrix: Matrix, generators: list[Generator], losses: list[Loss], work: Work
) -> bool:
    """Says whether `matrix + sum_k e_k S_k + E` is proved positive definite, see above.

    Here `losses` is about all generators, about all but the first, and so on.
    """
    lowered = minus(matrix, losses[0].bound)
    for i, loss in enumerate(losses[0].diagonal):
        lowered[i][i] -= loss
    work.spend_test(lowered)
    if positive_definite(lowered):
        return True
    if not generators:
        return False
    first, *others = generators
    ends = (plus(matrix, scaled(sign, first.matrix)) for sign in (1, -1))
    return all(_at_vertices(end, others, losses[1:], work) for end in ends)


def _losses(
    generators: list[Generator], remainder: Matrix, scaling: list[int], work: Work
) -> list[Loss]:
    """Returns what may be lost to all generators from the k-th on, for all k, and the remainder."""
    bound, loose = square(len(remainder)), _absolute_sums(remainder, scaling)
    losses = [Loss(bound, _quotients(loose, scaling))]
    for each in reversed(generators):
        work.spend_sums(each.matrix)
        if any(map(any, each.bound)):
            bound = plus(bound, each.bound)
        loose = list(map(int.__add__, loose, _absolute_sums(each.rest, scaling)))
        losses.append(Loss(bound, _quotients(loose, scaling)))
    return losses[::-1]


def _absolute_sums(matrix: Matrix, scaling: list[int]) -> list[int]:
    """Returns `|matrix| t`."""
    return [sum(map(int.__mul__, map(abs, row), scaling)) for row in matrix]


def _quotients(loose: list[int], scaling: list[int]) -> list[int]:
    """Returns the numbers `loose_i / t_i`, rounded up."""
    return [-(-loss // t) for loss, t in zip(loose, scaling, strict=True)]


def root_above(square: Fraction) -> Fraction:
    """Bounds the square root from above, with a relative error of less than `2^-60`."""
    digits = square.denominator.bit_length() - square.numerator.bit_length()
    scale = max(0, 64 + digits // 2 + 1)
    return Fraction(isqrt(ceil(square * 4**scale)) + 1, 2**scale) if square else square


def dyadic_above(x: Fraction) -> Fraction:
    """Returns a number of few bits that is not below x, and larger by at most `2^-60` of its size.

    Sums of many fractions with denominators of their own would get too long. What is a multiple of
    a power of two already stays what it is.

    Example:
        >>> third = Fraction(1, 3)
        >>> dyadic_above(Fraction(3, 8)), 0 < dyadic_above(third) - third < 1e-18
        (Fraction(3, 8), True)
    """
    if not x.denominator & (x.denominator - 1):
        return x
    shift = 64 + x.denominator.bit_length() - x.numerator.bit_length()
    return ceil(x * Fraction(2) ** shift) * Fraction(2) ** -shift
