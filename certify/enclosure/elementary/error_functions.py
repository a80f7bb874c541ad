"""The error function, its complement and its inverse."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from scipy import special

from certify.enclosure.elementary import decimals
from certify.enclosure.elementary.arithmetic import mul
from certify.enclosure.elementary.exponentials import EXP
from certify.enclosure.elementary.polynomial_derivatives import Bell
from certify.enclosure.elementary.powers import square
from certify.enclosure.elementary.record import Elementary, monotone
from certify.enclosure.elementary.samples import T, mixed, with_small
from certify.enclosure.interval import Interval
from certify.enclosure.margins import ErrorMargin, where_entire
from certify.enclosure.registry import BARE, Operation
from certify.rounding import EPSILON, TINY

# Floats around 2 / sqrt(pi).
_BELL_HEIGHT = (1.1283791670955123, 1.1283791670955128)


def _bell(x: Interval, order: int) -> Interval:
    height = Interval(*map(jnp.asarray, _BELL_HEIGHT))
    negative_square = square(BARE, x)
    return mul(BARE, height, EXP.enclose(Interval(-negative_square.upper, -negative_square.lower)))


def _float_bell(x: Any, order: int) -> Any:
    return _BELL_HEIGHT[0] * jnp.exp(-jnp.square(x))


def _decay(k: int) -> tuple[int, int]:
    return 0, -2


def inverse(op: Operation, y: Interval) -> Interval:
    """Encloses the increasing inverse of erf by bounds that are guessed, then confirmed by erf.

    Nothing is known where the argument may leave [-1, 1].
    """

    def bound(end: Any, side: float) -> Any:
        guess, confirmed = lax.erf_inv(end), side * jnp.full(end.shape, jnp.inf)
        for step in reversed(_STEPS):
            candidate = guess + side * (step * jnp.abs(guess) + step * TINY / EPSILON)
            reached = ERF.enclose(Interval.point(candidate))
            holds = reached.upper <= end if side < 0 else reached.lower >= end
            confirmed = jnp.where(holds, candidate, confirmed)
        return confirmed

    return where_entire(~(y.magnitude <= 1.0), Interval(bound(y.lower, -1.0), bound(y.upper, 1.0)))


# The relative distances from the guess at which bounds of inverse functions are tried, in turn.
_STEPS = (2.0**-48, 2.0**-44, 2.0**-38, 2.0**-30, 2.0**-20)


@jax.custom_jvp
def _erf_inv(x: Any) -> Any:
    return lax.erf_inv(x)


@_erf_inv.defjvp
def _(primals: Any, tangents: Any) -> Any:
    """Differentiates: `sqrt(pi) / 2 exp(y^2)`, with pi as `4 atan(1)`, since JAX rounds it."""
    y = _erf_inv(*primals)
    half_root = 0.5 * lax.sqrt(4.0 * lax.atan(jnp.ones_like(y)))
    return y, tangents[0] * (half_root * lax.exp(lax.square(y)))


ERF = monotone(
    "erf",
    lax.erf,
    ErrorMargin(4.0, "measured 0.69"),
    values=(-1.0, 1.0),
    exact=decimals.erf,
    sample=with_small(mixed(0.2, 30.0 * T - 15.0, 6.0 * T - 3.0), 0.05772240304535092),
    derivatives=Bell(lax.erf, lambda x: ERF.enclose(x), 1, (1,), _decay, _bell, _float_bell),
    graph="erf",
    floats=(special.erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x)),
)
ERFC = monotone(
    "erfc",
    lax.erfc,
    ErrorMargin(1000.0, "measured 256 beyond 22: computed with exp(-x^2), so it grows with x"),
    decreasing=True,
    values=(0.0, 2.0),
    exact=decimals.erfc,
    sample=with_small(
        mixed(0.5, 11.5 + 15.0 * T, 6.0 * T - 3.0),
        *(23.78415449756976, 22.911530782026237, 0.9928045077437022, 26.54),
    ),
    derivatives=Bell(lax.erfc, lambda x: ERFC.enclose(x), -1, (1,), _decay, _bell, _float_bell),
    graph=lambda b, x: b.sub(b.constant(1.0), b.node("erf", x)),
)
ERF_INV = Elementary(
    "erf_inv",
    lax.erf_inv,
    inverse,
    rough=lambda x: ~(x.magnitude < 1.0),
    differentiable=_erf_inv,
)
RECORDS = (ERF, ERFC, ERF_INV)
