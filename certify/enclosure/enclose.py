"""The public entry point: sound range enclosures of any traceable function."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from certify.enclosure.interpreter import interpret
from certify.enclosure.interval import Interval, is_concrete, is_interval
from certify.enclosure.margins import exact_point, flush, where_entire
from certify.enclosure.programs.inline import anchored
from certify.enclosure.programs.promotion import exactly, promoted
from certify.enclosure.programs.repeats import without_dead_code
from certify.enclosure.registry import RULES, EnclosureError, Rule
from certify.enclosure.rules.anchors import anchor_p
from certify.enclosure.self_test import self_test


def enclose(function: Callable, rules: Mapping[str, Rule] = RULES) -> Callable:
    """Returns a function on intervals whose result contains every value of `function`.

    The result speaks of the real-valued function that the code spells out, with its constants
    taken exactly: for all real `x` in the given intervals at which it is defined, the real number
    `function(x)` is in the returned interval, whatever the rounding errors. Lower precision is
    promoted: float32, bfloat16 and float16 numbers are the real numbers that they are, arithmetic
    in these types is that of real numbers, and conversions to them do nothing (see `promotion`).

    Args:
        function: Traceable by JAX with arguments of the types given.
        rules: The rules to use, by primitive name; leave as is.

    Returns:
        A function of the same signature. Its arguments are pytrees whose leaves are `Interval`s or
        arrays (points); its result has an `Interval`, in float64, for each real array that
        `function` returns. It can be jitted and vmapped.

    Raises:
        EnclosureError: When the code uses a primitive without a rule, numbers that are neither
            real nor integers, or the bits of a number in lower precision, or when the platform
            computes less accurately than assumed.
        ValueError: For empty or NaN intervals.

    Example:
        >>> import jax.numpy as jnp
        >>> box = enclose(lambda x: jnp.exp(x) - x)(Interval(jnp.array(0.0), jnp.array(1.0)))
        >>> bool(box.lower <= 1.0) and bool(box.upper >= jnp.exp(1.0) - 1.0)
        True
    """

    def enclosed(*arguments: Any) -> Any:
        require_x64()
        leaves, structure = jax.tree.flatten(arguments, is_leaf=is_interval)
        operands = [as_operand(leaf) for leaf in leaves]
        jaxpr, output = jax.make_jaxpr(function, return_shape=True)(
            *jax.tree.unflatten(structure, map(as_given, leaves))
        )
        code = anchored(promoted(jaxpr).code)
        # Together, because one after another they would be compiled one by one.
        self_test(equation.primitive.name for equation in code.jaxpr.eqns)
        results = interpret(code, operands, rules)
        if any(e.primitive is anchor_p for e in without_dead_code(code).jaxpr.eqns):
            results = _where_bounded(interpret(code, operands, _ANCHORED), results)
        return jax.tree.unflatten(jax.tree.structure(output), results)

    return enclosed


# Anchors may be any of the numbers that they stand for.
_ANCHORED = RULES | {"anchor": lambda op, x: x}


def _where_bounded(others: list[Any], results: list[Any]) -> list[Any]:
    """Returns the results, unknown where the code may overflow because of an anchor.

    In real numbers the result does not depend on anchors, but `exp(x - m)` may be infinite for
    the values that the code has for them, though finite for all near their middle.
    """
    return [
        where_entire(~(jnp.isfinite(y.lower) & jnp.isfinite(y.upper)), x)
        if isinstance(x, Interval) and isinstance(y, Interval) and x.lower.dtype == jnp.float64
        else x
        for x, y in zip(results, others, strict=True)
    ]


def require_x64() -> None:
    """Raises when JAX would silently compute in float32."""
    if not jax.config.read("jax_enable_x64"):
        raise ValueError(
            "certify proves in float64, but JAX has 64-bit numbers switched off; "
            'call jax.config.update("jax_enable_x64", True) before creating any array.'
        )


def as_given(leaf: Any) -> jax.ShapeDtypeStruct:
    """Returns the shape and type of an argument before promotion, with which code is traced."""
    value = leaf.lower if isinstance(leaf, Interval) else jnp.asarray(leaf)
    return jax.ShapeDtypeStruct(value.shape, value.dtype)


def as_operand(leaf: Any) -> Any:
    """Returns an argument for the interpreter: checked, float64, without subnormal ends."""
    interval = leaf if isinstance(leaf, Interval) else Interval.point(jnp.asarray(leaf))
    dtype = interval.lower.dtype
    if not isinstance(leaf, Interval) and (jnp.issubdtype(dtype, jnp.integer) or dtype == np.bool_):
        return interval.lower
    if interval.is_point:
        interval = Interval.point(exactly(interval.lower))
    else:
        interval = Interval(exactly(interval.lower), exactly(interval.upper))
    if interval.lower.dtype != jnp.float64 or interval.upper.dtype != jnp.float64:
        raise EnclosureError(
            f"enclose: an argument has type {dtype}; enclosures need floating-point numbers of at "
            "most 64 bits"
        )
    if is_concrete(interval):
        check_bounds("enclose", interval.lower, interval.upper)
    return exact_point(interval.lower) if interval.is_point else flush(interval)


def check_bounds(what: str, lower: Any, upper: Any) -> None:
    """Raises `ValueError` unless `lower <= upper` everywhere and neither is NaN."""
    lower, upper = np.asarray(lower), np.asarray(upper)
    if np.isnan(lower).any() or np.isnan(upper).any():
        raise ValueError(f"{what}: the bounds contain NaN; give numbers.")
    if (lower > upper).any():
        where = tuple(int(i) for i in np.argwhere(lower > upper)[0])
        raise ValueError(
            f"{what}: the lower bound {lower[where]} exceeds the upper bound {upper[where]} "
            f"at index {where}; swap them."
        )
