"""Matrix games with decay, of any size: strongly monotone, whatever the matrix."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.game import ZeroSum
from dgames.roles import in_roles
from dgames.strategy import Strategy


class DecayedBilinear(ZeroSum):
    r"""The zero-sum game `min_x max_y x' A y + b' x + c' y + mu/2 |x|^2 - nu/2 |y|^2`.

    The pseudo-gradient is `(A y + b + mu x, -A' x - c + nu y)`. Everywhere, its margin is
    `min(mu, nu)`, however large the matrix is, since the coupling is skew-symmetric; and its
    Lipschitz constant is `(|mu - nu| + sqrt((mu + nu)^2 + 4 |A|^2)) / 2`, with the spectral norm.
    `certify.certify_closed_form` proves both, for sparse matrices of a million coordinates too.

    Attributes:
        matrix: A, of shape (m, n): an array, or a `jax.experimental.sparse.BCOO` matrix.
        decay: mu of the player who minimises and nu of the other one, positive numbers.
        first: b, of shape (m,), or None for zero.
        second: c, of shape (n,), or None for zero.
        minimiser: The name of the player whose strategy is `x`, see `ZeroSum`.
        maximiser: The name of the other.

    Raises:
        ValueError: If A is no matrix, a vector does not fit it, or a decay is not positive.

    Example:
        >>> game = DecayedBilinear([[3.0, 4.0]], (1.0, 1.0), first=[13.0])
        >>> [v.tolist() for v in game.equilibrium()]
        [[-0.5], [-1.5, -2.0]]
    """

    matrix: Any
    decay: tuple[float, float] = eqx.field(static=True)
    first: Float[Array, " m"] | None
    second: Float[Array, " n"] | None
    minimiser: str | None = eqx.field(static=True, default=None, kw_only=True)
    maximiser: str | None = eqx.field(static=True, default=None, kw_only=True)

    def __init__(
        self,
        matrix: Any,
        decay: tuple[float, float],
        first: Any = None,
        second: Any = None,
        *,
        minimiser: str | None = None,
        maximiser: str | None = None,
    ):
        """Collects the numbers of a game.

        Args:
            matrix: A, an array, a BCOO matrix, or a matrix of `scipy.sparse`, which becomes one.
            decay: mu and nu.
            first: b, or None for zero.
            second: c, or None for zero.
            minimiser: The name of the player whose strategy is `x`.
            maximiser: The name of the other.
        """
        self.matrix = as_matrix("DecayedBilinear", matrix)
        self.decay = float(decay[0]), float(decay[1])
        if not all(0 < each < float("inf") for each in self.decay):
            raise ValueError(f"DecayedBilinear: decays are positive numbers, not {self.decay}")
        self.first, self.second = (None if v is None else as_float(v) for v in (first, second))
        for name, vector, size in zip(
            ("first", "second"), (self.first, self.second), self.matrix.shape, strict=True
        ):
            if vector is not None and vector.shape != (size,):
                raise ValueError(
                    f"DecayedBilinear: {name} has one number for each of the {size} coordinates of "
                    f"its player; got shape {vector.shape}"
                )
        self.minimiser, self.maximiser = minimiser, maximiser

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        own, other = (jnp.asarray(block) for block in in_roles(self, x))
        matrix, (b, c), (mu, nu) = self.matrix, self.linear_terms(), self.decay
        coupled = own @ (matrix.astype(own.dtype) @ other)
        linear = b.astype(own.dtype) @ own + c.astype(own.dtype) @ other
        return coupled + linear + (mu * (own @ own) - nu * (other @ other)) / 2

    def linear_terms(self) -> tuple[Float[Array, " m"], Float[Array, " n"]]:
        """Returns b and c."""
        return tuple(  # pyright: ignore[reportReturnType]
            jnp.zeros(size, self.matrix.dtype) if vector is None else vector
            for vector, size in zip((self.first, self.second), self.matrix.shape, strict=True)
        )

    def equilibrium(self) -> tuple[Float[Array, " m"], Float[Array, " n"]]:
        """The only equilibrium, from a dense system of the size of the smaller side."""
        (mu, nu), (b, c) = self.decay, self.linear_terms()
        dense = self.matrix.todense() if hasattr(self.matrix, "todense") else self.matrix
        m, n = dense.shape
        if m <= n:
            own = jnp.linalg.solve(
                mu * jnp.eye(m, dtype=dense.dtype) + dense @ dense.T / nu, -b - dense @ c / nu
            )
            return own, (dense.T @ own + c) / nu
        other = jnp.linalg.solve(
            nu * jnp.eye(n, dtype=dense.dtype) + dense.T @ dense / mu, c - dense.T @ b / mu
        )
        return -(dense @ other + b) / mu, other


def as_matrix(what: str, matrix: Any) -> Any:
    """Returns a dense or sparse matrix of floating-point numbers; sparse ones of SciPy become BCOO.

    Raises:
        ValueError: If it has not two axes.
    """
    if hasattr(matrix, "tocoo"):
        from jax.experimental.sparse import BCOO  # which takes long to import

        matrix = BCOO.from_scipy_sparse(matrix.tocoo())
    is_sparse = hasattr(matrix, "todense")
    if not is_sparse:
        matrix = as_float(matrix)
    if len(matrix.shape) != 2 or (is_sparse and matrix.n_batch + matrix.n_dense):
        raise ValueError(f"{what}: a matrix is needed, got shape {np.shape(matrix)}")
    return matrix
