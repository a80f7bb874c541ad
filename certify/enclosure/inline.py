"""Code rewritten equation by equation: calls, branches and short loops in place."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core, source_info_util

from certify.enclosure.control import UNROLL
from certify.enclosure.interpreter import CALLS, body
from certify.enclosure.known_functions import known_function
from certify.enclosure.registry import EnclosureError
from certify.enclosure.repeats import without_dead_code
from certify.enclosure.shifts import all_cancel, anchor_p
from certify.enclosure.solvers import Factors, linear_solve
from certify.enclosure.written_out import WRITTEN_OUT, written_out

# What to put in place of an equation: gets it, its operands and a function that replays a jaxpr.
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
        replacements: By primitive name.
        factors: What is known of matrices and their factors so far, if the code is part of other
            code; linear systems are known by it.
    """
    jaxpr, factors = closed.jaxpr, factors or Factors()
    values = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    values.update(zip(jaxpr.invars, operands, strict=True))

    def again(inner: core.ClosedJaxpr, inner_operands: Sequence[Any]) -> list[Any]:
        return replay(inner, inner_operands, replacements, factors)

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else values[atom]

    booleans: dict[Any, Any] = {}  # of integers that are converted booleans
    for equation in jaxpr.eqns:
        name, inputs = equation.primitive.name, [read(atom) for atom in equation.invars]
        if name == "convert_element_type" and equation.invars[0].aval.dtype == bool:
            booleans[equation.outvars[0]] = inputs[0]
        if name == "cond" and not isinstance(equation.invars[0], core.Literal):
            inputs[0] = booleans.get(equation.invars[0], inputs[0])
        with source_info_util.user_context(equation.source_info.traceback):
            known = known_function(equation)
            if known is not None:
                results = known(*inputs)
            elif name in WRITTEN_OUT:
                results = again(written_out(equation), inputs)
            elif name in CALLS:
                results = again(body(equation), inputs)
            elif name == "custom_linear_solve":
                results = _solved(equation, inputs, again, factors)
            elif name in replacements:
                results = replacements[name](equation, inputs, again)
            else:
                result = equation.primitive.bind(*inputs, **equation.params)
                results = list(result) if equation.primitive.multiple_results else [result]
        factors.note(equation, inputs, results)
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


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
    """All branches, and a choice of their results."""
    index, *rest = operands
    cases = equation.params["branches"]
    results = [again(case, rest) for case in cases]
    index = jnp.asarray(index)
    if index.dtype != bool:
        index = jnp.clip(index, 0, len(cases) - 1).astype(jnp.int32)
    return [lax.select_n(index, *case) for case in zip(*results, strict=True)]


def rounds(equation: core.JaxprEqn, operands: list[Any], again: Callable) -> list[Any]:
    """A short scan round by round, a long one with a rewritten body."""
    params = equation.params
    first, split = params["num_consts"], params["num_consts"] + params["num_carry"]
    consts, carry, xs = operands[:first], operands[first:split], operands[split:]
    length, backwards = params["length"], params["reverse"]
    if not 0 < length <= UNROLL:

        def body(carry: Any, entries: Any) -> Any:
            results = again(params["jaxpr"], [*consts, *carry, *entries])
            return results[: split - first], results[split - first :]

        last, stacked = lax.scan(body, list(carry), list(xs), length=length, reverse=backwards)
        return [*last, *stacked]
    found: list[Any] = [None] * length
    for k in reversed(range(length)) if backwards else range(length):
        entries = [lax.index_in_dim(jnp.asarray(x), k, keepdims=False) for x in xs]
        results = again(params["jaxpr"], [*consts, *carry, *entries])
        carry, found[k] = results[: split - first], results[split - first :]
    return [*carry, *(jnp.stack(entries) for entries in zip(*found, strict=True))]


def loop(equation: core.JaxprEqn, operands: list[Any], again: Callable) -> list[Any]:
    """A while loop with a rewritten body."""
    params = equation.params
    first, split = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    return lax.while_loop(
        lambda carry: again(params["cond_jaxpr"], [*operands[:first], *carry])[0],
        lambda carry: again(params["body_jaxpr"], [*operands[first:split], *carry]),
        operands[split:],
    )


FLOW: dict[str, Replacement] = {
    "cond": branches,
    "scan": rounds,
    "while": loop,
}


def anchored(closed: core.ClosedJaxpr, own_solvers: bool = True) -> core.ClosedJaxpr:
    """The same code, where possible without `stop_gradient`; calls disappear with it.

    That is where no result depends on the stopped values at all (see `shifts`). Linear systems
    become `solution`s, so that the factorisations that JAX stops for them are dead code.

    Args:
        closed: The code.
        own_solvers: Whether linear systems may be solved by code of which nothing is known.
    """
    if not _needs_rewriting(closed.jaxpr):
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


def _needs_rewriting(jaxpr: core.Jaxpr) -> bool:
    return any(
        equation.primitive.name in ("stop_gradient", "custom_linear_solve")
        or any(_needs_rewriting(inner) for inner in core.jaxprs_in_params(equation.params))
        for equation in jaxpr.eqns
    )
