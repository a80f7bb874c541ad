"""Directions that a linear map stretches most: its leading right singular vectors."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dgames.diagnose.augmented_step import nonzero

# Up to so many columns the matrix is made and decomposed.
_DENSE = 96

_Product = Callable[[Float[Array, "columns count"]], Float[Array, "rows count"]]


def singular_directions(
    product: _Product,
    transposed: _Product,
    size: int,
    count: int,
    dtype: np.dtype,
    iterations: int,
) -> Float[Array, "columns count"]:
    """Returns the right singular vectors of the largest singular values, in falling order.

    Small matrices are decomposed. Of large ones nothing is kept but a few vectors per direction:
    they are the leading eigenvectors of `A' A`, found by a block conjugate gradient method
    (LOBPCG) from a fixed start. If that has not converged in time, the directions are the best
    ones seen: they are stretched less than the true ones.

    Args:
        product: Maps vectors, the columns of a matrix, to their products with A,
            which has as many rows as columns, or more.
        transposed: The same for the transpose of A.
        size: The number of columns of A.
        count: The number of directions.
        dtype: The type of the numbers.
        iterations: The budget of the search in large games.
    """
    if size <= _DENSE or 5 * count >= size:
        _, _, rows = jnp.linalg.svd(product(jnp.eye(size, dtype=dtype)), full_matrices=False)
        return rows[:count].T
    from jax.experimental.sparse.linalg import lobpcg_standard  # imports SciPy

    start = jax.random.normal(jax.random.key(0), (size, count), dtype)
    # LOBPCG stops where residuals are below `20 size tol` times the eigenvalue. Half of the digits
    # are enough: eigenvalues have an error of second order.
    tol = float(jnp.finfo(dtype).eps) ** 0.5 / (20 * size)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        _, vectors, _ = lobpcg_standard(
            lambda columns: transposed(product(columns)), start, iterations, tol
        )
    return vectors


def unit_columns(
    columns: Float[Array, "rows count"],
) -> tuple[Float[Array, "rows count"], Float[Array, " count"]]:
    """Returns columns of norm one, and what their norms were."""
    norms = jnp.linalg.norm(columns, axis=0)
    return columns / nonzero(norms)[None, :], norms
