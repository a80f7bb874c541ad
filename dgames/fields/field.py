"""The interface of fields, and functions as fields."""

import abc
from collections.abc import Callable

import equinox as eqx
from jaxtyping import PyTree
from typing_extensions import override

from dgames.constraints.shared_constraints import SharedConstraints, refuse_shared
from dgames.fields.marks import mark_of
from dgames.sets import AbstractSet, Euclidean, PlayerSets, is_constrained, map_sets
from dgames.stacked import Player
from dgames.strategy import Block, Strategy
from dgames.strategy import block as own_block


class AbstractField(eqx.Module):
    """Which way each player would move; players step *against* the field.

    Fields are to methods what vector fields are to solvers of differential equations. The simplest
    is the pseudo-gradient of a game, `F(x) = (d f_1 / d x_1, ..., d f_N / d x_N)`; others adjust
    it. Only `__call__` must be written.
    """

    @abc.abstractmethod
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        """The field at a joint strategy.

        Args:
            x: A joint strategy.
            args: Anything that the field depends on and that no player controls.

        Returns:
            A pytree with the structure, shapes and dtypes of `x`.
        """

    def block(self, x: Strategy, player: Player, args: PyTree = None) -> Block:
        """Returns one player's block of the field, for alternating methods.

        Args:
            x: A joint strategy.
            player: The player's position in the players' order; of stacked players, it may be
                traced.
            args: As for `__call__`.
        """
        return own_block(self(x, args), player)

    def strategy_set(self, x: Strategy) -> PlayerSets:
        """Returns where players may move, like `Game.strategy_set`: by default, anywhere."""
        return Euclidean()

    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        """What binds several players together, like `Game.shared_constraints`: nothing."""
        return ()

    def project(self, x: Strategy) -> Strategy:
        """Projects every player's block onto the player's set, and all onto shared constraints.

        With shared constraints this is the projection onto the intersection, in the Euclidean
        metric, which belongs to the variational equilibrium: see `Normalised` for others.
        """
        shared = self.shared_constraints(x)
        if shared:
            from dgames.constraints.projection import project_strategy

            return project_strategy(self.strategy_set(x), shared, x)
        return map_sets(lambda own, block: own.project(block), self.strategy_set(x), x)


def own_sets(field: AbstractField, x: Strategy) -> PlayerSets:
    """Returns the strategy set of a field, for what treats the players one by one.

    Raises:
        ValueError: If the players have shared constraints, which would be ignored.
    """
    refuse_shared(
        field.shared_constraints(x),
        "the players have shared constraints, and this treats each player's set by itself, which "
        "would ignore them",
    )
    return field.strategy_set(x)


def has_constraints(field: AbstractField, x: Strategy) -> bool:
    """Whether any player has a set that is not the whole space, or a shared constraint."""
    return is_constrained(field.strategy_set(x), x) or bool(field.shared_constraints(x))


class FunctionField(AbstractField):
    """A function `fn(x, args)` used as a field.

    Attributes:
        fn: The function; an `equinox.Module` with a `__call__` keeps its arrays as parameters.
        sets: One set, which is then every player's own, or one per player.

    >>> FunctionField(lambda x, args: (x[1], -x[0]))((1.0, 2.0))
    (2.0, -1.0)
    """

    fn: Callable
    sets: AbstractSet | PyTree = Euclidean()

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        with mark_of(self.sets, x):
            return self.fn(x, args)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.sets
