"""Random numbers of JAX's keys by NumPy: the same to the last bit, and nothing is compiled."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float

# Rotations and parity of Threefry (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy
# as 1, 2, 3", 2011), in 20 rounds, as JAX has it.
_ROTATIONS, _PARITY = ((13, 15, 26, 6), (17, 29, 16, 24)), 0x1BD11BDA
_THREEFRY = "threefry2x32"


def first_key(seed: int) -> Any:
    """Returns `jax.random.key(seed)` of Threefry for a small seed.

    Example:
        >>> bool(jax.random.key_data(first_key(1))[1] == 1)
        True
    """
    numbers = jax.device_put(np.array([0, seed], np.uint32))
    return jax.random.wrap_key_data(numbers, impl=_THREEFRY)


def uniform(key: Any, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """Returns `jax.random.uniform(key, shape, float64)`.

    By NumPy, unless the key is of another kind than Threefry.

    Args:
        key: A JAX key, or the numbers of one.
        shape: Of the result.

    Example:
        >>> key = jax.random.key(0)
        >>> bool((uniform(key, (3,)) == jax.random.uniform(key, (3,), "float64")).all())
        True
    """
    threefry = str(jax.random.key_impl(key)) == _THREEFRY
    if not (threefry and getattr(jax.config, "jax_threefry_partitionable", False)):
        return np.asarray(jax.random.uniform(key, shape, np.float64))
    counts = np.arange(int(np.prod(shape)), dtype=np.uint64)
    high, low = _threefry(np.asarray(jax.random.key_data(key)), counts)
    # 52 random bits after the point of a number between one and two.
    fraction = (high.astype(np.uint64) << np.uint64(20)) | (low >> np.uint32(12))
    return ((fraction | np.uint64(0x3FF0_0000_0000_0000)).view(np.float64) - 1.0).reshape(shape)


def _threefry(key: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns 64 random bits for each count, as pairs of numbers of 32 bits."""
    keys = [key[0], key[1], key[0] ^ key[1] ^ np.uint32(_PARITY)]
    with np.errstate(over="ignore"):  # arithmetic is modulo 2^32
        x = (counts >> np.uint64(32)).astype(np.uint32) + keys[0]
        y = counts.astype(np.uint32) + keys[1]
        for k in range(5):
            for distance in _ROTATIONS[k % 2]:
                x = x + y
                y = ((y << np.uint32(distance)) | (y >> np.uint32(32 - distance))) ^ x
            x = x + keys[(k + 1) % 3]
            y = y + keys[(k + 2) % 3] + np.uint32(k + 1)
    return x, y
