"""A pre-trained generator and a critic that are tuned together to new data."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import dgames as dg


class FineTuning(dg.ZeroSum):
    r"""A pre-trained generator against a critic, on finitely many data and noise points.

    With a critic D and a generator G, both networks, the critic maximises and the generator
    minimises

        mean_i D(data_i) - mean_j D(G(noise_j)) - 1/2 mean_i D(data_i)^2
            - w/2 |critic - start|^2 + w/2 |generator - start|^2.

    The weights of the critic are the strategy of one player, those of the generator the strategy
    of the other. Both are drawn to where they started with the weight w, as is usual when networks
    are tuned to new data; and D is kept small on the data, as in least-squares games.

    Attributes:
        start: The strategies `{"critic": ..., "generator": ...}` to which the players are drawn:
            two modules of which only the arrays are kept.
        rest: The two modules without their arrays.
        data: What the generator is to imitate.
        noise: What it is fed with.
        weight: w.

    References:
        Goodfellow et al., *Generative Adversarial Networks*, 2014, arXiv:1406.2661.
        Li, Grandvalet and Davoine, *Explicit Inductive Bias for Transfer Learning with
        Convolutional Networks*, ICML 2018, arXiv:1802.01483 (the weight decay).
    """

    minimiser = "critic"
    maximiser = "generator"

    start: Any
    rest: Any
    data: Float[Array, " data"]
    noise: Float[Array, " noise"]
    weight: Float[Array, ""]

    def payoff(self, x: Any, args: Any = None) -> Any:
        """Returns what the generator receives from the critic.

        Args:
            x: The strategies.
            args: None, or the indices `(i, j)` of a batch of data and of noise points.
        """
        data, noise = self.data, self.noise
        if args is not None:
            data, noise = data[args[0]], noise[args[1]]
        critic, generator = self.functions(x)
        real, fake = critic(data), critic(generator(noise))
        gain = jnp.mean(real) - jnp.mean(fake) - jnp.mean(real**2) / 2
        pulls = jax.tree.map(lambda a, b: jnp.sum((a - b) ** 2) / 2, x, self.start)
        own, other = (sum(jax.tree.leaves(pulls[name])) for name in ("critic", "generator"))
        return self.weight * own - gain - self.weight * other

    def functions(self, x: Any) -> tuple[Callable, Callable]:
        """Critic and generator as functions of arrays of numbers."""
        networks = eqx.combine(x, self.rest)
        return jax.vmap(networks["critic"]), jax.vmap(networks["generator"])


def network(units: int, key: Array, *, bias: bool = True) -> eqx.nn.MLP:
    """A function of one number with one hidden layer of tanh units."""
    return eqx.nn.MLP(
        "scalar",
        "scalar",
        units,
        1,
        activation=jnp.tanh,
        use_final_bias=bias,
        dtype=jnp.float64,
        key=key,
    )


def pretrained(
    units: tuple[int, int],
    old: Float[Array, " data"],
    new: Float[Array, " data"],
    noise: Float[Array, " data"],
    weight: float,
    key: Array,
) -> FineTuning:
    """The game of a generator that has learnt the old data and is to be tuned to the new.

    The critic starts as the zero function: random hidden units, and zeros behind them.

    Args:
        units: Hidden units of critic and generator.
        old: What the generator has learnt: `old[j]` from `noise[j]`, by least squares.
        new: What it is to imitate.
        noise: What it is fed with.
        weight: See `FineTuning`.
        key: A random key for the first weights.
    """
    first, second = jax.random.split(key)
    # There is no bias behind the hidden layer, because the payoff would not depend on it.
    critic = jax.tree.map(
        lambda leaf: 1.5 * leaf if eqx.is_array(leaf) else leaf,
        network(units[0], first, bias=False),
    )
    critic = eqx.tree_at(lambda net: net.layers[-1].weight, critic, replace_fn=jnp.zeros_like)
    networks = {"critic": critic, "generator": _fitted(network(units[1], second), noise, old)}
    start, rest = eqx.partition(networks, eqx.is_array)
    return FineTuning(start, rest, new, noise, jnp.asarray(weight))


def _fitted(net: eqx.nn.MLP, inputs: Array, outputs: Array) -> eqx.nn.MLP:
    """Fits by gradient descent on the squared error, with a little weight decay."""
    arrays, rest = eqx.partition(net, eqx.is_array)

    def loss(arrays: Any) -> Any:
        errors = jax.vmap(eqx.combine(arrays, rest))(inputs) - outputs
        decay = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(arrays))
        return jnp.mean(errors**2) / 2 + 0.005 * decay

    def step(_: Any, arrays: Any) -> Any:
        return jax.tree.map(lambda a, slope: a - 0.3 * slope, arrays, jax.grad(loss)(arrays))

    return eqx.combine(jax.lax.fori_loop(0, 5000, step, arrays), rest)
