"""Positive semidefiniteness of integer matrices and of families of them, decided exactly.

Where a matrix is singular, positive definiteness (`exact`) is too much to ask for.
"""

from itertools import chain
from math import gcd

from .exact import Generator, Work, family_positive_definite
from .matrices import Matrix


def exactly_semidefinite(matrix: Matrix, work: Work) -> bool:
    """Decides whether a symmetric matrix is positive semidefinite, by elimination in integers.

    It is if and only if each pivot is positive, or is zero with a row of zeros: a pivot that is
    zero beside an entry b leaves the minor `-b^2`. Entries are multiplied by the last positive
    pivot, which makes them minors of the matrix, so that the division by the one before leaves no
    remainder (Bareiss, 1968); a row of zeros is left out, as if the matrix had never had it.
    """
    left = _reduced([row[i:] for i, row in enumerate(matrix)])
    longest = max((x.bit_length() for row in left for x in row), default=0)
    # Minors have up to as many bits as all rows have together, and division is quadratic in them.
    size = len(left)
    work.pay(size**3 * (8 + (size * longest // 1024) ** 2))
    before = 1
    while left:
        (pivot, *row), *rest = left
        if pivot < 0 or (pivot == 0 and any(row)):
            return False
        if pivot:
            rest = [
                [(pivot * x - a * b) // before for x, b in zip(line, row[i:], strict=True)]
                for i, (line, a) in enumerate(zip(rest, row, strict=True))
            ]
            before = pivot
        left = rest
    return True


def _reduced(rows: Matrix) -> Matrix:
    """Divides all entries by what they have in common."""
    common = gcd(*chain(*rows))
    return [[x // common for x in row] for row in rows] if common > 1 else rows


def family_semidefinite(
    centre: Matrix, generators: list[Matrix], remainder: Matrix, scaling: list[int], work: Work
) -> bool:
    """Says whether all symmetric `centre + sum_k e_k G_k + E` are proved positive semidefinite.

    Here `|e_k| <= 1` and `|E| <= |remainder|` entrywise, and all matrices are symmetric. Blocks of
    coordinates that no entry connects, in any of the matrices, are looked at one by one: each is
    proved positive definite (`exact`), or exactly semidefinite after all that is uncertain has been
    bounded as a remainder is there. A block in which nothing is uncertain is thus decided.

    Args:
        centre: A symmetric matrix.
        generators: Symmetric matrices.
        remainder: A symmetric matrix, of which only magnitudes count.
        scaling: Positive numbers with which a remainder is absorbed, see `exact`.
        work: Pays for the tests.
    """
    matrices = [centre, *generators, remainder]
    for block in connected(matrices):
        own = [[[m[i][j] for j in block] for i in block] for m in matrices]
        t = [scaling[i] for i in block]
        if not (_definite(own, t, work) or _lowered_semidefinite(own, t, work)):
            return False
    return True


def connected(matrices: list[Matrix]) -> list[list[int]]:
    """Returns the coordinates by blocks, which no entry of the matrices connects.

    Example:
        >>> connected([[[1, 0, 2], [0, 0, 0], [2, 0, 1]]])
        [[0, 2], [1]]
    """
    size = len(matrices[0])
    beside = [[j for j in range(size) if any(m[i][j] for m in matrices)] for i in range(size)]
    left, blocks = set(range(size)), []
    while left:
        pending, block = [min(left)], []
        left.remove(pending[0])
        while pending:
            i = pending.pop()
            block.append(i)
            found = [j for j in beside[i] if j in left]
            left.difference_update(found)
            pending += found
        blocks.append(sorted(block))
    return blocks


def _definite(matrices: list[Matrix], scaling: list[int], work: Work) -> bool:
    centre, *moving, remainder = matrices
    zero = [[0] * len(centre)] * len(centre)
    generators = [Generator(m, zero, m) for m in moving if any(map(any, m))]
    # The order only matters for speed.
    generators.sort(key=lambda g: -sum(map(abs, chain(*g.rest))))
    return family_positive_definite(centre, generators, remainder, scaling, work)


def _lowered_semidefinite(matrices: list[Matrix], scaling: list[int], work: Work) -> bool:
    """Decides it for the centre, lowered by `(sum |m| t)_i / t_i` on the diagonal, rounded up."""
    centre, *loose = matrices
    lowered = [list(row) for row in centre]
    for i, t in enumerate(scaling):
        loss = sum(abs(x) * s for m in loose for x, s in zip(m[i], scaling, strict=True))
        lowered[i][i] -= -(-loss // t)
    return exactly_semidefinite(lowered, work)
