"""The bilinear zero-sum game, on which gradient descent-ascent circles or spirals outwards."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.game import ZeroSum
from dgames.roles import in_roles
from dgames.strategy import Strategy


class Bilinear(ZeroSum):
    r"""The zero-sum game `min_x max_y x^T A y`.

    Its pseudo-gradient is `F(x, y) = (A y, -A^T x)`. The Jacobian is skew-symmetric, so its
    eigenvalues `+-i sigma_k` (with `sigma_k` the singular values of `A`) lie on the imaginary axis:
    the game is monotone, but nowhere strongly, and the margin of every metric is zero.

    Attributes:
        matrix: `A`, of shape `(m, n)` for strategies of shapes `(m,)` and `(n,)`; or a number
            `sigma`, which stands for `sigma` times the identity and fits any two strategies of one
            shape, scalars included.
        minimiser: The name of the player whose strategy is `x`, see `ZeroSum`.
        maximiser: The name of the other.

    Example:
        >>> from dgames.fields import pseudo_gradient
        >>> [float(v) for v in pseudo_gradient(Bilinear(2.0))((1.0, 3.0))]
        [6.0, -2.0]
        >>> game = Bilinear([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
        >>> [v.tolist() for v in game.equilibrium()]
        [[0.0, 0.0], [0.0, 0.0, 0.0]]
    """

    matrix: Array = eqx.field(default=1.0, converter=as_float)
    minimiser: str | None = eqx.field(static=True, default=None, kw_only=True)
    maximiser: str | None = eqx.field(static=True, default=None, kw_only=True)

    def __check_init__(self):
        if self.matrix.ndim not in (0, 2):
            raise ValueError(f"a matrix or a number is needed, got shape {self.matrix.shape}")

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        first, second = (jnp.asarray(block) for block in in_roles(self, x))
        matrix = self.matrix.astype(first.dtype)
        if matrix.ndim == 0:
            return matrix * jnp.vdot(first, second)
        return first @ (matrix @ second)

    def equilibrium(self) -> tuple[Array, Array]:
        """The origin: the unique equilibrium if `A` is square and invertible, else one of many.

        Scalars if the game is given by a number.
        """
        rows_and_columns = self.matrix.shape or (None, None)
        first, second = (() if size is None else (size,) for size in rows_and_columns)
        return jnp.zeros(first, self.matrix.dtype), jnp.zeros(second, self.matrix.dtype)
