"""A field that remembers its value at one strategy, so that it is not computed twice."""

import operator

import equinox as eqx
import jax
from jaxtyping import PyTree
from typing_extensions import override

from dgames.fields.adjusted import AbstractAdjustedField
from dgames.fields.field import AbstractField, FunctionField
from dgames.fields.natural_gradient import NaturalGradient
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.fields.wrapped import AbstractWrappedField
from dgames.stacked import Player
from dgames.strategy import Block, Strategy
from dgames.strategy import block as own_block


class Notes:
    """Notes about the tracing of a function.

    Attributes:
        asked: Whether the remembered value was used.
    """

    asked: bool = False


class RememberedField(AbstractWrappedField):
    """A field that is not evaluated at the strategy `at`, because its value there is remembered.

    Two strategies count as the same if their arrays are the same objects, which inside a traced
    function means equal values. At any other strategy the field is evaluated.

    Attributes:
        field: The field.
        at: A joint strategy.
        value: `field(at, args)`.
        args: The arguments with which the value was computed.
        notes: Records whether the value was used.
    """

    field: AbstractField
    at: Strategy
    value: Strategy
    args: PyTree
    notes: Notes = eqx.field(static=True, default_factory=Notes)

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        return self.value if self._knows(x, args) else self.field(x, args)

    @override
    def block(self, x: Strategy, player: Player, args: PyTree = None) -> Block:
        if self._knows(x, args):
            return own_block(self.value, player)
        return self.field.block(x, player, args)

    def _knows(self, x: Strategy, args: PyTree) -> bool:
        same = _same((x, args), (self.at, self.args))
        self.notes.asked |= same
        return same


class RememberedGradient(PseudoGradient):
    """A pseudo-gradient that remembers its value, for methods that need a `PseudoGradient`.

    Attributes:
        remembered: The pseudo-gradient with its remembered value.
    """

    remembered: RememberedField

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        return self.remembered(x, args)

    @override
    def block(self, x: Strategy, player: Player, args: PyTree = None) -> Block:
        return self.remembered.block(x, player, args)


def remember(
    field: AbstractField,
    x: Strategy,
    value: Strategy,
    args: PyTree = None,
    notes: Notes | None = None,
) -> AbstractField:
    """Returns a field that remembers its value at `x`.

    Fields of users' own classes are returned unchanged, because a method may need that class, or
    more than the values of the field.

    Args:
        field: A field.
        x: A joint strategy.
        value: `field(x, args)`.
        args: As for the field.
        notes: Records whether the value is used.

    >>> import jax.numpy as jnp
    >>> x = (jnp.array(1.0), jnp.array(2.0))
    >>> field = remember(FunctionField(lambda x, args: (x[1], -x[0])), x, ("first", "second"))
    >>> field(x), [float(block) for block in field((x[1], x[0]))]
    (('first', 'second'), [1.0, -2.0])
    """
    own = type(field) in (PseudoGradient, FunctionField, NaturalGradient)
    if not own and not isinstance(field, AbstractAdjustedField):
        return field
    remembered = RememberedField(field, x, value, args, notes or Notes())
    if type(field) is not PseudoGradient:
        return remembered
    return RememberedGradient(field.game, remembered, order_is_known=field.order_is_known)


def _same(a: PyTree, b: PyTree) -> bool:
    leaves, structure = jax.tree.flatten(a)
    others, other_structure = jax.tree.flatten(b)
    return structure == other_structure and all(map(operator.is_, leaves, others))
