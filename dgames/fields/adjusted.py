"""The interface of fields that adjust another field by its derivatives."""

import abc

from jaxtyping import PyTree
from typing_extensions import override

from dgames.fields.field import AbstractField
from dgames.fields.wrapped import AbstractWrappedField
from dgames.strategy import Strategy


class AbstractAdjustedField(AbstractWrappedField):
    """A field made of another field F and its Jacobian J, on the same sets and shared constraints.

    Subclasses write `adjusted`. They have an attribute `field`, which is converted by `as_field` so
    that users may give a game; being fields themselves, they compose.

    Attributes:
        field: F.
    """

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
