"""Leading eigenvalues of operators that do not fit in memory."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from dgames.diagnose.augmented_step import counted
from dgames.diagnose.operators import Operator, as_operator, zeros_of
from dgames.strategy import ravel

Order = Literal["modulus", "real part"]

# Up to so many coordinates the matrix is made.
_DENSE = 64


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
    operator: Operator,
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
    operator = as_operator(operator)
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
    operator: Operator,
    *,
    count: int = 6,
    by: Order = "modulus",
    tol: float = 0.0,
) -> Complex[np.ndarray, " count"]:
    """The leading eigenvalues of an operator, by products with vectors alone.

    Up to 64 coordinates the matrix is made; beyond, ARPACK restarts Arnoldi's factorisation until
    the eigenvalues have converged (`scipy.sparse.linalg.eigs`). They are estimates.

    Args:
        operator: As for `arnoldi`.
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
    operator = as_operator(operator)
    vector, _ = ravel(zeros_of(operator))
    check_count("leading_eigenvalues", count, by, vector.size)
    return by_products(lambda v: _product(operator, v), vector.size, vector.dtype, count, by, tol)


def by_products(
    product: Callable[[Float[Array, " n"]], Float[Array, " n"]],
    size: int,
    dtype: np.dtype,
    count: int,
    by: Order,
    tol: float = 0.0,
) -> Complex[np.ndarray, " count"]:
    """Returns the leading eigenvalues of the linear map that a compiled function computes."""
    import scipy.sparse.linalg

    if size <= _DENSE or count >= size - 1:
        columns = [np.asarray(product(unit)) for unit in jnp.eye(size, dtype=dtype)]
        return leading(np.linalg.eigvals(np.stack(columns, 1)), by)[:count]
    sparse: Any = scipy.sparse.linalg  # its stubs know neither keywords nor float tolerances
    linear = sparse.LinearOperator(
        (size, size),
        matvec=lambda v: np.asarray(product(jnp.asarray(v.ravel(), dtype))),
        dtype=dtype,
    )
    # The start is fixed, so that results can be repeated.
    start = np.random.default_rng(0).standard_normal(size).astype(dtype)
    which = "LM" if by == "modulus" else "LR"
    values = sparse.eigs(linear, k=count, which=which, v0=start, tol=tol, return_eigenvectors=False)
    return leading(values, by)


def leading(values: Any, by: Order) -> np.ndarray:
    """Returns eigenvalues along the last axis as complex numbers, the leading ones first."""
    values = np.asarray(values) + 0j
    size = np.abs(values) if by == "modulus" else np.real(values)
    # Of conjugate pairs, whose sizes differ by rounding, the upper one comes first.
    unit = np.max(np.abs(values), axis=-1, keepdims=True) * 1e-12 + np.finfo(float).tiny
    order = np.lexsort((-np.imag(values), -np.round(size / unit)), axis=-1)
    return np.take_along_axis(values, order, -1)


def check_count(who: str, count: Any, by: Any, size: int) -> None:
    """Raises an error unless so many eigenvalues in such an order exist."""
    if by not in ("modulus", "real part"):
        raise ValueError(f"{who}: by is 'modulus' or 'real part', not {by!r}")
    if counted(who, count=count) > size:
        raise ValueError(
            f"{who}: an operator on {size} coordinates has as many eigenvalues, not {count}"
        )


@eqx.filter_jit
def _product(operator: Any, vector: Float[Array, " n"]) -> Float[Array, " n"]:
    return ravel(operator.mv(ravel(zeros_of(operator))[1](vector)))[0]
