"""Outward rounding, which turns floating-point results into bounds that hold for real numbers.

XLA computes in round-to-nearest and offers no directed rounding, so each operation is computed as
usual and its two endpoints are then moved outward by a margin that covers the worst error of that
operation on this platform: if

    |computed - exact| <= units 2^-52 |exact|

then `exact` is within `(units + 2) 2^-52 |computed| + 4 tiny` of `computed`. The two extra units
pay for rounding inside the widening itself. `tiny = 2^-1022`, the smallest normal number, pays for
subnormals: XLA flushes them to zero on CPU, in inputs as well as in results. Endpoints are
therefore never subnormal there (`flush` makes inputs so, and widening keeps them so), and a flushed
result is off by less than `tiny`.

Fused multiply-adds only shrink these errors, and sums use order-free bounds, so neither contraction
nor reordering by the compiler can break an enclosure. XLA also rewrites neighbouring operations as
if they were exact: `(x + 1e8) - 1e8` becomes `x`, `(a x) b` becomes `(a b) x`, `exp(x) exp(y)`
becomes `exp(x + y)`. Rules are safe from that because each ends in a widening, whose test for NaN
stands between its operation and the next.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from certify.enclosure import direct
from certify.enclosure.interval import Interval, is_concrete
from certify.rounding import EPSILON, TINY


class ErrorMargin(NamedTuple):
    """The worst relative error that the enclosures allow for in a float64 operation.

    Attributes:
        units: In units of 2^-52.
        grounds: "rounded": correctly rounded by IEEE-754, hence wrong by at most half a unit.
            "measured": the largest error seen in 10^5 to 10^6 arguments over the whole domain,
            denser near the worst, against 220-bit ball arithmetic (jax 0.10 on x86-64; scalars,
            short and long vectors, compiled and eager all agree to the last bit), at least tripled.
            `self_test` measures again on the platform at hand and refuses to go on where a margin
            is exceeded.
    """

    units: float
    grounds: str


# The margins by name, taken from the records of elementary functions.
MARGINS: dict[str, ErrorMargin] = {}
# What tests operations, see `tested_by`.
_TESTS: list[Callable[[tuple[str, ...]], None]] = []


def units(name: str) -> float:
    """Returns the margin of an operation, in units of 2^-52, once the operation has been tested.

    Raises:
        EnclosureError: If the platform computes it less accurately.
    """
    if not _TESTS:
        raise RuntimeError("certify.enclosure is not imported, so no operation has been tested")
    for test in _TESTS:
        test((name,))
    return MARGINS[name].units


def tested_by(test: Callable[[tuple[str, ...]], None]) -> None:
    """Makes sure that operations pass a test before their margins are used.

    The test measures the records of functions, which are made of margins; so it cannot be imported
    here, and `self_test` hands it over.
    """
    _TESTS.append(test)


def outward(lower: Any, upper: Any, error_units: float) -> Interval:
    """Widens computed endpoints by a relative error; NaN endpoints become infinite.

    Args:
        lower: Float64, computed from normal-or-zero endpoints.
        upper: Likewise.
        error_units: The largest relative error of the computation, in units of 2^-52.
    """
    factor = (error_units + 2.0) * EPSILON

    def error(end: Any) -> Any:
        return direct.add(direct.multiply(direct.absolute(end), factor), 4.0 * TINY)

    return widened(lower, upper, error(lower), error(upper))


def widened(lower: Any, upper: Any, lower_error: Any, upper_error: Any) -> Interval:
    """Returns `[lower - lower_error, upper + upper_error]`; NaN becomes -inf below, +inf above.

    Infinite results of an overflow give NaN on the side where infinity would exclude the truth,
    hence are covered.
    """
    low = direct.subtract(lower, lower_error)
    high = direct.add(upper, upper_error)
    return Interval(direct.replace_nan(low, -np.inf), direct.replace_nan(high, np.inf))


def clamp_lower(x: Interval, bound: float) -> Interval:
    """Intersects with `[bound, inf]`, when the exact result is known to lie there."""
    return Interval(direct.maximum(x.lower, bound), direct.maximum(x.upper, bound))


def clamp(x: Interval, lower: float, upper: float) -> Interval:
    """Intersects with `[lower, upper]`, when the exact result is known to lie there."""
    return Interval(
        *(direct.minimum(upper, direct.maximum(lower, end)) for end in (x.lower, x.upper))
    )


def where_entire(bad: Any, x: Interval) -> Interval:
    """Returns `[-inf, inf]` wherever `bad`, else `x`."""
    return Interval(direct.replace(x.lower, bad, -np.inf), direct.replace(x.upper, bad, np.inf))


def where_defined(rule: Callable) -> Callable:
    """Decorates an elementwise rule that could turn `[-inf, inf]` into something that looks known.

    Where nothing is known of an operand, nothing is known of the result: no bound of a number, and
    either truth value of a comparison.
    """

    @functools.wraps(rule)
    def careful(op: Any, *operands: Any) -> Any:
        result = rule(op, *operands)
        unknown = [
            x.is_unknown
            for x in operands
            if isinstance(x, Interval) and not x.is_point and x.lower.dtype != bool
        ]
        if not unknown:
            return result
        bad = functools.reduce(jnp.logical_or, unknown)
        if result.lower.dtype == bool:
            return Interval(result.lower & ~bad, result.upper | bad)
        return where_entire(bad, result)

    return careful


def flush(x: Interval) -> Interval:
    """Replaces subnormal endpoints by 0 or by +-tiny, outward.

    NaN or inverted endpoints give `[-inf, inf]`.
    """
    below, above = _is_subnormal(x.lower, jnp), _is_subnormal(x.upper, jnp)
    lower = jnp.where(below, jnp.where(jnp.signbit(x.lower), -TINY, 0.0), x.lower)
    upper = jnp.where(above, jnp.where(jnp.signbit(x.upper), 0.0, TINY), x.upper)
    bad = ~(lower <= upper)
    return where_entire(bad, Interval(lower, upper))


def exact_point(value: Any) -> Interval:
    """Returns a value as an interval, a point if it is known to hold no subnormal or NaN."""
    point = Interval.point(value)
    if not is_concrete(value):
        return flush(point)
    value = np.asarray(value)
    return flush(point) if (_is_subnormal(value, np) | np.isnan(value)).any() else point


def _is_subnormal(value: Any, xp: Any) -> Any:
    """Tests for subnormals by their bits, because comparing them may itself flush them."""
    exponent_and_fraction = value.view(xp.uint64) & np.uint64(0x7FFF_FFFF_FFFF_FFFF)
    return (exponent_and_fraction > np.uint64(0)) & (
        exponent_and_fraction < np.uint64(0x0010_0000_0000_0000)
    )
