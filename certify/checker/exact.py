"""Positive definiteness of integer matrices, and of whole families of them, decided exactly.

Everything here is integer arithmetic, except for one guess in floating point that is then verified.
"""

from math import isqrt

Matrix = list[list[int]]

# Bits kept of the guessed factor; more would only make the products longer.
_BITS = 40


def positive_definite(matrix: Matrix) -> bool:
    """Whether a symmetric integer matrix is *proved* positive definite; False means "not proved".

    With any integer matrix `C`, let `T = C A C'`. If `T` is strictly diagonally dominant with a
    positive diagonal it is positive definite (Gershgorin); then `C` is nonsingular and `A` is
    positive definite as well (Sylvester's law of inertia). A good `C`, guessed in floating point,
    is the inverse of the Cholesky factor of `A`; a bad one can only fail to prove anything.
    """
    guess = _inverse_factor(matrix)
    if guess is None:
        return False
    # C is lower triangular: row i of C A, then of C A C', needs only its first i + 1 entries.
    half = [[sum(map(int.__mul__, row, column)) for column in matrix] for row in guess]
    return all(
        2 * (total := [sum(map(int.__mul__, left, row)) for row in guess])[i] > sum(map(abs, total))
        for i, left in enumerate(half)
    )


def _inverse_factor(matrix: Matrix) -> Matrix | None:
    """An integer multiple of, approximately, the inverse Cholesky factor of `matrix`."""
    size = len(matrix)
    if any(matrix[i][i] <= 0 for i in range(size)):
        return None
    # Scaling the diagonal to about one makes the guess insensitive to the units of the coordinates.
    root = [isqrt(matrix[i][i] << 2 * _BITS) for i in range(size)]
    factor: list[list[float]] = []
    inverse: list[list[float]] = []
    for i in range(size):
        scaled = [(matrix[i][j] << 2 * _BITS) / (root[i] * root[j]) for j in range(i + 1)]
        row: list[float] = []
        for j in range(i):
            row.append((scaled[j] - _dot(row, factor[j])) / factor[j][j])
        pivot = scaled[i] - _dot(row, row)
        if not pivot > 0:
            return None
        row.append(pivot**0.5)
        columns = zip(*(inverse[k] + [0.0] * (i - len(inverse[k])) for k in range(i)), strict=True)
        inverse.append([-_dot(row, column) / row[i] for column in columns] + [1 / row[i]])
        factor.append(row)
    top = max(root)
    try:
        return [
            [round(value * 2**_BITS) * top // root[j] for j, value in enumerate(row)]
            for row in inverse
        ]
    except (OverflowError, ValueError):  # a guess with infinities or NaN
        return None


def _dot(left: list[float], right: tuple[float, ...] | list[float]) -> float:
    return sum((a * b for a, b in zip(left, right, strict=False)), 0.0)


def family_positive_definite(
    centre: Matrix, generators: list[Matrix], remainder: Matrix, scaling: list[int]
) -> bool:
    """Whether every symmetric `centre + sum_k e_k generators[k] + E` is proved positive definite.

    Here `|e_k| <= 1` and `|E| <= remainder` entrywise, `E` symmetric.

    Two facts. *Remainder*: for positive `t`, `|E| <= R` implies `E >= -diag((R t)_i / t_i)`, since
    `2 |x_i x_j| <= x_i^2 t_j / t_i + x_j^2 t_i / t_j`. *Generators*: positive definiteness at both
    `e_k = -1` and `e_k = 1` implies it in between, as the cone is convex; or a generator can be
    treated like a remainder. So: fold all generators into the remainder and test; if that fails,
    branch on the sign of the first and go on with the rest.

    Args:
        centre: A symmetric matrix.
        generators: Symmetric matrices, the most important first.
        remainder: A symmetric matrix of non-negative entries.
        scaling: The positive numbers `t`; any choice is valid, a good one proves more.
    """
    base = _minus_diagonal(centre, _absorb(remainder, scaling))
    loss = [_absorb([[abs(x) for x in row] for row in g], scaling) for g in generators]

    def prove(matrix: Matrix, first: int) -> bool:
        folded = [sum(entries) for entries in zip(*loss[first:], strict=True)]
        if positive_definite(_minus_diagonal(matrix, folded) if folded else matrix):
            return True
        if first == len(generators):
            return False
        g = generators[first]
        return prove(_combine(matrix, g, 1), first + 1) and prove(
            _combine(matrix, g, -1), first + 1
        )

    return prove(base, 0)


def _absorb(magnitudes: Matrix, scaling: list[int]) -> list[int]:
    """`(R t)_i / t_i`, rounded up to an integer."""
    return [
        -(-sum(map(int.__mul__, row, scaling)) // t)
        for row, t in zip(magnitudes, scaling, strict=True)
    ]


def _minus_diagonal(matrix: Matrix, diagonal: list[int]) -> Matrix:
    return [
        [x - d if i == j else x for j, x in enumerate(row)]
        for i, (row, d) in enumerate(zip(matrix, diagonal, strict=True))
    ]


def _combine(matrix: Matrix, generator: Matrix, sign: int) -> Matrix:
    return [
        [x + sign * g for x, g in zip(row, other, strict=True)]
        for row, other in zip(matrix, generator, strict=True)
    ]
