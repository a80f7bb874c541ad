"""Jacobians as affine families: the form in which every bound of a certificate is derived.

On a cell with centre `c` and half-widths `r` every Jacobian of `F` is

    J(x) = C + sum_k e_k G_k + E,    |e_k| <= 1,   |E| <= R entrywise,

with `C` near `J(c)`, `G_k` near `r_k dJ/dx_k (c)`, and a remainder `R` from the second derivatives
of `J` over the whole cell (Taylor's theorem with Lagrange's form, entry by entry; the cell is
convex and contains `c`). The entries of `J` move *together* with `x`; an interval matrix forgets
that, this form keeps it, which is what makes a proof need few cells.

Affine arithmetic gives the remainder of an intermediate number an `e_k` of its own. Where such a
number enters many entries, as the weight `s` of a data point `a` enters `A' diag(s) A`, its `G_k`
says what an interval matrix cannot: here that it is a multiple of `a a'`, which is positive
semidefinite, so that `s = min s` is the worst case of the margin.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, Bool, Float

from certify.enclosure.affine.affine_form import as_form
from certify.enclosure.derivatives import around, evaluate
from certify.enclosure.enclose import enclose
from certify.enclosure.interpreter import interpret
from certify.enclosure.interval import Interval, is_interval
from certify.enclosure.margins import flush
from certify.enclosure.programs.plain import plain
from certify.enclosure.programs.walk import is_dependent
from certify.enclosure.registry import RULES, SMOOTH_RULES, Rule
from certify.jacobian.expansion import Ends, ball, expand, middle_of
from certify.jacobian.family import AffineFamily
from certify.rounding import TINY

# Second derivatives of the Jacobian have n^4 entries: beyond this many coordinates the Jacobian is
# enclosed entry by entry instead.
AFFINE_LIMIT = 16

# Affine forms of the Jacobian have n^2 (n + 64) numbers.
ARITHMETIC_LIMIT = 48
# Numbers in all generators together, and generators at least and at most, about.
_NUMBERS = 2**16
_GENERATORS = (32, 256)

Form = Literal["constant", "taylor", "affine", "arithmetic", "interval"]


def jacobian_form(field: Callable, dimension: int) -> Form:
    """Which form suits the Jacobian of `field: R^n -> R^n`.

    Affine arithmetic where third derivatives are too many or too wide: those of linear systems, and
    of sums over more smooth units than there are coordinates (data points, hidden units), in which
    most of what moves the single terms cancels. Plain intervals where there are too many
    coordinates for anything else.
    """
    point = jax.ShapeDtypeStruct((dimension,), jnp.float64)
    jaxpr = jax.make_jaxpr(jax.jacfwd(plain(field)))(point)
    if not is_dependent(jaxpr.jaxpr):
        return "constant"
    if dimension > ARITHMETIC_LIMIT:
        return "interval"
    solves = any(equation.primitive.name == "solution" for equation in jaxpr.eqns)
    units = _smooth_units(jax.make_jaxpr(plain(field))(point).jaxpr)
    arithmetic = solves or units > dimension or dimension > AFFINE_LIMIT
    return "arithmetic" if arithmetic else "affine"


def _smooth_units(jaxpr: core.Jaxpr) -> int:
    """Entries of the largest array of values of a smooth function of one variable, tanh or so."""
    values: list[Any] = [e.outvars[0].aval for e in jaxpr.eqns if e.primitive.name == "derivative"]
    return max((aval.size for aval in values), default=0)


def most_generators(dimension: int) -> int:
    """How many generators of `n x n` matrices are worth their memory.

    Example:
        >>> most_generators(4), most_generators(32), most_generators(48)
        (256, 64, 32)
    """
    fewest, most = _GENERATORS
    return min(max(_NUMBERS // dimension**2, fewest), most)


def jacobian_family(
    field: Callable, form: Form
) -> Callable[[Float[Array, " n"], Float[Array, " n"]], AffineFamily]:
    """Encloses the Jacobian of `field: R^n -> R^n` over the cell `[lower, upper]`, rigorously.

    The field is evaluated over the whole cell in smooth mode first: a jump leaves no trace in
    derivative code, so a finite derivative means nothing unless every choice in the field itself is
    decided. Derivatives are those of the code of the field (see `plain`), whatever derivative rules
    it brings along.

    Args:
        field: Traceable by JAX, in float64.
        form: From `jacobian_form`.

    Returns:
        A function `(lower, upper) -> AffineFamily`; jit and vmap it.
    """
    rules = RULES | SMOOTH_RULES
    first = jax.jacfwd(plain(field))
    second = jax.jacfwd(first)
    third = jax.jacfwd(second)

    def family(lower: Float[Array, " n"], upper: Float[Array, " n"]) -> AffineFamily:
        # Subnormal corners move outward, so that the arithmetic below never meets one.
        cell = flush(Interval(lower, upper))
        n = lower.size
        if form == "arithmetic":
            return _by_arithmetic(first, cell, rules, is_smooth(field, form)(cell))
        smooth = is_smooth(field, form)(cell)
        if form != "affine":
            jacobian = enclose(first, rules)(cell)
            centre, remainder = ball(Ends(jacobian.lower, jacobian.upper))
            share = jnp.broadcast_to(remainder, (n, n, n)) * (upper - lower)[:, None, None]
            parts = (centre, jnp.zeros((0, n, n)), remainder, share)
            return AffineFamily(*parts, smooth & _all_finite(jacobian, *parts))
        middle, radius = middle_of(cell.lower, cell.upper)
        shape = jax.ShapeDtypeStruct(middle.shape, middle.dtype)
        at_middle = [Interval.point(middle)]
        (jacobian,) = interpret(jax.make_jaxpr(first)(shape), at_middle, rules)
        (slope,) = interpret(jax.make_jaxpr(second)(shape), at_middle, rules)
        curvature = enclose(third, rules)(cell)
        at, slopes, over = (Ends(x.lower, x.upper) for x in (jacobian, slope, curvature))
        parts = expand(at, slopes, over, radius)
        return AffineFamily(*parts, smooth & _all_finite(jacobian, slope, curvature, *parts))

    return family


def is_smooth(function: Callable, form: Form) -> Callable[[Interval], Bool[Array, ""]]:
    """Whether a function is defined and has no jump or kink in a cell, as far as can be told.

    Where the cell has no width that is asked of a little more: `where(x == 0, 0, x)` has a
    derivative of its own at zero.
    """
    rules = RULES | SMOOTH_RULES

    def smooth(cell: Interval) -> Bool[Array, ""]:
        cell = around(cell)
        if form == "arithmetic":
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
    """Affine arithmetic on the code of the Jacobian, in one pass."""
    n = cell.lower.size
    found = as_form(evaluate(jacobian, cell, rules, "affine", most_generators(n)))
    missing = max(n - found.symbols, 0)
    generators = jnp.concatenate([found.generators, jnp.zeros((missing, n, n))])
    # A larger cell has a larger remainder, roughly in proportion to what moves the entry.
    loose = found.remainder + jnp.sum(jnp.abs(generators[n:]), 0)
    moving = jnp.abs(generators[:n]) + TINY
    width = (cell.upper - cell.lower)[:, None, None]
    share = loose[None] * (moving / jnp.sum(moving, 0)[None] + width / jnp.sum(width))
    parts = (found.centre, generators, found.remainder, share)
    return AffineFamily(*parts, smooth & _all_finite(*parts))


def _all_finite(*parts: Interval | Array) -> Bool[Array, ""]:
    """Whether every number in arrays and intervals is finite."""
    leaves = jax.tree.leaves(parts)
    return jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]).all()
