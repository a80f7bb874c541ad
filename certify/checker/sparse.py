"""Positive definiteness of symmetric integer matrices with few entries, decided exactly.

*Factor and residual.* With any matrix C let `R = T - C C'`. If R is strictly diagonally dominant
with a positive diagonal, it is positive definite (Gershgorin), and so is `T = C C' + R`. A good C,
guessed in floating point, is the Cholesky factor of T minus a little of its diagonal; a bad one can
only fail to prove anything. C has few entries where T has and rows are eliminated in a good order,
which is a guess as well.
"""

from math import isqrt, ldexp

from .exact import Work

# The lower triangle of a symmetric matrix, by rows: the entries that are not zero.
Rows = list[dict[int, int]]
# A matrix by its columns, without entries that are zero.
Columns = list[dict[int, float]]

# The shares of the diagonal left for the residual, in units of 2^-53 per entry of a column.
_SHARES = (16, 2**10, 2**16)


def positive_definite(rows: Rows, order: list[int], work: Work) -> bool:
    """Says whether a symmetric integer matrix is proved positive definite; False is no disproof.

    Args:
        rows: The lower triangle.
        order: All rows, in the order in which they are eliminated.
        work: Pays for the products before they are made.
    """
    if any(row.get(i, 0) <= 0 for i, row in enumerate(rows)):
        return False
    matrix, longest = _reordered(rows, order)
    # In units in which the diagonal is about one, those of the coordinates do not matter.
    shift = max(0, 120 - min(matrix[i][i].bit_length() for i in range(len(matrix))))
    shift += shift % 2
    roots = [isqrt(matrix[i][i] << shift) for i in range(len(matrix))]
    for share in _SHARES:
        factor = _cholesky(matrix, roots, shift, share, work, longest)
        if factor is None:
            return False
        if _dominates(matrix, roots, shift, factor):
            return True
    return False


def _reordered(rows: Rows, order: list[int]) -> tuple[Rows, int]:
    """Returns the columns of the lower triangle in another order of the coordinates.

    Also the number of bits of the longest entry.
    """
    place = [0] * len(order)
    for new, old in enumerate(order):
        place[old] = new
    columns: Rows = [{} for _ in rows]
    longest = 1
    for i, row in enumerate(rows):
        for j, x in row.items():
            if x:
                low, high = sorted((place[i], place[j]))
                columns[low][high] = x
                longest = max(longest, x.bit_length())
    return columns, longest


def _cholesky(
    matrix: Rows, roots: list[int], shift: int, share: int, work: Work, longest: int
) -> Columns | None:
    """Returns the Cholesky factor of `T - share I` in units of the diagonal, or None."""
    columns: Columns = [
        {i: (x << shift) / (roots[i] * roots[j]) for i, x in column.items()}
        for j, column in enumerate(matrix)
    ]
    price = (1 + longest // 1000) ** 2
    for j, column in enumerate(columns):
        work.pay((len(column) ** 2 + 8) * price)
        pivot = column[j] - ldexp(share * (len(column) + 4), -53)
        if not pivot > 0:
            return None
        root = pivot**0.5
        below = [(i, x / root) for i, x in column.items() if i != j]
        below.sort()
        columns[j] = {j: root, **dict(below)}
        for k, (i, x) in enumerate(below):
            target = columns[i]
            for m, y in below[k:]:
                target[m] = target.get(m, 0.0) - x * y
    return columns


def _dominates(matrix: Rows, roots: list[int], shift: int, factor: Columns) -> bool:
    """Says whether `T - C C'` is strictly diagonally dominant in units of the diagonal."""
    residual = [{i: x << shift for i, x in column.items()} for column in matrix]
    for column in factor:
        entries = [(i, _whole(x, roots[i])) for i, x in column.items()]
        for k, (i, x) in enumerate(entries):
            target = residual[i]
            for m, y in entries[k:]:
                target[m] = target.get(m, 0) - x * y
    # Any positive scales will do: with `t_i R_ij t_j` in place of R the argument is the same.
    top = max(roots) << 64
    scales = [top // root for root in roots]
    excess = [0] * len(roots)
    for j, column in enumerate(residual):
        for i, x in column.items():
            if i == j:
                excess[j] += x * scales[j]
            else:
                excess[i] -= abs(x) * scales[j]
                excess[j] -= abs(x) * scales[i]
    return min(excess) > 0


def _whole(x: float, root: int) -> int:
    """Returns about `x root` for a float x."""
    numerator, denominator = x.as_integer_ratio()
    return numerator * root // denominator
