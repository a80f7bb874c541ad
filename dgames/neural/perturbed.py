"""Games of a network against a player who moves its inputs."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.neural.network_value import AbstractNetworkValue
from dgames.sets import Balls, Euclidean, PlayerSets
from dgames.strategy import Block, Strategy, blocks, join


class Perturbed(AbstractNetworkValue):
    r"""The mean loss of a network whose inputs the second player moves, at a price.

        V(f, xi; x, y) = 1/N sum_n loss(f(x_n + delta_n), y_n) - penalty/2 1/N sum_n |delta_n|^2

    The first player is a network f, who minimises; the second one moves every input, and pays for
    it (Sinha, Namkoong, Volpi and Duchi, arXiv:1710.10571: distributional robustness with a
    Lagrangian penalty). With a penalty above the curvature of `loss(f(.), y)` every input has one
    worst place, and the loss there is a smooth robust loss.

    The second player's strategy is xi of shape (N, inputs), with `delta_n = sqrt(N) xi_n`: in these
    coordinates the penalty is `penalty/2 |xi|^2`, so that the second player's own curvature does
    not depend on the number of data, nor has a game of many data small steps. The second player has
    no weight decay of its own: `decay=(rho, 0.0)`.

    `certify.certify_networks` proves that training converges, for the losses of `dgames.neural` and
    for others whose code has an expression graph.

    Data are a pair `(x, y)`: inputs of shape (N, inputs), and anything with N entries along its
    first axes.

    Attributes:
        loss: A function of a vector of outputs and a datum that returns a number.
        penalty: A positive number.
        radius: The largest `|delta_n|`, or None for no limit.

    Raises:
        ValueError: If the penalty or the radius is not positive; and in a game, if xi does not have
            the shape of x.

    >>> import dgames as dg
    >>> keys = jax.random.split(jax.random.key(0), 2)
    >>> net = dg.nn.mlp((2, 32, 1), keys[0], start="antisymmetric")
    >>> x = jax.random.normal(keys[1], (16, 2))
    >>> value = dg.Perturbed(lambda f, y: jax.nn.softplus(-y * f[0]), penalty=0.5)
    >>> game = dg.ZeroSumNetworks(value, (net, None), decay=(0.1, 0.0))
    >>> run = dg.solve(game, dg.Extragradient(0.2), (net, 0 * x), (x, jnp.sign(x[:, 0])))
    >>> value.moved(x, run.strategy[1]).shape, bool(run.result == dg.RESULTS.successful)
    ((16, 2), True)
    """

    loss: Callable = eqx.field(static=True)
    penalty: float = eqx.field(static=True)
    radius: float | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if not self.penalty > 0:
            raise ValueError(f"Perturbed: the penalty is a positive number; got {self.penalty}")
        if self.radius is not None and not self.radius > 0:
            raise ValueError(
                f"Perturbed: the radius is a positive number, or None; got {self.radius}"
            )

    @override
    def __call__(self, first: Block, second: Block, data: PyTree) -> Any:
        x, y = data
        losses = jax.vmap(self.loss)(jax.vmap(first)(self.moved(x, second)), y)
        return jnp.mean(losses) - self.penalty / 2 * jnp.sum(jnp.asarray(second) ** 2)

    def moved(
        self, x: Float[Array, "data inputs"], xi: Float[Array, "data inputs"]
    ) -> Float[Array, "data inputs"]:
        """The inputs where the second player moves them, `x_n + sqrt(N) xi_n`.

        Args:
            x: The inputs, one row per datum.
            xi: The second player's strategy.

        Raises:
            ValueError: If the two differ in shape.
        """
        xi = jnp.asarray(xi)
        if xi.shape != x.shape:
            raise ValueError(
                "Perturbed: the second player's strategy has the shape of the inputs, "
                f"{x.shape}; got {xi.shape}"
            )
        return x + math.sqrt(x.shape[0]) * xi

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        if self.radius is None:
            return Euclidean()
        rows = jnp.shape(blocks(x)[1])[0]
        return join(x, (Euclidean(), Balls(self.radius / math.sqrt(rows))))
