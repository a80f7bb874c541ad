"""The sides of a population: players, or teams of them, and what their members pay."""

from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from dgames.game import Game
from dgames.sets import AbstractSet, player_sets
from dgames.strategy import Block, Strategy, blocks, join

# One block for each player of a side.
Member: TypeAlias = tuple[Block, ...]
# A member whose arrays have a leading axis: room for members, of which the first ones are there.
Pool: TypeAlias = tuple[Block, ...]


# What all players pay, by the members of the sides but one.
CostTable: TypeAlias = Float[Array, "players *room"]  # noqa: F821 (a shape)

# How many members a new pool has room for.
ROOM = 16


class Sides(eqx.Module):
    """Who plays with whom, in which game.

    Attributes:
        game: The game.
        args: Passed to its costs.
        like: A joint strategy of numbers, for its structure.
        rest: What else is in a joint strategy of modules, with None in place of numbers.
        teams: The positions of the players of each side.
    """

    game: Game
    args: PyTree
    like: Strategy
    rest: PyTree
    teams: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def costs(self, profile: tuple[Member, ...]) -> Float[Array, " players"]:
        """What all players pay if each side plays a member."""
        own: list[Any] = [None] * sum(map(len, self.teams))
        for team, member in zip(self.teams, profile, strict=True):
            for player, block in zip(team, member, strict=True):
                own[player] = block
        x = eqx.combine(join(self.like, tuple(own)), self.rest)
        costs = blocks(self.game.costs(x, self.args))
        return jnp.stack([jnp.asarray(cost) for cost in costs])

    def sets(self, side: int) -> tuple[AbstractSet, ...]:
        """Where the players of a side may move."""
        x = eqx.combine(self.like, self.rest)
        own = player_sets(self.game.strategy_set(x), x)
        return tuple(own[player] for player in self.teams[side])

    def mixed_cost(
        self,
        side: int,
        member: Member,
        pools: tuple[Pool, ...],
        weights: tuple[Float[Array, " _"], ...],
    ) -> Float[Array, ""]:
        """What one side pays with a member if the others mix."""
        table = self.table(side, member, pools)[self.teams[side][0]]
        others = [own for other, own in enumerate(weights) if other != side]
        for own in reversed(others):
            table = table @ own.astype(table.dtype)
        return table

    def table(self, side: int, member: Member, pools: tuple[Pool, ...]) -> CostTable:
        """What all players pay if one side plays a member, by the members of the other sides."""
        others = [other for other in range(len(self.teams)) if other != side]

        def cost(*picks: Member) -> Float[Array, " players"]:
            profile = list(picks)
            profile.insert(side, member)
            return self.costs(tuple(profile))

        for k in reversed(range(len(others))):
            axes: list[int | None] = [None] * len(others)
            axes[k] = 0
            cost = jax.vmap(cost, in_axes=tuple(axes))
        table = cost(*(pools[other] for other in others))
        return jnp.moveaxis(table, -1, 0)


@eqx.filter_jit
def costs_against(sides: Sides, side: int, member: Member, pools: tuple[Pool, ...]) -> CostTable:
    """Returns `Sides.table`, compiled once for each side and room."""
    return sides.table(side, member, pools)


def room(pool: Pool) -> int:
    """Returns how many members a pool has room for.

    >>> room((np.zeros((8, 2)),))
    8
    """
    return jax.tree.leaves(pool)[0].shape[0]


def pool_of(member: Member, size: int = ROOM) -> Pool:
    """Returns a pool with one member; the room for others is filled with it too.

    Pools are NumPy arrays: that members are added and picked out compiles nothing.

    >>> room(pool_of((np.zeros(2),)))
    16
    """
    return jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf)[None], size, axis=0), member)


def picked(pool: Pool, place: int) -> Member:
    """Returns one member of a pool."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[place], pool)


def with_member(pool: Pool, count: int, member: Member) -> Pool:
    """Returns a pool with one more member; its room is doubled where it had none left.

    Args:
        pool: The pool.
        count: How many members it has.
        member: The new one.
    """

    def entered(leaf: np.ndarray, own: Any) -> np.ndarray:
        wider = np.concatenate([leaf, leaf]) if count == len(leaf) else leaf.copy()
        wider[count] = own
        return wider

    return jax.tree.map(entered, pool, member)


def padded(weights: np.ndarray, size: int) -> np.ndarray:
    """Returns weights with zeros for the members that are not there.

    >>> padded(np.ones(1), 3).tolist()
    [1.0, 0.0, 0.0]
    """
    return np.pad(weights, (0, size - len(weights)))
