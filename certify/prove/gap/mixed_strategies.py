"""Mixtures of strategies as users give them, checked, with their weights as exact numbers."""

import dataclasses
from fractions import Fraction
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import dgames as dg
from dgames.strategy import Strategy, blocks, join, player_names, split

# How far from one the weights may sum to, before they are divided by their sum.
_TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True)
class Mixed:
    """What one player plays.

    Attributes:
        rows: The members that are played, as vectors in float64.
        weights: Their weights, as given: positive, and not yet divided by their sum.
        total: The exact sum of the weights.
    """

    rows: Float[np.ndarray, "members n"]
    weights: Float[np.ndarray, " members"]
    total: Fraction


@dataclasses.dataclass(frozen=True)
class MixedStrategies:
    """What all players play.

    Attributes:
        example: A joint strategy of numbers: the first members.
        rest: What else is in a joint strategy of modules, with None in place of numbers.
        players: What each player plays.
    """

    example: Strategy
    rest: Any
    players: tuple[Mixed, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The players' names."""
        return player_names(self.example)


def as_mixed(mixture: Any) -> MixedStrategies:
    """Returns what all players play.

    Args:
        mixture: A `dgames.Population`, or a pair `(members, weights)` for each player in a tuple,
            dictionary or other container of players.

    Raises:
        ValueError: If weights are no distribution, or do not fit the members.
    """
    if isinstance(mixture, dg.Population):
        if any(len(team) > 1 for team in mixture.teams):
            raise ValueError(
                "gap: members of a team choose together, so that its players have no mixtures of "
                "their own; give a population without teams."
            )
        members, weights = mixture.members, blocks(mixture.mixture)
        pairs = tuple(zip(blocks(members), weights, strict=True))
        like = members
    else:
        pairs = _pairs(mixture)
        like = mixture
    own = []
    for name, (members, weights) in zip(player_names(like), pairs, strict=True):
        own.append(_checked(name, members, weights))
    first = join(
        like, tuple(jax.tree.map(_first, members, is_leaf=eqx.is_array) for members, _ in pairs)
    )
    numbers, rest = split(dg.as_strategy(first))
    players = tuple(
        Mixed(rows[kept], weights[kept], sum(map(Fraction, weights.tolist()), Fraction(0)))
        for rows, weights in own
        for kept in [weights > 0]
    )
    return MixedStrategies(numbers, rest, players)


def _pairs(mixture: Any) -> tuple[tuple[Any, Any], ...]:
    try:
        own = blocks(mixture)
    except (TypeError, ValueError):
        own = ()
    if not own or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in own):
        raise ValueError(
            "gap: a mixture is a dgames.Population, or a pair (members, weights) for each player, "
            'such as {"a": (points, weights), "b": (points, weights)}.'
        )
    return tuple((members, weights) for members, weights in own)


def _first(leaf: Any) -> Any:
    return jnp.asarray(leaf)[0] if _is_number(leaf) else leaf


def _is_number(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)


def _checked(
    name: str, members: Any, weights: Any
) -> tuple[Float[np.ndarray, "members n"], Float[np.ndarray, " members"]]:
    """Returns the members as rows and their weights, both in float64."""
    own = np.asarray(weights)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(members) if _is_number(leaf)]
    if not leaves or any(leaf.ndim == 0 for leaf in leaves):
        raise ValueError(
            f"gap: the members of player '{name}' must be floating-point arrays whose leading axis "
            "is the members."
        )
    count = len(leaves[0])
    if own.ndim != 1 or any(len(leaf) != len(own) for leaf in leaves):
        raise ValueError(
            f"gap: player '{name}' needs one weight for each member; there are {count} members, "
            f"and the weights have shape {own.shape}."
        )
    own = own.astype(np.float64)
    if not np.isfinite(own).all() or (own < 0).any() or not abs(own.sum() - 1) <= _TOLERANCE:
        raise ValueError(
            f"gap: the weights of player '{name}' are no distribution: they must not be negative, "
            f"and sum to one; the smallest is {own.min():.6g}, and the sum {own.sum():.6g}."
        )
    rows = np.concatenate([leaf.reshape(count, -1).astype(np.float64) for leaf in leaves], axis=1)
    if not np.isfinite(rows).all():
        raise ValueError(f"gap: the members of player '{name}' must be finite.")
    return rows, own


def padded(mixed: Mixed) -> tuple[Float[Array, "room n"], Float[Array, " room"]]:
    """Returns members and weights with room up to a power of two, filled with weights of zero.

    So a few more members need no new compilation.
    """
    count = len(mixed.weights)
    size = max(8, 1 << (count - 1).bit_length())
    filled = np.concatenate([mixed.rows, np.repeat(mixed.rows[:1], size - count, axis=0)])
    return jnp.asarray(filled), jnp.asarray(np.pad(mixed.weights, (0, size - count)))
