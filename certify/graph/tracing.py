"""What the two tracers of graphs share: `trace`, of numbers, and `array_trace`, of arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jax.extend import core, source_info_util

from certify.enclosure.elementary import GRAPH
from certify.enclosure.programs.walk import LONGEST_WHILE, Run, repeated
from certify.enclosure.rules.structural import MOVES
from certify.graph.builder import Builder, GraphError

# Primitives that move entries about, and how many of their operands, from the first on, hold the
# entries that they move; the others say where to, and have to be known.
MOVED: dict[str, int | None] = {
    **dict.fromkeys(MOVES),
    "dynamic_slice": 1,
    "gather": 1,
    "dynamic_update_slice": 2,
}
# Primitives that are exact on real numbers that are known.
EXACT = {*MOVES, "iota", "convert_element_type", "select_n", "neg", "abs", "sign"}


def _logaddexp(b: Builder, x: int, y: int) -> int:
    return b.log(b.add(b.node("exp", x), b.node("exp", y)))


# Primitives that work entry by entry, as functions of a builder and nodes.
ENTRYWISE: dict[str, Callable[..., int]] = {
    **GRAPH,
    "max": Builder.larger,
    "min": Builder.smaller,
    "abs": lambda b, x: b.node("abs", x),
    "logaddexp": _logaddexp,
}


def repeated_while_known(
    equation: core.JaxprEqn, operands: list[Any], run: Run, is_real: Callable[[Any], bool]
) -> list[Any]:
    """Unrolls a while loop, whose condition must not depend on real numbers.

    Args:
        equation: The loop.
        operands: The values of its operands.
        run: Runs code on such values.
        is_real: Says whether a value depends on real numbers.

    Raises:
        GraphError: If the condition does, or the loop has too many rounds.
    """

    def goes_on(value: Any) -> bool:
        if is_real(value):
            raise GraphError("the costs have a loop that ends when real numbers say so")
        return bool(np.asarray(value))

    last = repeated(equation, operands, run, goes_on)
    if last is None:
        raise GraphError(f"the costs have a loop of more than {LONGEST_WHILE} rounds")
    return last


def branch_of(equation: core.JaxprEqn, index: Any) -> core.ClosedJaxpr:
    """Returns the branch of a `cond` that a known index takes."""
    cases = equation.params["branches"]
    return cases[int(np.clip(np.asarray(index), 0, len(cases) - 1))]


def no_operation(equation: core.JaxprEqn) -> GraphError:
    """Returns the error that graphs have no counterpart of a primitive, with its place in code."""
    place = source_info_util.summarize(equation.source_info)
    name = equation.primitive.name
    return GraphError(f"the costs use {name} (in {place}), for which graphs have no operation")
