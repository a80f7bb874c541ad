"""What two networks play for, on data."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.mirror_map import AbstractMirrorMap, Pull
from dgames.sets import Euclidean, PlayerSets
from dgames.strategy import Block, Strategy


class AbstractNetworkValue(eqx.Module):
    """What the second player of a `ZeroSumNetworks` receives from the first one, without decay."""

    @abc.abstractmethod
    def __call__(self, first: Block, second: Block, data: PyTree) -> Any:
        """The value, one real number.

        Args:
            first: The strategy of the player who minimises.
            second: The strategy of the player who maximises.
            data: Arrays with one entry per datum along their first axes.
        """

    def strategy_set(self, x: Strategy) -> PlayerSets:
        """Where players may move: by default, anywhere."""
        return Euclidean()

    def pull(
        self, second: Block, mirror: AbstractMirrorMap
    ) -> tuple["AbstractNetworkValue", Pull | None]:
        """The value without a pull of the second player in the geometry of a mirror map.

        By default there is none.

        Args:
            second: The strategy of the player who maximises, for its structure and shapes.
            mirror: That player's mirror map.

        Returns:
            A value and a pull, whose regulariser subtracted from the value gives this one.
        """
        return self, None


class OutputValue(AbstractNetworkValue):
    r"""The mean over data of a function of both networks' outputs.

        V(f, g; x, z, y) = 1/N sum_n fn(f(x_n), g(z_n), y_n)

    Data are a triple `(x, z, y)`: the inputs of the first network, of shape (N, inputs), those of
    the second one, and anything else that the function needs, a pytree with N entries along its
    first axes.

    Attributes:
        fn: A function of two vectors of outputs and a datum that returns a number.

    >>> import dgames as dg
    >>> value = OutputValue(lambda f, g, y: (y - f[0]) * g[0] - g[0] ** 2 / 2)
    """

    fn: Callable = eqx.field(static=True)

    @override
    def __call__(self, first: Block, second: Block, data: PyTree) -> Any:
        x, z, rest = data
        return jnp.mean(jax.vmap(self.fn)(jax.vmap(first)(x), jax.vmap(second)(z), rest))


def moment(f: Float[Array, "1"], g: Float[Array, "1"], y: Float[Array, ""]) -> Float[Array, ""]:
    r"""The function `(y - f) g - g^2 / 2` of adversarial moment games.

    A model f and a critic g of one output each play for `mean[(y - f(x)) g(z)] - mean g(z)^2 / 2`:
    nonparametric regression with instruments z (Lewis and Syrgkanis, arXiv:1803.07164; Dikkala et
    al., arXiv:2006.07201).

    >>> float(moment(jnp.array([1.0]), jnp.array([2.0]), jnp.array(4.0)))
    4.0
    """
    return (y - f[0]) * g[0] - g[0] ** 2 / 2
