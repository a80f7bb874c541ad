"""Rules for updates at indices that are known exactly."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from .elementwise import mul
from .interval import Interval, is_concrete
from .linear import sum_error
from .registry import EnclosureError, Operation, rule
from .rounding import where_entire, widened


def _bound(function: Any, op: Operation, x: Any, indices: Any, updates: Any) -> Any:
    """Another kind of scatter to the same places."""
    if isinstance(indices, Interval):
        raise EnclosureError("the indices of a scatter depend on the box; make them constants")
    names = ("dimension_numbers", "indices_are_sorted", "unique_indices", "mode")
    dimensions, *rest = (op.params[name] for name in names)
    return function(x, indices, updates, dimensions, **dict(zip(names[1:], rest, strict=True)))


@rule("scatter-add", "scatter_add")
def scatter_add(op: Operation, x: Interval, indices: Any, updates: Interval) -> Interval:
    """Adds updates, in any order."""
    terms = 1 + math.prod(updates.shape)

    def scatter(a: Any, b: Any) -> Any:
        return _bound(lax.scatter_add, op, a, indices, b)

    return widened(
        scatter(x.lower, updates.lower),
        scatter(x.upper, updates.upper),
        sum_error(terms, scatter(jnp.abs(x.lower), jnp.abs(updates.lower))),
        sum_error(terms, scatter(jnp.abs(x.upper), jnp.abs(updates.upper))),
    )


@rule("scatter")
def scatter(op: Operation, x: Any, indices: Any, updates: Any) -> Interval:
    """Replaces entries; by any of the updates where several go to one place."""
    if not (isinstance(x, Interval) and isinstance(updates, Interval)):
        raise EnclosureError("'scatter' into integers that depend on the box has no enclosure rule")
    if x.lower.dtype != jnp.float64:
        raise EnclosureError("'scatter' has an enclosure rule for float64 only")
    infinite = jnp.full(x.shape, jnp.inf)
    low = _bound(lax.scatter_min, op, infinite, indices, updates.lower)
    high = _bound(lax.scatter_max, op, -infinite, indices, updates.upper)
    hit = _hits(op, x, indices, updates) > 0
    return Interval(jnp.where(hit, low, x.lower), jnp.where(hit, high, x.upper))


def _hits(op: Operation, x: Interval, indices: Any, updates: Interval) -> Any:
    """How many updates go to each place."""
    zeros, ones = jnp.zeros(x.shape, jnp.int32), jnp.ones(updates.shape, jnp.int32)
    return _bound(lax.scatter_add, op, zeros, indices, ones)


@rule("scatter-mul", "scatter_mul")
def scatter_mul(op: Operation, x: Interval, indices: Any, updates: Interval) -> Interval:
    """Multiplies by updates that go to different places."""
    hits = _hits(op, x, indices, updates)
    if not op.params["unique_indices"] and not (
        is_concrete(hits) and int(np.max(np.asarray(hits), initial=0)) <= 1
    ):
        raise EnclosureError(
            "'scatter-mul' of several numbers into one place has no enclosure rule"
        )
    ones = Interval.point(jnp.ones(x.shape))
    return mul(op, x, scatter(op, ones, indices, updates))


@rule("scatter-min", "scatter_min", "scatter-max", "scatter_max")
def scatter_extreme(op: Operation, x: Interval, indices: Any, updates: Interval) -> Interval:
    """Monotone in each entry; exact."""
    function = lax.scatter_min if "min" in op.primitive.name else lax.scatter_max
    low, high = (
        _bound(function, op, *ends)
        for ends in ((x.lower, indices, updates.lower), (x.upper, indices, updates.upper))
    )
    unknown = jnp.where(updates.is_unknown, 1, 0).astype(jnp.int32)
    reached = _bound(lax.scatter_max, op, jnp.zeros(x.shape, jnp.int32), indices, unknown) > 0
    return where_entire(x.is_unknown | reached, Interval(low, high))
