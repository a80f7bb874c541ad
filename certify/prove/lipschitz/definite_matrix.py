"""Positive definiteness of large matrices of floats, proved by a factor and what it leaves.

It is theorem 2 of the mathematics page in floating point: if what is left of a matrix after `V V'`
is strictly diagonally dominant with a positive diagonal, the matrix is positive definite, whatever
`V` is. The checker's `positive_definite` decides this in integers, for matrices that are smaller.
"""

import numpy as np

from certify.prove.lipschitz.ball_products import BallMatrix
from certify.rounding import EPSILON, TINY, raised


def proved_definite(matrix: BallMatrix) -> bool:
    """Says whether all symmetric matrices in a ball are proved positive definite.

    The matrix is scaled by powers of two, so that its diagonal is about one. `V` is LAPACK's
    Cholesky factor of the matrix with a slightly smaller diagonal, a guess. Entry (i, j) of `V V'`
    is a sum of n products whose sizes add up to at most `|V_i| |V_j|`, by Cauchy and Schwarz.

    Args:
        matrix: Symmetric matrices; the centre is symmetric itself.

    >>> proved_definite(BallMatrix.exact(np.array([[2.0, 1.0], [1.0, 1.0]])))
    True
    >>> proved_definite(BallMatrix.exact(np.array([[1.0, 1.0], [1.0, 1.0]])))
    False
    """
    diagonal = np.diagonal(matrix.centre)
    if not (np.isfinite(matrix.centre).all() and np.isfinite(matrix.radius).all()):
        return False
    if (diagonal <= 0).any():
        return False
    units = -(np.frexp(diagonal)[1] // 2)
    both = units[:, None] + units[None, :]
    with np.errstate(all="ignore"):
        centre = np.ldexp(matrix.centre, both)
        radius = raised(np.ldexp(matrix.radius, both), 2)
        if not np.isfinite(centre).all() or (np.abs(centre) > 16.0).any():
            return False  # an entry is larger than the diagonal allows
        n = len(centre)
        slack = 4 * n * (n + 8) * EPSILON + 2 * float(radius.sum(1).max())
        try:
            factor = np.linalg.cholesky(centre - slack * np.eye(n))
        except np.linalg.LinAlgError:
            return False
        lengths = np.sqrt(raised((factor**2).sum(1), 2 * n))
        rest = centre - factor @ factor.T
        error = raised(np.multiply.outer(lengths, lengths), 4 * n) * (n + 2) * EPSILON
        error = error + np.abs(rest) * EPSILON + radius + 16 * n * TINY
        own = np.diagonal(rest)
        others = raised((np.abs(rest) * (1 - np.eye(n)) + error).sum(1), 2 * n + 8)
    return bool((own > others).all())
