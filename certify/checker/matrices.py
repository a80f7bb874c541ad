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


def minus(m: Matrix, n: Matrix) -> Matrix:
    """Returns the difference of two matrices."""
    return [list(map(int.__sub__, *rows)) for rows in zip(m, n, strict=True)]


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


class Packing:
    """Rows of integers as long ones, `sum_j x_j B^j`, for Python to add and multiply at once.

    Here `B = 2^(8 width)`. A long integer is known modulo `B^length` if it stands for a row of that
    length; if all entries are smaller than `B / 2` in size, it determines them: with `B / 2` added
    to each, they are its digits.
    """

    def __init__(self, bits: int) -> None:
        """Makes room for entries of up to so many bits, and a sign."""
        self.width = bits // 8 + 1

    def packed(self, row: list[int]) -> int:
        """Returns the long integer of a row."""
        half = self._halves(1)
        digits = b"".join([(x + half).to_bytes(self.width, "little") for x in row])
        return int.from_bytes(digits, "little") - self._halves(len(row))

    def cut(self, total: int, length: int) -> int:
        """Returns the long integer without what lies beyond a length."""
        return total & ((1 << 8 * self.width * length) - 1)

    def unpacked(self, total: int, length: int) -> list[int]:
        """Returns the row of a long integer."""
        half, width = self._halves(1), self.width
        digits = self.cut(total + self._halves(length), length).to_bytes(width * length, "little")
        return [
            int.from_bytes(digits[k : k + width], "little") - half
            for k in range(0, len(digits), width)
        ]

    def _halves(self, length: int) -> int:
        return int.from_bytes((bytes(self.width - 1) + b"\x80") * length, "little")


def product(left: Matrix, right: Matrix) -> Matrix:
    """Returns the product of two matrices, whole rows of the right one at once."""
    longest = [max(max(map(int.bit_length, row)) for row in m) for m in (left, right)]
    packing = Packing(sum(longest) + len(right).bit_length())
    rows = [packing.packed(row) for row in right]
    totals = (sum(x * row for x, row in zip(line, rows, strict=True) if x) for line in left)
    return [packing.unpacked(total, len(right[0])) for total in totals]
