"""The table of enclosure rules: one function per JAX primitive."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Operation(NamedTuple):
    """A JAX primitive with its parameters, as it stands in a jaxpr."""

    primitive: Any
    params: dict[str, Any]

    def bind(self, *operands: Any) -> Any:
        """Applies the primitive itself, to arrays."""
        return self.primitive.bind(*operands, **self.params)


# An empty operation, for calling a rule as the function it encloses, without an equation.
BARE = Operation(None, {})

# A rule takes the operation and its operands, each an `Interval` or, for integers and booleans that
# are known exactly, an array; it returns the same for its result (a list when the primitive has
# several). Where nothing is known of an operand, nothing may be known of the result.
Rule = Callable[..., Any]

RULES: dict[str, Rule] = {}

# Replacements for primitives with kinks or jumps, for use on functions that are about to be
# differentiated: they return `[-inf, inf]` wherever the interval reaches a point at which the
# primitive is not smooth. Derivative code has no trace of a jump, so the function itself must be
# evaluated under these rules.
SMOOTH_RULES: dict[str, Rule] = {}


def rule(*names: str, table: dict[str, Rule] = RULES) -> Callable[[Rule], Rule]:
    """Registers the decorated function as the enclosure rule of the named primitives."""

    def register(function: Rule) -> Rule:
        for name in names:
            if name in table:
                raise ValueError(f"primitive {name!r} has an enclosure rule already")
            table[name] = function
        return function

    return register


class EnclosureError(ValueError):
    """The error that no sound enclosure can be given; its message names the primitive and place."""
