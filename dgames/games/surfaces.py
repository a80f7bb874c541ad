"""Zero-sum games of two numbers whose best answers jump: where descent-ascent goes wrong."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, PyTree
from typing_extensions import override

from dgames.game import ZeroSum
from dgames.roles import in_roles
from dgames.sets import Box
from dgames.strategy import Strategy


class _Kind(NamedTuple):
    payoff: Callable[[Array, Array], Array]
    minimisers: tuple[float, ...]


def _weapons(x: Array, y: Array) -> Array:
    first = jnp.exp(-10 * (x + 0.5) * jnp.exp(-(y + 0.5)))
    second = jnp.exp(-10 * (0.5 - x) * jnp.exp(y - 0.5))
    return first + second - 2


_KINDS = {
    "saddle": _Kind(lambda x, y: 5 * (x**2 - y**2), (0.0,)),
    "rotated saddle": _Kind(lambda x, y: x**2 - y**2 + 2 * x * y, (0.0,)),
    "seesaw": _Kind(lambda x, y: -y * jnp.sin(jnp.pi * x), (0.0,)),
    "monkey saddle": _Kind(lambda x, y: y**3 - 3 * y * x**2, (-0.25, 0.25)),
    "anti-saddle": _Kind(lambda x, y: 2 * y**2 - (x - y) ** 2, (0.0,)),
    "weapons": _Kind(_weapons, (0.0,)),
}


class Surface(ZeroSum):
    r"""One of six games `min_x max_y f(x, y)` on the square `|x|, |y| <= 1/2`, by its name.

        saddle            5 (x^2 - y^2)
        rotated saddle    x^2 - y^2 + 2 x y
        seesaw            -y sin(pi x)
        monkey saddle     y^3 - 3 y x^2
        anti-saddle       2 y^2 - (x - y)^2
        weapons           exp(-10 (x + 1/2) exp(-(y + 1/2)))
                            + exp(-10 (1/2 - x) exp(y - 1/2)) - 2

    The first two have a saddle point at the origin. In the others the maximiser's best answer jumps
    from one side to the other where `max_y f(x, y)` is least: at 0, and of the monkey saddle at
    -1/4 and 1/4 ("weapons" is the allocation of weapons to two targets). There gradient
    descent-ascent in alternation misses it from most starts; of the anti-saddle it ends at the
    boundary, 1/2 away.

    Attributes:
        name: Which of the six.
        minimiser: The name of the player whose strategy is `x`, see `ZeroSum`.
        maximiser: The name of the other.

    Raises:
        ValueError: If there is no such surface.

    Example:
        >>> Surface("monkey saddle").minimisers()
        (-0.25, 0.25)

    References:
        Hamm and Noh, *K-beam minimax: efficient optimization for deep adversarial learning*, ICML
        2018, arXiv:1805.11640.
    """

    name: str = eqx.field(static=True)
    minimiser: str | None = eqx.field(static=True, default=None, kw_only=True)
    maximiser: str | None = eqx.field(static=True, default=None, kw_only=True)

    def __check_init__(self):
        if self.name not in _KINDS:
            raise ValueError(f"a surface is one of {', '.join(_KINDS)}; got {self.name!r}")

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        first, second = (jnp.asarray(block) for block in in_roles(self, x))
        return _KINDS[self.name].payoff(first, second)

    @override
    def strategy_set(self, x: Strategy) -> Box:
        return Box(-0.5, 0.5)

    def minimisers(self) -> tuple[float, ...]:
        """The minimisers of `max_y f(x, y)`, in increasing order."""
        return _KINDS[self.name].minimisers

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all surfaces."""
        return tuple(_KINDS)
