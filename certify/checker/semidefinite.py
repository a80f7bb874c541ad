"""Positive semidefiniteness of integer matrices and of families of them, decided exactly.

Where a matrix is singular, positive definiteness (`exact`) is too much to ask for.
"""

from fractions import Fraction
from itertools import chain

from .exact import Generator, Work, family_positive_definite
from .matrices import Matrix


def exactly_semidefinite(matrix: Matrix, work: Work) -> bool:
    """Decides whether a symmetric matrix is positive semidefinite, by elimination in fractions.

    It is if and only if each pivot is positive, or is zero with a row of zeros: a pivot that is
    zero beside an entry b leaves the minor `-b^2`.
    """
    longest = max(max(map(int.bit_length, row)) for row in matrix)
    # Entries grow to as many bits as all rows have together.
    work.pay(len(matrix) ** 4 * (1 + longest // 64))
    left = [[Fraction(x) for x in row] for row in matrix]
    while left:
        pivot, *row = left[0]
        if pivot < 0 or (pivot == 0 and any(row)):
            return False
        left = [
            [x - (a * b / pivot if pivot else 0) for x, b in zip(line[1:], row, strict=True)]
            for line, a in zip(left[1:], row, strict=True)
        ]
    return True


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
