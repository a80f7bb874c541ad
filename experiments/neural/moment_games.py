"""Moment games of a model and a critic, both networks with one hidden layer."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

import dgames as dg
from dgames.nn import MLP

# The decay of the critic, in units of that of the model: own curvatures have about this ratio.
RATIO = 2.0


class Posed(NamedTuple):
    """A game of networks with its start and its data."""

    game: dg.ZeroSumNetworks
    start: tuple[MLP, MLP]
    data: tuple[Array, Array, Array]


def posed(
    inputs: Any,
    instruments: Any,
    outputs: Any,
    units: int,
    decay: float,
    activation: str,
    seed: int,
) -> Posed:
    """Returns the moment game on these data, of two networks of that many hidden units."""
    keys = jax.random.split(jax.random.key(seed), 2)
    sizes = inputs.shape[1], instruments.shape[1]
    model, critic = (
        dg.nn.mlp((size, units, 1), key, activation=activation, start="antisymmetric")
        for size, key in zip(sizes, keys, strict=True)
    )
    value = dg.OutputValue(dg.neural.moment)
    game = dg.ZeroSumNetworks(value, (model, critic), (decay, RATIO * decay))
    data = jnp.asarray(inputs), jnp.asarray(instruments), jnp.asarray(outputs)
    return Posed(game, (model, critic), data)


def structural(inputs: Any) -> Any:
    """The function behind the outputs of the games with instruments."""
    return jnp.sin(3 * inputs[:, 0])
