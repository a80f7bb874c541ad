"""Complex coordinates of players, as pairs of real ones.

Costs are real functions of complex arrays. What is learned with them is the game of the real and
imaginary parts: a player's gradient is `df/da + i df/db` along `a + ib`, the direction in which the
cost rises most, which is the conjugate of what `jax.grad` returns.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from typing_extensions import override

from dgames.constraints.shared_constraints import SharedConstraints
from dgames.game import Game, ZeroSum, is_zero_sum
from dgames.sets import AbstractSet, Ball, Euclidean, PlayerSets, is_constrained, player_sets
from dgames.stacked import is_stacked
from dgames.strategy import Block, Strategy, blocks, join, player_names


class Pair(NamedTuple):
    """The real and the imaginary part of an array."""

    real: Any
    imag: Any


def has_complex(x: PyTree) -> bool:
    """Returns whether there is a complex array or number in a pytree.

    >>> has_complex({"a": 1 + 2j}), has_complex({"a": 1.0})
    (True, False)
    """
    return any(map(_is_complex, jax.tree.leaves(x)))


def as_pairs(x: PyTree) -> PyTree:
    """Returns a pytree with a pair of real arrays for every complex one.

    >>> as_pairs((3.0, np.array([1 + 2j])))[1].imag.tolist()
    [2.0]
    """

    def convert(leaf: Any) -> Any:
        if not _is_complex(leaf):
            return leaf
        array = jnp.asarray(leaf)
        return Pair(jnp.real(array), jnp.imag(array))

    return jax.tree.map(convert, x)


def from_pairs(x: PyTree) -> PyTree:
    """Returns a pytree with a complex array for every pair: the inverse of `as_pairs`.

    >>> complex(from_pairs({"a": Pair(np.array(1.0), np.array(2.0)), "b": 3.0})["a"])
    (1+2j)
    """

    def convert(part: Any) -> Any:
        if not isinstance(part, Pair):
            return part
        if isinstance(part.real, np.ndarray):
            return part.real + 1j * part.imag
        return jax.lax.complex(part.real, part.imag)

    return jax.tree.map(convert, x, is_leaf=lambda part: isinstance(part, Pair))


class GameOfPairs(Game):
    """The game of the real and imaginary parts.

    Attributes:
        game: The game of complex strategies.
    """

    game: Game

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        return self.game.costs(from_pairs(x), args)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return sets_of_pairs(self.game.strategy_set(from_pairs(x)), x)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return no_shared(self.game.shared_constraints(from_pairs(x)))


class ZeroSumOfPairs(ZeroSum):
    """A `GameOfPairs` with one payoff."""

    game: ZeroSum
    minimiser: str | None = eqx.field(static=True, default=None)
    maximiser: str | None = eqx.field(static=True, default=None)

    @override
    def payoff(self, x: Strategy, args: PyTree = None) -> Any:
        return self.game.payoff(from_pairs(x), args)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return sets_of_pairs(self.game.strategy_set(from_pairs(x)), x)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return no_shared(self.game.shared_constraints(from_pairs(x)))


def game_of_pairs(game: Game) -> Game:
    """Returns the game of the real and imaginary parts of complex strategies."""
    if isinstance(game, ZeroSum) and is_zero_sum(game):
        return ZeroSumOfPairs(game, game.minimiser, game.maximiser)
    return GameOfPairs(game)


def sets_of_pairs(sets: PlayerSets, x: Strategy) -> PlayerSets:
    """Returns the sets of real and imaginary parts.

    Args:
        sets: The sets of complex strategies.
        x: The joint strategy in pairs.

    Raises:
        ValueError: If a player with complex coordinates has a set other than a `Ball`.
    """
    if not is_constrained(sets, x):
        return Euclidean()
    if is_stacked(x):
        raise ValueError("stacked players with complex strategies can have no strategy sets")
    parts = zip(player_names(x), player_sets(sets, x), blocks(x), strict=True)
    return join(x, tuple(_of_pairs(*part) for part in parts))


def no_shared(shared: SharedConstraints) -> SharedConstraints:
    """Returns shared constraints if there are none, else raises an error."""
    if shared:
        raise ValueError(
            "games with complex strategies have no shared constraints; write these strategies as "
            "pairs of real arrays"
        )
    return shared


class SaveOfPairs(eqx.Module):
    """What users save of complex strategies, called with pairs."""

    save: Callable

    def __call__(self, x: Strategy, state: PyTree, args: PyTree) -> PyTree:
        """Returns what the user's function makes of complex strategies."""
        return self.save(from_pairs(x), state, args)


@dataclasses.dataclass(frozen=True)
class CallbackOfPairs:
    """A callback for complex strategies, called with pairs."""

    callback: Callable

    def __call__(self, step: int, x: Strategy, residual: float) -> None:
        """Calls the user's function with complex strategies."""
        self.callback(step, from_pairs(x), residual)


def _of_pairs(name: str, own: AbstractSet, block: Block) -> AbstractSet:
    whole = from_pairs(block)
    if isinstance(own, Euclidean) or not has_complex(whole):
        return own
    if not isinstance(own, Ball):
        raise ValueError(
            f"player '{name}' has complex coordinates, whose strategy set can be a Ball in their "
            f"moduli, not a {type(own).__name__}"
        )
    offset = own.offset(whole)
    centre = jax.tree.map(lambda x, d: x - d, whole, offset)
    return Ball(as_pairs(centre), own.radius)


def _is_complex(leaf: Any) -> bool:
    if isinstance(leaf, complex):
        return True
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.complexfloating)
