"""A field whose value at one strategy is known already."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree
from typing_extensions import override

from dgames.fields.field import AbstractField, FunctionField
from dgames.fields.natural_gradient import NaturalGradient
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.strategy import Block, Strategy
from dgames.strategy import block as own_block


class Notes:
    """What happened while a function was traced.

    Attributes:
        asked: Whether a remembered value was used.
    """

    asked: bool = False


class RememberedField(AbstractField):
    """A field that need not be evaluated at `at`.

    Strategies are told apart by the identity of their arrays, which inside a traced function means
    the same value; anything else is evaluated.

    Attributes:
        field: The field.
        at: A joint strategy.
        value: `field(at, args)`.
        args: What the value was computed with.
        notes: Where it is written down when the value is used.
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
    def block(self, x: Strategy, player: Any, args: PyTree = None) -> Block:
        if self._knows(x, args):
            return own_block(self.value, player)
        return self.field.block(x, player, args)

    @override
    def strategy_set(self, x: Strategy) -> Any:
        return self.field.strategy_set(x)

    def _knows(self, x: Strategy, args: PyTree) -> bool:
        known = _same((x, args), (self.at, self.args))
        self.notes.asked |= known
        return known


class RememberedGradient(PseudoGradient):
    """The same of a pseudo-gradient, for methods that ask whether a field is one.

    Attributes:
        remembered: The pseudo-gradient, with what is known of it.
    """

    remembered: RememberedField

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        return self.remembered(x, args)

    @override
    def block(self, x: Strategy, player: Any, args: PyTree = None) -> Block:
        return self.remembered.block(x, player, args)


def remember(
    field: AbstractField,
    x: Strategy,
    value: Strategy,
    args: PyTree = None,
    notes: Notes | None = None,
) -> AbstractField:
    """The same field, with its value at `x` remembered.

    A field of another class is returned as it is: a method may ask for that class, or for more
    than the field's values.

    Args:
        field: A field.
        x: A joint strategy.
        value: `field(x, args)`.
        args: As for the field.
        notes: Where it is written down when the value is used.

    >>> import jax.numpy as jnp
    >>> x = (jnp.array(1.0), jnp.array(2.0))
    >>> known = remember(FunctionField(lambda x, args: (x[1], -x[0])), x, ("known", "too"))
    >>> known(x), [float(block) for block in known((x[1], x[0]))]
    (('known', 'too'), [1.0, -2.0])
    """
    if type(field) not in (PseudoGradient, FunctionField, NaturalGradient):
        return field
    known = RememberedField(field, x, value, args, notes or Notes())
    if type(field) is not PseudoGradient:
        return known
    return RememberedGradient(field.game, known, order_is_known=field.order_is_known)


def _same(given: PyTree, known: PyTree) -> bool:
    leaves, structure = jax.tree.flatten(given)
    others, known_structure = jax.tree.flatten(known)
    return structure == known_structure and all(map(_identical, leaves, others))


def _identical(given: Any, known: Any) -> bool:
    return given is known
