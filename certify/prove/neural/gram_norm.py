r"""Spectral norms of matrices, bounded from above by products of the matrix with itself.

Power iteration approaches a norm from below, so that it bounds nothing. Gram iteration comes from
above (Delattre, Barthelemy, Araujo and Allauzen, arXiv:2305.16173): with `A_0 = A` and
`A_(k+1) = s_k A_k' A_k`, where the numbers `s_k > 0` keep the entries of order one,

    ||A_k||^2 = ||A_k' A_k|| = ||A_(k+1)|| / s_k,

and the last norm is bounded by that of Frobenius, or by the root of the largest sum of a row times
that of a column. What is lost at the end is forgiven 2^k-fold: after K products of an n by n matrix
the bound is at most `n^(1 / 2^(K+1))` times the norm.

**Rounding errors.** Let `P` be the computed product of the floats `A_k' A_k`, with m terms in each
entry, and `B` the computed `s_k P`, for some float `s_k`. Then whatever the order of the sums

    ||A_k' A_k - P||_F <= (m + 4) eps || |A_k|' |A_k| ||_F + tiny <= (m + 4) eps ||A_k||_F^2 + tiny,
    ||s_k P - B||_F    <= 4 eps ||B||_F + tiny,                                       eps = 2^-52

(half of eps is the roundoff, `certify/enclosure/rules/linear.py` has the first bound, and tiny pays
for entries that are flushed to zero), hence

    ||A_k||^2 <= (||B|| + 4 eps ||B||_F + tiny) / s_k + (m + 4) eps ||A_k||_F^2 + tiny.

So `A_(k+1) = B`, the floats that were computed, goes on, and its error is paid for at once; it need
not be symmetric. The recursion back from the last matrix to the first one runs over non-negative
numbers, each raised by more than it may have been rounded (`certify.rounding.raised`).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from certify.rounding import EPSILON, TINY, raised

STEPS = 8


def gram_norm(
    matrix: Float[Array, "*batch rows columns"], steps: int = STEPS
) -> Float[Array, "*batch"]:
    """Bounds spectral norms from above, proved for the matrices of floats as they are.

    Args:
        matrix: Float64; many matrices along leading axes. It can be traced.
        steps: The number of products, at least one. With 8 the bound of a matrix with n rows is at
            most `n^(1/512)` times the norm, 1.3 % above it for n = 512, and mostly far less.

    Returns:
        Upper bounds; infinity where an entry is not finite.

    >>> bound = float(gram_norm(jnp.array([[3.0, 0.0], [0.0, -4.0]])))
    >>> 4.0 <= bound < 4.0001
    True
    """
    if matrix.ndim > 2:
        return jax.vmap(lambda one: gram_norm(one, steps))(matrix)
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    first, scale = _scaled(matrix)
    bound = _crude(first)
    if matrix.shape[1] > 1:  # of a vector it is the norm
        # The first product may be of another shape than the others.
        square, link = _multiplied(first, None)
        last, links = lax.scan(_multiplied, square, None, steps - 1)
        bound, _ = lax.scan(_back, _crude(last), links, reverse=True)
        bound, _ = _back(bound, link)
    bound = raised((bound + _slack(first)) / scale, 4) + matrix.shape[0] * 4.0 * TINY
    return jnp.where(jnp.isfinite(bound), bound, jnp.inf)


class _Link(NamedTuple):
    """What the norm of a matrix owes to that of its scaled square.

    Attributes:
        crude: A bound of the norm without the square.
        scale: The number by which the square was multiplied.
        slack: What rounding may have taken from the norm of the scaled square.
        error: What rounding may have taken from the norm of the square.
    """

    crude: Float[Array, ""]
    scale: Float[Array, ""]
    slack: Float[Array, ""]
    error: Float[Array, ""]


def _multiplied(
    matrix: Float[Array, "rows columns"], _: None
) -> tuple[Float[Array, "columns columns"], _Link]:
    """Returns the scaled square of a matrix, and how to come back from its norm."""
    rows, columns = matrix.shape
    square = jnp.matmul(matrix.T, matrix, precision=lax.Precision.HIGHEST)
    scaled, scale = _scaled(square)
    error = raised((rows + 4) * EPSILON * _frobenius(matrix) ** 2, 4)
    error = error + (rows + 4) * columns * 8.0 * TINY
    return scaled, _Link(_crude(matrix), scale, _slack(scaled), error)


def _back(bound: Float[Array, ""], link: _Link) -> tuple[Float[Array, ""], None]:
    """Returns a bound of the norm of a matrix, given one of its scaled square."""
    square = raised((bound + link.slack) / link.scale + link.error, 6)
    return jnp.minimum(link.crude, raised(jnp.sqrt(square), 1)), None


def _scaled(
    matrix: Float[Array, "rows columns"],
) -> tuple[Float[Array, "rows columns"], Float[Array, ""]]:
    """Returns the matrix times a number that makes its largest entry about one, and the number."""
    largest = jnp.max(jnp.abs(matrix))
    scale = jnp.where(largest > 0.0, 1.0 / largest, 1.0)
    return matrix * scale, scale


def _slack(scaled: Float[Array, "rows columns"]) -> Float[Array, ""]:
    """Bounds the norm of what rounding changed when a matrix was scaled."""
    return raised(4.0 * EPSILON * _frobenius(scaled), 2) + scaled.shape[0] * 8.0 * TINY


def _crude(matrix: Float[Array, "rows columns"]) -> Float[Array, ""]:
    """Bounds the norm by those of Frobenius and Schur, of which the latter suits diagonal ones."""
    absolute = jnp.abs(matrix)
    rows, columns = matrix.shape
    across = raised(jnp.max(jnp.sum(absolute, 1)), columns)
    down = raised(jnp.max(jnp.sum(absolute, 0)), rows)
    return jnp.minimum(_frobenius(matrix), raised(jnp.sqrt(raised(across * down, 1)), 1))


def _frobenius(matrix: Float[Array, "rows columns"]) -> Float[Array, ""]:
    """Bounds the norm of Frobenius."""
    return raised(jnp.sqrt(raised(jnp.sum(matrix**2), matrix.size + 1)), 1)
