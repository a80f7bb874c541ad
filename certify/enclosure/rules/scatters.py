"""Rules for updates at indices that are known exactly."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from certify.enclosure.elementary.arithmetic import mul, neg
from certify.enclosure.interval import Interval, is_concrete
from certify.enclosure.margins import where_entire, widened
from certify.enclosure.registry import SMOOTH_RULES, EnclosureError, Operation, rule
from certify.enclosure.rules.indices import positions, require_room
from certify.enclosure.rules.integers import PREFIX, wide
from certify.enclosure.rules.linear import sum_error


def _bound(function: Any, op: Operation, x: Any, indices: Any, updates: Any) -> Any:
    """Applies another kind of scatter to the same places."""
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


@rule("scatter-sub", "scatter_sub")
def scatter_sub(op: Operation, x: Interval, indices: Any, updates: Interval) -> Interval:
    """Adds the negative updates."""
    return scatter_add(op, x, indices, neg(op, updates))


@rule("scatter")
def scatter(op: Operation, x: Any, indices: Any, updates: Any) -> Interval:
    """Replaces entries; where several updates go to one place, any of them may win."""
    if op.primitive.name == "scatter" and op.params.get("update_jaxpr") is not None:
        raise EnclosureError(
            "'scatter' of a function, as in x.at[i].apply(function), has no enclosure rule; "
            "use x.at[i].set(function(x[i]))"
        )
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
    """Counts the updates that go to each place."""
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
    """Encloses extremes of entries and updates, exactly: they are monotone in each entry."""
    function = lax.scatter_min if "min" in op.primitive.name else lax.scatter_max
    low, high = (
        _bound(function, op, *ends)
        for ends in ((x.lower, indices, updates.lower), (x.upper, indices, updates.upper))
    )
    unknown = jnp.where(updates.is_unknown, 1, 0).astype(jnp.int32)
    reached = _bound(lax.scatter_max, op, jnp.zeros(x.shape, jnp.int32), indices, unknown) > 0
    return where_entire(x.is_unknown | reached, Interval(low, high))


@rule("scatter-min", "scatter_min", "scatter-max", "scatter_max", table=SMOOTH_RULES)
def smooth_scatter_extreme(op: Operation, x: Interval, indices: Any, updates: Interval) -> Interval:
    """Encloses extremes; a tie counts as reached wherever something is updated."""
    return where_entire(
        _hits(op, x, indices, updates) > 0, scatter_extreme(op, x, indices, updates)
    )


@rule(PREFIX + "scatter-sub", PREFIX + "scatter_sub")
def scatter_sub_somewhere(op: Operation, x: Any, indices: Interval, updates: Any) -> Interval:
    """Adds the negative updates."""
    negative = neg(op, updates) if isinstance(updates, Interval) else updates
    return scatter_add_somewhere(op, x, indices, negative)


@rule(PREFIX + "scatter-add", PREFIX + "scatter_add")
def scatter_add_somewhere(op: Operation, x: Any, indices: Interval, updates: Any) -> Interval:
    """Adds at every position what certainly goes there, or what may.

    Nothing is known if an index may be outside.
    """
    if not (isinstance(x, Interval) and isinstance(updates, Interval)):
        raise EnclosureError(
            "'scatter-add' to integers that depend on the box has no enclosure rule"
        )
    numbers = op.params["dimension_numbers"]
    window = _window_sizes(op, x, updates)
    most = [x.shape[axis] - window[axis] for axis in numbers.scatter_dims_to_operand_dims]
    require_room(indices, most)
    low, high, unknown = wide(indices)
    row = (1,) * (low.ndim - 1) + (-1,)
    outside = jnp.any(unknown | (low < 0) | (high > jnp.asarray(most, low.dtype).reshape(row)))
    axes = [i for i in range(updates.ndim) if i not in numbers.update_window_dims]

    def spread(flags: Any) -> Any:
        return lax.broadcast_in_dim(flags, updates.shape, axes)

    result = x
    for position in positions([n + 1 for n in most]):
        place = jnp.broadcast_to(jnp.asarray(position, low.dtype).reshape(row), low.shape)
        possible = spread(jnp.all((low <= place) & (place <= high), -1))
        certain = spread(jnp.all((low == place) & (place == high), -1))
        ends = (jnp.minimum(updates.lower, 0.0), jnp.maximum(updates.upper, 0.0))
        known = (updates.lower, updates.upper)
        part = Interval(
            *(
                jnp.where(certain, sure, jnp.where(possible, end, 0.0))
                for sure, end in zip(known, ends, strict=True)
            )
        )
        result = scatter_add(op, result, place, part)
    return where_entire(jnp.broadcast_to(outside, x.shape), result)


def _window_sizes(op: Operation, x: Interval, updates: Interval) -> list[int]:
    """Returns, for each axis of the operand, the size of the part that one index updates."""
    numbers = op.params["dimension_numbers"]
    absent = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    sizes = iter(updates.shape[axis] for axis in numbers.update_window_dims)
    return [1 if axis in absent else next(sizes) for axis in range(x.ndim)]
