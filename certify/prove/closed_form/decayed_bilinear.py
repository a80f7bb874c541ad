"""Matrix games with decay: margin and Lipschitz constant are those of the decay and of |A|."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from certify.claims.closed_form import ClosedFormConstants
from certify.prove.closed_form.closed_form_bounds import (
    ClosedFormBounds,
    closed_form_bounds,
    joined,
)
from certify.prove.closed_form.rounded_vectors import exact, norm_above, plus, product, scaled
from certify.prove.closed_form.spectral_bounds import (
    operator,
    skew_norm_above,
    spectral_norm_above,
)
from dgames.games.decayed_bilinear import DecayedBilinear
from dgames.roles import in_roles
from dgames.strategy import Strategy


@closed_form_bounds.register
def _(game: DecayedBilinear, like: Strategy | None = None, args: Any = None) -> ClosedFormBounds:
    """Proves `a = min(mu, nu)` and `b = |[[mu, s], [-s, nu]]|`, everywhere, with `s = |A|`.

    In roles, `F(x, y) = (A y + b + mu x, -A' x - c + nu y)`. The Jacobian is constant, and its
    symmetric part is `diag(mu I, nu I)`, whose smallest eigenvalue is the margin: it is exact. Its
    norm is that of `[[mu, t], [-t, nu]]` at the largest singular value t of A, which is
    `(|mu - nu| + sqrt((mu + nu)^2 + 4 t^2)) / 2` and increases with t (`skew_norm_above`).
    """
    matrix = as_matrix(game.matrix)
    mu, nu = (float(decay) for decay in game.decay)
    s = spectral_norm_above(matrix)
    transposed = matrix.T.tocsr() if scipy.sparse.issparse(matrix) else matrix.T
    first, second = (np.asarray(v, np.float64) for v in game.linear_terms())

    def residual(point: Strategy) -> float:
        x, y = (exact(block) for block in in_roles(game, point))
        return norm_above(
            (
                plus(product(matrix, y), exact(first), scaled(mu, x)),
                plus(product(transposed, x), exact(second), scaled(-nu, y)),
            )
        )

    def guess() -> Strategy:
        """Solves `(mu I + A A' / nu) x = A c / nu - b` by conjugate gradients."""

        def normal(x: np.ndarray) -> np.ndarray:
            return mu * x + matrix @ (transposed @ x) / nu

        system = operator(len(first), normal)
        right = -(matrix @ second) / nu - first
        x, _ = scipy.sparse.linalg.cg(system, right, rtol=1e-14, atol=0.0, maxiter=2_000)
        y = (transposed @ x + second) / nu
        return joined(game, like, jnp.asarray(x), jnp.asarray(y))

    constants = ClosedFormConstants(
        margin=min(mu, nu),
        lipschitz=skew_norm_above((mu, mu), (nu, nu), s),
        facts=(("|A|", s, "upper"),),
    )
    return ClosedFormBounds(constants, residual=residual, guess=guess)


def as_matrix(matrix: Any) -> Any:
    """Returns a matrix as a float64 NumPy array or, of a sparse one of JAX, as a SciPy matrix.

    Raises:
        ValueError: If a number is not finite, or a sparse matrix has two numbers at one place,
            whose sum would be rounded.
    """
    if not hasattr(matrix, "indices"):
        found = np.asarray(matrix, np.float64)
        _require_finite(found)
        return found
    indices, data = np.asarray(matrix.indices), np.asarray(matrix.data, np.float64)
    _require_finite(data)
    # JAX pads sparse matrices with places outside, which count for nothing.
    there = (indices < np.asarray(matrix.shape)).all(1)
    indices, data = indices[there], data[there]
    if len(np.unique(indices, axis=0)) < len(indices):
        raise ValueError(
            "certify_closed_form: the sparse matrix has several numbers at one place; call its "
            "method sum_duplicates() before"
        )
    entries = (data, (indices[:, 0], indices[:, 1]))
    return scipy.sparse.coo_matrix(entries, shape=matrix.shape).tocsr()


def _require_finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ValueError("certify_closed_form: the matrix contains NaN or infinity")
