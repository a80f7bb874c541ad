"""Random numbers by NumPy are those of JAX."""

import jax
import numpy as np
import pytest

from certify.problem.draws import first_key, uniform


@pytest.mark.parametrize("shape", [(), (1,), (7,), (256, 2), (33, 5), (0, 3)])
@pytest.mark.parametrize("seed", [0, 1, 2**31, 20261120])
def test_they_are_those_of_jax(seed, shape):
    for key in (jax.random.key(seed), *jax.random.split(jax.random.key(seed), 2)):
        expected = np.asarray(jax.random.uniform(key, shape, np.float64))
        for given in (key, jax.random.key_data(key)):
            found = uniform(given, shape)
            assert found.shape == shape and found.dtype == np.float64
            assert found.tobytes() == expected.tobytes()


def test_keys_of_another_kind():
    key = jax.random.key(3, impl="rbg")
    assert (uniform(key, (50,)) == np.asarray(jax.random.uniform(key, (50,), np.float64))).all()


def test_another_way_to_count():
    with jax.threefry_partitionable(False):
        key = jax.random.key(3)
        expected = np.asarray(jax.random.uniform(key, (50,), np.float64))
        assert (uniform(key, (50,)) == expected).all()
    assert (uniform(key, (50,)) != expected).any()


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_first_keys(seed):
    key = first_key(seed)
    assert key.dtype == jax.random.key(seed).dtype
    assert (jax.random.key_data(key) == jax.random.key_data(jax.random.key(seed))).all()
