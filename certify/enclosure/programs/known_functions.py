"""Functions that are enclosed and differentiated as a whole, not by the code they consist of.

`logaddexp(x, y) = log(exp(x) + exp(y))`, hence softplus, is smooth, but JAX computes it with a
maximum and an absolute value whose kinks cancel. A call is recognised by its code, equation by
equation, not by its name: whatever has this code is this function. Determinants, which JAX computes
with pivots that intervals cannot decide, are recognised in the same way.
"""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from certify.enclosure.elementary.univariate import derivative
from certify.enclosure.programs.determinants import determinant
from certify.enclosure.rules.softmax import logaddexp


def known_function(equation: core.JaxprEqn) -> Callable[..., list[Any]] | None:
    """Returns what to run in place of a call whose code is, equation by equation, that of JAX."""
    is_sinc = equation.primitive.name in ("jit", "pjit") and equation.params["name"] == "sinc"
    if equation.primitive.name != "custom_jvp_call" and not is_sinc:
        return None
    avals: list[Any] = [atom.aval for atom in equation.invars]
    if any(aval.dtype != np.float64 for aval in avals):
        return None
    if is_sinc:
        original = _traced(jnp.sinc, tuple(aval.shape for aval in avals))
        same = original is not None and _same_code(original, equation.params["jaxpr"])
        return _sinc if same else None
    code = equation.params["call_jaxpr"]
    for function, replacement in _KNOWN.items():
        original = _code(function, tuple(aval.shape for aval in avals))
        if original is not None and _same_code(original, code):
            return replacement
    return None


def _sinc(x: Any) -> list[Any]:
    """Returns sinc, with the float that stands for pi in JAX's code."""
    return [derivative("sinc", np.pi * x)]


@functools.lru_cache(maxsize=256)
def _traced(function: Callable, shapes: tuple[tuple[int, ...], ...]) -> core.ClosedJaxpr | None:
    """Traces the code inside the `jit` of one of JAX's functions, once for each shape."""
    operands = [jax.ShapeDtypeStruct(shape, jnp.float64) for shape in shapes]
    with ThreadPoolExecutor(1) as fresh:
        traced = fresh.submit(jax.make_jaxpr(function), *operands)
        return None if traced.exception() else traced.result().jaxpr.eqns[0].params.get("jaxpr")


_KNOWN: dict[Callable, Callable[..., list[Any]]] = {
    jnp.logaddexp: lambda x, y: [logaddexp(x, y)],
    jnp.linalg.det: lambda a: [determinant(a)],
    jnp.linalg.slogdet: lambda a: [jnp.sign(determinant(a)), jnp.log(jnp.abs(determinant(a)))],
}
_ARITY = {jnp.logaddexp: 2, jnp.linalg.det: 1, jnp.linalg.slogdet: 1}


@functools.lru_cache(maxsize=256)
def _code(function: Callable, shapes: tuple[tuple[int, ...], ...]) -> core.ClosedJaxpr | None:
    """Traces the code inside the `custom_jvp` of one of JAX's functions, once for each shape."""
    if len(shapes) != _ARITY[function]:
        return None
    if function is not jnp.logaddexp and (len(shapes[0]) < 2 or shapes[0][-1] != shapes[0][-2]):
        return None
    operands = [jax.ShapeDtypeStruct(shape, jnp.float64) for shape in shapes]
    # This runs in a thread of its own: here constants may be evaluated at once, which changes code.
    with ThreadPoolExecutor(1) as fresh:
        traced = fresh.submit(jax.make_jaxpr(function), *operands)
        # Batched code may have operands of shapes that the function itself does not take.
        return None if traced.exception() else _inside(traced.result().jaxpr)


def _inside(jaxpr: core.Jaxpr) -> core.ClosedJaxpr | None:
    for equation in jaxpr.eqns:
        if equation.primitive.name == "custom_jvp_call":
            return equation.params["call_jaxpr"]
        for inner in core.jaxprs_in_params(equation.params):
            found = _inside(inner)
            if found is not None:
                return found
    return None


def _same_code(one: core.ClosedJaxpr, other: core.ClosedJaxpr) -> bool:
    if one.consts or other.consts or len(one.jaxpr.eqns) != len(other.jaxpr.eqns):
        return False
    if len(one.jaxpr.invars) != len(other.jaxpr.invars):
        return False
    pairs = dict(zip(one.jaxpr.invars, other.jaxpr.invars, strict=True))

    def same(a: Any, b: Any) -> bool:
        if isinstance(a, core.Literal) and isinstance(b, core.Literal):
            return _same_value(a.val, b.val)
        return not isinstance(a, core.Literal) and pairs.get(a) is b

    for left, right in zip(one.jaxpr.eqns, other.jaxpr.eqns, strict=True):
        if left.primitive is not right.primitive or not _same_parameters(left, right):
            return False
        if len(left.invars) != len(right.invars) or len(left.outvars) != len(right.outvars):
            return False
        if not all(map(same, left.invars, right.invars)):
            return False
        pairs.update(zip(left.outvars, right.outvars, strict=True))
    return len(one.jaxpr.outvars) == len(other.jaxpr.outvars) and all(
        map(same, one.jaxpr.outvars, other.jaxpr.outvars)
    )


def _same_value(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def _same_parameters(one: core.JaxprEqn, other: core.JaxprEqn) -> bool:
    """Returns whether the parameters of two equations agree.

    Jaxprs are compared by their code; the name of a call and derivative rules do not matter.
    """
    if one.params.keys() != other.params.keys():
        return False
    called = one.primitive.name in ("custom_jvp_call", "jit", "pjit")
    return all(
        (called and name not in ("jaxpr", "call_jaxpr"))
        or _same_parameter(value, other.params[name])
        for name, value in one.params.items()
    )


def _same_parameter(one: Any, other: Any) -> bool:
    if isinstance(one, core.ClosedJaxpr) and isinstance(other, core.ClosedJaxpr):
        return _same_code(one, other)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_same_parameter, one, other))
    return type(one) is type(other) and bool(np.all(one == other))
