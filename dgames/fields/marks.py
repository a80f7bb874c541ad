"""Named scopes which mark the traced code of fields that have strategy sets.

The names change nothing that is computed. A root finder of optimistix is given the traced code of a
field and nothing else, and must not ignore strategy sets in silence.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax

from dgames.sets import PlayerSets, is_constrained
from dgames.strategy import Strategy

_SETS = "dgames_field_with_strategy_sets"
_PROJECTED = "dgames_natural_map"


def mark_of(strategy_set: PlayerSets, x: Strategy, shared: bool = False) -> AbstractContextManager:
    """Returns the scope in which a field is evaluated, with a name if it has constraints."""
    try:
        constrained = shared or is_constrained(strategy_set, x)
    except ValueError:  # other checks report sets that do not fit
        return nullcontext()
    return jax.named_scope(_SETS) if constrained else nullcontext()


def projected() -> AbstractContextManager:
    """Returns the scope in which the caller takes care of the sets."""
    return jax.named_scope(_PROJECTED)


def ignores_sets(jaxpr: Any) -> bool:
    """Whether traced code evaluates a field with strategy sets outside of `projected`."""
    for equation in getattr(jaxpr, "eqns", ()):
        scope = str(equation.source_info.name_stack)
        if _PROJECTED in scope:
            continue
        if _SETS in scope:
            return True
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns") and ignores_sets(inner):
                return True
    return False
