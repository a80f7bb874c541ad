"""Derivatives written by hand, recognised by identity: only those of JAX itself are trusted.

`jax.custom_jvp(function)` lets the derivative be anything. A few functions of JAX have such a rule,
which nevertheless is the derivative of the function. An equation is one of these if its rule is the
very object that JAX registered, and if its code computes, operation by operation, what JAX's
function computes. Neither names nor debugging information count: `jax.custom_jvp(jnp.sin)` looks
like a part of JAX, whoever wrote its rule.
"""

import functools
import importlib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.extend import core
from jax.extend.linear_util import WrappedFun

from certify.enclosure.programs.known_functions import known_function
from certify.enclosure.programs.walk import CALLS, body, walk

# JAX's functions whose rules are their derivatives. Those that are missing in another version of
# JAX are refused there. `custom_root` is refused too: its rule is made of what the user gives.
_PLACES = {
    "jax._src.lax.other": ("logaddexp", "logaddexp2"),
    "jax._src.numpy.ufuncs": ("_sinc_maclaurin",),
    "jax._src.numpy.linalg": ("_det", "_slogdet_small", "_slogdet_lu", "_slogdet_qr"),
    "jax._src.nn.functions": ("relu", "relu6", "log1mexp"),
    "jax._src.scipy.special": ("logit", "xlogy", "xlog1py", "_xlogx"),
}
# Files of the functions that JAX puts around a rule while it traces, batches and lifts it.
_AROUND = ("interpreters/partial_eval.py", "custom_derivatives.py", "linear_util.py")
_JAX = Path(jax.__file__).parent / "_src"

# The orders of derivatives of sin(x) / x at zero, each a function with a rule of its own.
_ORDERS = range(12)


def is_of_jax(equation: core.JaxprEqn) -> bool:
    """Returns whether a function with a hand-written derivative is JAX's own, rule and all.

    Args:
        equation: A `custom_jvp_call` or the like, as it stands in traced code.
    """
    rule = equation.params.get("jvp_jaxpr_fun")
    found = set(map(id, _rules(rule))) if equation.primitive.name == "custom_jvp_call" else set()
    registered = _registered()
    if len(found) != 1 or not found <= registered.keys():
        return False
    return _computes(equation, registered[found.pop()])


@functools.cache
def _registered() -> dict[int, Any]:
    """Returns JAX's functions by the identity of their rules; both are kept alive."""
    result = {}
    for place, names in _PLACES.items():
        module = importlib.import_module(place)
        for name in names:
            function = getattr(module, name, None)
            rule = getattr(function, "jvp", None)
            if isinstance(function, jax.custom_jvp) and _is_untouched(rule):
                result[id(rule)] = function
    return result


def _is_untouched(rule: Any) -> bool:
    """Returns whether all functions that a rule is made of lie in JAX, those of `defjvps` too."""
    parts = [rule]
    for cell in getattr(rule, "__closure__", None) or ():
        content = cell.cell_contents
        parts += [x for x in content if x is not None] if isinstance(content, tuple) else []
    return all(isinstance(part, types.FunctionType) and _file(part) for part in parts)


def _file(function: types.FunctionType) -> str:
    """Returns where in JAX a function was written, or an empty string for those outside."""
    path = Path(function.__code__.co_filename)
    return path.relative_to(_JAX).as_posix() if path.is_relative_to(_JAX) else ""


def _rules(value: Any) -> Iterator[Any]:
    """Yields the rules inside a value of an equation; what cannot be opened counts as a rule."""
    if isinstance(value, WrappedFun):
        yield from _rules(value.f)
        return
    inside = []
    is_function = isinstance(value, types.FunctionType) and id(value) not in _registered()
    if is_function and _file(value) in _AROUND:
        contents = [cell.cell_contents for cell in value.__closure__ or ()]
        inside = [x for x in contents if isinstance(x, WrappedFun) or _is_code(x)]
    if not inside:
        yield value
    for part in inside:
        yield from _rules(part)


def _is_code(value: Any) -> bool:
    return isinstance(value, types.FunctionType | functools.partial)


def _computes(equation: core.JaxprEqn, function: Any) -> bool:
    """Returns whether the code of an equation is that of a function of JAX, for any shapes."""
    code = equation.params["call_jaxpr"]
    types_ = tuple(aval.dtype for aval in code.in_avals)
    static = [(order,) for order in _ORDERS] if function.nondiff_argnums else [()]
    meaning = _meaning(code)
    if any(meaning == _original(function, own, types_) for own in static):
        return True
    return known_function(equation) is not None  # functions of matrices, equation by equation


@functools.lru_cache(maxsize=256)
def _original(function: Any, static: tuple[int, ...], types_: tuple[Any, ...]) -> Any:
    """Returns what a function of JAX means for scalars; None where it takes other operands."""
    scalars = [jax.ShapeDtypeStruct((), kind) for kind in types_]
    plain = functools.partial(function.fun, *static)
    try:
        return _meaning(jax.make_jaxpr(plain)(*scalars))
    except (TypeError, ValueError, IndexError):
        return None


# These do nothing to the entries.
_SHAPES = {"broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "copy"}


def _meaning(closed: core.ClosedJaxpr) -> tuple[Any, ...]:
    """Returns what code does with the entries of its inputs, written out; shapes do not matter."""
    numbers: dict[Any, int] = {}  # holds each expression once, so that they stay small

    def number(expression: Any) -> int:
        return numbers.setdefault(expression, len(numbers))

    def evaluate(equation: core.JaxprEqn, inputs: list[int]) -> list[int]:
        name = equation.primitive.name
        if name in CALLS:
            return run(body(equation), inputs)
        if name in _SHAPES or _keeps_type(equation):
            return inputs[:1]
        params = sorted((key, str(value)) for key, value in equation.params.items())
        key = name, tuple(params), tuple(inputs)
        return [number((key, k)) for k in range(len(equation.outvars))]

    def run(closed: core.ClosedJaxpr, operands: list[int]) -> list[int]:
        return walk(closed, operands, evaluate, lambda value, _: number(_number_in(value)))

    inputs = [number(("input", k)) for k in range(len(closed.jaxpr.invars))]
    outputs = run(closed, inputs)
    return tuple(outputs), tuple(numbers)


def _keeps_type(equation: core.JaxprEqn) -> bool:
    if equation.primitive.name != "convert_element_type":
        return False
    atom: Any = equation.invars[0]
    return atom.aval.dtype == equation.params["new_dtype"]


def _number_in(value: Any) -> Any:
    """Returns a constant by its bits; an array of one repeated number counts as that number."""
    value = np.asarray(value)
    if value.size and (value == value.ravel()[0]).all():
        value = value.ravel()[0]
    return "constant", value.dtype.str, value.shape, value.tobytes()
