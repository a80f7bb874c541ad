"""Code rewritten equation by equation, with calls, branches and short loops in place."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core, source_info_util

from certify.enclosure.programs.repeats import without_dead_code
from certify.enclosure.programs.shifts import all_cancel
from certify.enclosure.programs.solvers import Factors, linear_solve
from certify.enclosure.programs.walk import (
    UNROLL,
    anywhere,
    bound,
    rounds_of,
    unrolled,
    variables,
    walk,
    while_parts,
)
from certify.enclosure.programs.written_out import expansion
from certify.enclosure.registry import EnclosureError
from certify.enclosure.rules.anchors import anchor_p

# Returns what stands in place of an equation, given the equation, its operands and a function that
# replays a jaxpr.
Replacement = Callable[[core.JaxprEqn, list[Any], Callable], list[Any]]


def replay(
    closed: core.ClosedJaxpr,
    operands: Sequence[Any],
    replacements: Mapping[str, Replacement],
    factors: Factors | None = None,
) -> list[Any]:
    """Runs a jaxpr again, with other equations in place of some; calls disappear.

    Args:
        closed: The jaxpr.
        operands: Its inputs.
        replacements: The replacements, by primitive name.
        factors: What is known of matrices and their factors so far, if the code is part of other
            code; linear systems are recognised by it.
    """
    factors = factors or Factors()
    booleans: dict[Any, Any] = {}  # the booleans that integers were converted from

    def again(inner: core.ClosedJaxpr, inner_operands: Sequence[Any]) -> list[Any]:
        return replay(inner, inner_operands, replacements, factors)

    def evaluate(equation: core.JaxprEqn, inputs: list[Any]) -> list[Any]:
        name, first = equation.primitive.name, equation.invars[0] if equation.invars else None
        if name == "convert_element_type" and first.aval.dtype == bool:  # pyright: ignore
            booleans[equation.outvars[0]] = inputs[0]
        if name == "cond" and variables([first]):
            inputs[0] = booleans.get(first, inputs[0])
        with source_info_util.user_context(equation.source_info.traceback):
            inner = expansion(equation)
            if inner is not None:
                results = again(inner, inputs)
            elif name == "custom_linear_solve":
                results = _solved(equation, inputs, again, factors)
            elif name in replacements:
                results = replacements[name](equation, inputs, again)
            else:
                results = bound(equation, inputs)
        factors.note(equation, inputs, results)
        return results

    return walk(closed, operands, evaluate)


def _solved(
    equation: core.JaxprEqn, operands: list[Any], again: Callable, factors: Factors
) -> list[Any]:
    try:
        return linear_solve(equation, operands, again, factors)
    except EnclosureError as error:
        if "(in " in str(error):
            raise
        place = source_info_util.summarize(equation.source_info)
        raise EnclosureError(f"{error} (in {place})") from None


def branches(equation: core.JaxprEqn, operands: list[Any], again: Callable) -> list[Any]:
    """Runs all branches and chooses among their results."""
    index, *rest = operands
    cases = equation.params["branches"]
    results = [again(case, rest) for case in cases]
    index = jnp.asarray(index)
    if index.dtype != bool:
        index = jnp.clip(index, 0, len(cases) - 1).astype(jnp.int32)
    return [lax.select_n(index, *case) for case in zip(*results, strict=True)]


def rounds(equation: core.JaxprEqn, operands: list[Any], again: Callable) -> list[Any]:
    """Runs a short scan round by round, a long one with a rewritten body."""
    params = equation.params
    if 0 < params["length"] <= UNROLL:
        return unrolled(equation, operands, again, _entry, jnp.stack)
    consts, carry, xs = rounds_of(equation, operands)

    def round_(carry: Any, entries: Any) -> Any:
        results = again(params["jaxpr"], [*consts, *carry, *entries])
        return results[: len(carry)], results[len(carry) :]

    last, stacked = lax.scan(round_, carry, xs, length=params["length"], reverse=params["reverse"])
    return [*last, *stacked]


def _entry(x: Any, k: int) -> Any:
    return lax.index_in_dim(jnp.asarray(x), k, keepdims=False)


def loop(equation: core.JaxprEqn, operands: list[Any], again: Callable) -> list[Any]:
    """Runs a while loop with a rewritten body."""
    params = equation.params
    condition, code, start = while_parts(equation, operands)
    return lax.while_loop(
        lambda carry: again(params["cond_jaxpr"], [*condition, *carry])[0],
        lambda carry: again(params["body_jaxpr"], [*code, *carry]),
        start,
    )


FLOW: dict[str, Replacement] = {
    "cond": branches,
    "scan": rounds,
    "while": loop,
}


# Code without these is left as it is.
_REWRITTEN = ("stop_gradient", "custom_linear_solve")


def anchored(closed: core.ClosedJaxpr, own_solvers: bool = True) -> core.ClosedJaxpr:
    """Returns the same code, where possible without `stop_gradient` and without calls.

    It is possible where no result depends on the stopped values at all (see `shifts`). Linear
    systems become `solution`s, so that the factorisations that JAX stops for them are dead code.

    Args:
        closed: The code.
        own_solvers: Whether linear systems may be solved by code of which nothing is known.
    """
    if not anywhere(closed.jaxpr, lambda e: e.primitive.name in _REWRITTEN):
        return closed
    shapes = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in closed.in_avals]

    def rewritten(code: core.ClosedJaxpr, replacements: Mapping[str, Replacement]) -> Any:
        again = jax.make_jaxpr(
            lambda *operands: replay(code, operands, replacements, Factors(own_solvers))
        )(*shapes)
        return without_dead_code(again)

    flat = rewritten(closed, FLOW)
    if not all_cancel(flat):
        return closed
    return rewritten(flat, {"stop_gradient": lambda _, operands, __: [anchor_p.bind(*operands)]})
