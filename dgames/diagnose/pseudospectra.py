"""Pseudospectra: how near complex numbers are to being eigenvalues."""

from typing import Any

import jax.numpy as jnp
import lineax as lx
import numpy as np
from jaxtyping import Float

from dgames.diagnose.krylov import arnoldi
from dgames.diagnose.operators import Operator, as_operator, check_square, zeros_of
from dgames.strategy import ravel

# Up to so many coordinates singular values are those of a full decomposition at every point.
_SMALL = 40
_LANCZOS_STEPS = 60


def pseudospectrum(
    operator: Operator,
    z: Any,
    *,
    steps: int | None = None,
) -> Float[np.ndarray, "*points"]:
    r"""The smallest singular value of `z - A` at points of the complex plane.

        s(z) = s_min(z - A) = 1 / |(z - A)^{-1}|

    The set `s(z) <= e` is the e-pseudospectrum: the eigenvalues of all `A + E` with `|E| <= e` in
    the spectral norm. Eigenvalues alone mislead where it is much larger than discs of radius e
    about them: the norm of some power of a matrix is at least `(|z| - 1) / s(z)`, for every z
    outside the unit disc, though all eigenvalues be inside (the Kreiss matrix theorem).

    Small matrices are decomposed at every point. Beyond 40 coordinates the matrix is brought to
    Schur form once, and each point takes inverse Lanczos iterations with the triangular matrix.

    With `steps`, which an operator without a matrix needs, the factor H of so many steps of
    `arnoldi` stands in for A: the result is `s_min` of `z - H` with its last row, which is an
    *upper* bound of `s(z)` up to rounding. So the sets found are contained in the true ones, and
    grow towards them with the number of steps.

    Args:
        operator: A square matrix, or a lineax operator such as `dgames.jacobian_operator`.
        z: Complex numbers, of any shape.
        steps: The number of Arnoldi's steps; None for the whole matrix.

    Returns:
        Estimates of `s`, in the shape of z, in float64.

    Raises:
        ValueError: If the operator is not square, or has no matrix and `steps` is None.

    References:
        Trefethen and Embree, *Spectra and Pseudospectra*, 2005, chapters 39 and 40. Toh and
        Trefethen, *SIAM Journal on Scientific Computing* 17 (1996).

    >>> import jax.numpy as jnp
    >>> [f"{s:.6f}" for s in pseudospectrum(jnp.array([[0.0, 1.0], [0.0, 0.0]]), [0.0, 1.0j])]
    ['0.000000', '0.618034']
    """
    points = np.asarray(z, complex)
    if steps is not None:
        return _smallest(_projected(operator, steps), points)
    matrix = _matrix(operator)
    if len(matrix) <= _SMALL:
        return _smallest(matrix, points)
    import scipy.linalg

    triangle = scipy.linalg.schur(matrix, output="complex")[0]
    start = np.random.default_rng(0).standard_normal((2, len(matrix)))
    first = (start[0] + 1j * start[1]) / np.linalg.norm(start)
    values = [_smallest_of_triangle(point, triangle, first) for point in points.ravel()]
    return np.reshape(values, points.shape)


def _matrix(operator: Operator) -> np.ndarray:
    if not isinstance(operator, lx.AbstractLinearOperator):
        check_square(operator)
        return np.asarray(operator)  # of NumPy, in its own precision
    if not isinstance(operator, lx.MatrixLinearOperator):
        raise ValueError(
            "pseudospectrum: give the number of Arnoldi's steps for an operator without a matrix, "
            "or operator.as_matrix() if that fits in memory"
        )
    return np.asarray(as_operator(operator).as_matrix())


def _projected(operator: Operator, steps: int) -> np.ndarray:
    operator = as_operator(operator)
    vector, unravel = ravel(zeros_of(operator))
    start = np.random.default_rng(0).standard_normal(vector.size)
    found = arnoldi(operator, unravel(jnp.asarray(start, vector.dtype)), steps=steps)
    return np.asarray(found.hessenberg)


def _smallest(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns smallest singular values of `z - A`, where A may have more rows than columns."""
    eye = np.eye(*matrix.shape)
    flat = points.ravel()
    portion = max(1, 2**22 // matrix.size)  # of the points, so that memory stays small
    values = [
        np.linalg.svd(flat[i : i + portion, None, None] * eye - matrix, compute_uv=False)[:, -1]
        for i in range(0, len(flat), portion)
    ]
    return np.reshape(np.concatenate([np.zeros(0), *values]), points.shape)


def _smallest_of_triangle(point: complex, triangle: np.ndarray, first: np.ndarray) -> float:
    """Returns `s_min(z - T)` by Lanczos' iterations with `(z - T)^-1 (z - T)^-H`."""
    import scipy.linalg

    shifted = point * np.eye(len(triangle)) - triangle
    if not np.all(np.diag(shifted)):
        return 0.0
    (solve,) = scipy.linalg.get_lapack_funcs(("trtrs",), (shifted,))
    basis = [first]
    diagonal: list[float] = []
    beside: list[float] = []
    largest = 0.0
    for _ in range(min(_LANCZOS_STEPS, len(triangle))):
        half, _ = solve(shifted, basis[-1], trans=2)
        vector, _ = solve(shifted, half)
        diagonal.append(float(np.vdot(basis[-1], vector).real))
        previous, largest = largest, scipy.linalg.eigvalsh_tridiagonal(diagonal, beside)[-1]
        if abs(largest - previous) <= 1e-12 * largest:
            break
        known = np.stack(basis)
        for _ in range(2):  # twice is enough
            vector = vector - (known.conj() @ vector) @ known
        length = float(np.linalg.norm(vector))
        if length <= 1e-15 * largest:
            break
        beside.append(length)
        basis.append(vector / length)
    return float(1 / np.sqrt(largest))
