"""Whether two players are alike, so that one pool serves both: payoffs change their signs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dgames.populations.sides import ROOM, Pool, Sides, costs_against, picked
from dgames.strategy import blocks


def check_alike(sides: Sides) -> float:
    """Raises an error unless both players are alike, and returns the size of some payoffs."""
    if len(sides.teams) != 2 or any(len(team) > 1 for team in sides.teams):
        raise ValueError("Population: symmetric=True is for two players without teams")
    first, second = ((block,) for block in blocks(sides.like))
    shapes = [jax.tree.map(lambda leaf: (jnp.shape(leaf), leaf.dtype), m) for m in (first, second)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "Population: symmetric=True needs strategies of one structure and shape for both "
            f"players; got {shapes[0]} and {shapes[1]}"
        )
    generator = np.random.default_rng(0)

    def around(leaf: np.ndarray) -> np.ndarray:
        noise, relative = 0.1 * generator.normal(size=(2, ROOM, *leaf.shape))
        return (leaf * (1 + relative) + noise).astype(leaf.dtype)

    near = jax.tree.map(lambda leaf: around(np.asarray(leaf)), first)
    pool = jax.device_get(_projected(sides, near))
    rows = [costs_against(sides, 0, picked(pool, k), (pool, pool)) for k in range(3)]
    payoffs = -np.stack([np.asarray(row, np.float64)[:, :3] for row in rows], axis=1)
    check_antisymmetric(payoffs, 0.0)
    return float(np.abs(payoffs).max())


def check_antisymmetric(payoffs: Float[np.ndarray, "sides members members"], unit: float) -> None:
    """Raises an error unless the second player's payoffs are the first one's, places changed.

    Payoffs may be the differences of larger numbers, of the size of `unit`.
    """
    first, second = payoffs
    scale = max(float(np.abs(payoffs).max()), unit, 1e-300)
    errors = np.abs(first + first.T), np.abs(second - first.T)
    if not max(error.max() for error in errors) <= 1e-5 * scale:
        worst = max(errors, key=lambda error: error.max())
        i, j = np.unravel_index(np.argmax(worst), worst.shape)
        raise ValueError(
            "Population: symmetric=True is for games whose payoffs change their signs when the "
            f"players change places, but of two strategies the first player receives "
            f"{first[i, j]:.6g} one way and {first[j, i]:.6g} the other way, and the second "
            f"player {second[i, j]:.6g} and {second[j, i]:.6g}"
        )


@eqx.filter_jit
def _projected(sides: Sides, pool: Pool) -> Pool:
    """Returns the nearest strategies that the first player may choose."""
    (own,) = sides.sets(0)
    return (jax.vmap(own.project)(pool[0]),)
