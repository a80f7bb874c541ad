"""One walk over traced code, for all passes that run it on values of their own.

Enclosures run code on intervals, expression graphs on numbers of nodes, rewriting on new code: the
same equations in the same order, with other values. Each pass decides what to do with an equation;
variables, literals, calls and rounds of loops are read here.

Passes that give no values to variables go over the equations themselves: `repeats` and `signs` ask
who uses a variable later, from the last equation to the first; `known_functions` and `solvers`
compare code with code.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from jax.extend import core

# Loops of at most this many rounds are unrolled, so that exact numbers, counters above all, stay
# known. While loops that take more rounds than the second number are refused.
UNROLL = 64
LONGEST_WHILE = 1000

# Primitives that hold another jaxpr, to be run in place, and the parameter that holds it.
CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "checkpoint": "jaxpr",
    "remat2": "jaxpr",
}

# Runs code on operands of the pass.
Run = Callable[[core.ClosedJaxpr, list[Any]], list[Any]]


def walk(
    closed: core.ClosedJaxpr,
    operands: Iterable[Any],
    evaluate: Callable[[core.JaxprEqn, list[Any]], Sequence[Any]],
    constant: Callable[[Any, Any], Any] = lambda value, _: value,
) -> list[Any]:
    """Runs code, equation by equation, on values of any kind.

    Args:
        closed: The code.
        operands: The value of each of its inputs.
        evaluate: Gets an equation and the values of its operands; returns those of its results.
        constant: Gets a constant or a literal of the code and its abstract value; returns what
            stands for it.

    Returns:
        The value of each output.
    """
    jaxpr = closed.jaxpr
    values: dict[Any, Any] = {
        variable: constant(value, variable.aval)
        for variable, value in zip(jaxpr.constvars, closed.consts, strict=True)
    }
    values.update(zip(jaxpr.invars, operands, strict=True))

    def read(atom: Any) -> Any:
        return constant(atom.val, atom.aval) if isinstance(atom, core.Literal) else values[atom]

    for equation in jaxpr.eqns:
        results = evaluate(equation, [read(atom) for atom in equation.invars])
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def variables(atoms: Iterable[Any]) -> list[Any]:
    """Returns the operands or results that are not literals."""
    return [atom for atom in atoms if not isinstance(atom, core.Literal)]


def bound(equation: core.JaxprEqn, operands: Iterable[Any]) -> list[Any]:
    """Returns the results of the primitive itself."""
    result = equation.primitive.bind(*operands, **equation.params)
    return list(result) if equation.primitive.multiple_results else [result]


def is_dependent(jaxpr: core.Jaxpr) -> bool:
    """Returns whether a result is computed from an operand at all."""
    dependent = set(jaxpr.invars)
    for equation in jaxpr.eqns:
        if not dependent.isdisjoint(variables(equation.invars)):
            dependent.update(equation.outvars)
    return not dependent.isdisjoint(variables(jaxpr.outvars))


def body(equation: core.JaxprEqn) -> core.ClosedJaxpr:
    """Returns the code that a call, one of `CALLS`, runs."""
    inner = equation.params[CALLS[equation.primitive.name]]
    return inner if isinstance(inner, core.ClosedJaxpr) else core.ClosedJaxpr(inner, ())


def anywhere(jaxpr: core.Jaxpr, holds: Callable[[core.JaxprEqn], bool]) -> bool:
    """Returns whether something holds of an equation of the code, or of code inside it."""
    return any(
        holds(equation)
        or any(anywhere(inner, holds) for inner in core.jaxprs_in_params(equation.params))
        for equation in jaxpr.eqns
    )


class Rounds(NamedTuple):
    """The operands of a scan.

    Attributes:
        consts: Values that are the same in each round.
        carry: Values at the start, which rounds replace.
        entries: Arrays, of which each round gets an entry.
    """

    consts: list[Any]
    carry: list[Any]
    entries: list[Any]


def rounds_of(equation: core.JaxprEqn, operands: list[Any]) -> Rounds:
    """Splits the operands of a scan by their roles."""
    first = equation.params["num_consts"]
    split = first + equation.params["num_carry"]
    return Rounds(operands[:first], operands[first:split], operands[split:])


def unrolled(
    equation: core.JaxprEqn,
    operands: list[Any],
    run: Run,
    entry: Callable[[Any, int], Any],
    stack: Callable[[Sequence[Any]], Any],
) -> list[Any]:
    """Runs a scan round by round.

    Args:
        equation: The scan, of at least one round.
        operands: Its operands.
        run: Runs the code of a round.
        entry: Takes an entry out of an array.
        stack: Makes an array of entries.
    """
    params, length = equation.params, equation.params["length"]
    consts, carry, entries = rounds_of(equation, operands)
    rows: list[Any] = [None] * length
    for k in reversed(range(length)) if params["reverse"] else range(length):
        results = run(params["jaxpr"], [*consts, *carry, *(entry(x, k) for x in entries)])
        carry, rows[k] = results[: len(carry)], results[len(carry) :]
    return [*carry, *(stack(column) for column in zip(*rows, strict=True))]


def repeated(
    equation: core.JaxprEqn, operands: list[Any], run: Run, goes_on: Callable[[Any], bool]
) -> list[Any] | None:
    """Runs a while loop round by round; None if it takes more than `LONGEST_WHILE` rounds.

    Args:
        equation: The loop.
        operands: Its operands.
        run: Runs the code of the condition and of a round.
        goes_on: Decides by the value of the condition.
    """
    condition, code, carry = while_parts(equation, operands)
    for _ in range(LONGEST_WHILE + 1):
        (value,) = run(equation.params["cond_jaxpr"], [*condition, *carry])
        if not goes_on(value):
            return carry
        carry = run(equation.params["body_jaxpr"], [*code, *carry])
    return None


def while_parts(
    equation: core.JaxprEqn, operands: list[Any]
) -> tuple[list[Any], list[Any], list[Any]]:
    """Splits the operands of a while loop: constants of condition and body, and the carry."""
    first = equation.params["cond_nconsts"]
    split = first + equation.params["body_nconsts"]
    return operands[:first], operands[first:split], operands[split:]
