"""Defines a game of a model and a critic, both of them networks, with weight decay.

Run `certify run examples/networks.py -o networks.json`: it trains both networks from their first
weights, and proves that this training converges.

The model is to explain outputs by inputs that are seen with errors; the critic looks at instruments
that have no errors, for anything that the model leaves unexplained.
"""

import jax
import jax.numpy as jnp

import dgames as dg

keys = jax.random.split(jax.random.key(0), 4)
instruments = jax.random.uniform(keys[0], (32, 2), minval=-0.7, maxval=0.7)
inputs = instruments + 0.1 * jax.random.normal(keys[1], (32, 2))
outputs = jnp.sin(2 * inputs[:, 0])

model, critic = (
    dg.nn.mlp((2, 256, 1), key, activation="softplus", start="antisymmetric") for key in keys[2:]
)
game = dg.ZeroSumNetworks(dg.OutputValue(dg.neural.moment), (model, critic), decay=(0.4, 0.8))
args = (inputs, instruments, outputs)
