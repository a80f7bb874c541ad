"""Softmax, logsumexp and logaddexp as primitives, enclosed as functions of differences.

Interval arithmetic on `exp(x_i) / sum_j exp(x_j)` forgets that numerator and denominator move
together, but

    softmax(x)_i = 1 / sum_j exp(x_j - x_i),    logsumexp(x) = log sum_j exp(x_j)

are monotone in each argument, so that their ranges over a box are found at its corners.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jax.interpreters import ad, batching, mlir

from certify.enclosure.elementary.arithmetic import add, sub
from certify.enclosure.elementary.exponentials import EXP, LOG, LOG1P
from certify.enclosure.elementary.powers import integer_power
from certify.enclosure.elementary.univariate import derivative
from certify.enclosure.interval import Interval
from certify.enclosure.margins import clamp, where_defined, where_entire
from certify.enclosure.registry import BARE, Operation, rule
from certify.enclosure.rules.linear import sum_of

logaddexp_p = core.Primitive("logaddexp")


def logaddexp(x: Any, y: Any) -> Any:
    """Returns `log(exp(x) + exp(y))` as one primitive, whose derivatives are logistic functions."""
    shape = jnp.broadcast_shapes(jnp.shape(x), jnp.shape(y))
    return logaddexp_p.bind(jnp.broadcast_to(x, shape), jnp.broadcast_to(y, shape))


def _slope(tangent: Any, this: Any, other: Any) -> Any:
    return tangent * derivative("logistic", this - other)


logaddexp_p.def_impl(jnp.logaddexp)
logaddexp_p.def_abstract_eval(lambda x, _: x)
mlir.register_lowering(logaddexp_p, mlir.lower_fun(jnp.logaddexp, multiple_results=False))
batching.defbroadcasting(logaddexp_p)
ad.defjvp(logaddexp_p, lambda g, x, y: _slope(g, x, y), lambda g, x, y: _slope(g, y, x))


@rule("logaddexp")
@where_defined
def enclose_logaddexp(op: Operation, x: Interval, y: Interval) -> Interval:
    """Encloses logaddexp at each end, as it increases in both arguments.

    At each end it is the larger argument plus `log(1 + exp(-distance))`.
    """

    def at(a: Any, b: Any) -> Interval:
        low, high = Interval.point(jnp.minimum(a, b)), Interval.point(jnp.maximum(a, b))
        difference = add(op, low, Interval.point(-high.lower))
        return add(op, high, LOG1P.enclose(EXP.enclose(difference)))

    return Interval(at(x.lower, y.lower).lower, at(x.upper, y.upper).upper)


def softmax(x: Any, axes: tuple[int, ...]) -> Any:
    """Returns the softmax over several axes at once.

    Of two entries it is a logistic function of their difference.
    """
    last, restore = _as_last(x, axes)
    if last.shape[-1] == 1:
        return jnp.ones_like(x)
    if last.shape[-1] == 2:
        difference = last[..., 0] - last[..., 1]
        both = [derivative("logistic", difference), derivative("logistic", -difference)]
        return restore(jnp.stack(both, -1))
    return restore(softmax_p.bind(last))


def logsumexp(x: Any, axes: tuple[int, ...]) -> Any:
    """Returns the logsumexp over several axes at once."""
    last, _ = _as_last(x, axes)
    if last.shape[-1] == 1:
        return last[..., 0]
    if last.shape[-1] == 2:
        return logaddexp(last[..., 0], last[..., 1])
    return logsumexp_p.bind(last)


def log_softmax(x: Any, axes: tuple[int, ...]) -> Any:
    """Returns `-logsumexp_j(x_j - x_i)` for each `i`."""
    last, restore = _as_last(x, axes)
    differences = last[..., None, :] - last[..., :, None]
    return restore(-logsumexp(differences, (differences.ndim - 1,)))


def _as_last(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """Merges the axes into one, the last, and returns a function that undoes this too."""
    destination = tuple(range(-len(axes), 0))
    moved = jnp.moveaxis(x, axes, destination)
    flat = moved.reshape((*moved.shape[: moved.ndim - len(axes)], -1))
    return flat, lambda y: jnp.moveaxis(y.reshape(moved.shape), destination, axes)


def _compute_logsumexp(x: Any) -> Any:
    return jax.nn.logsumexp(x, axis=-1)


softmax_p, logsumexp_p = core.Primitive("softmax"), core.Primitive("logsumexp")
softmax_p.def_impl(jax.nn.softmax)
softmax_p.def_abstract_eval(lambda x: x)
logsumexp_p.def_impl(_compute_logsumexp)
logsumexp_p.def_abstract_eval(lambda x: x.update(shape=x.shape[:-1]))
mlir.register_lowering(softmax_p, mlir.lower_fun(jax.nn.softmax, multiple_results=False))
mlir.register_lowering(logsumexp_p, mlir.lower_fun(_compute_logsumexp, multiple_results=False))


def _batch(primitive: Any) -> Any:
    def batched(operands: Any, axes: Any) -> Any:
        (x,), (axis,) = operands, axes
        return primitive.bind(jnp.moveaxis(x, axis, 0)), 0

    return batched


batching.primitive_batchers[softmax_p] = _batch(softmax_p)
batching.primitive_batchers[logsumexp_p] = _batch(logsumexp_p)


def _softmax_tangent(tangent: Any, x: Any) -> Any:
    """Returns `p_i (1 - p_i) dx_i - p_i sum_(j != i) p_j dx_j`.

    The factor `p_i (1 - p_i)` is one primitive, whose range is known as a whole.
    """
    p = softmax_p.bind(x)
    others = (1.0 - jnp.eye(x.shape[-1])) @ (p * tangent)[..., None]
    return derivative("variance", p) * tangent - p * others[..., 0]


ad.defjvp(softmax_p, _softmax_tangent)
ad.defjvp(logsumexp_p, lambda tangent, x: jnp.sum(softmax_p.bind(x) * tangent, -1))


@rule("softmax")
def enclose_softmax(op: Operation, x: Interval) -> Interval:
    """Encloses softmax, increasing in its own argument and decreasing in the others."""
    least = _share(x.lower, x.upper)
    most = least if x.is_point else _share(x.upper, x.lower)
    result = clamp(Interval(least.lower, most.upper), 0.0, 1.0)
    unknown = jnp.any(x.is_unknown, -1, keepdims=True)
    return where_entire(jnp.broadcast_to(unknown, x.shape), result)


def _share(own: Any, others: Any) -> Interval:
    """Encloses `1 / (1 + sum_(j != i) exp(others_j - own_i))`."""
    size = own.shape[-1]
    difference = sub(BARE, Interval.point(others[..., None, :]), Interval.point(own[..., :, None]))
    powers = EXP.enclose(difference)
    same = jnp.eye(size, dtype=bool)
    total = sum_of(
        Interval(jnp.where(same, 1.0, powers.lower), jnp.where(same, 1.0, powers.upper)),
        (difference.ndim - 1,),
    )
    # Where an exponential overflows only 0 <= softmax <= 1 is left.
    inverse = integer_power(total, -1)
    return Interval(
        jnp.where(jnp.isfinite(total.upper), inverse.lower, 0.0),
        jnp.where(total.lower >= 1.0, inverse.upper, 1.0),
    )


@rule("logsumexp")
def enclose_logsumexp(op: Operation, x: Interval) -> Interval:
    """Encloses logsumexp, increasing in every argument.

    The arguments are shifted by about the largest, which changes nothing.
    """
    low = _at(x.lower)
    result = Interval(low.lower, low.upper if x.is_point else _at(x.upper).upper)
    return where_entire(jnp.any(x.is_unknown, -1), result)


def _at(x: Any) -> Interval:
    shift = jnp.max(x, -1)
    difference = sub(BARE, Interval.point(x), Interval.point(shift[..., None]))
    total = sum_of(EXP.enclose(difference), (x.ndim - 1,))
    return add(BARE, LOG.enclose(total), Interval.point(shift))
