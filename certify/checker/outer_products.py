"""Adds up symmetric integer matrices from products of vectors."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .exact import Work
from .matrices import Matrix, Packing
from .rank_one import Vector
from .reader import Unusable
from .sparse import MAX_ENTRIES, Rows

# The entries that are not zero, on the diagonal or below.
Triangle = dict[tuple[int, int], int]

# The most bits of all entries of a matrix together.
MAX_MEMORY = 2**33
# The most rows of a matrix that is taken for full.
MAX_FULL = 2**12
# What adding one entry costs, in products: one by one, and packed into long integers.
_ONE, _PACKED = 32, 0.25
# What packing one entry costs.
_PACKING = 4
# After so many rows a packed vector is cut.
_EVERY = 16


class Products(NamedTuple):
    """The matrix `mixed (a b' + b a') - first a a' - second b b'`, the last two not negative."""

    a: Vector
    b: Vector
    mixed: int
    first: int
    second: int


def sparse_sum(constant: Triangle, products: Iterator[Products], bits: int, work: Work) -> Rows:
    """Returns the lower triangle of `constant + sum_k products_k`.

    Args:
        constant: Has every entry of the diagonal.
        products: The products.
        bits: Of fractions in the entries: how long entries may be, about.
        work: Pays for each product before it is added.

    Raises:
        Unusable: If that takes too much work or memory.
    """
    rows: Rows = [{} for _ in range(1 + max(i for i, _ in constant))]
    for (i, j), x in constant.items():
        rows[i][j] = x
    entries = len(constant)
    for a, b, mixed, first, second in products:
        count = (len(a) + len(b)) ** 2
        work.pay(_ONE * count * (1 + bits // 512))
        entries += count  # at most: many are there before
        if entries > MAX_ENTRIES or entries * (bits + 2048) > MAX_MEMORY:
            work.pay(_ONE * len(rows))
            entries = sum(map(len, rows)) + count
            if entries > MAX_ENTRIES or entries * (bits + 2048) > MAX_MEMORY:
                raise Unusable("checking it would take too much memory: the matrix is too full")
        _add(rows, a, b, mixed)
        if first or second:
            _add_square(rows, a, -first)
            _add_square(rows, b, -second)
    return rows


def _add(rows: Rows, a: Vector, b: Vector, factor: int) -> None:
    """Adds `factor (a b' + b a')` to the lower triangle of a matrix."""
    for i, x in a:
        scaled = factor * x
        for j, y in b:
            if i == j:
                rows[i][i] = rows[i].get(i, 0) + 2 * scaled * y
            elif i > j:
                rows[i][j] = rows[i].get(j, 0) + scaled * y
            else:
                rows[j][i] = rows[j].get(i, 0) + scaled * y


def _add_square(rows: Rows, a: Vector, factor: int) -> None:
    """Adds `factor a a'` to the lower triangle of a matrix."""
    for k, (i, x) in enumerate(a):
        row, scaled = rows[i], factor * x
        for j, y in a[: k + 1]:
            row[j] = row.get(j, 0) + scaled * y


def full_sum(constant: Triangle, products: Callable[[], Iterator[Products]], work: Work) -> Matrix:
    """Returns the lower triangle of `constant + sum_k products_k`, whole rows being added at once.

    Row i gets `a_i (mixed b - first a) + b_i (mixed a - second b)`. Rows are packed, and so are the
    lines in parentheses. Each line times an entry that is not zero is within the bound of all
    numbers, so the line itself is; and lines that belong to a vector of zeros, which nothing
    bounds, are never packed. They are cut now and then to the length that is needed, as what lies
    beyond the diagonal is not used.

    Args:
        constant: Has every entry of the diagonal.
        products: Makes the products, which are gone through twice.
        work: Pays for each product before it is added.

    Raises:
        Unusable: If that takes too much work or memory.
    """
    size = 1 + max(i for i, _ in constant)
    if size > MAX_FULL:
        raise Unusable(f"without an order of elimination, {MAX_FULL} rows are the most")
    longest = max(map(abs, constant.values()))
    for a, b, mixed, first, second in products():
        x, y = (max((abs(entry) for _, entry in v), default=0) for v in (a, b))
        longest += 2 * abs(mixed) * x * y + first * x**2 + second * y**2
        count = len(a) + len(b)
        work.pay(int(size * (_PACKING + _PACKED * count) * (1 + longest.bit_length() // 512)))
    packing = Packing(longest.bit_length())
    if 8 * packing.width * size**2 > MAX_MEMORY:
        raise Unusable("checking it would take too much memory: its numbers are too long")
    lines = [[0] * (i + 1) for i in range(size)]
    for (i, j), x in constant.items():
        lines[i][j] = x
    rows = [packing.packed(line) for line in lines]
    for a, b, mixed, first, second in products():
        for one, other, square in ((a, b, first), (b, a, second)):
            if not any(x for _, x in one):
                continue
            line = packing.packed(_line(size, (mixed, other), (-square, one)))
            for number, (i, x) in enumerate(reversed(one)):
                if number % _EVERY == 0:
                    line = packing.cut(line, i + 1)
                rows[i] += x * line
    return [packing.unpacked(row, i + 1) for i, row in enumerate(rows)]


def _line(size: int, *parts: tuple[int, Vector]) -> list[int]:
    """Returns a sum of multiples of vectors."""
    line = [0] * size
    for factor, vector in parts:
        for i, x in vector:
            line[i] += factor * x
    return line
