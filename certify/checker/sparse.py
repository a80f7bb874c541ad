"""Positive definiteness of large integer matrices with few entries, decided exactly.

The argument is that of `exact.positive_definite`, and so are units, vectors and losses; but entries
that are certainly zero are left out. Which ones are depends on the order of elimination: any order
is valid, so that it is part of the evidence, and a good one leaves few entries.
"""

from .exact import Work, column, rounded_down, units
from .reader import Unusable

# The lower triangle of a symmetric matrix: row i has its entries in columns up to i, by column.
Rows = list[dict[int, int]]

# The most entries that are kept at a time: they take less than 1 GiB.
MAX_ENTRIES = 2**22
# What a row costs besides the products of its entries.
_ROW = 8


def sparse_positive_definite(matrix: Rows, order: list[int], work: Work) -> bool:
    """Says whether a symmetric integer matrix is proved positive definite; False is no disproof.

    With `v_k` the vectors of Gaussian elimination, rounded, `A = sum_k v_k v_k' + R`, where R is
    proved strictly diagonally dominant with a positive diagonal: see `exact.positive_definite`,
    where pivots are taken from the last to the first. Here they are taken in the given order.

    Each row has its entries in columns that are eliminated later. A vector changes only entries in
    rows and columns in which it is not zero; all others are what they were, without an error.

    Args:
        matrix: Its lower triangle.
        order: The coordinates in the order of elimination: each one once, or nothing is proved.
        work: Pays for each pivot before it is eliminated.

    Raises:
        Unusable: If that takes too much work, or more than `MAX_ENTRIES` at a time.
        ValueError: If there are entries outside the lower triangle.
    """
    work.pay(len(matrix) + sum(length(x) for row in matrix for x in row.values()))
    if sorted(order) != list(range(len(matrix))):
        return False
    diagonal = [row.get(i, 0) for i, row in enumerate(matrix)]
    if min(diagonal, default=0) <= 0:
        return False
    rows = _eliminated_later(matrix, units(diagonal), order)
    kept, owed = sum(map(len, rows)), [0] * len(rows)
    for k, row in enumerate(rows):
        work.pay((len(row) + _ROW) ** 2)
        if kept + len(row) ** 2 > MAX_ENTRIES:
            raise Unusable("checking it would take too much memory: the matrix fills up")
        pivot, later = row.pop(k), sorted(row)
        found = column(pivot, [row[j] for j in later], owed[k])
        if found is None:
            return False
        for j, loss in zip(later, found.losses, strict=True):
            owed[j] += loss
        kept += _subtract(rows, later, found.vector) - len(row) - 1
        row.clear()
    return True


def length(x: int) -> int:
    """Returns how many products of short numbers one with an integer takes."""
    return 1 + x.bit_length() // 1000


def _eliminated_later(matrix: Rows, shifts: list[int], order: list[int]) -> Rows:
    """Returns the matrix in its units and in the order: each row from the diagonal on."""
    place = {coordinate: position for position, coordinate in enumerate(order)}
    rows: Rows = [{} for _ in order]
    for i, row in enumerate(matrix):
        for j, x in row.items():
            if not 0 <= j <= i:
                raise ValueError(f"sparse_positive_definite: row {i} has an entry in column {j}.")
            first, last = sorted((place[i], place[j]))
            rows[first][last] = rounded_down(x, shifts[i] + shifts[j])
    return rows


def _subtract(rows: Rows, places: list[int], vector: list[int]) -> int:
    """Subtracts `v_i v_j` from entries (i, j); returns how many entries are new."""
    new = 0
    for start, i in enumerate(places):
        row, x = rows[i], vector[start]
        new -= len(row)
        for j, y in zip(places[start:], vector[start:], strict=True):
            row[j] = row.get(j, 0) - x * y
        new += len(row)
    return new
