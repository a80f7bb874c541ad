"""Signs that outward rounding must not lose: those of numbers of which a root is taken.

`2 x` is not negative where `x` is not, but the widened bound of the product is, by less than the
smallest float; the root of such an interval would be unknown. So wherever a root depends on the
sign of a sum or product, the sign is read off the operands. For the same reason powers of whole
numbers, which floats have exactly, are not widened there: `1 - x^2` is not negative on [-1, 1].
Elsewhere the sign does not matter, and reading it would only take time to compile.
"""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jax.extend import core

from certify.enclosure.interval import Interval
from certify.enclosure.programs.walk import anywhere, variables
from certify.enclosure.rules.structural import MOVES


def signed(jaxpr: core.Jaxpr, outputs: bool) -> set[Any]:
    """Returns the variables of which a root is taken, and those that they are made of.

    Args:
        jaxpr: The code.
        outputs: Whether its outputs are such variables.
    """
    found = set(variables(jaxpr.outvars)) if outputs else set()
    for equation in reversed(jaxpr.eqns):
        name = equation.primitive.name
        inner = list(core.jaxprs_in_params(equation.params))
        if name in _ROOTS or any(map(_takes_roots, inner)):
            passed = equation.invars if inner else equation.invars[:1]
        elif (inner or name in _PASSES) and not found.isdisjoint(equation.outvars):
            passed = equation.invars
        else:
            continue
        found.update(variables(passed))
    return found


_ROOTS = {"sqrt", "pow"}


@functools.lru_cache(maxsize=1024)
def _takes_roots(jaxpr: core.Jaxpr) -> bool:
    return anywhere(jaxpr, lambda equation: equation.primitive.name in _ROOTS)


def keep_sign(equation: core.JaxprEqn, operands: list[Any], result: Any) -> Any:
    """Returns the same interval, cut off at zero where the operands tell the sign.

    Unknown entries stay unknown.
    """
    tell = _SIGNS.get(equation.primitive.name)
    if not isinstance(result, Interval) or result.is_point:
        return result
    exponent = _exponent(equation)
    if exponent is not None and isinstance(operands[0], Interval):
        return _power_of_whole_numbers(operands[0], exponent, result)
    if tell is None:
        return result
    if result.lower.dtype != jnp.float64 or not all(isinstance(x, Interval) for x in operands):
        return result
    not_negative, not_positive = tell(equation, *operands)
    # An end is infinite where nothing is known.
    known = jnp.isfinite(result.lower), jnp.isfinite(result.upper)
    lower = jnp.where(not_negative & known[0], jnp.maximum(result.lower, 0.0), result.lower)
    upper = jnp.where(not_positive & known[1], jnp.minimum(result.upper, 0.0), result.upper)
    return _with_ends(result, lower, upper)


def _with_ends(x: Interval, lower: Any, upper: Any) -> Any:
    return eqx.tree_at(lambda x: (x.lower, x.upper), x, (lower, upper))


def _exponent(equation: Any) -> int | None:
    """Returns the exponent of an equation that is a power of one number, else None."""
    name = equation.primitive.name
    if name == "integer_pow" and equation.params["y"] > 0:
        return equation.params["y"]
    itself = name == "mul" and equation.invars[0] is equation.invars[1]
    return 2 if name == "square" or itself else None


def _power_of_whole_numbers(x: Interval, exponent: int, result: Interval) -> Any:
    """Bounds without rounding where the ends are whole numbers and their powers below 2^53.

    All products on the way are whole numbers then, hence exact. Zero is a whole number too, so the
    power of a number that is not negative is not negative.
    """
    largest = float(int(2.0 ** (53.0 / exponent)))
    powers, exact = [], []
    for end in (x.lower, x.upper):
        exact.append((jnp.abs(end) <= largest) & (end == jnp.round(end)))
        powers.append(lax.integer_pow(jnp.where(exact[-1], end, 0.0), exponent))
    first, last = powers
    if exponent % 2 == 1:
        low, high, sure_low, sure_high = first, last, *exact
    else:
        # The end that is farther from zero gives the upper bound; the lower one is zero already
        # where zero is inside.
        inside = (x.lower <= 0) & (x.upper >= 0)
        farther = jnp.abs(x.upper) >= jnp.abs(x.lower)
        high, sure_high = jnp.where(farther, last, first), jnp.where(farther, exact[1], exact[0])
        low, sure_low = jnp.where(farther, first, last), jnp.where(farther, exact[0], exact[1])
        sure_low = sure_low & ~inside
    known = jnp.isfinite(result.lower) & jnp.isfinite(result.upper)
    return _with_ends(
        result,
        jnp.where(known & sure_low, jnp.maximum(result.lower, low), result.lower),
        jnp.where(known & sure_high, jnp.minimum(result.upper, high), result.upper),
    )


def _of_sum(_: Any, x: Interval, y: Interval) -> tuple[Any, Any]:
    """Reads the signs of a sum off its operands; negation and comparisons are exact."""
    return x.lower >= -y.lower, x.upper <= -y.upper


def _of_difference(_: Any, x: Interval, y: Interval) -> tuple[Any, Any]:
    return x.lower >= y.upper, x.upper <= y.lower


def _of_product(_: Any, x: Interval, y: Interval) -> tuple[Any, Any]:
    up, down = (x.lower >= 0, y.lower >= 0), (x.upper <= 0, y.upper <= 0)
    return (up[0] & up[1]) | (down[0] & down[1]), (up[0] & down[1]) | (down[0] & up[1])


def _of_matrix_product(equation: Any, x: Interval, y: Interval) -> tuple[Any, Any]:
    contracted = [len(axes) for axes in equation.params["dimension_numbers"][0]]
    if equation.invars[0] is equation.invars[1] and contracted == [x.ndim, x.ndim] == [1, 1]:
        return jnp.array(True), jnp.array(False)
    (a, b), (c, d) = ((jnp.all(z.lower >= 0), jnp.all(z.upper <= 0)) for z in (x, y))
    return (a & c) | (b & d), (a & d) | (b & c)


def _of_entries(equation: Any, x: Interval) -> tuple[Any, Any]:
    axes = equation.params["axes"]
    return jnp.all(x.lower >= 0, axes), jnp.all(x.upper <= 0, axes)


def _of_all(_: Any, x: Interval) -> tuple[Any, Any]:
    return jnp.all(x.lower >= 0), jnp.all(x.upper <= 0)


_SIGNS: dict[str, Callable] = {
    "add": _of_sum,
    "add_any": _of_sum,
    "sub": _of_difference,
    "mul": _of_product,
    "div": _of_product,
    "dot_general": _of_matrix_product,
    "reduce_sum": _of_entries,
    "cumsum": _of_all,
}
# The signs of their results depend on the signs of their operands.
_PASSES = {
    *_SIGNS,
    *MOVES,
    "square",
    "integer_pow",
    "neg",
    "select_n",
    "max",
    "min",
    "reduce_max",
    "reduce_min",
    "clamp",
}
