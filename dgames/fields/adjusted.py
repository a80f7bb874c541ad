"""The interface of fields that adjust another field by its derivatives."""

import abc

import equinox as eqx
from jaxtyping import PyTree
from typing_extensions import override

from dgames.constraints.shared_constraints import SharedConstraints
from dgames.fields.field import AbstractField
from dgames.sets import PlayerSets
from dgames.strategy import Strategy


class AbstractAdjustedField(AbstractField):
    """A field made of another field F and its Jacobian J, on the same sets and shared constraints.

    Subclasses write `adjusted`. They have an attribute `field`, which is converted by `as_field` so
    that users may give a game; being fields themselves, they compose.

    Attributes:
        field: F.
    """

    field: eqx.AbstractVar[AbstractField]

    @abc.abstractmethod
    def adjusted(self, field: AbstractField, x: Strategy, args: PyTree = None) -> Strategy:
        """The adjusted field at a joint strategy of numbers.

        Args:
            field: F, of numbers.
            x: A joint strategy, as arrays.
            args: Passed to F.
        """

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        from dgames.fields.convert import prepared

        field, x, _ = prepared(self.field, x)
        return self.adjusted(field, x, args)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.field.strategy_set(x)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.field.shared_constraints(x)

    @override
    def project(self, x: Strategy) -> Strategy:
        return self.field.project(x)
