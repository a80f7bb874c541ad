"""Corners and centres of regions: joint strategies as users give them, checked, in float64."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from certify.enclosure.enclose import require_x64
from certify.enclosure.programs.promotion import exactly
from dgames.stacked import is_stacked
from dgames.strategy import Strategy, as_strategy, blocks, player_names, ravel, split


def types_of(x: Strategy) -> tuple[str, ...]:
    """Returns the types of the arrays of a joint strategy, as it was given."""
    return tuple(leaf.dtype.name for leaf in jax.tree.leaves(as_strategy(x)))


def zeros_like(like: Strategy, types: tuple[str, ...]) -> Strategy:
    """Returns zeros of such types, structured like a joint strategy."""
    leaves, structure = jax.tree.flatten(like)
    pairs = zip(leaves, types, strict=True)
    return structure.unflatten(
        jax.device_put(np.zeros(leaf.shape, jnp.dtype(kind))) for leaf, kind in pairs
    )


def coordinates(x: Strategy) -> Float[np.ndarray, " n"]:
    """Returns the numbers of a joint strategy, in float64, in the order of `dgames.ravel`.

    Example:
        >>> coordinates((jnp.zeros(2), jnp.ones(1))).tolist()
        [0.0, 0.0, 1.0]
    """
    if any(map(is_stacked, jax.tree.leaves(x, is_leaf=is_stacked))):
        return np.asarray(ravel(x)[0])
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(x)])


def mapped(function: Callable, *strategies: Strategy) -> Strategy:
    """Maps the numbers of strategies by NumPy, for which nothing is compiled."""
    with np.errstate(all="ignore"):  # what is not finite is an error, raised with a sentence
        return jax.tree.map(
            lambda *leaves: jax.device_put(np.asarray(function(*map(np.asarray, leaves)))),
            *strategies,
        )


def corner(name: str, x: Strategy) -> Strategy:
    """Returns a joint strategy in float64, exactly, for a corner or a centre of a region.

    Raises:
        ValueError: If it holds more than numbers, or numbers that are not finite or too long.
    """
    require_x64()
    x, rest = split(as_strategy(x))
    if jax.tree.leaves(rest):
        raise ValueError(
            f"the region's {name} holds modules with more than numbers in them; take the numbers, "
            "say numbers, rest = equinox.partition(x, equinox.is_inexact_array), and put them "
            "together in the costs with equinox.combine(x, rest)."
        )
    x = mapped(exactly, x)
    if all(leaf.dtype == jnp.float64 and _all_finite(leaf) for leaf in jax.tree.leaves(x)):
        return x
    for player, block in zip(player_names(x), blocks(x), strict=True):
        for leaf in jax.tree.leaves(block):
            if leaf.dtype != jnp.float64:
                raise ValueError(
                    f"the region's {name} is {leaf.dtype} for player '{player}', but proofs are "
                    "made in float64; give float64, float32, bfloat16 or float16 numbers."
                )
            if not _all_finite(leaf):
                raise ValueError(
                    f"the region's {name} is not finite for player '{player}'; give finite numbers."
                )
    return x


def _all_finite(leaf: Array) -> bool:
    return bool(np.isfinite(np.asarray(leaf)).all())


def checked_radius(kind: str, radius: Any) -> float:
    """Returns a radius as a float.

    Raises:
        ValueError: If it is not a positive and finite number.
    """
    try:
        radius = float(radius)
    except (TypeError, ValueError):
        raise ValueError(
            f"{kind}: the radius must be a number, not {type(radius).__name__}."
        ) from None
    if not (np.isfinite(radius) and radius > 0):
        raise ValueError(f"{kind}: the radius is {radius}; it must be positive and finite.")
    return radius


def require_same_structure(kind: str, first: Strategy, second: Strategy) -> None:
    """Raises a `ValueError` if two joint strategies have different players or shapes."""
    shapes = [jax.tree.map(lambda leaf: leaf.shape, x) for x in (first, second)]
    if jax.tree.structure(first) != jax.tree.structure(second) or shapes[0] != shapes[1]:
        raise ValueError(f"{kind}: the two strategies given have different players or shapes.")
