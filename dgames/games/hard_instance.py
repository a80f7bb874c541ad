"""The game on which methods that only evaluate the field are slow."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.fields import AbstractField, PseudoGradient
from dgames.finite_sum import FiniteSumField
from dgames.game import ZeroSum
from dgames.roles import in_roles
from dgames.sets import AbstractSet, Box, Euclidean, PlayerSets
from dgames.strategy import Strategy


class HardInstance(ZeroSum):
    r"""The quadratic zero-sum game of Ouyang and Xu, made so that information spreads slowly.

        min_x max_y  1/2 x^T H x - h^T x - (A x - b)^T y,    H = 2 A^T A

    where `A` has 1/4 on its antidiagonal and -1/4 to the left of it, `h = (0, ..., 0, 1/4)` and
    `b = (1/4, ..., 1/4)`. The pseudo-gradient is `F(x, y) = (H x - h - A^T y, A x - b)`: monotone,
    but not strongly so. From a start near zero the solution is far away, and each evaluation tells
    about one more coordinate, so that every method that only evaluates the field is slow at first.
    The matrices are never formed, so a step takes time proportional to `size`.

    In closed form: the solution is `x = (1, 2, ..., n)`, `y = (-1/2, ..., -1/2)`; the singular
    values of `A` are `cos(k pi / (2n + 1)) / 2` for k = 1, ..., n; a singular value s of `A` gives
    the singular value `s (s + sqrt(s^2 + 1))` of the Jacobian, the largest of which is the
    Lipschitz constant, below its limit `(1 + sqrt 5) / 4`.

    Attributes:
        size: `n`, the number of coordinates of either player.
        radius: Half the side of the box in which both players move, or None for no box. The
            literature takes 200 for `n = 100`; the solution is inside if it is at least `n`.
        minimiser: The name of the player whose strategy is `x`, see `ZeroSum`.
        maximiser: The name of the other.

    Example:
        >>> from dgames.fields import pseudo_gradient
        >>> game = HardInstance(3)
        >>> [v.tolist() for v in game.equilibrium()]
        [[1.0, 2.0, 3.0], [-0.5, -0.5, -0.5]]
        >>> [v.tolist() for v in pseudo_gradient(game)(game.equilibrium())]
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]

    References:
        Ouyang and Xu, *Lower complexity bounds of first-order methods for convex-concave bilinear
        saddle-point problems*, Mathematical Programming 185 (2021), arXiv:1808.02901.
    """

    size: int = eqx.field(default=100, static=True)
    radius: float | None = eqx.field(default=None, static=True)
    minimiser: str | None = eqx.field(static=True, default=None, kw_only=True)
    maximiser: str | None = eqx.field(static=True, default=None, kw_only=True)

    def __check_init__(self):
        if self.size < 1:
            raise ValueError(f"a hard instance has a positive size, got {self.size}")

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        first, second = (jnp.asarray(block) for block in in_roles(self, x))
        if first.shape != (self.size,) or second.shape != (self.size,):
            raise ValueError(
                f"strategies of a HardInstance of size {self.size} have the shape ({self.size},), "
                f"got {first.shape} and {second.shape}"
            )
        image = self.apply(first)  # 1/2 x^T H x is |A x|^2
        return jnp.vdot(image, image) - first[-1] / 4 - jnp.vdot(image - 0.25, second)

    @override
    def strategy_set(self, x: Strategy) -> AbstractSet:
        return Euclidean() if self.radius is None else Box(-self.radius, self.radius)

    def apply(self, x: Float[Array, " size"]) -> Float[Array, " size"]:
        """Returns `A x`."""
        backwards = x[::-1]
        return (backwards - jnp.concatenate([backwards[1:], jnp.zeros_like(x[:1])])) / 4

    def start(self) -> tuple[Float[Array, " size"], Float[Array, " size"]]:
        """The start of the literature: every coordinate is `1 / n`."""
        one = jnp.full(self.size, 1 / self.size)
        return one, one

    def equilibrium(self) -> tuple[Float[Array, " size"], Float[Array, " size"]]:
        """The unique solution without constraints, in closed form."""
        return jnp.arange(1.0, self.size + 1), jnp.full(self.size, -0.5)

    def by_coordinates(self) -> FiniteSumField:
        r"""The pseudo-gradient as an average of n fields, as the literature on finite sums has it.

        Field i is n times what the coordinates `x_i` and `y_i` alone add to `F(0)`, plus `F(0)`:
        column i of the Jacobian. The fields are not pseudo-gradients, nor monotone one by one.

        >>> game = HardInstance(3)
        >>> [block.tolist() for block in game.by_coordinates()(game.equilibrium())]
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
        """
        return FiniteSumField(_Coordinate(self), jnp.arange(self.size))

    def lipschitz(self) -> float:
        """The Lipschitz constant of the pseudo-gradient, in closed form up to rounding."""
        largest = math.cos(math.pi / (2 * self.size + 1)) / 2
        return largest * (largest + math.hypot(largest, 1))


class _Coordinate(AbstractField):
    """What one coordinate of both players adds to the pseudo-gradient, which is affine."""

    game: HardInstance

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        field, size = PseudoGradient(self.game), self.game.size

        def alone(leaf: Array) -> Array:
            return jnp.where(jnp.arange(size) == args, leaf, jnp.zeros_like(leaf))

        at_zero = field(jax.tree.map(jnp.zeros_like, x))
        added = jax.tree.map(jnp.subtract, field(jax.tree.map(alone, x)), at_zero)
        return jax.tree.map(lambda a, b: size * a + b, added, at_zero)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.game.strategy_set(x)
