"""Fields of complex strategies, as fields of their real and imaginary parts."""

from collections.abc import Callable

from jaxtyping import PyTree
from typing_extensions import override

from dgames.complex_strategy import (
    as_pairs,
    from_pairs,
    game_of_pairs,
    no_shared,
    sets_of_pairs,
)
from dgames.constraints.shared_constraints import SharedConstraints
from dgames.fields.convert import as_field
from dgames.fields.field import AbstractField
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.game import Game
from dgames.sets import PlayerSets
from dgames.strategy import Strategy


class FieldOfPairs(AbstractField):
    """A field whose values are complex where strategies are, in pairs.

    Attributes:
        field: The field of complex strategies.
    """

    field: AbstractField

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        return as_pairs(self.field(from_pairs(x), args))

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return sets_of_pairs(self.field.strategy_set(from_pairs(x)), x)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return no_shared(self.field.shared_constraints(from_pairs(x)))


def field_of_pairs(game: Game | AbstractField | Callable) -> AbstractField:
    """Returns the field of real and imaginary parts that a game or a field stands for."""
    field = as_field(game)
    if type(field) is PseudoGradient:
        return PseudoGradient(game_of_pairs(field.game), order_is_known=field.order_is_known)
    return FieldOfPairs(field)
