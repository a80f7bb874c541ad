"""Rules of control flow: the interpreter itself runs branches and loops on intervals."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core
from jax.extend.core import primitives

from certify.enclosure.interval import Interval, is_concrete
from certify.enclosure.programs.walk import (
    LONGEST_WHILE,
    UNROLL,
    Run,
    repeated,
    rounds_of,
    unrolled,
)
from certify.enclosure.registry import EnclosureError, Operation, Rule
from certify.enclosure.rules.integers import PREFIX, clamp, is_integer


def cond(
    equation: core.JaxprEqn, operands: list[Any], rules: Mapping[str, Rule], run: Run
) -> list[Any]:
    """Runs the chosen branch if it is known, else runs all and chooses among the results."""
    index, *rest = operands
    branches = equation.params["branches"]
    if not isinstance(index, Interval) and is_concrete(index):
        return run(branches[int(np.clip(np.asarray(index), 0, len(branches) - 1))], rest)
    results = [run(branch, rest) for branch in branches]
    if is_integer(index):
        last = jnp.asarray(len(branches) - 1, index.lower.dtype)
        index = clamp(Operation(primitives.clamp_p, {}), jnp.zeros_like(last), index, last)
    elif not isinstance(index, Interval) and index.dtype != bool:
        index = jnp.clip(index, 0, len(branches) - 1).astype(jnp.int32)
    return [_choose(rules, index, cases) for cases in zip(*results, strict=True)]


def _choose(rules: Mapping[str, Rule], index: Any, cases: Any) -> Any:
    operation = Operation(primitives.select_n_p, {})
    ends = [case.lower if isinstance(case, Interval) else case for case in cases]
    exact = not any(isinstance(case, Interval) for case in cases)
    if not isinstance(index, Interval) and exact:
        return operation.bind(index, *cases)
    if is_integer(index) or any(jnp.issubdtype(case.dtype, jnp.integer) for case in ends):
        return rules[PREFIX + "select_n"](operation, index, *cases)
    if exact:
        cases = tuple(map(Interval.point, cases))
    return rules["select_n"](operation, index, *cases)


def scan(
    equation: core.JaxprEqn, operands: list[Any], rules: Mapping[str, Rule], run: Run
) -> list[Any]:
    """Unrolls a short loop; turns a long one into a scan over intervals."""
    length = equation.params["length"]
    if length == 0:
        raise EnclosureError("'scan' of no rounds has no enclosure rule")
    if length > UNROLL:
        return _long_scan(equation, operands, run)
    return unrolled(equation, operands, run, _entry, _stack)


def _entry(x: Any, k: int) -> Any:
    if isinstance(x, Interval):
        lower = _entry(x.lower, k)
        return Interval(lower, lower if x.is_point else _entry(x.upper, k))
    if is_concrete(x):
        with jax.ensure_compile_time_eval():
            return jnp.asarray(x)[k]
    return x[k]


def _stack(entries: Any) -> Any:
    if not any(isinstance(entry, Interval) for entry in entries):
        return jnp.stack(entries)
    entries = [e if isinstance(e, Interval) else Interval.point(e) for e in entries]
    lower = jnp.stack([entry.lower for entry in entries])
    points = all(entry.is_point for entry in entries)
    return Interval(lower, lower if points else jnp.stack([entry.upper for entry in entries]))


def _long_scan(equation: core.JaxprEqn, operands: list[Any], run: Run) -> list[Any]:
    params = equation.params
    consts, carry, xs = rounds_of(equation, operands)

    def general(value: Any) -> Any:
        """Keeps integers as they are; makes an interval of anything that may widen on the way."""
        value = _interval(value)
        if isinstance(value, Interval) or not (value.dtype == bool or value.dtype == jnp.float64):
            return value
        return Interval.point(value)

    def round_(carry: Any, entries: Any) -> Any:
        results = [general(value) for value in run(params["jaxpr"], [*consts, *carry, *entries])]
        return results[: len(carry)], results[len(carry) :]

    consts, xs = ([_interval(value) for value in values] for values in (consts, xs))
    start = [general(value) for value in carry]
    last, rounds = lax.scan(round_, start, xs, length=params["length"], reverse=params["reverse"])
    return [*last, *rounds]


def _interval(value: Any) -> Any:
    """Drops all but the ends of an affine form, as rounds of a loop cannot share its symbols."""
    more = isinstance(value, Interval) and type(value) is not Interval
    return Interval(value.lower, value.upper) if more else value


def while_(
    equation: core.JaxprEqn, operands: list[Any], rules: Mapping[str, Rule], run: Run
) -> list[Any]:
    """Unrolls a loop; whether it goes on must be known while tracing."""

    def goes_on(value: Any) -> bool:
        if isinstance(value, Interval) or not is_concrete(value):
            raise EnclosureError(
                "the number of rounds of a 'while' loop depends on numbers that are not constants"
            )
        return bool(value)

    last = repeated(equation, operands, run, goes_on)
    if last is None:
        raise EnclosureError(f"a 'while' loop takes more than {LONGEST_WHILE} rounds; use lax.scan")
    return last


CONTROL: dict[str, Callable[..., list[Any]]] = {"cond": cond, "scan": scan, "while": while_}
