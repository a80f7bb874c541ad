"""Linear operations on affine forms, which keep what the numbers have in common."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from certify.enclosure.affine.affine_form import AffineForm, aligned, as_form, form, raw, up
from certify.enclosure.elementary.arithmetic import sub
from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_entire
from certify.enclosure.registry import BARE
from certify.enclosure.rules import linear
from certify.rounding import EPSILON, TINY


def signed_sum(bounds: Interval, x: Any, y: Any, sign: float) -> AffineForm:
    """Returns `x + sign y`."""
    x, y = (as_form(z).broadcast_to(bounds.shape) for z in (x, y))
    a, b = aligned(x, y)
    centre, generators = x.centre + sign * y.centre, a + sign * b
    error = EPSILON * (jnp.abs(centre) + jnp.sum(jnp.abs(generators), 0))
    error = up(x.remainder + y.remainder + error, a.shape[0] + 4)
    return raw(centre, generators, error, bounds)


def linear_image(
    bounds: Interval, x: AffineForm, apply: Callable, size: Callable | None, terms: int
) -> AffineForm:
    """Applies a linear map with point coefficients; `size` applies their absolute values."""
    size = size or apply
    magnitude = size(jnp.abs(x.centre) + jnp.sum(jnp.abs(x.generators), 0))
    error = linear.sum_error(terms + x.symbols, 2.0 * magnitude)
    error = error + 4.0 * terms * x.symbols * TINY
    remainder = up(size(x.remainder) + error, terms + 4)
    return raw(apply(x.centre), jax.vmap(apply)(x.generators), remainder, bounds)


def times(bounds: Interval, a: Any, x: AffineForm) -> AffineForm:
    """Returns `a x` for floats `a`."""
    size, x = jnp.abs(a), x.broadcast_to(bounds.shape)
    return linear_image(bounds, x, lambda b: a * b, lambda b: size * b, 1)


def difference_of(x: Any, y: Any) -> AffineForm:
    """Returns `x - y`."""
    interval = sub(BARE, without_form(x), without_form(y))
    return signed_sum(interval, x, y, -1.0)


def scaled(x: AffineForm, slope: Any, shift: Any, rest: Any, bounds: Interval) -> AffineForm:
    """Returns `slope x + shift`, give or take `rest`."""
    centre = slope * x.centre + shift
    generators = slope * x.generators
    size = jnp.abs(slope * x.centre) + jnp.abs(shift) + jnp.sum(jnp.abs(generators), 0)
    error = jnp.abs(slope) * x.remainder + rest + 4.0 * EPSILON * size
    return form(centre, generators, up(error, x.symbols + 6), bounds)


def without_form(x: Any) -> Any:
    """Returns the interval alone."""
    return x.interval if isinstance(x, AffineForm) else x


def usable(value: Any) -> Any:
    """Replaces floats that are not finite, or not normal, by zero; any floats will do."""
    return jnp.where(jnp.isfinite(value) & (jnp.abs(value) >= TINY), value, 0.0)


def form_alone(centre: Any, generators: Any, remainder: Any) -> AffineForm:
    """Returns a form of numbers of which nothing else is known; unknown where it overflows."""
    found = form(centre, generators, remainder, everything(centre.shape))
    inside = (found.lower > jnp.finfo(jnp.float64).min) & jnp.isfinite(found.upper)
    known = where_entire(~inside, found.interval)
    return raw(found.centre, found.generators, found.remainder, known)


def everything(shape: tuple[int, ...]) -> Interval:
    """Returns bounds for any floats that are defined; real numbers may be smaller still."""
    most = jnp.full(shape, jnp.finfo(jnp.float64).max)
    return Interval(-most, jnp.full(shape, jnp.inf))
