"""Proved bounds on eigenvalues and norms of interval matrices, many at a time.

The arithmetic is floating point with every rounding error accounted for. LAPACK's eigenvectors are
a guess, in whose basis Gershgorin's discs are small; no accuracy of LAPACK is relied on. The only
assumption about NumPy is that sums of products are rounded to nearest, in any order (Higham,
*Accuracy and Stability of Numerical Algorithms*, sections 3.1 and 3.5): the sum of `d` products is
off by at most `d 2^-53 / (1 - d 2^-53)` times the sum of their sizes, and by underflow.
"""

import numpy as np
from jaxtyping import Float

from certify.rounding import EPSILON, TINY, next_above, next_below, raised


def eigenvalue_bounds(
    lower: Float[np.ndarray, "*batch d d"], upper: Float[np.ndarray, "*batch d d"]
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Bounds all eigenvalues of all symmetric matrices in interval matrices, rigorously.

    The eigenvalues of `A` in `C +- R` are within `|R| <= max_i sum_j R_ij` of those of `C` (Weyl).
    For any `V`, Gershgorin's discs enclose the eigenvalues of `B = V' C V`. If
    `|V' V - I| <= e < 1` then `x = V y` has `(1 - e) |y|^2 <= |x|^2 <= (1 + e) |y|^2`, so
    `x' C x / x' x = y' B y / |V y|^2` is at least `g / (1 + e)` where `B >= g >= 0`, and at least
    `g / (1 - e)` where `B >= g` and `g < 0`; from above likewise.

    Args:
        lower: Lower bounds on the entries.
        upper: Upper bounds on them.

    Returns:
        Lower and upper bounds; infinite for matrices with entries that are not finite.

    Example:
        >>> matrix = np.array([[[2.0, 1.0], [1.0, 2.0]]])
        >>> low, high = eigenvalue_bounds(matrix - 0.25, matrix + 0.25)
        >>> low.round(12).tolist(), high.round(12).tolist()
        ([0.5], [3.5])
    """
    if lower.shape[-1] == 1:
        low, high = lower[..., 0, 0], upper[..., 0, 0]
        known = np.isfinite(low) & np.isfinite(high)
        return np.where(known, low, -np.inf), np.where(known, high, np.inf)
    lower, upper, known = _finite(lower, upper)
    # Only symmetric matrices are meant, so two mirrored entries both bound the same number.
    lower = np.maximum(lower, np.swapaxes(lower, -1, -2))
    upper = np.maximum(np.minimum(upper, np.swapaxes(upper, -1, -2)), lower)
    with np.errstate(all="ignore"):
        centre, radius = _ball(lower, upper)
        basis = np.linalg.eigh(centre)[1]
        size, turned = np.abs(basis), np.swapaxes(basis, -1, -2)
        d = basis.shape[-1]
        product = turned @ (centre @ basis)
        sizes = np.swapaxes(size, -1, -2)
        rounding = raised(sizes @ (np.abs(centre) @ size), 4 * d) * (2 * d + 4) * EPSILON
        error = rounding + 16 * d * d * TINY
        diagonal = np.diagonal(product, axis1=-2, axis2=-1)
        off = np.abs(product) * (1 - np.eye(d))
        reach = raised((off + error).sum(-1), 2 * d + 4)
        low = next_below((diagonal - reach).min(-1))
        high = next_above((diagonal + reach).max(-1))
        gram = np.abs(turned @ basis - np.eye(d)) + raised(sizes @ size, 4 * d) * (d + 2) * EPSILON
        skew = raised(gram.sum(-1).max(-1), 2 * d + 4) + 16 * d * d * TINY
        less, more = next_below(1 - skew), next_above(1 + skew)
        low = next_below(np.where(low >= 0, low / more, low / less))
        high = next_above(np.where(high >= 0, high / less, high / more))
        spread = raised(radius.sum(-1).max(-1), 2 * d)
        low, high = next_below(low - spread), next_above(high + spread)
    # A comparison with NaN is false.
    usable = known & (skew < 0.5)
    low = np.where(usable & (low > -np.inf), low, -np.inf)
    return low, np.where(usable & (high < np.inf), high, np.inf)


def norm_bounds(
    lower: Float[np.ndarray, "*batch m n"], upper: Float[np.ndarray, "*batch m n"]
) -> Float[np.ndarray, "*batch"]:
    """Bounds the spectral norms of all matrices in interval matrices from above, rigorously.

    The bound is the smaller of `sqrt(|M|_1 |M|_inf)`, for the matrix M of largest sizes, and
    `|C| + |R|`, where `|C|^2` is the largest eigenvalue of `C' C`.

    Args:
        lower: Lower bounds on the entries.
        upper: Upper bounds on them.

    Returns:
        The bounds; infinite for matrices with entries that are not finite.

    Example:
        >>> matrix = np.array([[[3.0, 4.0], [4.0, -3.0]]])
        >>> norm_bounds(matrix, matrix).round(12).tolist()
        [5.0]
        >>> norm_bounds(np.array([[[-2.0]]]), np.array([[[1.0]]])).tolist()
        [2.0]
    """
    lower, upper, known = _finite(lower, upper)
    largest = np.maximum(np.abs(lower), np.abs(upper))
    if lower.shape[-2:] == (1, 1):
        return np.where(known, largest[..., 0, 0], np.inf)
    # Entries are scaled by a power of two, so that squares neither overflow nor vanish.
    unit = np.frexp(largest.max((-1, -2), keepdims=True))[1]
    lower, upper = next_below(np.ldexp(lower, -unit)), next_above(np.ldexp(upper, -unit))
    centre, radius = _ball(lower, upper)
    rough = _rough_norm(np.maximum(np.abs(lower), np.abs(upper)))
    if lower.shape[-1] > lower.shape[-2]:
        centre = np.swapaxes(centre, -1, -2)
    size, count = np.abs(centre), centre.shape[-2]
    transposed = np.swapaxes(centre, -1, -2)
    square = transposed @ centre
    error = raised(np.swapaxes(size, -1, -2) @ size, 4 * count) * (count + 2) * EPSILON
    error = error + 16 * count * TINY
    _, top = eigenvalue_bounds(next_below(square - error), next_above(square + error))
    fine = next_above(next_above(np.sqrt(np.maximum(top, 0.0))) + _rough_norm(radius))
    bound = np.minimum(rough, fine)
    return np.where(known, next_above(np.ldexp(bound, unit[..., 0, 0])), np.inf)


def _rough_norm(sizes: np.ndarray) -> np.ndarray:
    """Returns `sqrt(|M|_1 |M|_inf)` of non-negative matrices, rounded up."""
    columns = raised(sizes.sum(-2).max(-1), 2 * sizes.shape[-2])
    rows = raised(sizes.sum(-1).max(-1), 2 * sizes.shape[-1])
    return next_above(np.sqrt(next_above(columns * rows)))


def _finite(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the bounds, with zeros for matrices that are not finite, and which matrices are."""
    known = np.asarray((np.isfinite(lower) & np.isfinite(upper)).all((-1, -2)))
    there = known[..., None, None]
    return np.where(there, lower, 0.0), np.where(there, upper, 0.0), known


def _ball(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centre = 0.5 * lower + 0.5 * upper
    return centre, raised(np.maximum(upper - centre, centre - lower), 2)
