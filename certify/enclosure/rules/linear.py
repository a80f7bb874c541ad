"""Rules for sums and products of arrays, with order-free a priori error bounds.

However the terms of `sum_k a_k b_k` are ordered, grouped or fused, the computed value is within
`gamma_n sum_k |a_k b_k|` of the exact one, `gamma_n = n u / (1 - n u)`, `u = 2^-53` (Higham,
Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), plus one smallest normal number
for each operation that may be flushed. The bounds below use `(n + 4) 2^-52`, twice `gamma_(n+4)`
and more, so that they may themselves be computed in float64.
"""

import math
from typing import Any

import jax.numpy as jnp
from jax import lax

from certify.enclosure import direct
from certify.enclosure.interval import Interval
from certify.enclosure.margins import outward, widened
from certify.enclosure.registry import Operation, rule
from certify.enclosure.rules.structural import known_reals
from certify.rounding import EPSILON, TINY

# Interval products with at most this many terms are formed term by term and are only as wide as
# they must be; larger ones are formed from midpoints and radii: at most half as wide again, but at
# the speed of four matrix products.
_TERMWISE_LIMIT = 2**14


def sum_error(terms: int, magnitude: Any) -> Any:
    """Bounds the error of a sum of that many terms, given the sum of their absolute values."""
    return direct.add(direct.multiply((terms + 4) * EPSILON, magnitude), (terms + 4) * 4.0 * TINY)


@rule("reduce_sum")
def reduce_sum(op: Operation, x: Interval) -> Interval:
    """Sums the endpoints."""
    axes = op.params["axes"]
    return sum_of(x, axes)


def sum_of(x: Interval, axes: Any) -> Interval:
    """Encloses the sum of intervals along some axes."""
    terms = math.prod(x.shape[axis] for axis in axes)
    lower, upper = jnp.sum(x.lower, axes), jnp.sum(x.upper, axes)
    return widened(
        lower,
        upper,
        sum_error(terms, jnp.sum(jnp.abs(x.lower), axes)),
        sum_error(terms, jnp.sum(jnp.abs(x.upper), axes)),
    )


@rule("cumsum")
def cumsum(op: Operation, x: Interval) -> Interval:
    """Encloses partial sums by those of the endpoints."""
    terms = x.shape[op.params["axis"]]
    error_lower, error_upper = (
        sum_error(terms, op.bind(jnp.abs(end))) for end in (x.lower, x.upper)
    )
    return widened(op.bind(x.lower), op.bind(x.upper), error_lower, error_upper)


@rule("dot_general")
def dot_general(op: Operation, x: Any, y: Any) -> Interval:
    """Contracts two interval arrays; one of them may be known integers.

    With a point on one side the endpoints separate by sign and the result is as narrow as can be.
    Two intervals are multiplied term by term when small, else as
    `mid mid -+ (|mid| rad + rad |mid| + rad rad)` (Rump, Fast and parallel interval arithmetic,
    BIT 39, 1999).
    """
    x, y = (z if isinstance(z, Interval) else known_reals(z) for z in (x, y))
    dimensions = op.params["dimension_numbers"]
    terms = math.prod(x.shape[axis] for axis in dimensions[0][0])

    def dot(a: Any, b: Any) -> Any:
        return lax.dot_general(a, b, dimensions, precision=lax.Precision.HIGHEST)

    if x.is_point and y.is_point:
        value = dot(x.lower, y.lower)
        error = sum_error(terms, dot(jnp.abs(x.lower), jnp.abs(y.lower)))
        return widened(value, value, error, error)
    if x.is_point:
        return _signed(dot, x.lower, y, terms)
    if y.is_point:
        return _signed(lambda a, b: dot(b, a), y.lower, x, terms)
    (contract_x, contract_y), (batch_x, batch_y) = dimensions
    free_x, free_y = _free(x, contract_x, batch_x), _free(y, contract_y, batch_y)
    if math.prod(x.shape) * math.prod(y.shape[axis] for axis in free_y) <= _TERMWISE_LIMIT:
        products = _product(
            _aligned(x, batch_x, free_x, contract_x, after=len(free_y)),
            _aligned(y, batch_y, free_y, contract_y, before=len(free_x)),
        )
        first = products.ndim - len(contract_x)
        return sum_of(products, tuple(range(first, products.ndim)))
    return _midpoint_radius(dot, x, y, terms)


def _signed(dot: Any, a: Any, y: Interval, terms: int) -> Interval:
    positive, negative = jnp.maximum(a, 0.0), jnp.minimum(a, 0.0)
    error = sum_error(2 * terms, dot(jnp.abs(a), y.magnitude))
    return widened(
        dot(positive, y.lower) + dot(negative, y.upper),
        dot(positive, y.upper) + dot(negative, y.lower),
        error,
        error,
    )


def _free(x: Interval, contract: Any, batch: Any) -> list[int]:
    return [axis for axis in range(x.ndim) if axis not in contract and axis not in batch]


def _aligned(
    x: Interval, batch: Any, free: Any, contract: Any, before: int = 0, after: int = 0
) -> Interval:
    """Puts the axes in the order (batch, free of the left, free of the right, contracted).

    The free axes of the other operand have length one.
    """

    def align(value: Any) -> Any:
        value = jnp.transpose(value, (*batch, *free, *contract))
        nb, nf = len(batch), len(free)
        shape = value.shape
        return value.reshape(
            (*shape[:nb], *(1,) * before, *shape[nb : nb + nf], *(1,) * after, *shape[nb + nf :])
        )

    return Interval(align(x.lower), align(x.upper))


def _product(x: Interval, y: Interval) -> Interval:
    a, b, c, d = (direct.multiply(p, q) for p in (x.lower, x.upper) for q in (y.lower, y.upper))
    low = direct.minimum(direct.minimum(a, b), direct.minimum(c, d))
    high = direct.maximum(direct.maximum(a, b), direct.maximum(c, d))
    return outward(low, high, 1.0)


def _midpoint_radius(dot: Any, x: Interval, y: Interval, terms: int) -> Interval:
    (mx, rx), (my, ry) = _ball(x), _ball(y)
    middle = dot(mx, my)
    radius = dot(jnp.abs(mx), ry) + dot(rx, jnp.abs(my) + ry)
    magnitude = dot(jnp.abs(mx) + rx, jnp.abs(my) + ry)
    error = radius + sum_error(2 * terms + 8, 2.0 * magnitude)
    return widened(middle, middle, error, error)


def _ball(x: Interval) -> tuple[Any, Any]:
    """Returns a midpoint and a radius, rounded up, that cover the interval."""
    middle = 0.5 * x.lower + 0.5 * x.upper
    radius = jnp.maximum(x.upper - middle, middle - x.lower)
    return middle, radius * (1.0 + 4.0 * EPSILON) + 4.0 * TINY
