"""Integer matrices, by their rows."""

Matrix = list[list[int]]


def square(size: int, factor: int = 0) -> Matrix:
    """Returns a multiple of the identity, zero by default."""
    return [[factor * (i == j) for j in range(size)] for i in range(size)]


def transposed(m: Matrix) -> Matrix:
    """Returns `m'`."""
    return [list(column) for column in zip(*m, strict=True)]


def scaled(factor: int, m: Matrix) -> Matrix:
    """Returns a multiple of a matrix."""
    return [[factor * x for x in row] for row in m]


def plus(m: Matrix, n: Matrix) -> Matrix:
    """Returns the sum of two matrices."""
    return [list(map(int.__add__, *rows)) for rows in zip(m, n, strict=True)]


def block(m: Matrix, rows: slice, columns: slice) -> Matrix:
    """Returns a part of a matrix."""
    return [row[columns] for row in m[rows]]


def symmetric(m: Matrix) -> Matrix:
    """Returns `m + m'`."""
    return plus(m, transposed(m))


def diagonal(m: Matrix, n: Matrix) -> Matrix:
    """Returns `[[m, 0], [0, n]]`."""
    return [[*row, *[0] * len(n)] for row in m] + [[*[0] * len(m), *row] for row in n]


def bordered(m: Matrix) -> Matrix:
    """Returns `[[0, m'], [m, 0]]`."""
    top = [[*[0] * len(m[0]), *column] for column in transposed(m)]
    return top + [[*row, *[0] * len(m)] for row in m]


def product(left: Matrix, right: Matrix) -> Matrix:
    """Returns the product of two matrices.

    One long integer holds a row of the right one, `sum_j x_j 2^(8 w j)`, so that Python takes sums
    and integer multiples of whole rows at once. No entry of the product is as large as
    `2^(8 w - 1)` in size; so with that added to each, digits in base `2^(8 w)` are the entries.
    """
    longest = [max(max(map(int.bit_length, row)) for row in m) for m in (left, right)]
    width = (sum(longest) + len(right).bit_length() + 9) // 8
    half = 1 << (8 * width - 1)

    def packed(row: list[int]) -> int:
        return int.from_bytes(b"".join((x + half).to_bytes(width, "little") for x in row), "little")

    middle = packed([0] * len(right[0]))
    rows = [packed(row) - middle for row in right]
    result = []
    for line in left:
        total = sum((x * row for x, row in zip(line, rows, strict=True) if x), middle)
        digits = total.to_bytes(width * len(right[0]), "little")
        result.append(
            [
                int.from_bytes(digits[k : k + width], "little") - half
                for k in range(0, len(digits), width)
            ]
        )
    return result
