"""The ring of Gaussians, both networks, their game, and how good a generator is."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import dgames as dg

MODES, DEVIATION = 8, 0.1
TYPE = jnp.float32
_ANGLES = 2 * np.pi * np.arange(MODES) / MODES
CENTRES = 2 * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


def data_batch(key: jax.Array, number: int) -> jax.Array:
    """Samples of the mixture."""
    which, noise = jax.random.split(key)
    centres = jnp.asarray(CENTRES, TYPE)[jax.random.randint(which, (number,), 0, MODES)]
    return centres + jnp.asarray(DEVIATION, TYPE) * jax.random.normal(noise, (number, 2), TYPE)


def networks(width: int, inputs: int, key: jax.Array) -> dict[str, eqx.nn.MLP]:
    """Both players, freshly drawn, with two hidden layers each, and the dimension of the noise."""
    first, second = jax.random.split(key)
    shape = {"width_size": width, "depth": 2, "activation": jnp.tanh, "dtype": TYPE}
    return {
        "generator": eqx.nn.MLP(inputs, 2, key=first, **shape),
        "discriminator": eqx.nn.MLP(2, "scalar", key=second, **shape),
    }


def gan(width: int, inputs: int) -> dg.Game:
    """The game: `args` are a batch of data and one of noise."""
    _, static = eqx.partition(networks(width, inputs, jax.random.key(0)), eqx.is_array)

    def costs(x, args):
        data, noise = args
        players = eqx.combine(x, static)
        judge = jax.vmap(players["discriminator"])
        real, fake = judge(data), judge(jax.vmap(players["generator"])(noise))
        return {
            "discriminator": (jax.nn.softplus(-real) + jax.nn.softplus(fake)).mean(),
            "generator": jax.nn.softplus(-fake).mean(),
        }

    return dg.game(costs)


def quality(fake: jax.Array, real: jax.Array) -> jax.Array:
    """Sliced Wasserstein distance, modes covered, and the share of samples near a mode.

    Near means within three standard deviations; covered means by a quarter of a fair share.
    """
    angles = jnp.arange(32, dtype=TYPE) * jnp.asarray(np.pi / 32, TYPE)
    directions = jnp.stack([jnp.cos(angles), jnp.sin(angles)])
    gaps = jnp.sort(fake @ directions, 0) - jnp.sort(real @ directions, 0)
    away = jnp.linalg.norm(fake[:, None] - jnp.asarray(CENTRES, TYPE)[None], axis=-1)
    near = (away < 3 * DEVIATION).mean(0)
    covered = (near > 0.25 / MODES).sum()
    return jnp.stack([jnp.sqrt((gaps**2).mean()), covered.astype(TYPE), near.sum()])
