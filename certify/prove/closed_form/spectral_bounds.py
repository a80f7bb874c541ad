"""Bounds on norms and eigenvalues of matrices, dense and sparse, that pay for every rounding.

A norm found by power iteration is an estimate from below and never used as it is.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
from jaxtyping import Float

from certify.rounding import EPSILON, TINY, next_above, next_below, raised

# Up to this size of the smaller side, the Gram matrix of a dense matrix is formed.
_LARGEST_GRAM = 4096
# Steps of the power iteration that finds about the largest eigenvalue, for the bound of Collatz.
_POWER_STEPS = 40


def spectral_norm_above(matrix: Any) -> float:
    """Returns an upper bound on the spectral norm of a matrix.

    The smallest of these is taken:

    - `sqrt(|A|_1 |A|_inf)`, by Hölder's inequality;
    - `max_i sqrt((|A|' |A| v)_i / v_i)` for a positive v: for a non-negative symmetric matrix B,
      `B v <= s v` implies `|B| <= s` (Collatz), and `|A x| <= ||A| |x||`. The vector comes from a
      power iteration, and any vector is right. For a matrix without negative entries the bound is
      as near as the iteration has come; with random signs it is larger than the norm, by a factor
      of about half the root of the number of entries in a row;
    - for dense matrices with a side of up to 4,096, `sqrt(lambda_max(A' A))` by
      `largest_eigenvalue_above`, which is tight to about nine digits.

    Args:
        matrix: A matrix, dense or `scipy.sparse`, with finite entries of at most 64 bits.

    Example:
        >>> round(spectral_norm_above(np.array([[3.0, 4.0]])), 9)
        5.0
    """
    matrix, unit = _of_order_one(matrix)
    sparse = scipy.sparse.issparse(matrix)
    sizes: Any = abs(matrix).tocsr() if sparse else np.abs(np.asarray(matrix, np.float64))
    rows, columns = sizes.shape
    terms = rows + columns
    if terms == 0 or (sizes.data.size if sparse else sizes.size) == 0:
        return 0.0
    first = float(np.asarray(sizes.sum(axis=0)).max())
    last = float(np.asarray(sizes.sum(axis=1)).max())
    found = [float(next_above(np.sqrt(raised(first, rows) * raised(last, columns))))]
    found.append(_collatz(sizes))
    if not sparse and min(rows, columns) <= _LARGEST_GRAM:
        found.append(_by_gram(np.asarray(matrix, np.float64)))
    return float(next_above(next_above(min(found)) * unit))


def _of_order_one(matrix: Any) -> tuple[Any, float]:
    """Divides a matrix by a power of two so that its largest entry is about one.

    That is exact but for entries below 2^-1000 of the largest one, whose change is far less than
    the rounding errors that are paid for elsewhere.
    """
    if not scipy.sparse.issparse(matrix):
        matrix = np.asarray(matrix, np.float64)
    values = matrix.data if scipy.sparse.issparse(matrix) else matrix
    largest = float(np.abs(values).max(initial=0.0))
    if not 0 < largest < np.inf:
        return matrix, 1.0
    unit = float(2.0 ** np.clip(np.frexp(largest)[1], -1000, 1000))
    return matrix / unit, unit


def _collatz(sizes: Any) -> float:
    """Returns the bound of Collatz on the norm of a matrix without negative entries.

    The vector is `v = (s I - B)^-1 1` for `B = |A|' |A|` and an s slightly above its largest
    eigenvalue: it is positive, and `B v = s v - 1 < s v`.
    """
    transposed = sizes.T.tocsr() if scipy.sparse.issparse(sizes) else sizes.T
    n = sizes.shape[1]
    ones = np.ones(n)
    found = np.inf
    for share, v in _vectors(sizes, transposed, ones):
        moved = transposed @ (sizes @ v)
        if (v > 0).all() and np.isfinite(moved).all():
            found = min(found, raised((moved / v).max(), sum(sizes.shape) + 4))
            if share and found <= share:
                break
    return float(next_above(np.sqrt(found)))


def _vectors(sizes: Any, transposed: Any, ones: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """Yields vectors for the bound of Collatz, each with what it is to prove, or 0."""
    yield 0.0, ones
    top, v = 0.0, ones
    for _ in range(_POWER_STEPS):
        v = transposed @ (sizes @ v)
        top = float(np.linalg.norm(v))
        if not 0 < top < np.inf:
            return
        v = v / top
    yield 0.0, v
    n = len(ones)
    for share in (1e-3, 1e-2, 1e-1):
        s = top * (1 + share)
        shifted = operator(n, lambda x, s=s: s * x - transposed @ (sizes @ x))
        v, _ = scipy.sparse.linalg.cg(shifted, ones, x0=ones / s, rtol=1e-6, maxiter=400)
        yield s, v


def operator(size: int, function: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Returns a symmetric linear map as SciPy's iterative solvers take it."""
    make: Any = scipy.sparse.linalg.LinearOperator
    return make((size, size), matvec=function, dtype=np.float64)


def _by_gram(matrix: Float[np.ndarray, "rows columns"]) -> float:
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    gram = matrix.T @ matrix
    # The Frobenius norm of the rounding error of the product, at most `gamma_n |A|_F^2`.
    error = (len(matrix) + 2) * EPSILON * square_above(matrix)
    top = largest_eigenvalue_above((gram + gram.T) / 2)
    return float(next_above(np.sqrt(raised(top + raised(error, 4), 4))))


def smallest_singular_value_below(matrix: Float[np.ndarray, "rows columns"]) -> float:
    """Returns a lower bound on `min |A x| / |x|`, zero for matrices with too many columns.

    Example:
        >>> round(smallest_singular_value_below(np.array([[3.0], [4.0]])), 9)
        5.0
    """
    matrix, unit = _of_order_one(matrix)
    if not 0 < matrix.shape[1] <= min(matrix.shape[0], _LARGEST_GRAM):
        return 0.0
    gram = matrix.T @ matrix
    error = raised((len(matrix) + 2) * EPSILON * square_above(matrix), 4)
    low = next_below(smallest_eigenvalue_below((gram + gram.T) / 2) - error)
    return float(next_below(next_below(np.sqrt(max(low, 0.0))) * unit))


def square_above(matrix: Any) -> float:
    """Returns an upper bound on the sum of the squares of all entries."""
    values = matrix.data if scipy.sparse.issparse(matrix) else np.asarray(matrix, np.float64)
    return float(raised(np.sum(values**2), values.size + 2) + 4 * values.size * TINY)


def largest_eigenvalue_above(matrix: Float[np.ndarray, "n n"]) -> float:
    """Returns an upper bound on the eigenvalues of a symmetric matrix, tight as the lower one."""
    return -smallest_eigenvalue_below(-matrix)


def smallest_eigenvalue_below(matrix: Float[np.ndarray, "n n"]) -> float:
    """Returns a lower bound on the eigenvalues of a symmetric matrix.

    For any triangular L and any s, `A - s I = L L' + R` gives `lambda_min(A) >= s - |R|_F`. L is a
    Cholesky factor of `A - s I` for an s slightly below the smallest eigenvalue, and R is computed,
    with a bound on its rounding errors: those of `L L'` are at most `gamma_n |L|_F^2` in the
    Frobenius norm.

    Example:
        >>> round(smallest_eigenvalue_below(np.array([[2.0, 1.0], [1.0, 2.0]])), 9)
        1.0
    """
    n = len(matrix)
    if n == 0:
        return np.inf
    matrix, unit = _of_order_one(matrix)
    guess = scipy.linalg.eigvalsh(matrix)
    scale = max(float(np.abs(guess).max()), TINY)
    for share in (8 * n * EPSILON, 1e-9, 1e-6, 1e-3, 1.0):
        shift = float(guess[0]) - share * scale
        moved = matrix - shift * np.eye(n)
        try:
            factor = np.linalg.cholesky(moved)
        except np.linalg.LinAlgError:
            continue
        residual = matrix - factor @ factor.T
        residual[np.diag_indices(n)] -= shift
        rounding = (2 * n + 8) * EPSILON * (square_above(factor) + n * (abs(shift) + scale))
        total = raised(np.sqrt(square_above(residual)), 8) + raised(rounding, 8)
        if share < 1e-2 and not total <= 4 * share * scale + 64 * n * n * EPSILON * scale:
            continue
        return float(next_below(next_below(np.float64(shift - total)) * unit))
    return -np.inf


def skew_norm_above(
    first: tuple[float, float], second: tuple[float, float], coupling: float
) -> float:
    """Bounds the norm of `[[D, C], [-C', E]]`, the Jacobian of a zero-sum game, from above.

    D and E are symmetric with eigenvalues in the given intervals, and `|C| <= coupling`. The
    smaller of two bounds is taken: the norm of the matrix of norms `[[|D|, |C|], [|C|, |E|]]`, and
    `sqrt(m^2 + |C|^2) + h`, where m and h are middle and half-width of an interval around both:
    the matrix is `m I + K` with a skew-symmetric K, whose norm is exactly the root, and a symmetric
    rest of norm at most h. The second bound is exact for `D = mu I` and `E = nu I`.

    Example:
        >>> round(skew_norm_above((3.0, 3.0), (3.0, 3.0), 4.0), 9)
        5.0
    """
    low, high = min(first[0], second[0]), max(first[1], second[1])
    middle, half = abs(low + high) / 2, (high - low) / 2
    shifted = raised(np.hypot(raised(middle, 2), coupling), 4) + raised(half, 2)
    one, two = (max(abs(a), abs(b)) for a, b in (first, second))
    norms = (one + two + np.hypot(raised(abs(one - two), 1), 2 * coupling)) / 2
    return float(raised(min(shifted, norms), 16))
