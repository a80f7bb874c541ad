"""Rules for primitives that only move numbers: exact, one endpoint at a time."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from certify.enclosure.interval import Interval, is_concrete
from certify.enclosure.margins import outward, where_entire
from certify.enclosure.registry import EnclosureError, Operation, rule

MOVES = {
    "reshape",
    "broadcast_in_dim",
    "squeeze",
    "slice",
    "transpose",
    "concatenate",
    "stack",
    "unstack",
    "tile",
    "rev",
    "pad",
    "copy",
    "split",
    "dynamic_slice",
    "dynamic_update_slice",
    "gather",
}


@rule(*sorted(MOVES))
def endpointwise(op: Operation, *operands: Any) -> Any:
    """Moves both endpoints alike; operands that are not intervals (known indices) are shared."""

    def at(side: str) -> list[Any]:
        result = op.bind(*(getattr(x, side) if isinstance(x, Interval) else x for x in operands))
        return list(result) if op.primitive.multiple_results else [result]

    lower = at("lower")
    points = all(x.is_point for x in operands if isinstance(x, Interval))
    upper = lower if points else at("upper")
    results = [Interval(a, b) for a, b in zip(lower, upper, strict=True)]
    if op.primitive.name == "gather":
        # Outside its operand `gather` may fill with NaN, of which nothing is known.
        results = [_without_nan(x) for x in results]
    return results if op.primitive.multiple_results else results[0]


def _without_nan(x: Interval) -> Interval:
    if x.lower.dtype != jnp.float64 or (is_concrete(x) and not np.isnan(x.lower).any()):
        return x
    return where_entire(jnp.isnan(x.lower) | jnp.isnan(x.upper), x)


@rule("iota")
def iota(op: Operation) -> Interval:
    """Returns small integers, exact in float64."""
    return Interval.point(op.bind())


@rule("convert_element_type")
def convert_element_type(op: Operation, x: Any) -> Any:
    """Converts types; known numbers become points of float64.

    Integers of 64 bits may be rounded, and then they are widened.
    """
    target = np.dtype(op.params["new_dtype"])
    if isinstance(x, Interval):
        if target not in (np.float64, np.bool_):
            raise EnclosureError(
                f"a number that depends on the box is converted to {target}; keep it in float64"
            )
        if target == np.bool_ and x.lower.dtype == jnp.float64:
            return _is_not_zero(x)
        if x.is_point:
            return Interval.point(x.lower.astype(target))
        return Interval(x.lower.astype(target), x.upper.astype(target))
    if target != np.float64:
        return op.bind(x)
    return known_reals(x)


def known_reals(x: Any) -> Interval:
    """Returns known numbers of another type as real ones, widened where float64 may round them."""
    value = jnp.asarray(x).astype(np.float64)
    is_exact = np.dtype(x.dtype).itemsize < 8
    if not is_exact and is_concrete(x):
        is_exact = bool((np.abs(np.asarray(x).astype(np.float64)) < 2.0**53).all())
    return Interval.point(value) if is_exact else outward(value, value, 1.0)


def _is_not_zero(x: Interval) -> Interval:
    zero = (x.lower <= 0) & (x.upper >= 0)
    return Interval(~zero, ~(zero & (x.lower == x.upper)))
