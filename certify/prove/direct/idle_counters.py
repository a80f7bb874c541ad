"""Finds integers in a state that are kept, and may count, but that no step depends on."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from certify.prove.direct.field_call import field_p, project_p

_WATCHED = {field_p, project_p}


def is_integer(leaf: Any) -> bool:
    """Says whether a leaf of a state holds integers; random keys and text do not."""
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and bool(jnp.issubdtype(dtype, jnp.integer))


def are_idle(
    step: Callable[[Any, list[Any]], tuple[list[Any], list[Any]]],
    size: int,
    counters: Sequence[Any],
) -> bool:
    """Says whether all of a step but its counters is the same whatever the counters are.

    The step is traced with counters of any value. An equation that reads one, or what was computed
    from one, is taken to depend on it in all of its results; there must be no evaluation of the
    field and no projection among these, inside of calls and loops neither. Code that looks at the
    value of a counter in Python is not traced, and depends on it.

    Args:
        step: From a vector and counters to the other results, and the next counters.
        size: The length of the vector.
        counters: The counters of a first state.
    """
    if not counters:
        return True
    shapes = [jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype) for leaf in counters]
    vector = jax.ShapeDtypeStruct((size,), jnp.float64)
    try:
        closed, (others, after) = jax.make_jaxpr(step, return_shape=True)(vector, shapes)
    except Exception:  # the code is traced again with the counters known, and what fails explained
        return False
    if [(leaf.shape, leaf.dtype) for leaf in after] != [(s.shape, s.dtype) for s in shapes]:
        return False
    depends = set(closed.jaxpr.invars[1:])
    for equation in closed.jaxpr.eqns:
        read = [x for x in equation.invars if not isinstance(x, core.Literal)]
        if not depends.isdisjoint(read):
            if equation.primitive in _WATCHED or _is_compound(equation):
                return False
            depends.update(equation.outvars)
    results = closed.jaxpr.outvars[: len(others)]
    return not any(x in depends for x in results if not isinstance(x, core.Literal))


def _is_compound(equation: core.JaxprEqn) -> bool:
    """Says whether an equation has code inside, which may evaluate the field."""
    parts = [
        x
        for value in equation.params.values()
        for x in (value if isinstance(value, tuple | list) else [value])
    ]
    return any(isinstance(part, core.Jaxpr | core.ClosedJaxpr) for part in parts)
