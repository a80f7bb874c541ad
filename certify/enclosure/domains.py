"""Rules for smooth mode of functions whose domain has an end, where they are not smooth.

A square root has a value at zero and an infinite derivative; a logarithm has neither. In smooth
mode domains are open: nothing is known where an argument may reach the end of one.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from certify.enclosure.elementwise import integral_exponents
from certify.enclosure.interval import Interval
from certify.enclosure.registry import RULES, SMOOTH_RULES, Operation, rule
from certify.enclosure.rounding import where_entire

# Where each function, defined up to there, is not smooth.
_ENDS: dict[str, Callable[[Interval], Any]] = {
    "sqrt": lambda x: x.lower <= 0.0,
    "log": lambda x: x.lower <= 0.0,
    "log1p": lambda x: x.lower <= -1.0,
    "acosh": lambda x: x.lower <= 1.0,
    "asin": lambda x: ~(x.magnitude < 1.0),
    "acos": lambda x: ~(x.magnitude < 1.0),
    "atanh": lambda x: ~(x.magnitude < 1.0),
    "erf_inv": lambda x: ~(x.magnitude < 1.0),
    "cbrt": lambda x: (x.lower <= 0.0) & (x.upper >= 0.0),
}


@rule(*_ENDS, table=SMOOTH_RULES)
def inside(op: Operation, x: Interval) -> Interval:
    """Nothing is known where the argument may reach the end of the domain."""
    name = op.primitive.name
    return where_entire(_ENDS[name](x), RULES[name](op, x))


@rule("pow", table=SMOOTH_RULES)
def smooth_power(op: Operation, x: Interval, y: Any) -> Interval:
    """Smooth for positive `x`; everywhere if the exponent is known to be a natural number."""
    result = RULES["pow"](op, x, y)
    natural = integral_exponents(y)
    if natural is not None:
        return result
    return where_entire(jnp.broadcast_to(x.lower <= 0.0, result.shape), result)
