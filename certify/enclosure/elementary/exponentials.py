"""Exponentials and logarithms, with functions made of them: logistic functions and entropies."""

import math
from decimal import Decimal
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure.elementary import decimals
from certify.enclosure.elementary.arithmetic import add, mul
from certify.enclosure.elementary.polynomial_derivatives import Power, Saturation, hull
from certify.enclosure.elementary.powers import integer_power, reciprocal
from certify.enclosure.elementary.record import Elementary, monotone
from certify.enclosure.elementary.samples import SIGN, WIDE, T, mixed, with_small
from certify.enclosure.interval import Interval
from certify.enclosure.margins import ErrorMargin, where_entire
from certify.enclosure.registry import BARE, Operation

EXP = monotone(
    "exp",
    lax.exp,
    ErrorMargin(8.0, "measured 1.06"),
    values=(0.0, math.inf),
    exact=lambda x: x.exp(),
    sample=with_small(
        mixed(0.5, 1417.0 * T - 708.0, 4.0 * T - 2.0),
        *(0.35907664613978, 436.34011253629, 709.515134896429, 709.78, -708.39, -708.0),
    ),
    slopes=lambda op, x, order: EXP.enclose(x),
    graph="exp",
    floats=(np.exp, np.exp),
)
EXP2 = monotone(
    "exp2",
    lax.exp2,
    ErrorMargin(1100.0, "measured 363 near 2^1023.5: computed as exp(x log 2), so it grows with x"),
    values=(0.0, math.inf),
    exact=lambda x: (x * Decimal(2).ln()).exp(),
    sample=with_small(
        mixed(0.5, 2045.0 * T - 1022.0, 4.0 * T - 2.0),
        *(1023.5485124412112, 1023.99, -1021.99, 1000.3, -1000.7, 512.5, 0.5),
    ),
    graph=lambda b, x: b.node("exp", b.mul(x, b.node("log", b.constant(2.0)))),
)
EXPM1 = monotone(
    "expm1",
    lax.expm1,
    ErrorMargin(16.0, "measured 2.6, 3.8 elsewhere"),
    values=(-1.0, math.inf),
    exact=decimals.expm1,
    sample=with_small(
        mixed(0.3, 749.0 * T - 40.0, 2.0 * T - 1.0),
        *(-0.064754881446, 0.00054009766, 0.06383367869, -0.351832866, 709.78, -40.0),
    ),
    slopes=lambda op, x, order: (EXP if order else EXPM1).enclose(x),
    graph=lambda b, x: b.sub(b.node("exp", x), b.constant(1.0)),
)


def _log_slope(op: Operation, x: Interval, order: int) -> Interval:
    if order == 0:
        return LOG.enclose(x)
    return _inside(x, 0.0, reciprocal(x, order - 1))


def _log1p_slope(op: Operation, x: Interval, order: int) -> Interval:
    if order == 0:
        return LOG1P.enclose(x)
    shifted = add(BARE, x, Interval.point(jnp.array(1.0)))
    return _inside(x, -1.0, reciprocal(shifted, order - 1))


def _inside(x: Interval, end: float, result: Interval) -> Interval:
    """Returns the result, unknown unless the interval lies beyond the end of the domain."""
    bad = x.lower <= end
    return Interval(jnp.where(bad, -jnp.inf, result.lower), jnp.where(bad, jnp.inf, result.upper))


_AROUND_ONE = 1.0 + SIGN * np.exp2(-51.0 * T)
_LOGARITHMS = mixed(0.3, WIDE, mixed(0.6, _AROUND_ONE, 0.3 + 2.7 * T))

LOG = monotone(
    "log",
    lax.log,
    ErrorMargin(4.0, "measured 0.50"),
    # At zero the lower end is -inf.
    outside=lambda x: x.lower < 0,
    rough=lambda x: x.lower <= 0.0,
    exact=lambda x: x.ln(),
    sample=(np.where(_LOGARITHMS <= 0.0, 0.5, np.where(_LOGARITHMS == 1.0, 2.0, _LOGARITHMS)),),
    slopes=_log_slope,
    graph=lambda b, x: b.log(x),
    floats=(np.log, lambda x: 1 / x),
)
LOG1P = monotone(
    "log1p",
    lax.log1p,
    ErrorMargin(512.0, "measured 121, above 1 - sqrt(2); 1.5 elsewhere"),
    outside=lambda x: x.lower < -1,
    rough=lambda x: x.lower <= -1.0,
    exact=decimals.log1p,
    sample=with_small(
        mixed(0.3, WIDE, mixed(0.6, -np.exp2(-51.0 * T), 1.9 * T - 0.9)),
        *(-0.41421354710824, -0.41421113424669, 0.4161008101490594, -0.34994651, -1 + 2.0**-53),
    ),
    slopes=_log1p_slope,
    graph=lambda b, x: b.log(b.add(b.constant(1.0), x)),
)


def _logistic_graph(b: Any, x: int) -> int:
    """Builds `(1 + tanh(x / 2)) / 2`, in which x occurs once."""
    half = b.constant(0.5)
    return b.add(half, b.mul(half, b.node("tanh", b.mul(half, x))))


LOGISTIC = monotone(
    "logistic",
    lax.logistic,
    ErrorMargin(16.0, "measured 1.7, 2.4 elsewhere"),
    values=(0.0, 1.0),
    exact=lambda x: 1 / (1 + (-x).exp()),
    sample=with_small(
        mixed(0.5, 1400.0 * T - 700.0, 80.0 * T - 40.0),
        *(-37.1018419052833, -37.1672336820366, -20.460822599632593, -708.3, 750.0),
    ),
    derivatives=Saturation(lax.logistic, lambda x: LOGISTIC.enclose(x), (0, 1, -1)),
    graph=_logistic_graph,
)

# Floats around 1 / e.
_INVERSE_E = (0.36787944117144228, 0.36787944117144239)


class Entropy:
    """The function `x log(x)` of positive `x`, and its derivatives.

    They are `log(x) + 1`, `1 / x`, `-1 / x^2`, ...
    """

    def compute(self, x: Any, order: int) -> Any:
        """Returns the derivative by formula."""
        if order == 0:
            return x * jnp.log(x)
        if order == 1:
            return jnp.log(x) + 1.0
        return self._factor(order) * lax.integer_pow(x, 1 - order)

    def enclose(self, x: Interval, order: int) -> Interval:
        """Encloses the range, which is found at the ends and the minimum.

        The function decreases up to `1 / e` and increases from there on; its derivatives are
        monotone.
        """
        if order == 0:
            result = hull(self._at, x, ())
            if not x.is_point:
                reached = (x.lower <= _INVERSE_E[1]) & (x.upper >= _INVERSE_E[0])
                lower = jnp.where(reached, -_INVERSE_E[1], result.lower)
                result = Interval(lower, result.upper)
        elif order == 1:
            result = add(BARE, LOG.enclose(x), Interval.point(jnp.ones(())))
        else:
            factor = Interval.point(jnp.full((), float(self._factor(order))))
            result = mul(BARE, factor, integer_power(x, 1 - order))
        return where_entire(x.lower <= 0, result)

    @staticmethod
    def _at(x: Interval) -> Interval:
        return mul(BARE, x, LOG.enclose(x))

    @staticmethod
    def _factor(order: int) -> int:
        return (-1) ** order * int(np.prod(np.arange(1, order - 1), dtype=np.int64))


ENTROPY = Elementary("entropy", derivatives=Entropy())
# The variance of a coin with that probability of heads.
VARIANCE = Elementary("variance", derivatives=Power((0, 1, -1)))

RECORDS = (EXP, EXP2, EXPM1, LOG, LOG1P, LOGISTIC, ENTROPY, VARIANCE)
