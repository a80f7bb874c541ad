"""Outward rounding: from floating-point results to bounds that hold for real numbers.

XLA computes in round-to-nearest and offers no directed rounding, so each operation is computed as usual and its two
endpoints are then moved outward by a margin that covers the worst error of that operation on this platform:

    |computed - exact| <= units * 2^-52 * |exact|   ==>   exact in computed -+ ((units + 2) * 2^-52 * |computed| + 4 tiny)

The two extra units pay for rounding inside the widening itself. `tiny = 2^-1022`, the smallest normal number, pays for
subnormals: XLA flushes them to zero on CPU, in inputs as well as in results. Endpoints are therefore never subnormal
(`flush` makes inputs so, and widening keeps them so), and a flushed result is off by less than `tiny`.

Fused multiply-adds only shrink these errors, and sums use order-free bounds, so neither contraction nor reordering by
the compiler can break an enclosure.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from .interval import Interval

EPSILON = 2.0**-52
TINY = float(np.finfo(np.float64).tiny)

# Worst relative errors, in units of 2^-52, that the enclosures allow for each float64 operation. "rounded": IEEE-754
# correctly rounded, at most half a unit. "measured": the largest error seen in 10^5 to 10^6 arguments over the whole
# domain against 200-bit ball arithmetic (jax 0.10 on x86-64), at least tripled. `self_test` measures again on the
# platform at hand and refuses to go on where a margin is exceeded.
MARGINS: dict[str, tuple[float, str]] = {
    "add": (1.0, "rounded"),
    "mul": (1.0, "rounded"),
    "div": (3.0, "rounded; XLA may multiply by a rounded reciprocal of a constant instead"),
    "sqrt": (2.0, "rounded; one unit to spare"),
    "rsqrt": (4.0, "measured 0.61"),
    "exp": (8.0, "measured 1.03"),
    "exp2": (8.0, "measured like exp"),
    "log": (4.0, "measured 0.50"),
    "log1p": (512.0, "measured 120, near -0.41"),
    "expm1": (16.0, "measured 2.4, 3.8 elsewhere"),
    "tanh": (16.0, "measured 3.5"),
    "logistic": (16.0, "measured 1.3, 2.4 elsewhere"),
    "pow": (8.0, "measured 0.50"),
}


def margin(name: str) -> float:
    """The margin of an operation, in units of 2^-52."""
    return MARGINS[name][0]


def outward(lower: Any, upper: Any, units: float) -> Interval:
    """Widens computed endpoints by `units` of relative error; NaN endpoints become infinite.

    **Arguments:**

    - `lower`, `upper`: float64 arrays, computed from normal-or-zero endpoints.
    - `units`: the largest relative error of the computation, in units of 2^-52.
    """
    factor = (units + 2.0) * EPSILON
    return widened(
        lower, upper, jnp.abs(lower) * factor + 4.0 * TINY, jnp.abs(upper) * factor + 4.0 * TINY
    )


def widened(lower: Any, upper: Any, lower_error: Any, upper_error: Any) -> Interval:
    """`[lower - lower_error, upper + upper_error]`; NaN becomes -inf below and +inf above.

    Infinite results of an overflow give NaN on the side where infinity would exclude the truth, hence are covered.
    """
    low = lower - lower_error
    high = upper + upper_error
    return Interval(
        jnp.where(jnp.isnan(low), -jnp.inf, low),
        jnp.where(jnp.isnan(high), jnp.inf, high),
    )


def clamp_lower(x: Interval, bound: float) -> Interval:
    """Intersects with `[bound, inf]`, when the exact result is known to lie there."""
    return Interval(jnp.maximum(x.lower, bound), jnp.maximum(x.upper, bound))


def clamp(x: Interval, lower: float, upper: float) -> Interval:
    """Intersects with `[lower, upper]`, when the exact result is known to lie there."""
    return Interval(jnp.clip(x.lower, lower, upper), jnp.clip(x.upper, lower, upper))


def where_entire(bad: Any, x: Interval) -> Interval:
    """`[-inf, inf]` wherever `bad`, else `x`."""
    return Interval(jnp.where(bad, -jnp.inf, x.lower), jnp.where(bad, jnp.inf, x.upper))


def flush(x: Interval) -> Interval:
    """Replaces subnormal endpoints by 0 or by +-tiny, outward; NaN or inverted endpoints give `[-inf, inf]`.

    Works on the bits, because comparisons of subnormals may themselves be flushed.
    """

    def parts(value):
        bits = lax.bitcast_convert_type(value, jnp.uint64)
        negative = (bits >> np.uint64(63)) == np.uint64(1)
        body = bits & np.uint64(0x7FFF_FFFF_FFFF_FFFF)
        subnormal = (body != np.uint64(0)) & (body < np.uint64(0x0010_0000_0000_0000))
        return subnormal, negative

    subnormal, negative = parts(x.lower)
    lower = jnp.where(subnormal, jnp.where(negative, -TINY, 0.0), x.lower)
    if x.is_point:
        upper = jnp.where(subnormal, jnp.where(negative, 0.0, TINY), x.upper)
    else:
        subnormal, negative = parts(x.upper)
        upper = jnp.where(subnormal, jnp.where(negative, 0.0, TINY), x.upper)
    bad = ~(lower <= upper)
    return where_entire(bad, Interval(lower, upper))
