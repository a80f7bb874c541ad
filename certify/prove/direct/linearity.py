"""Checks whether straight code is affine in its argument, on all of R^n."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.extend import core

from certify.enclosure.programs.walk import CALLS, body
from certify.enclosure.registry import EnclosureError
from certify.prove.direct.straight_code import place_of, shape_of

# These operations are linear in all of their operands together.
_LINEAR = {
    "add",
    "add_any",
    "broadcast_in_dim",
    "concatenate",
    "copy",
    "copy_p",
    "cumsum",
    "expand_dims",
    "neg",
    "pad",
    "reduce_sum",
    "reshape",
    "rev",
    "slice",
    "split",
    "squeeze",
    "stack",
    "sub",
    "transpose",
    "unstack",
}
# These operations are linear in one operand if the others are constants.
_PRODUCTS = {"mul", "dot_general", "conv_general_dilated"}
# Each of these operations is linear in the numbered operands together if the others are constants.
_SOME: dict[str, tuple[int, ...]] = {
    "div": (0,),
    "dynamic_slice": (0,),
    "dynamic_update_slice": (0, 1),
    "gather": (0,),
    "scatter": (0, 2),
    "scatter-add": (0, 2),
    "scatter_add": (0, 2),
    "triangular_solve": (1,),
}


def require_affine(closed: core.ClosedJaxpr) -> None:
    """Raises unless the results are affine functions of the arguments, with constant coefficients.

    This is decided equation by equation, by a list of operations that are linear on all of R^n. So
    it holds in any box, and no branch, kink, jump, cast or product of variables can hide far away.

    Raises:
        EnclosureError: If they are not; the message names the operation and the line.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> require_affine(jax.make_jaxpr(lambda x: 2.0 * x[::-1] - x / 3.0)(jnp.ones(2)))
    """
    bad = _not_affine(closed.jaxpr, closed.jaxpr.invars)
    if bad is not None:
        raise EnclosureError(
            "the step is not linear in the strategy, the state and the values of the field "
            f"('{bad.primitive.name}' {_where(bad)}), so its Jacobian is not enclosed; adaptive "
            "methods, which divide by what they have seen, clipping, branches and casts are of "
            "this kind."
        )


def _not_affine(jaxpr: core.Jaxpr, arguments: Sequence[Any]) -> core.JaxprEqn | None:
    """Finds an equation that is not affine in the arguments if other variables are constants."""
    moving = set(arguments)
    for equation in jaxpr.eqns:
        moves = [not isinstance(x, core.Literal) and x in moving for x in equation.invars]
        if any(moves):
            if not _is_affine(equation, moves):
                return equation
            moving.update(equation.outvars)
    return None


def _where(equation: core.JaxprEqn) -> str:
    return f"in {place_of(equation) or 'code of JAX'}"


def _is_affine(equation: core.JaxprEqn, moves: list[bool]) -> bool:
    name, params = equation.primitive.name, equation.params
    types = {shape_of(variable).dtype for variable in equation.outvars}
    if name == "convert_element_type":
        # Rounding to lower precision is a staircase.
        return types == {shape_of(equation.invars[0]).dtype} == {np.dtype(np.float64)}
    if types != {np.dtype(np.float64)}:
        return False
    if name in _LINEAR:
        return True
    if name in _PRODUCTS:
        preferred = params.get("preferred_element_type")
        return sum(moves) == 1 and preferred in (None, np.dtype(np.float64))
    if name == "select_n":
        return not moves[0]
    if name in CALLS:
        code = body(equation).jaxpr
        inner = [x for x, own in zip(code.invars, moves, strict=True) if own]
        return _not_affine(code, inner) is None
    if name == "custom_linear_solve":
        # Both the system and the code that solves it must be affine; whether they are one map is
        # not decided here.
        lengths, codes = params["const_lengths"], params["jaxprs"]
        pairs = ((codes.matvec, lengths.matvec), (codes.solve, lengths.solve))
        return not any(moves[: sum(lengths)]) and all(
            _not_affine(code.jaxpr, code.jaxpr.invars[count:]) is None for code, count in pairs
        )
    if name == "integer_pow":
        return params["y"] == 1
    return name in _SOME and all(k in _SOME[name] for k, own in enumerate(moves) if own)
