"""Code without the equations that compute again what an earlier equation has computed.

Derivatives of derivatives are full of them: three quarters of the equations of a third derivative,
say. Each would cost an interval operation, and compiling the rules takes far longer than tracing
the code. Variables that hold the same number become one, so that rules for equal operands (`x * x`)
also see that what was written twice is equal.
"""

from typing import Any

import numpy as np
from jax.extend import core

from certify.enclosure.programs.walk import variables

# `x y` and `y x` are one equation.
_COMMUTES = {"add", "add_any", "mul", "max", "min", "and", "or", "eq", "ne"}


def without_repeats(jaxpr: core.Jaxpr) -> core.Jaxpr:
    """Returns the same code with each equation once: equal primitives, parameters and operands."""
    leaders: dict[Any, Any] = {}  # what replaces each variable whose equation is dropped
    first: dict[Any, list[Any]] = {}
    numbers: dict[Any, int] = {}

    def lead(atom: Any) -> Any:
        return atom if isinstance(atom, core.Literal) else leaders.get(atom, atom)

    def name(atom: Any) -> Any:
        if isinstance(atom, core.Literal):
            value = np.asarray(atom.val)
            return value.dtype.str, value.shape, value.tobytes()
        return numbers.setdefault(atom, len(numbers))

    kept = []
    for equation in jaxpr.eqns:
        inputs = [lead(atom) for atom in equation.invars]
        names = [name(atom) for atom in inputs]
        if equation.primitive.name in _COMMUTES and len(names) == 2:
            names.sort(key=str)
        key = _key(equation, names)
        if key in first:
            leaders.update(zip(equation.outvars, first[key], strict=True))
            continue
        kept.append(equation.replace(invars=inputs))
        if key is not None:
            first[key] = equation.outvars
    outputs = [lead(atom) for atom in jaxpr.outvars]
    return jaxpr.replace(eqns=kept, outvars=outputs)


def _key(equation: core.JaxprEqn, names: list[Any]) -> Any:
    """Returns a key of the number that an equation computes; None where that cannot be told."""
    if equation.effects:
        return None
    parameters = tuple(sorted(equation.params.items(), key=lambda item: item[0]))
    key = (equation.primitive, tuple(names), parameters)
    try:
        hash(key)
    except TypeError:
        return None
    return key


def without_dead_code(closed: core.ClosedJaxpr) -> core.ClosedJaxpr:
    """Returns the same code without equations that no output needs."""
    live = set(variables(closed.jaxpr.outvars))
    kept = []
    for equation in reversed(closed.jaxpr.eqns):
        if equation.effects or not live.isdisjoint(equation.outvars):
            live.update(variables(equation.invars))
            kept.append(equation)
    return closed.replace(jaxpr=closed.jaxpr.replace(eqns=kept[::-1]))
