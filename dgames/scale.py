"""Chooses the unit of residuals, so that a tolerance means the same in any unit of payoffs."""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from dgames.diagnose import natural_map
from dgames.fields import AbstractField
from dgames.fields.remembered import RememberedField
from dgames.strategy import Strategy, map_players, norm

# Up to this factor from one, gains count as ordinary, and the unit is one.
_ORDINARY = 10.0


def default_tolerance(x: Strategy) -> float:
    """Returns the power of ten below the square root of machine epsilon: 1e-8 in float64.

    If there are several floating-point types, the least precise one counts.

    >>> default_tolerance((jnp.zeros(2, jnp.float32), jnp.zeros(2, jnp.float32)))
    0.0001
    """
    return 10.0 ** math.floor(0.5 * math.log10(epsilon(x)))


def epsilon(x: Strategy) -> float:
    """Returns the largest machine epsilon among the leaves."""
    return max(float(jnp.finfo(leaf.dtype).eps) for leaf in jax.tree.leaves(x))


def force_and_gains(
    field: AbstractField, x: Strategy, args: PyTree = None
) -> tuple[Strategy, Strategy]:
    """Returns the field at a strategy, and how fast every player's block of it changes there.

    The gain of a player is the root mean square change of the coordinates of the player's block,
    per unit that every coordinate of the joint strategy is moved in a fixed direction. Where the
    field does not change, or JAX cannot differentiate it, it is the root mean square of the block
    itself; where that is zero or nothing is finite, it is one.

    Args:
        field: The field.
        x: A joint strategy, as arrays.
        args: Passed to the field.

    Returns:
        The field, and one number per player.
    """
    try:
        force, change = jax.jvp(lambda x: field(x, args), (x,), (_direction(x),))
    except Exception:  # the code has no forward derivative, such as a callback
        force = field(x, args)
        change = jax.tree.map(jnp.zeros_like, force)

    def gain(force: PyTree, change: PyTree) -> Float[Array, ""]:
        slope, size = _root_mean_square(change), _root_mean_square(force)
        gain = jnp.where(slope > 0, slope, size)
        usable = jnp.isfinite(gain) & (gain > 0)
        return jax.lax.stop_gradient(jnp.where(usable, gain, jnp.ones_like(gain)))

    gains = map_players(gain, force, change)
    if field.shared_constraints(x):
        # Weights per player would select another equilibrium, so that all of them have one unit.
        most = functools.reduce(jnp.maximum, map(jnp.max, jax.tree.leaves(gains)))
        gains = jax.tree.map(lambda leaf: jnp.full_like(leaf, most), gains)
    return force, gains


def unit_of(gain: Float[Array, "*players"]) -> Float[Array, "*players"]:
    """Returns the unit of a player's block of the field: one where gains are between 1/10 and 10.

    Dividing by it brings any other gain to the nearer end of that range.

    >>> [float(unit_of(jnp.array(gain))) for gain in (0.001, 0.5, 10.0, 5000.0)]
    [0.01, 1.0, 1.0, 500.0]
    """
    return gain / jnp.clip(gain, 1 / _ORDINARY, _ORDINARY)


def scaled_residual(
    field: AbstractField, x: Strategy, force: Strategy, shares: Strategy, args: PyTree = None
) -> Float[Array, ""]:
    """Returns the natural residual of a field whose value is given, in the units of its players.

    Args:
        field: The field.
        x: A joint strategy.
        force: The field there.
        shares: One number per player, one over the unit by which the player's block is divided.
        args: Passed to the field.
    """
    scaled = map_players(times, force, shares)
    return norm(natural_map(RememberedField(field, x, scaled, args), x, args))


def times(block: PyTree, share: Array) -> PyTree:
    """Multiplies a block by a number, in the dtypes of the block."""
    return jax.tree.map(lambda leaf: leaf * share.astype(leaf.dtype), block)


def _root_mean_square(block: PyTree) -> Float[Array, ""]:
    count = sum(leaf.size for leaf in jax.tree.leaves(block))
    length = norm(block)
    return length / jnp.asarray(math.sqrt(count), length.dtype)


def _direction(x: Strategy) -> Strategy:
    """Returns a fixed direction, irregular so that a game is hardly flat along it."""

    def along(leaf: Array, start: int) -> Array:
        angle = start + 2.399963 * jnp.arange(leaf.size, dtype=jnp.float32)
        wave = jnp.where(jnp.cos(angle) < 0, -1.0, 1.0) * (0.75 + 0.25 * jnp.sin(1.7 * angle))
        return wave.reshape(leaf.shape).astype(leaf.dtype)

    leaves, structure = jax.tree.flatten(x)
    return structure.unflatten([along(leaf, 1 + i) for i, leaf in enumerate(leaves)])
