"""Positive definiteness of large integer matrices whose diagonal outweighs the rest, exactly.

For network games, in which couplings pull in one direction, this proves as much as elimination
(`sparse`) does, with one product for each entry and without any that fill in.
"""

from .exact import Work
from .sparse import Rows, length


def scaled_dominant(matrix: Rows, scaling: list[int], work: Work) -> bool:
    """Says whether a symmetric integer matrix is proved positive definite; False is no disproof.

    For positive numbers d, let `A_ii d_i > sum_(j != i) |A_ij| d_j` for every i. With D the
    diagonal matrix of d, `D A D` is then symmetric and strictly diagonally dominant with a positive
    diagonal. So it is positive definite (Gershgorin), and so is A.

    Any d is valid. If no entry off the diagonal is positive, or none is after some coordinates
    change their signs, there is such a d for every positive definite A: the Perron vector.

    Args:
        matrix: Its lower triangle.
        scaling: The numbers d, one for each row: all positive, or nothing is proved.
        work: Pays for the products before they are made.

    Raises:
        Unusable: If that takes too much work.
        ValueError: If there are entries outside the lower triangle, or not as many numbers as rows.

    Example:
        >>> scaled_dominant([{0: 1}, {0: -2, 1: 5}], [5, 2], Work())
        False
        >>> scaled_dominant([{0: 1}, {0: -2, 1: 5}], [9, 4], Work())
        True
    """
    if len(scaling) != len(matrix):
        raise ValueError(f"scaled_dominant: {len(scaling)} numbers for {len(matrix)} rows.")
    longest = max(map(length, scaling), default=1)
    work.pay(longest * sum(1 + 2 * length(x) for row in matrix for x in row.values()))
    if min(scaling, default=1) <= 0:
        return False
    excess = [0] * len(matrix)
    for i, row in enumerate(matrix):
        d = scaling[i]
        for j, x in row.items():
            if not 0 <= j <= i:
                raise ValueError(f"scaled_dominant: row {i} has an entry in column {j}.")
            if i == j:
                excess[i] += x * d
            else:
                size = abs(x)
                excess[i] -= size * scaling[j]
                excess[j] -= size * d
    return min(excess, default=1) > 0
