"""Nonlinear operations on affine forms, each as a linear one and a remainder.

The remainder is bounded by Taylor's theorem from the exact range of the second derivative, or by
the mean value theorem from that of the first, whichever is less.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from certify.enclosure.affine.affine_form import AffineForm, aligned, ball, form, settled, up
from certify.enclosure.affine.linear_forms import everything, scaled, signed_sum, without_form
from certify.enclosure.elementary.arithmetic import add, sub
from certify.enclosure.interval import Interval
from certify.enclosure.registry import BARE
from certify.enclosure.rules import linear, logic
from certify.rounding import EPSILON, TINY

# Products are expanded into pairs of symbols, or of coordinates, up to this many pairs.
_PAIRS = 2**16


def linearised(bounds: Interval, x: AffineForm, of: Callable) -> AffineForm:
    """Returns `s(p) + m (x - p)` and a remainder, where `p` is a point of the interval."""
    x = settled(x)
    point = jnp.clip(x.centre, x.lower, x.upper)
    away = up(jnp.maximum(x.upper - point, point - x.lower), 1)
    at_point = Interval.point(point)
    interval = x.interval
    value, value_error = ball(of(at_point, 0))
    tangent, tangent_error = ball(of(at_point, 1))
    # Taylor: half the second derivative times a square, which has a sign.
    second = of(interval, 2)
    square = up(0.5 * away * away, 2)
    low, high = jnp.minimum(second.lower, 0.0) * square, jnp.maximum(second.upper, 0.0) * square
    middle = 0.5 * low + 0.5 * high
    taylor = up(jnp.maximum(high - middle, middle - low) + tangent_error * away, 6)
    taylor = jnp.where(jnp.isnan(taylor), jnp.inf, taylor)
    # Mean value: the slope is within the range of the first derivative.
    secant, secant_radius = ball(of(interval, 1))
    mean = up(secant_radius * away, 2)
    use = taylor <= jnp.where(jnp.isnan(mean), jnp.inf, mean)
    slope = jnp.where(use, tangent, secant)
    offset = jnp.where(use, middle, 0.0)
    rest = jnp.where(use, taylor, mean) + value_error
    # The third choice is the range itself, which never leaves the interval. Half a remainder and a
    # slope instead would be more than the range.
    constant, radius = ball(of(interval, 0))
    flat = radius <= 2.0 * rest
    slope, offset = jnp.where(flat, 0.0, slope), jnp.where(flat, 0.0, offset)
    value, rest = jnp.where(flat, constant, value), jnp.where(flat, radius, rest)
    shift = value + offset - slope * point
    size = jnp.abs(value) + jnp.abs(offset) + jnp.abs(slope * point)
    rest = up(rest + 8.0 * EPSILON * size, 4)
    return scaled(x, slope, shift, rest, bounds)


def product(
    bounds: Interval, x: AffineForm, y: AffineForm, dot: Callable, terms: int, coordinates: int
) -> AffineForm:
    """Returns `(cx + dx)(cy + dy)`, in which `dx dy` is not linear."""
    x, y = settled(x), settled(y)
    a, b = aligned(x, y)
    symbols = a.shape[0]
    centre = dot(x.centre, y.centre)
    generators = jax.vmap(dot, (None, 0))(x.centre, b) + jax.vmap(dot, (0, None))(a, y.centre)
    by_deviation = dot(x.deviation, y.deviation)
    shift = jnp.zeros_like(centre)
    nonlinear = by_deviation
    count = math.prod(centre.shape)
    pairs = symbols if symbols**2 * count <= _PAIRS else min(symbols, coordinates)
    if 0 < pairs**2 * count <= _PAIRS:
        rest_x, rest_y = (
            up(jnp.sum(jnp.abs(z[pairs:]), 0) + r, symbols)
            for z, r in ((a, x.remainder), (b, y.remainder))
        )
        shift, by_pairs = pair_products(a[:pairs], b[:pairs], rest_x, rest_y, dot)
        better = by_pairs < by_deviation
        shift = jnp.where(better, shift, 0.0)
        nonlinear = jnp.where(better, by_pairs, by_deviation)
    mixed = dot(jnp.abs(x.centre), y.remainder) + dot(x.remainder, jnp.abs(y.centre))
    magnitude = dot(jnp.abs(x.centre) + x.deviation, jnp.abs(y.centre) + y.deviation)
    # Deviations may be far less than the generators, whose products cause the rounding errors.
    parts = (jnp.abs(z.centre) + jnp.sum(jnp.abs(z.generators), 0) for z in (x, y))
    size = magnitude + dot(*parts)
    size = size + jnp.sum(jnp.abs(generators), 0) + jnp.abs(shift)
    error = linear.sum_error(2 * (terms + symbols**2) + 16, size)
    error = error + 4.0 * terms * symbols**2 * TINY
    remainder = up(nonlinear + mixed + error, terms + symbols + 8)
    return form(centre + shift, generators, remainder, bounds)


def pair_products(a: Any, b: Any, rest_x: Any, rest_y: Any, dot: Callable) -> tuple[Any, Any]:
    """Returns centre and radius of `dx dy`.

    Each `e_k^2` is in `[0, 1]`, and each pair of symbols counts as one.
    """
    products = jax.vmap(jax.vmap(dot, (None, 0)), (0, None))(a, b)
    count = a.shape[0]
    squares = jnp.moveaxis(jnp.diagonal(products, axis1=0, axis2=1), -1, 0)
    both = jnp.abs(products + jnp.swapaxes(products, 0, 1))
    pairs = 0.5 * jnp.tensordot(1.0 - jnp.eye(count), both, 2)
    spread_a, spread_b = jnp.sum(jnp.abs(a), 0), jnp.sum(jnp.abs(b), 0)
    rest = dot(spread_a, rest_y) + dot(rest_x, spread_b) + dot(rest_x, rest_y)
    return 0.5 * jnp.sum(squares, 0), 0.5 * jnp.sum(jnp.abs(squares), 0) + pairs + rest


def absolute(bounds: Interval, x: AffineForm) -> AffineForm:
    """Encloses `|x|`: linear where the sign is known, else between the chord and `m x` below it.

    `|x| - m x` is convex: it is largest at the ends, where it is `u (1 - m)` and `-l (1 + m)`, and
    zero at zero.
    """
    x = settled(x)
    low, high = x.lower, x.upper
    slope = jnp.clip((low + high) / (high - low), -1.0, 1.0)
    slope = jnp.where(low >= 0, 1.0, jnp.where(high <= 0, -1.0, slope))
    slope = jnp.where(jnp.isnan(slope), 0.0, slope)
    gap = jnp.maximum(high * (1.0 - slope), -low * (1.0 + slope))
    gap = up(jnp.where((low >= 0) | (high <= 0), 0.0, jnp.maximum(gap, 0.0)), 4)
    rest = jnp.where((low >= 0) | (high <= 0), 0.0, 0.5 * gap)
    return scaled(x, slope, rest, rest, bounds)


def extreme(bounds: Interval, x: Any, y: Any, sign: float) -> Any:
    """Encloses the larger or the smaller, `(x + y +- |x - y|) / 2`."""
    a, b = without_form(x), without_form(y)
    difference = signed_sum(sub(BARE, a, b), x, y, -1.0)
    distance = absolute(logic.absolute(BARE, difference.interval), difference)
    total = signed_sum(add(BARE, a, b), x, y, 1.0)
    both = signed_sum(everything(bounds.shape), total, distance, sign)
    return form(0.5 * both.centre, 0.5 * both.generators, 0.5 * both.remainder + TINY, bounds)
