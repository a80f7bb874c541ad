"""Runs traced code of a step as a straight list of equations without calls or branches."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend import core, source_info_util

from certify.enclosure.programs.walk import CALLS, body
from certify.enclosure.registry import EnclosureError
from certify.prove.direct.field_call import MOST, OTHER_ARGUMENTS, field_p, project_p, same

# The most equations that one step may run, with its loops written out.
_LONGEST = 20_000
# These operations move, choose or convert numbers: from exact operands, the computer makes exactly
# the numbers that the code means.
_EXACT = {
    "abs",
    "bitcast_convert_type",
    "broadcast_in_dim",
    "ceil",
    "concatenate",
    "convert_element_type",
    "copy",
    "copy_p",
    "dynamic_slice",
    "dynamic_update_slice",
    "expand_dims",
    "floor",
    "gather",
    "imag",
    "max",
    "min",
    "neg",
    "pad",
    "real",
    "reshape",
    "rev",
    "select_n",
    "sign",
    "slice",
    "sort",
    "split",
    "squeeze",
    "stack",
    "transpose",
    "unstack",
}

_IN_PYTHON = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)

# A projection that was asked for: the player, the structure of the block, and its leaves.
Projection = tuple[int, Any, list[Any]]


class Answers:
    """A stand-in for the field that returns given values, one after the other.

    Attributes:
        points: The vectors at which the field was evaluated, in order.
        projections: The projections onto strategy sets.
    """

    def __init__(self, arguments: Sequence[Any], values: Sequence[Any] | None = None):
        self._arguments, self._values = arguments, values
        self.points: list[Any] = []
        self.projections: list[Projection] = []
        self.equations = 0

    def field(self, point: Any, *arguments: Any) -> Any:
        """Returns the next value, if the arguments are those that are certified."""
        if not all(same(a, b) for a, b in zip(arguments, self._arguments, strict=True)):
            raise EnclosureError(OTHER_ARGUMENTS)
        if len(self.points) == MOST:
            raise EnclosureError(f"the step evaluates the field more than {MOST} times.")
        self.points.append(point)
        if self._values is None:
            return jnp.zeros(np.shape(point))
        return self._values[len(self.points) - 1]

    def count(self) -> None:
        """Counts one more equation, and raises an error if there are too many."""
        self.equations += 1
        if self.equations > _LONGEST:
            raise EnclosureError(
                f"the step runs more than {_LONGEST} operations; its loops are too long to certify."
            )


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Explains in a sentence why JAX cannot trace some code.

    Raises:
        EnclosureError: If the code looks at numbers in Python, or keeps them between calls.
    """
    try:
        yield
    except jax.errors.UnexpectedTracerError:
        raise EnclosureError(
            "the step uses values of an earlier call, or hands values out of a function that JAX "
            "transforms, so it is no function of the strategy and its state."
        ) from None
    except (TypeError, ValueError) as error:
        # NumPy raises an error of its own if a number cannot be put into an array.
        found = next((e for e in (error, error.__cause__) if isinstance(e, _IN_PYTHON)), None)
        if found is None:
            raise
        raise EnclosureError(
            "the step looks at the numbers of a strategy in Python (if, float, int, or NumPy), so "
            "its code is not the same everywhere and nothing is proved of it; write it with "
            f"jax.numpy, without branches ({type(found).__name__})."
        ) from None


def traced(function: Callable, size: int) -> core.ClosedJaxpr:
    """Traces the code of a function of a vector.

    Raises:
        EnclosureError: If JAX cannot trace it, see `explained`.
    """
    with explained():
        return jax.make_jaxpr(function)(jax.ShapeDtypeStruct((size,), jnp.float64))


def run(
    closed: core.ClosedJaxpr, operands: Sequence[Any], answers: Answers, caller: Any = None
) -> list[Any]:
    """Runs traced code again, with calls and loops written out and branches decided by constants.

    Constants that are exact as floats are computed while this runs; everything else is traced.

    Args:
        closed: The code.
        operands: The operands of the code.
        answers: Stands for the field.
        caller: Where the user's code called it, if it is part of JAX.

    Raises:
        EnclosureError: If a branch or the number of rounds of a loop depends on more than exact
            constants, or the code calls back into Python.
    """
    jaxpr = closed.jaxpr
    values = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    values.update(zip(jaxpr.invars, operands, strict=True))

    def read(atom: Any) -> Any:
        if isinstance(atom, core.Literal):
            return np.asarray(atom.val, shape_of(atom).dtype)
        return values[atom]

    for equation in jaxpr.eqns:
        answers.count()
        inputs = [read(atom) for atom in equation.invars]
        # Code inside JAX has no line of its own.
        place = equation.source_info.traceback if place_of(equation) else caller
        with source_info_util.user_context(place):
            results = _evaluated(equation, inputs, answers, place)
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _evaluated(
    equation: core.JaxprEqn, inputs: list[Any], answers: Answers, place: Any
) -> list[Any]:
    name = equation.primitive.name
    if equation.primitive is field_p:
        return [answers.field(*inputs)]
    if equation.primitive is project_p:
        answers.projections.append(
            (equation.params["player"], equation.params["structure"], inputs)
        )
        return inputs
    if name in ("stop_gradient", "device_put"):  # as maps they are the identity
        return inputs
    if name.startswith("debug_"):
        return []
    if "callback" in name or equation.effects:
        raise EnclosureError(
            f"the step calls back into Python ({name}, in {place_of(equation)}): what that does is "
            "not in the code, so nothing is proved of it."
        )
    if name in CALLS:
        return run(body(equation), inputs, answers, place)
    if name == "cond":
        cases = equation.params["branches"]
        index = int(_known(inputs[0], "chooses between branches by", equation))
        return run(cases[min(max(index, 0), len(cases) - 1)], inputs[1:], answers, place)
    if name == "while":
        return _while(equation, inputs, answers, place)
    if name == "scan":
        return _scan(equation, inputs, answers, place)
    if not any(isinstance(x, Tracer) for x in inputs) and _is_exact(equation):
        with jax.ensure_compile_time_eval():
            result = equation.primitive.bind(*inputs, **equation.params)
    else:
        result = equation.primitive.bind(*inputs, **equation.params)
    return list(result) if equation.primitive.multiple_results else [result]


def _is_exact(equation: core.JaxprEqn) -> bool:
    if equation.primitive.name in _EXACT:
        return True
    return not any(
        jnp.issubdtype(shape_of(variable).dtype, jnp.inexact) for variable in equation.outvars
    )


def _while(equation: core.JaxprEqn, inputs: list[Any], answers: Answers, place: Any) -> list[Any]:
    params = equation.params
    first, second = params["cond_nconsts"], params["body_nconsts"]
    condition, constants = inputs[:first], inputs[first : first + second]
    carry = inputs[first + second :]
    while True:
        (more,) = run(params["cond_jaxpr"], [*condition, *carry], answers, place)
        if not bool(_known(more, "ends a loop by", equation)):
            return carry
        carry = run(params["body_jaxpr"], [*constants, *carry], answers, place)


def _scan(equation: core.JaxprEqn, inputs: list[Any], answers: Answers, place: Any) -> list[Any]:
    params, length = equation.params, equation.params["length"]
    first, split = params["num_consts"], params["num_consts"] + params["num_carry"]
    constants, carry, rows = inputs[:first], inputs[first:split], inputs[split:]
    outputs: dict[int, list[Any]] = {}
    for k in reversed(range(length)) if params["reverse"] else range(length):
        row = [_row(x, k) for x in rows]
        results = run(params["jaxpr"], [*constants, *carry, *row], answers, place)
        carry, outputs[k] = results[: len(carry)], results[len(carry) :]
    if not length:
        shapes = [shape_of(variable) for variable in equation.outvars[len(carry) :]]
        return [*carry, *(jnp.zeros(shape.shape, shape.dtype) for shape in shapes)]
    columns = zip(*(outputs[k] for k in range(length)), strict=True)
    return [*carry, *(_stacked(column) for column in columns)]


def _row(x: Any, k: int) -> Any:
    if isinstance(x, Tracer):
        return jax.lax.index_in_dim(x, k, keepdims=False)
    with jax.ensure_compile_time_eval():
        return jax.lax.index_in_dim(jnp.asarray(x), k, keepdims=False)


def _stacked(column: Sequence[Any]) -> Any:
    if any(isinstance(x, Tracer) for x in column):
        return jnp.stack(column)
    with jax.ensure_compile_time_eval():
        return jnp.stack(column)


def _known(value: Any, does: str, equation: core.JaxprEqn) -> Any:
    if isinstance(value, Tracer):
        raise EnclosureError(
            f"the step {does} a number that depends on the strategy, or that rounding may have "
            f"changed (in {place_of(equation)}): branches are certified only where constants "
            "decide them exactly."
        )
    return np.asarray(value)


def shape_of(atom: Any) -> Any:
    """Returns the shape and type of a variable or a literal of traced code."""
    return atom.aval


def place_of(equation: core.JaxprEqn) -> str:
    """Says where the user wrote an equation."""
    return source_info_util.summarize(equation.source_info)
