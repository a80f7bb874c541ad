"""Functions stripped of hand-written derivatives."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from .interpreter import CALLS, body


def plain(function: Callable) -> Callable:
    """The same function, written so that JAX's derivative of it is its derivative.

    `jax.custom_jvp`, `jax.custom_vjp` and `stop_gradient` let the derivative be anything: a proof
    must differentiate the code that computes the value instead. Maxima and minima become choices,
    whose derivative, away from ties, is that of the chosen operand; JAX's own derivative of them
    compares an operand with the result, which intervals cannot decide.
    """

    def same(*arguments: Any) -> Any:
        jaxpr, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        results = _replay(jaxpr, jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return same


def _replay(jaxpr: core.ClosedJaxpr, operands: Sequence[Any]) -> list[Any]:
    values = dict(zip(jaxpr.jaxpr.constvars, jaxpr.consts, strict=True))
    values.update(zip(jaxpr.jaxpr.invars, operands, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else values[atom]

    for equation in jaxpr.jaxpr.eqns:
        results = _apply(equation, [read(atom) for atom in equation.invars])
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.jaxpr.outvars]


def _apply(equation: core.JaxprEqn, operands: list[Any]) -> list[Any]:
    name = equation.primitive.name
    if name in CALLS:
        return _replay(body(equation), operands)
    if name == "stop_gradient":
        return operands
    if name in ("max", "min"):
        x, y = operands
        return [jnp.where(x >= y if name == "max" else x <= y, x, y)]
    result = equation.primitive.bind(*operands, **equation.params)
    return list(result) if equation.primitive.multiple_results else [result]
