"""The GAN on eight Gaussians."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import expected
from experiments.mixture import ring

NAME = "mixture_gan"


@pytest.mark.full
def test_numbers_are_as_expected(quick):
    assert expected.compare(quick(NAME).numbers, expected.load(NAME, quick=True)) == {}


@pytest.mark.full
def test_figures_are_drawn(quick):
    figures = quick(NAME).figures
    assert [path.name for path in figures] == ["heat.png", "samples.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)


def test_quality_of_known_samples():
    real = ring.data_batch(jax.random.key(0), 4000)
    distance, modes, near = ring.quality(ring.data_batch(jax.random.key(1), 4000), real)
    assert distance < 0.15 and modes == ring.MODES
    # In two dimensions, three standard deviations leave exp(-9 / 2) outside.
    assert np.isclose(near, 1 - np.exp(-4.5), atol=0.006)
    one = jnp.broadcast_to(jnp.asarray(ring.CENTRES[0], ring.TYPE), (4000, 2))
    distance, modes, near = ring.quality(one, real)
    # |(2, 0) - ring| projected: the mean square of 2 (cos a - cos(a - b)) over a and b is 4.
    assert 1 < distance < 2 and modes == 1 and near == 1


@pytest.mark.full
def test_the_game_is_the_non_saturating_one():
    game, key = ring.gan(4, 2), jax.random.key(0)
    x = {
        name: jax.tree.map(jnp.zeros_like, eqx.filter(network, eqx.is_array))
        for name, network in ring.networks(4, 2, key).items()
    }
    batch = ring.data_batch(key, 8), jnp.zeros((8, 2), ring.TYPE)
    costs = game.costs(x, batch)
    # A discriminator that says nothing: log 2 for each judgement.
    assert np.isclose(costs["generator"], np.log(2)) and np.isclose(
        costs["discriminator"], 2 * np.log(2)
    )
    assert costs["generator"].dtype == ring.TYPE
