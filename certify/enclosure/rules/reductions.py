"""Rules for products and running extremes."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from certify.enclosure.elementary.arithmetic import mul
from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_entire
from certify.enclosure.registry import SMOOTH_RULES, Operation, rule


@rule("reduce_prod")
def reduce_prod(op: Operation, x: Interval) -> Interval:
    """Multiplies entries by a tree of interval products."""
    axes = op.params["axes"]

    def front(end: Any) -> Any:
        moved = jnp.moveaxis(end, axes, range(len(axes)))
        return moved.reshape((-1, *moved.shape[len(axes) :]))

    x = Interval(front(x.lower), front(x.upper))
    if x.shape[0] == 0:
        return Interval.point(jnp.ones(x.shape[1:]))
    return product_tree(
        lambda x, y: mul(op, x, y), x, lambda x, cut: Interval(x.lower[cut], x.upper[cut])
    )


def product_tree(multiply: Callable, x: Any, part: Callable) -> Any:
    """Multiplies along the first axis, by halves; `part(x, cut)` takes a slice of `x`."""
    while x.shape[0] > 1:
        half = x.shape[0] // 2
        product = multiply(part(x, slice(0, half)), part(x, slice(half, 2 * half)))
        if x.shape[0] % 2:
            last = part(x, slice(2 * half, None))
            if half == 1:
                product = multiply(product, last)
            else:
                first = multiply(part(product, slice(0, 1)), last)
                product = _replaced_first(product, first)
        x = product
    return part(x, 0)


def _replaced_first(x: Any, first: Any) -> Any:
    if isinstance(x, Interval):
        return Interval(
            jnp.concatenate([first.lower, x.lower[1:]]), jnp.concatenate([first.upper, x.upper[1:]])
        )
    return jnp.concatenate([first, x[1:]])


@rule("cumprod")
def cumprod(op: Operation, x: Interval) -> Interval:
    """Returns the products of prefixes, combined by interval products."""

    def combine(a: Any, b: Any) -> Any:
        product = mul(op, Interval(*a), Interval(*b))
        return product.lower, product.upper

    ends = (x.lower, x.upper)
    axis, backwards = op.params["axis"], op.params["reverse"]
    return Interval(*lax.associative_scan(combine, ends, reverse=backwards, axis=axis))


@rule("cummax", "cummin")
def running_extreme(op: Operation, x: Interval) -> Interval:
    """Encloses running extremes, exactly: they are monotone in each entry."""
    axis, backwards = op.params["axis"], op.params["reverse"]
    unknown = lax.cummax(x.is_unknown.astype(jnp.int32), axis, backwards) > 0
    return where_entire(unknown, Interval(op.bind(x.lower), op.bind(x.upper)))


# Smooth mode.


@rule("cummax", "cummin", table=SMOOTH_RULES)
def smooth_running_extreme(op: Operation, x: Interval) -> Interval:
    """Encloses running extremes; a tie counts as reached unless there is a single entry."""
    ties = x.shape[op.params["axis"]] > 1
    return where_entire(jnp.full(x.shape, ties), running_extreme(op, x))
