"""Affine families of Jacobians from the code of a field, by affine or interval arithmetic.

Affine arithmetic gives the remainder of an intermediate number an `e_k` of its own. Where such a
number enters many entries, as the weight `s` of a data point `a` enters `A' diag(s) A`, its `G_k`
says what an interval matrix cannot. Here `G_k` is a multiple of `a a'`, which is positive
semidefinite, so that `s = min s` is the worst case of the margin.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from certify.enclosure.affine.affine_form import as_form
from certify.enclosure.derivatives import Method, around, evaluate
from certify.enclosure.enclose import enclose
from certify.enclosure.interval import Interval, is_interval
from certify.enclosure.margins import flush
from certify.enclosure.programs.plain import plain
from certify.enclosure.registry import RULES, SMOOTH_RULES, Rule
from certify.jacobian.expansion import Ends, ball
from certify.jacobian.family import AffineFamily
from certify.rounding import TINY

# About the most numbers in all generators together, and the least and the largest number of
# generators to ask for.
_NUMBERS = 2**16
_GENERATORS = (32, 256)


def most_generators(dimension: int) -> int:
    """Returns how many generators of `n x n` matrices are worth their memory.

    Example:
        >>> most_generators(4), most_generators(32), most_generators(48)
        (256, 64, 32)
    """
    fewest, most = _GENERATORS
    return min(max(_NUMBERS // dimension**2, fewest), most)


def jacobian_family(
    field: Callable, method: Method
) -> Callable[[Float[Array, " n"], Float[Array, " n"]], AffineFamily]:
    """Encloses the Jacobian of `field: R^n -> R^n` over the cell `[lower, upper]`, rigorously.

    The field is evaluated over the whole cell in smooth mode first: a jump leaves no trace in
    derivative code, so a finite derivative means nothing unless every choice in the field itself is
    decided. Derivatives are taken of the code of the field (see `plain`); its custom derivative
    rules are ignored.

    Args:
        field: A function that JAX can trace, in float64.
        method: "affine" follows how entries move together; "interval" bounds each entry.

    Returns:
        A function `(lower, upper) -> AffineFamily`; jit and vmap it.
    """
    rules = RULES | SMOOTH_RULES
    jacobian = jax.jacfwd(plain(field))

    def family(lower: Float[Array, " n"], upper: Float[Array, " n"]) -> AffineFamily:
        # Subnormal corners move outward, so that no subnormal number enters the arithmetic below.
        cell = flush(Interval(lower, upper))
        n = lower.size
        if method == "affine":
            return _by_arithmetic(jacobian, cell, rules, is_smooth(field, method)(cell))
        smooth = is_smooth(field, method)(cell)
        found = enclose(jacobian, rules)(cell)
        centre, remainder = ball(Ends(found.lower, found.upper))
        share = jnp.broadcast_to(remainder, (n, n, n)) * (upper - lower)[:, None, None]
        parts = (centre, jnp.zeros((0, n, n)), remainder, share)
        return AffineFamily(*parts, smooth & _all_finite(found, *parts))

    return family


def is_smooth(
    function: Callable, method: Method, rules: Mapping[str, Rule] = RULES | SMOOTH_RULES
) -> Callable[[Interval], Bool[Array, ""]]:
    """Returns a test of whether a function is defined and has no jump or kink in a cell.

    The answer is false where this cannot be decided. A cell without width is tested with a little
    of what surrounds it, as the code `where(x == 0, 0, x)` has a derivative of its own at zero.
    With the rules `CONTINUOUS` of `certify.enclosure.derivatives`, kinks are allowed.
    """

    def smooth(cell: Interval) -> Bool[Array, ""]:
        cell = around(cell)
        if method == "affine":
            values = evaluate(function, cell, rules, "affine", most_generators(cell.lower.size))
        else:
            values = enclose(function, rules)(cell)
        return _all_finite(*(Interval(x.lower, x.upper) for x in _intervals(values)))

    return smooth


def _intervals(values: Any) -> list[Interval]:
    return [x for x in jax.tree.leaves(values, is_leaf=is_interval) if isinstance(x, Interval)]


def _by_arithmetic(
    jacobian: Callable, cell: Interval, rules: Mapping[str, Rule], smooth: Bool[Array, ""]
) -> AffineFamily:
    """Encloses the Jacobian by affine arithmetic on its code, in one pass."""
    n = cell.lower.size
    found = as_form(evaluate(jacobian, cell, rules, "affine", most_generators(n)))
    missing = max(n - found.symbols, 0)
    generators = jnp.concatenate([found.generators, jnp.zeros((missing, n, n))])
    # The remainder of an entry grows with the cell, roughly in proportion to how much each
    # coordinate moves the entry.
    loose = found.remainder + jnp.sum(jnp.abs(generators[n:]), 0)
    moving = jnp.abs(generators[:n]) + TINY
    width = (cell.upper - cell.lower)[:, None, None]
    share = loose[None] * (
        moving / jnp.sum(moving, 0)[None] + width / jnp.maximum(jnp.sum(width), TINY)
    )
    parts = (found.centre, generators, found.remainder, share)
    return AffineFamily(*parts, smooth & _all_finite(*parts))


def _all_finite(*parts: Interval | Array) -> Bool[Array, ""]:
    """Returns whether every number in arrays and intervals is finite."""
    leaves = jax.tree.leaves(parts)
    return jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]).all()
