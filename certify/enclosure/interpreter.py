"""Runs a jaxpr on intervals: looks up one rule per equation.

Integers and booleans that do not depend on the box are computed exactly, by the primitive itself;
so are equations all of whose operands are known constants, once, while tracing. Nothing is guessed:
a primitive without a rule is an error that names it and the line of user code that it came from.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core, source_info_util

from certify.enclosure import elementary, rules  # noqa: F401  (they fill the table of rules)
from certify.enclosure.control import CONTROL
from certify.enclosure.interval import Interval, is_concrete
from certify.enclosure.margins import exact_point, where_entire
from certify.enclosure.programs.exact_constants import exact_result
from certify.enclosure.programs.repeats import without_repeats
from certify.enclosure.programs.signs import keep_sign, signed
from certify.enclosure.programs.walk import variables, walk
from certify.enclosure.programs.written_out import expansion
from certify.enclosure.registry import RULES, EnclosureError, Operation, Rule
from certify.enclosure.rules import integers, logic, structural
from certify.enclosure.rules.anchors import anchor_p


def _zero(op: Operation, x: Interval) -> Interval:
    """Encloses `x - x`, which is not defined for a number that may be infinite or undefined."""
    zero = Interval.point(jnp.zeros_like(x.lower))
    finite = jnp.isfinite(x.lower) & jnp.isfinite(x.upper)
    if is_concrete(finite) and bool(finite.all()):
        return zero
    return where_entire(~finite, zero)


# Interval arithmetic loses the correlation of two operands that are one and the same variable;
# these rules do not.
_SAME_OPERANDS: dict[str, Rule | str] = {
    "mul": "square",
    "sub": _zero,
    "eq": logic.eq_itself,
    "ne": logic.ne_itself,
}


def interpret(
    jaxpr: core.ClosedJaxpr, operands: Sequence[Any], table: Mapping[str, Rule] = RULES
) -> list[Any]:
    """Encloses the outputs of a jaxpr over all values of its inputs.

    Args:
        jaxpr: Its real computations in float64.
        operands: One `Interval`, or exactly known integer or boolean array, per input.
        table: The rule of each primitive by name.

    Raises:
        EnclosureError: For a primitive without a rule, for real computations in another precision,
            and for integers that depend on the box.
    """
    return _run(jaxpr, operands, table, "unknown code")


def constant(value: Any) -> Any:
    """Returns a constant of the code: a point for a float64, itself for an integer or a boolean."""
    if is_concrete(value):
        with jax.ensure_compile_time_eval():
            return _constant(jnp.asarray(value))
    return _constant(value)


def _constant(value: Any) -> Any:
    if value.dtype == jnp.float64:
        return exact_point(value)
    if jnp.issubdtype(value.dtype, jnp.integer) or value.dtype == bool:
        return value
    raise EnclosureError(
        f"the code holds a constant of type {value.dtype}; enclosures need float64 throughout"
    )


def _run(
    closed: core.ClosedJaxpr,
    operands: Sequence[Any],
    table: Mapping[str, Rule],
    caller: str,
    signs: bool = False,
) -> list[Any]:
    whole = without_repeats(closed.jaxpr)
    of_roots, predicates = signed(whole, signs), _predicates(whole)
    values, aside = _needed(whole)
    needed = [e for e in whole.eqns if not (values | aside).isdisjoint(e.outvars)]

    def evaluate(equation: core.JaxprEqn, inputs: list[Any]) -> list[Any]:
        if equation.outvars[0] in predicates and isinstance(inputs[0], Interval):
            return inputs
        # Code inside JAX has no line of its own: then the line of the caller is the user's.
        place = source_info_util.summarize(equation.source_info) or caller
        # Code that only finds an anchor, whose value does not matter, need not be smooth.
        chosen = RULES if values.isdisjoint(equation.outvars) else table
        keeps = not of_roots.isdisjoint(equation.outvars)
        return _evaluate(equation, inputs, chosen, place, keeps)

    code = core.ClosedJaxpr(whole.replace(eqns=needed), closed.consts)
    return walk(code, operands, evaluate, lambda value, _: constant(value))


def _needed(jaxpr: core.Jaxpr) -> tuple[set[Any], set[Any]]:
    """Returns the variables whose values outputs need, and those that only an anchor needs.

    Dead code must not raise, nor cost anything.
    """
    live, aside = set(variables(jaxpr.outvars)), set()
    for equation in reversed(jaxpr.eqns):
        inputs = variables(equation.invars)
        if not live.isdisjoint(equation.outvars):
            (aside if equation.primitive is anchor_p else live).update(inputs)
        elif not aside.isdisjoint(equation.outvars):
            aside.update(inputs)
    return live, aside


def _predicates(jaxpr: core.Jaxpr) -> set[Any]:
    """Returns booleans that, as integers, only choose a branch: they may be undecided."""
    chosen = {
        equation.outvars[0]
        for equation in jaxpr.eqns
        if equation.primitive.name == "convert_element_type"
        and _dtype(equation.invars[0]) == np.dtype(bool)
        and equation.params["new_dtype"] == np.dtype(np.int32)
    }
    for equation in jaxpr.eqns:
        is_cond = equation.primitive.name == "cond" and len(equation.params["branches"]) == 2
        used = equation.invars[1:] if is_cond else equation.invars
        chosen.difference_update(variables(used))
    return chosen.difference(variables(jaxpr.outvars))


def _dtype(atom: Any) -> Any:
    return atom.aval.dtype


def _evaluate(
    equation: Any, operands: list[Any], table: Mapping[str, Rule], place: str, signs: bool
) -> list[Any]:
    inner = expansion(equation)
    if inner is not None:
        return _run(inner, operands, table, place, signs)
    if not all(is_concrete(operand) for operand in operands):
        return _apply(equation, operands, table, place, signs)
    known_exactly = exact_result(equation.primitive.name, operands)
    with jax.ensure_compile_time_eval():
        if known_exactly is not None:
            return [Interval.point(jnp.asarray(known_exactly))]
        return _apply(equation, operands, table, place, signs)


def _apply(
    equation: Any, operands: list[Any], table: Mapping[str, Rule], place: str, signs: bool
) -> list[Any]:
    name = equation.primitive.name
    if name in CONTROL:
        try:
            return CONTROL[name](
                equation,
                operands,
                table,
                lambda code, inputs: _run(code, inputs, table, place, signs),
            )
        except EnclosureError as error:
            raise EnclosureError(
                str(error) if "(in " in str(error) else f"{error} (in {place})"
            ) from None
    for variable in equation.outvars:
        _check_precision(variable.aval.dtype, name, place)
    operation = Operation(equation.primitive, equation.params)
    exact = not any(isinstance(operand, Interval) for operand in operands)
    real = any(jnp.issubdtype(variable.aval.dtype, jnp.floating) for variable in equation.outvars)
    if exact and not real:
        result = operation.bind(*operands)
    elif (
        len(equation.invars) == 2
        and equation.invars[0] is equation.invars[1]
        and name in _SAME_OPERANDS
        and not integers.is_integer(operands[0])
    ):
        again = _SAME_OPERANDS[name]
        result = (table[again] if isinstance(again, str) else again)(operation, operands[0])
    else:
        result = _by_rule(_rule(equation, operands, table, place), operation, operands, place)
    if equation.primitive.multiple_results:
        return list(result)
    return [keep_sign(equation, operands, result) if signs else result]


def _rule(equation: Any, operands: list[Any], table: Mapping[str, Rule], place: str) -> Rule:
    """Returns the rule in the table; integers that depend on the box have rules of their own."""
    name = equation.primitive.name
    found = table.get(name)
    of_integers = any(map(integers.is_integer, operands)) or any(
        jnp.issubdtype(variable.aval.dtype, jnp.integer) for variable in equation.outvars
    )
    selects = name in _SELECT and any(map(integers.is_integer, operands[1:]))
    if selects or (of_integers and name not in _ANY_TYPE):
        found = table.get(integers.PREFIX + name)
        if found is None and name in table:
            raise EnclosureError(
                f"{name!r} of integers that depend on the box has no enclosure rule (in {place}); "
                "keep them in float64"
            )
    if found is None:
        raise EnclosureError(
            f"no enclosure rule for primitive {name!r} (in {place}); write it with other operations"
        )
    return found


def _by_rule(chosen: Rule, operation: Operation, operands: list[Any], place: str) -> Any:
    try:
        return chosen(operation, *operands)
    except EnclosureError as error:
        raise EnclosureError(f"{error} (in {place})") from None


# Rules that treat integers like other numbers.
_ANY_TYPE = structural.MOVES | {"argmax", "argmin", "sort", "top_k", "stop_gradient"}
# All operands of these but the first are indices (or, for the last, updates).
_SELECT = {"gather", "dynamic_slice", "dynamic_update_slice"}


def _check_precision(dtype: Any, name: str, place: str) -> None:
    if jnp.issubdtype(dtype, jnp.inexact) and dtype != jnp.float64:
        raise EnclosureError(
            f"{name!r} computes in {dtype} (in {place}); enclosures need float64 throughout"
        )
