"""Hyperbolic functions and their inverses."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure.elementary import decimals
from certify.enclosure.elementary.polynomial_derivatives import Bell, Saturation
from certify.enclosure.elementary.powers import RSQRT, integer_power
from certify.enclosure.elementary.record import Elementary, monotone
from certify.enclosure.elementary.samples import (
    NEAR_ONE,
    SIGN,
    SIGNED_WIDE,
    T,
    mixed,
    with_hard,
    with_small,
)
from certify.enclosure.elementary.trigonometric import square_plus_one
from certify.enclosure.interval import Interval
from certify.enclosure.margins import ErrorMargin, clamp_lower, outward, units, where_defined
from certify.enclosure.registry import Operation


@where_defined
def cosh(op: Operation, x: Interval) -> Interval:
    """Encloses cosh, which is even, increases in the absolute value and is at least 1."""
    a, b = jnp.abs(x.lower), jnp.abs(x.upper)
    straddles = (x.lower <= 0) & (x.upper >= 0)
    least, most = jnp.where(straddles, 0.0, jnp.minimum(a, b)), jnp.maximum(a, b)
    return clamp_lower(outward(lax.cosh(least), lax.cosh(most), units("cosh")), 1.0)


def _asinh_graph(b: Any, x: int) -> int:
    root = b.node("sqrt", b.add(b.node("power", x, 2), b.constant(1.0)))
    return b.node("log", b.add(x, root))


def _acosh_graph(b: Any, x: int) -> int:
    root = b.node("sqrt", b.sub(b.node("power", x, 2), b.constant(1.0)))
    return b.node("log", b.add(x, root))


def _atanh_graph(b: Any, x: int) -> int:
    one = b.constant(1.0)
    ratio = b.node("div", b.add(one, x), b.sub(one, x))
    return b.mul(b.constant(0.5), b.node("log", ratio))


SINH = monotone(
    "sinh",
    lax.sinh,
    ErrorMargin(800.0, "measured 248 near 700: computed as exp(x - log 2), so it grows with x"),
    exact=decimals.sinh,
    sample=with_small(
        mixed(0.5, 1420.0 * T - 710.0, 6.0 * T - 3.0),
        *(654.6895802348176, 710.47, 0.002238329816349417),
    ),
    slopes=lambda op, x, order: (COSH if order % 2 else SINH).enclose(x),
    graph="sinh",
    floats=(np.sinh, np.cosh),
)
COSH = Elementary(
    "cosh",
    lax.cosh,
    cosh,
    ErrorMargin(800.0, "measured 249 near 700, like sinh"),
    exact=decimals.cosh,
    sample=with_small(
        mixed(0.5, 1420.0 * T - 710.0, 6.0 * T - 3.0),
        *(613.1085536577247, 710.47, -533.4025153877674),
    ),
    slopes=lambda op, x, order: (SINH if order % 2 else COSH).enclose(x),
    graph="cosh",
    floats=(np.cosh, np.sinh),
)
TANH = monotone(
    "tanh",
    lax.tanh,
    ErrorMargin(16.0, "measured 3.5, near 20"),
    values=(-1.0, 1.0),
    exact=decimals.tanh,
    sample=with_small(
        mixed(0.6, 50.0 * T - 25.0, 2.0 * T - 1.0),
        *(19.998372799251825, 19.9997937871, 9.80630668589, 0.58152499845, -22.0, 300.0),
    ),
    derivatives=Saturation(lax.tanh, lambda x: TANH.enclose(x), (1, 0, -1)),
    graph="tanh",
    floats=(np.tanh, lambda x: np.cosh(np.clip(x, -350, 350)) ** -2),
)
ASINH = monotone(
    "asinh",
    lax.asinh,
    ErrorMargin(8.0, "measured 1.7"),
    exact=decimals.asinh,
    sample=with_small(
        mixed(0.3, SIGNED_WIDE, 6.0 * T - 3.0), 0.36492256554845426, 0.3721672667661408
    ),
    derivatives=Bell(
        lax.asinh,
        lambda x: ASINH.enclose(x),
        1,
        (1, 0, 1),
        lambda k: (0, 1 - 2 * k),
        lambda x, k: integer_power(RSQRT.enclose(square_plus_one(x)), 2 * k - 1),
        lambda x, k: lax.rsqrt(1.0 + x * x) ** (2 * k - 1),
    ),
    graph=_asinh_graph,
)
ACOSH = monotone(
    "acosh",
    lax.acosh,
    ErrorMargin(8.0, "measured 2.2"),
    values=(0.0, math.inf),
    outside=lambda x: x.lower < 1.0,
    rough=lambda x: x.lower <= 1.0,
    exact=decimals.acosh,
    sample=with_hard(
        mixed(0.3, np.exp2(1023.0 * T), 1.0 + np.exp2(8.0 - 59.0 * T)),
        *(1.0627807838388075, 1.0000000000483722),
    ),
    graph=_acosh_graph,
)
ATANH = monotone(
    "atanh",
    lax.atanh,
    ErrorMargin(256.0, "measured 73 near 0.4142, as in log1p"),
    # At -1 and 1 it is infinite.
    outside=lambda x: x.magnitude > 1.0,
    rough=lambda x: ~(x.magnitude < 1.0),
    exact=decimals.atanh,
    sample=with_small(
        mixed(0.3, NEAR_ONE, mixed(0.6, SIGN * (0.41 + 0.02 * T), T - 0.5)),
        *(0.4142039409365489, -0.41417925505883635),
    ),
    graph=_atanh_graph,
)
RECORDS = (SINH, COSH, TANH, ASINH, ACOSH, ATANH)
