"""Leading eigenvalues of operators that do not fit in memory."""

import typing
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from dgames.diagnose.augmented_step import counted
from dgames.strategy import ravel

if typing.TYPE_CHECKING:
    import lineax as lx


class ArnoldiFactorisation(NamedTuple):
    """`A Q[:, :m] = Q H`: an operator seen in an orthonormal basis of a Krylov space.

    Attributes:
        basis: `Q`, of shape `(n, m + 1)`, with orthonormal columns.
        hessenberg: `H`, of shape `(m + 1, m)`, zero below the first subdiagonal. The eigenvalues of
            its first m rows are the Ritz values, estimates of eigenvalues of A.
    """

    basis: Float[Array, "coordinates columns"]
    hessenberg: Float[Array, "columns steps"]


def arnoldi(
    operator: "lx.AbstractLinearOperator | Float[Array, 'n n']",
    start: Any,
    *,
    steps: int,
) -> ArnoldiFactorisation:
    """Arnoldi's factorisation of an operator, by m products with vectors.

    Each new vector is orthogonalised twice, which keeps the basis orthonormal to rounding. Where
    the Krylov space is exhausted before the last step, the rest of the basis is zero, and so is the
    rest of H.

    Args:
        operator: A square lineax operator, such as `dgames.jacobian_operator(game, x)` or
            `dgames.diagnose.step_operator(game, method, x)`, or a matrix.
        start: The first vector, structured like what the operator takes.
        steps: The number m of products.

    Raises:
        ValueError: If the number of steps is not positive, or exceeds the dimension.

    References:
        Trefethen and Bau, *Numerical Linear Algebra*, 1997, lecture 33.

    >>> import jax.numpy as jnp
    >>> found = arnoldi(jnp.diag(jnp.array([3.0, 1.0, 2.0])), jnp.ones(3), steps=3)
    >>> [f"{value:.6f}" for value in sorted(np.linalg.eigvals(found.hessenberg[:3]).real)]
    ['1.000000', '2.000000', '3.000000']
    """
    steps = counted("arnoldi", steps=steps)
    operator = _as_operator(operator)
    vector, _ = ravel(start)
    if steps > vector.size:
        raise ValueError(
            f"arnoldi: an operator on {vector.size} coordinates allows as many steps, not {steps}"
        )
    return _factorisation(operator, start, steps)


@eqx.filter_jit
def _factorisation(operator: Any, start: Any, steps: int) -> ArnoldiFactorisation:
    vector, unravel = ravel(start)
    tiny = 10 * vector.size**0.5 * float(jnp.finfo(vector.dtype).eps)
    basis = jnp.zeros((vector.size, steps + 1), vector.dtype)
    basis = basis.at[:, 0].set(vector / jnp.linalg.norm(vector))
    hessenberg = jnp.zeros((steps + 1, steps), vector.dtype)

    def extend(step: Array, found: tuple[Array, Array]) -> tuple[Array, Array]:
        basis, hessenberg = found
        product = ravel(operator.mv(unravel(basis[:, step])))[0]
        size = jnp.linalg.norm(product)
        first = basis.T @ product
        rest = product - basis @ first
        second = basis.T @ rest
        rest = rest - basis @ second
        length = jnp.linalg.norm(rest)
        goes_on = length > tiny * size
        length = jnp.where(goes_on, length, 0)
        rest = jnp.where(goes_on, rest / jnp.where(goes_on, length, 1), 0)
        column = (first + second).at[step + 1].set(length)
        return basis.at[:, step + 1].set(rest), hessenberg.at[:, step].set(column)

    return ArnoldiFactorisation(*jax.lax.fori_loop(0, steps, extend, (basis, hessenberg)))


def leading_eigenvalues(
    operator: "lx.AbstractLinearOperator | Float[Array, 'n n']",
    like: Any = None,
    *,
    count: int = 6,
    by: Literal["modulus", "real part"] = "modulus",
    tol: float = 0.0,
) -> Complex[np.ndarray, " count"]:
    """The leading eigenvalues of an operator, by products with vectors alone.

    Up to 64 coordinates the matrix is made; beyond, ARPACK restarts Arnoldi's factorisation until
    the eigenvalues have converged (`scipy.sparse.linalg.eigs`). They are estimates.

    Args:
        operator: As for `arnoldi`.
        like: A vector with the structure that the operator takes (default: the operator's own).
        count: How many eigenvalues.
        by: Whether those of largest "modulus" lead, as for steps, or those of largest "real part",
            as for fields that are followed in continuous time.
        tol: The relative accuracy at which ARPACK stops; zero for that of rounding.

    Returns:
        Complex numbers, the leading one first.

    Raises:
        ValueError: If `count` is not between one and the number of coordinates, or `by` is unknown.

    >>> import jax.numpy as jnp
    >>> leading_eigenvalues(jnp.diag(jnp.array([3.0, -4.0, 2.0])), count=2).real.tolist()
    [-4.0, 3.0]
    """
    import scipy.sparse.linalg

    count = counted("leading_eigenvalues", count=count)
    if by not in ("modulus", "real part"):
        raise ValueError(f"leading_eigenvalues: by is 'modulus' or 'real part', not {by!r}")
    operator = _as_operator(operator)
    like = operator.in_structure() if like is None else like
    start = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
    vector, unravel = ravel(start)
    if count > vector.size:
        raise ValueError(
            f"leading_eigenvalues: an operator on {vector.size} coordinates has as many "
            f"eigenvalues, not {count}"
        )

    def product(vector: Array) -> Array:
        return ravel(operator.mv(unravel(vector)))[0]

    compiled = jax.jit(product)
    if vector.size <= 64 or count >= vector.size - 1:
        found = np.linalg.eigvals(np.asarray(jax.vmap(compiled, 1, 1)(jnp.eye(vector.size, dtype=vector.dtype))))
    else:
        linear = scipy.sparse.linalg.LinearOperator(
            (vector.size, vector.size),
            matvec=lambda v: np.asarray(compiled(jnp.asarray(v.ravel(), vector.dtype))),
            dtype=vector.dtype,
        )
        found = scipy.sparse.linalg.eigs(
            linear,
            k=count,
            which="LM" if by == "modulus" else "LR",
            # A fixed start, so that results can be repeated.
            v0=np.random.default_rng(0).standard_normal(vector.size).astype(vector.dtype),
            tol=tol,
            return_eigenvectors=False,
        )
    return leading(found, by)[:count]


def leading(values: np.ndarray, by: str) -> np.ndarray:
    """Returns eigenvalues along the last axis with the leading ones first, as complex numbers."""
    values = np.asarray(values) + 0j
    size = np.abs(values) if by == "modulus" else values.real
    # Of equal ones, such as conjugate pairs, those with the larger imaginary parts come first.
    order = np.lexsort((-values.imag, -np.round(size, 12)), axis=-1)
    return np.take_along_axis(values, order, -1)


def _as_operator(operator: Any) -> "lx.AbstractLinearOperator":
    import lineax as lx

    if isinstance(operator, lx.AbstractLinearOperator):
        return operator
    matrix = jnp.asarray(operator)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"expected a square matrix or a lineax operator; got an array of shape {matrix.shape}"
        )
    return lx.MatrixLinearOperator(matrix)
