"""An upper bound of the spectral norm of a matrix, by matrix products alone."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def spectral_norm_bound(
    matrix: Float[Array, "rows columns"], iterations: int = 5
) -> Float[Array, ""]:
    r"""An upper bound of the largest singular value, differentiable in the matrix.

    Gram iteration: with the Gram matrix `G_0 = C C'` of the shorter side, `G_(k+1) = G_k' G_k`,

        |C|_2^2 = |G_0|_2,    |G_k|_2^2 = |G_(k+1)|_2,    |G_K|_2 <= |G_K|_F.

    Power iteration, which is what spectral normalisation mostly is, approaches the norm from below
    and bounds nothing. Each root halves what the last norm is too large by, in logarithms: the
    bound is at most `n^(1/2^(K+2))` times the norm for n singular values, and mostly much closer.

    Rounding is paid for. Each entry of a computed product of matrices with n inner indices, in any
    order of summation, is off by at most `n u / (1 - n u)` times the same product of absolute
    values, with the unit roundoff u, so that

        |G_k|_2^2 <= |computed G_(k+1)|_2 + 2 (n + 4) u |G_k|_F^2,

    where the excess over `n u` covers the scaling of the matrices; it holds as long as the products
    are as accurate as their dtype, and `n u < 1/4`. A proof in a file is `certify`'s business: it
    computes norms again in interval arithmetic.

    Args:
        matrix: A matrix.
        iterations: The number K of squarings, each a product of square matrices.

    Raises:
        ValueError: If `iterations` is negative.

    References:
        Delattre, Barthélemy, Araujo and Allauzen, *Efficient Bound of Lipschitz Constant for
        Convolutional Layers by Gram Iteration*, ICML 2023, arXiv:2305.16173; Higham, *Accuracy and
        Stability of Numerical Algorithms*, 2002, section 3.5.

    >>> bound = spectral_norm_bound(jnp.diag(jnp.array([3.0, 2.0, 1.0])))
    >>> bool(3.0 <= bound < 3.001)
    True
    """
    if iterations < 0:
        raise ValueError(
            f"spectral_norm_bound: the number of iterations is not negative; got {iterations}"
        )
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    short, long = matrix.shape
    unit = float(jnp.finfo(matrix.dtype).eps)
    # A sum of n non-negative numbers is computed to a factor of (1 - u)^n at worst.
    inflation = math.exp((short * long + 8) * unit)
    scales, slacks = [], []
    gram, inner = matrix, long
    for _ in range(iterations + 1):
        gram, scale = _scaled(gram)
        square = inflation * jnp.sum(gram**2)
        scales.append(scale)
        slacks.append((inner + 4) * unit * square)
        # The first product is of the rows of the matrix; later ones, of columns of Gram matrices.
        factors = (gram, gram.T) if len(scales) == 1 else (gram.T, gram)
        gram = jnp.matmul(*factors, precision=jax.lax.Precision.HIGHEST)
        inner = short
    # The sum is at least one, but for the zero matrix, at which the root stays differentiable.
    norm = inflation * jnp.sqrt(jnp.sum(gram**2) + unit**2)
    for scale, slack in zip(reversed(scales), reversed(slacks), strict=True):
        norm = (1 + 8 * unit) * scale * jnp.sqrt(norm + slack)
    return norm


def _scaled(matrix: Array) -> tuple[Array, Array]:
    """A matrix whose largest entry is about one, and its scale, which derivatives do not see."""
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(matrix)))
    scale = jnp.where(largest > 0, largest, jnp.ones_like(largest))
    return matrix / scale, scale
