"""Rules for comparisons, choices and kinks.

A comparison of intervals is an interval of booleans, `False < True`: decided when both ends agree. Each primitive with
a kink or a jump also has a rule for smooth mode, where reaching the kink means that nothing is known.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax

from .interval import Interval
from .registry import SMOOTH_RULES, EnclosureError, Operation, rule
from .rounding import where_entire


def _ends(x: Any) -> tuple[Any, Any]:
    return (x.lower, x.upper) if isinstance(x, Interval) else (x, x)


def _decided(x: Interval) -> Any:
    return x.lower == x.upper


@rule("lt")
def lt(op: Operation, x: Any, y: Any) -> Interval:
    """Surely true when `max x < min y`, possibly true when `min x < max y`."""
    (a, b), (c, d) = _ends(x), _ends(y)
    return Interval(b < c, a < d)


@rule("le")
def le(op: Operation, x: Any, y: Any) -> Interval:
    """Surely true when `max x <= min y`, possibly true when `min x <= max y`."""
    (a, b), (c, d) = _ends(x), _ends(y)
    return Interval(b <= c, a <= d)


@rule("gt")
def gt(op: Operation, x: Any, y: Any) -> Interval:
    """`y < x`."""
    return lt(op, y, x)


@rule("ge")
def ge(op: Operation, x: Any, y: Any) -> Interval:
    """`y <= x`."""
    return le(op, y, x)


@rule("eq")
def eq(op: Operation, x: Any, y: Any) -> Interval:
    """Surely true for two equal points, surely false for disjoint intervals."""
    (a, b), (c, d) = _ends(x), _ends(y)
    return Interval((a == b) & (c == d) & (a == c), (a <= d) & (c <= b))


@rule("ne")
def ne(op: Operation, x: Any, y: Any) -> Interval:
    """Not equal."""
    return not_(op, eq(op, x, y))


@rule("is_finite")
def is_finite(op: Operation, x: Interval) -> Interval:
    """Real numbers are finite: true, since enclosures speak of real-valued functions."""
    return Interval.point(jnp.ones(x.shape, bool))


@rule("not")
def not_(op: Operation, x: Interval) -> Interval:
    """Negation swaps the ends."""
    return Interval(~x.upper, ~x.lower)


@rule("and", "or", "reduce_and", "reduce_or")
def monotone(op: Operation, *operands: Any) -> Interval:
    """Conjunction and disjunction are monotone in each boolean."""
    ends = [_ends(x) for x in operands]
    if any(a.dtype != bool for a, _ in ends):
        raise EnclosureError(
            f"bitwise {op.primitive.name!r} of integers that depend on the box has no enclosure rule"
        )
    return Interval(op.bind(*(a for a, _ in ends)), op.bind(*(b for _, b in ends)))


@rule("select_n")
def select_n(op: Operation, which: Any, *cases: Any) -> Any:
    """The chosen case where the choice is decided, else the hull of the cases that remain possible."""
    ends = [_ends(case) for case in cases]
    if not isinstance(which, Interval):
        lower = lax.select_n(which, *(a for a, _ in ends))
        points = all(isinstance(case, Interval) and case.is_point for case in cases)
        return Interval(lower, lower if points else lax.select_n(which, *(b for _, b in ends)))
    if which.lower.dtype != bool:
        raise EnclosureError(
            "a choice among more than two cases depends on the box; it has no enclosure rule"
        )
    (a, b), (c, d) = ends
    first, second = which.lower, which.upper
    lower, upper = jnp.minimum(a, c), jnp.maximum(b, d)
    return Interval(
        lax.select_n(first, lax.select_n(second, a, lower), c),
        lax.select_n(first, lax.select_n(second, b, upper), d),
    )


@rule("max")
def maximum(op: Operation, x: Interval, y: Interval) -> Interval:
    """Monotone in each argument; exact."""
    return Interval(jnp.maximum(x.lower, y.lower), jnp.maximum(x.upper, y.upper))


@rule("min")
def minimum(op: Operation, x: Interval, y: Interval) -> Interval:
    """Monotone in each argument; exact."""
    return Interval(jnp.minimum(x.lower, y.lower), jnp.minimum(x.upper, y.upper))


@rule("reduce_max", "reduce_min")
def extreme(op: Operation, x: Interval) -> Interval:
    """Monotone in each entry; exact."""
    return Interval(op.bind(x.lower), op.bind(x.upper))


@rule("abs")
def absolute(op: Operation, x: Interval) -> Interval:
    """Exact; zero where the interval contains zero."""
    a, b = jnp.abs(x.lower), jnp.abs(x.upper)
    return Interval(
        jnp.where((x.lower <= 0) & (x.upper >= 0), 0.0, jnp.minimum(a, b)), jnp.maximum(a, b)
    )


# Smooth mode.


@rule("select_n", table=SMOOTH_RULES)
def smooth_select_n(op: Operation, which: Any, *cases: Any) -> Any:
    """An undecided choice may hide a jump: nothing is known."""
    result = select_n(op, which, *cases)
    return where_entire(~_decided(which), result) if isinstance(which, Interval) else result


@rule("convert_element_type", table=SMOOTH_RULES)
def smooth_convert_element_type(op: Operation, x: Any) -> Any:
    """An undecided boolean that becomes a number is a jump: nothing is known."""
    from .structural import convert_element_type

    result = convert_element_type(op, x)
    jumps = isinstance(x, Interval) and x.lower.dtype == bool
    return where_entire(~_decided(x), result) if jumps else result


@rule("max", "min", table=SMOOTH_RULES)
def smooth_extreme_of_two(op: Operation, x: Interval, y: Interval) -> Interval:
    """A kink where the arguments may be equal."""
    meets = (x.lower <= y.upper) & (y.lower <= x.upper)
    return where_entire(meets, (maximum if op.primitive.name == "max" else minimum)(op, x, y))


@rule("reduce_max", "reduce_min", table=SMOOTH_RULES)
def smooth_extreme(op: Operation, x: Interval) -> Interval:
    """A kink wherever two entries may tie; treated as one unless a single entry is reduced."""
    result = extreme(op, x)
    ties = x.lower.size > result.lower.size
    return where_entire(jnp.full(result.shape, ties), result)


@rule("abs", table=SMOOTH_RULES)
def smooth_absolute(op: Operation, x: Interval) -> Interval:
    """A kink at zero."""
    return where_entire((x.lower <= 0) & (x.upper >= 0), absolute(op, x))
