"""Lipschitz constants as products of the norms of layers."""

import numpy as np
from jaxtyping import Float

from certify.metric.spectra import norm_bounds
from certify.prove.lipschitz.ball_products import BallMatrix
from certify.prove.lipschitz.unit_slopes import UnitSlopes
from certify.rounding import next_above, next_below, raised


def spectral_norm(matrix: BallMatrix) -> float:
    """Bounds the spectral norms of all matrices in a ball from above.

    >>> spectral_norm(BallMatrix.exact(np.diag([3.0, 4.0])))
    4.0
    """
    low, high = matrix.centre, matrix.centre
    if matrix.radius.any():
        low, high = next_below(low - matrix.radius), next_above(high + matrix.radius)
    bound = float(norm_bounds(low[None], high[None])[0])
    if matrix.radius.any():
        return bound
    # For diagonal and one-row matrices rougher norms are exact.
    return min(bound, row_norm(matrix), row_norm(matrix.transposed)) if _monomial(matrix) else bound


def _monomial(matrix: BallMatrix) -> bool:
    """Whether no row and no column has two entries that are not zero."""
    there = matrix.centre != 0
    return bool((there.sum(0) <= 1).all() and (there.sum(1) <= 1).all())


def row_norm(matrix: BallMatrix) -> float:
    """Bounds the largest sum of sizes in a row from above: the norm of the largest entry."""
    sizes = matrix.size
    sums = sizes.sum(-1)
    single = (sizes != 0).sum(-1) <= 1
    return float(np.where(single, sums, raised(sums, 2 * sizes.shape[-1])).max(initial=0.0))


def product_of_norms(matrices: list[BallMatrix], slopes: list[UnitSlopes], norm: str) -> float:
    r"""Bounds `||C_L D_(L-1) C_(L-1) ... D_1 C_1||` by the norms of `C_(k+1) diag(d)`.

    Here d are the largest sizes of slopes: `D = diag(d) E` with `|E| <= 1`. For the norm of the
    largest entry, absolute row sums of the product of the matrices of sizes are smaller, and valid.
    """
    if norm == "linf":
        reached: Float[np.ndarray, " n"] = np.ones(matrices[0].centre.shape[1])
        for matrix, own in zip(matrices, [None, *slopes], strict=True):
            if own is not None:
                reached = _through(reached, own)
            sizes = matrix.size
            reached = raised(sizes @ reached, 4 * sizes.shape[1])
        return float(reached.max(initial=0.0))
    found = spectral_norm(matrices[0])
    for matrix, own in zip(matrices[1:], slopes, strict=True):
        factors = own.size
        common = float(factors.max(initial=0.0))
        if own.tied == 1 and (factors != common).any():
            centre, radius = matrix.centre * factors, raised(matrix.radius * factors, 2)
            radius = raised(radius + np.abs(centre) * 2.0**-52, 4)
            found = _times(found, spectral_norm(BallMatrix(centre, radius)))
        else:
            found = _times(found, _times(common, spectral_norm(matrix)))
    return found


def _times(x: float, y: float) -> float:
    """A product, rounded up unless a factor is one."""
    if 1.0 in (x, y):
        return x * y
    return float(next_above(x * y))


def _through(reached: np.ndarray, own: UnitSlopes) -> np.ndarray:
    """What the largest changes of pre-activations become; a sorted pair takes the larger one."""
    if own.tied > 1:
        groups = reached.reshape(-1, own.tied)
        reached = np.repeat(groups.max(1), own.tied)
    return raised(reached * own.size, 2)
