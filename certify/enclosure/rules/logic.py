"""Rules for comparisons, choices and kinks.

A comparison of intervals is an interval of booleans, `False < True`: decided when both ends agree.
Each primitive with a kink or a jump also has a rule for smooth mode, where reaching the kink means
that nothing is known.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax

from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_defined, where_entire
from certify.enclosure.registry import SMOOTH_RULES, EnclosureError, Operation, rule


def _ends(x: Any) -> tuple[Any, Any]:
    return (x.lower, x.upper) if isinstance(x, Interval) else (x, x)


def _undecided(x: Interval) -> Any:
    return x.lower != x.upper


@rule("lt")
@where_defined
def lt(op: Operation, x: Any, y: Any) -> Interval:
    """Compares: surely true when `max x < min y`, possibly true when `min x < max y`."""
    (a, b), (c, d) = _ends(x), _ends(y)
    return Interval(b < c, a < d)


@rule("le")
@where_defined
def le(op: Operation, x: Any, y: Any) -> Interval:
    """Compares: surely true when `max x <= min y`, possibly true when `min x <= max y`."""
    (a, b), (c, d) = _ends(x), _ends(y)
    return Interval(b <= c, a <= d)


@rule("gt")
def gt(op: Operation, x: Any, y: Any) -> Interval:
    """Compares as `y < x`."""
    return lt(op, y, x)


@rule("ge")
def ge(op: Operation, x: Any, y: Any) -> Interval:
    """Compares as `y <= x`."""
    return le(op, y, x)


@rule("eq")
@where_defined
def eq(op: Operation, x: Any, y: Any) -> Interval:
    """Compares: surely true for two equal points, surely false for disjoint intervals."""
    (a, b), (c, d) = _ends(x), _ends(y)
    return Interval((a == b) & (c == d) & (a == c), (a <= d) & (c <= b))


@rule("ne")
def ne(op: Operation, x: Any, y: Any) -> Interval:
    """Negates `eq`."""
    return not_(op, eq(op, x, y))


@where_defined
def eq_itself(op: Operation, x: Interval) -> Interval:
    """Returns true where `x` is defined: `x == x` fails for NaN only."""
    return Interval.point(jnp.ones(x.shape, bool))


@where_defined
def ne_itself(op: Operation, x: Interval) -> Interval:
    """Returns false where `x` is defined: `x != x` is the usual test for NaN."""
    return Interval.point(jnp.zeros(x.shape, bool))


@rule("is_finite")
@where_defined
def is_finite(op: Operation, x: Interval) -> Interval:
    """Tests numbers: real ones are finite, an infinite constant of the code is not."""
    infinite = (x.lower == x.upper) & jnp.isinf(x.lower)
    return Interval(jnp.isfinite(x.lower) & jnp.isfinite(x.upper), ~infinite)


@rule("not")
def not_(op: Operation, x: Interval) -> Interval:
    """Negates booleans, which swaps the ends."""
    return Interval(~x.upper, ~x.lower)


@rule("and", "or", "reduce_and", "reduce_or")
def monotone(op: Operation, *operands: Any) -> Interval:
    """Applies a conjunction or disjunction, which are monotone in each boolean, to both ends."""
    ends = [_ends(x) for x in operands]
    return Interval(op.bind(*(a for a, _ in ends)), op.bind(*(b for _, b in ends)))


@rule("xor")
def xor(op: Operation, x: Any, y: Any) -> Interval:
    """Returns the exclusive or, which is decided where both operands are."""
    (a, b), (c, d) = _ends(x), _ends(y)
    if a.dtype != bool:
        raise EnclosureError("'xor' has an enclosure rule for booleans only")
    unknown = (a != b) | (c != d)
    return Interval((a ^ c) & ~unknown, (a ^ c) | unknown)


@rule("select_n")
def select_n(op: Operation, which: Any, *cases: Any) -> Any:
    """Returns the chosen case where the choice is decided, else the hull of the possible ones."""
    ends = [_ends(case) for case in cases]
    if not isinstance(which, Interval):
        lower = lax.select_n(which, *(a for a, _ in ends))
        points = all(isinstance(case, Interval) and case.is_point for case in cases)
        return Interval(lower, lower if points else lax.select_n(which, *(b for _, b in ends)))
    (a, b), (c, d) = ends
    if a.dtype not in (jnp.float64, bool):
        raise EnclosureError(
            f"a choice of {a.dtype} numbers depends on the box; make the numbers float64"
        )
    first, second = which.lower, which.upper
    lower, upper = jnp.minimum(a, c), jnp.maximum(b, d)
    return Interval(
        lax.select_n(first, lax.select_n(second, a, lower), c),
        lax.select_n(first, lax.select_n(second, b, upper), d),
    )


@rule("max")
@where_defined
def maximum(op: Operation, x: Any, y: Any) -> Interval:
    """Encloses the larger of two, exactly: it is monotone in each argument, for booleans too."""
    (a, b), (c, d) = _ends(x), _ends(y)
    return Interval(jnp.maximum(a, c), jnp.maximum(b, d))


@rule("min")
@where_defined
def minimum(op: Operation, x: Any, y: Any) -> Interval:
    """Encloses the smaller of two, exactly: it is monotone in each argument, for booleans too."""
    (a, b), (c, d) = _ends(x), _ends(y)
    return Interval(jnp.minimum(a, c), jnp.minimum(b, d))


@rule("reduce_max", "reduce_min")
def extreme(op: Operation, x: Interval) -> Interval:
    """Encloses the largest or smallest entry, exactly: it is monotone in each entry."""
    result = Interval(op.bind(x.lower), op.bind(x.upper))
    if result.lower.dtype == bool:
        return result
    return where_entire(jnp.any(x.is_unknown, op.params["axes"]), result)


@rule("abs")
@where_defined
def absolute(op: Operation, x: Interval) -> Interval:
    """Encloses `|x|`, exactly; the lower end is zero where the interval contains zero."""
    a, b = jnp.abs(x.lower), jnp.abs(x.upper)
    return Interval(
        jnp.where((x.lower <= 0) & (x.upper >= 0), 0.0, jnp.minimum(a, b)), jnp.maximum(a, b)
    )


# Smooth mode.


@rule("select_n", table=SMOOTH_RULES)
def smooth_select_n(op: Operation, which: Any, *cases: Any) -> Any:
    """Selects; an undecided choice of numbers may hide a jump, so nothing is known there."""
    result = select_n(op, which, *cases)
    if not isinstance(which, Interval) or result.lower.dtype == bool:
        return result
    return where_entire(_undecided(which), result)


@rule("convert_element_type", table=SMOOTH_RULES)
def smooth_convert_element_type(op: Operation, x: Any) -> Any:
    """Converts; an undecided boolean that becomes a number is a jump: nothing is known there."""
    from certify.enclosure.rules.structural import convert_element_type

    result = convert_element_type(op, x)
    numbers = isinstance(x, Interval) and x.lower.dtype == bool and result.lower.dtype != bool
    return where_entire(_undecided(x), result) if numbers else result


@rule("max", "min", table=SMOOTH_RULES)
def smooth_extreme_of_two(op: Operation, x: Any, y: Any) -> Interval:
    """Encloses the extreme of two; a kink is where they may be equal, but booleans have none."""
    result = (maximum if op.primitive.name == "max" else minimum)(op, x, y)
    if result.lower.dtype == bool:
        return result
    return where_entire((x.lower <= y.upper) & (y.lower <= x.upper), result)


@rule("reduce_max", "reduce_min", table=SMOOTH_RULES)
def smooth_extreme(op: Operation, x: Interval) -> Interval:
    """Encloses the extreme entry, known only where a single entry can be the extreme one."""
    axes = op.params["axes"]
    if x.lower.dtype == bool:
        return extreme(op, x)
    if op.primitive.name == "reduce_max":
        possible = x.upper >= jnp.max(x.lower, axes, keepdims=True, initial=-jnp.inf)
    else:
        possible = x.lower <= jnp.min(x.upper, axes, keepdims=True, initial=jnp.inf)
    return where_entire(jnp.sum(possible, axes) != 1, extreme(op, x))


@rule("abs", table=SMOOTH_RULES)
def smooth_absolute(op: Operation, x: Interval) -> Interval:
    """Encloses `|x|`, which has a kink at zero."""
    return where_entire((x.lower <= 0) & (x.upper >= 0), absolute(op, x))
