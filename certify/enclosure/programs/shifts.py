"""Shifts that cancel: `stop_gradient` as it stands in softmax, log_softmax and logsumexp.

JAX computes `logsumexp(x) = log(sum(exp(x - m))) + m` with `m = stop_gradient(max(x))`. A stopped
gradient makes derivative code wrong, unless the result does not depend on `m` at all. That is
proved here, for every real array `m`, by following through the code how each value depends on `m`:

    v = v0 + k m   (a shift)      or      v = v0 exp(k m)   (a scale)

entry by entry, where `v0` does not depend on `m`, and an array of integers says which entry of `m`
belongs to each entry of `v`. Exponentials turn shifts into scales, logarithms turn scales into
shifts, sums of entries with the same factor keep it, and quotients subtract `k`. Whatever follows
no such rule counts as lost, for good. Where all results are found independent of `m`, any number
may take its place: a constant, whose derivative vanishes. Any other `stop_gradient` stays, and is
refused.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from certify.enclosure.interval import is_concrete
from certify.enclosure.programs.walk import walk


class _Degree(NamedTuple):
    """The dependence on the `m` of one `stop_gradient`, whose result is the symbol."""

    symbol: core.Var
    kind: str
    power: Fraction
    entries: np.ndarray


_FREE, _ZERO, _LOST = "free", "zero", "lost"
_MOVES = {"broadcast_in_dim", "reshape", "squeeze", "transpose", "slice", "rev", "copy", "split"}
_COMPARISONS = {"lt", "le", "gt", "ge", "eq", "ne"}
_ENTRYWISE = _COMPARISONS | {"add", "add_any", "sub", "mul", "div", "select_n"}


def all_cancel(closed: core.ClosedJaxpr) -> bool:
    """Returns whether no result depends on the value of any `stop_gradient` of the (flat) code."""

    def follow(equation: core.JaxprEqn, states: list[Any]) -> list[Any]:
        if equation.primitive.name != "stop_gradient":
            return _follow(equation, states)
        shape = equation.outvars[0].aval.shape  # pyright: ignore[reportAttributeAccessIssue]
        entries = np.arange(int(np.prod(shape))).reshape(shape)
        return [_Degree(equation.outvars[0], "shift", Fraction(1), entries)]

    def constant(value: Any, _: Any) -> Any:
        return _ZERO if _vanishes(value) else _FREE

    free = [_FREE] * len(closed.jaxpr.invars)
    return all(state in (_FREE, _ZERO) for state in walk(closed, free, follow, constant))


def _vanishes(value: Any) -> bool:
    if not is_concrete(value):
        return False
    value = np.asarray(value)
    return value.dtype == np.float64 and bool((value == 0.0).all())


def _follow(equation: Any, states: list[Any]) -> list[Any]:
    name, outputs = equation.primitive.name, equation.outvars
    if not any(isinstance(state, _Degree) or state is _LOST for state in states):
        kept = name in _MOVES and states[0] is _ZERO
        return [_ZERO if kept else _FREE for _ in outputs]
    lost = [_LOST for _ in outputs]
    if any(state is _LOST for state in states):
        return lost
    if name in _MOVES and len(states) == 1:
        with jax.ensure_compile_time_eval():
            moved = equation.primitive.bind(jnp.asarray(states[0].entries), **equation.params)
        moved = moved if equation.primitive.multiple_results else [moved]
        return [states[0]._replace(entries=np.asarray(each)) for each in moved]
    if len(outputs) != 1:
        return lost
    if name in _UNARY and len(states) == 1:
        return [_UNARY[name](states[0], equation.params)]
    if name not in _ENTRYWISE:
        return lost
    shape = outputs[0].aval.shape
    spread = [
        state._replace(entries=np.broadcast_to(state.entries, shape))
        if isinstance(state, _Degree)
        else state
        for state in states
    ]
    if name == "select_n":
        return [_choice(spread[1:])] if states[0] in (_FREE, _ZERO) else lost
    return [_binary(name, *spread)]


def _normal(degree: _Degree) -> Any:
    return _FREE if degree.power == 0 else degree


def _same(x: _Degree, y: _Degree) -> bool:
    return x[:2] == y[:2] and np.array_equal(x.entries, y.entries)


def _choice(cases: list[Any]) -> Any:
    degrees = [case for case in cases if isinstance(case, _Degree)]
    first = degrees[0] if degrees else None
    if first is None or not all(
        _same(first, case) and case.power == first.power for case in degrees
    ):
        return _LOST
    others_vanish = all(isinstance(case, _Degree) or case is _ZERO for case in cases)
    return (
        first if others_vanish and (first.kind == "scale" or len(degrees) == len(cases)) else _LOST
    )


def _binary(name: str, x: Any, y: Any) -> Any:
    both = isinstance(x, _Degree) and isinstance(y, _Degree)
    if both and not _same(x, y):
        return _LOST
    first = x if isinstance(x, _Degree) else y
    left, right = (z.power if isinstance(z, _Degree) else Fraction(0) for z in (x, y))
    if name in _COMPARISONS:
        comparable = left == right if both else first.kind == "scale" and _ZERO in (x, y)
        return _FREE if comparable else _LOST
    if first.kind == "shift":
        if name in ("add", "add_any", "sub"):
            power = left - right if name == "sub" else left + right
            return _normal(first._replace(power=power))
        return _LOST
    if name in ("mul", "div"):
        power = left - right if name == "div" else left + right
        return _normal(first._replace(power=power))
    if name in ("add", "add_any", "sub") and (left == right if both else _ZERO in (x, y)):
        return first
    return _LOST


def _scaled(kinds: str, factor: Fraction | int, result: str | None = None) -> Callable:
    def follow(x: _Degree, params: Any) -> Any:
        if x.kind not in kinds:
            return _LOST
        return _normal(x._replace(power=x.power * factor, kind=result or x.kind))

    return follow


def _reduced(kinds: str) -> Callable:
    """Reduces entries with the same factor or shift to one with that factor or shift."""

    def follow(x: _Degree, params: Any) -> Any:
        axes = tuple(params["axes"])
        least, most = x.entries.min(axes), x.entries.max(axes)
        if x.kind not in kinds or not np.array_equal(least, most):
            return _LOST
        return x._replace(entries=least)

    return follow


def _power(x: _Degree, params: Any) -> Any:
    return _scaled("scale", params["y"])(x, params)


def _negated(x: _Degree, params: Any) -> Any:
    return x if x.kind == "scale" else x._replace(power=-x.power)


def _as_float(x: _Degree, params: Any) -> Any:
    return x if params["new_dtype"] == np.float64 else _LOST


_UNARY: dict[str, Callable] = {
    "neg": _negated,
    "exp": _scaled("shift", 1, "scale"),
    "log": _scaled("scale", 1, "shift"),
    "abs": _scaled("scale", 1),
    "sign": _scaled("scale", 0),
    "square": _scaled("scale", 2),
    "sqrt": _scaled("scale", Fraction(1, 2)),
    "rsqrt": _scaled("scale", Fraction(-1, 2)),
    "integer_pow": _power,
    "reduce_sum": _reduced("scale"),
    "reduce_max": _reduced("scale shift"),
    "reduce_min": _reduced("scale shift"),
    "convert_element_type": _as_float,
}
