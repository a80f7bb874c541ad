"""The interface of fields around another field, which leave constraints to it."""

import equinox as eqx
from typing_extensions import override

from dgames.constraints.shared_constraints import SharedConstraints
from dgames.fields.field import AbstractField
from dgames.sets import PlayerSets
from dgames.strategy import Strategy


class AbstractWrappedField(AbstractField):
    """A field around another one, on the same strategy sets and shared constraints.

    Attributes:
        field: The field inside, whose projection it is, too.
    """

    field: eqx.AbstractVar[AbstractField]

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.field.strategy_set(x)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.field.shared_constraints(x)

    @override
    def project(self, x: Strategy) -> Strategy:
        return self.field.project(x)
