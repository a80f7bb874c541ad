"""Operations on affine forms that are composed of others: linear systems, softmax and its kin."""

from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
from jax import lax

from certify.enclosure.affine.affine_form import AffineForm, as_form, ball, form, settled, up
from certify.enclosure.affine.linear_forms import (
    difference_of,
    everything,
    form_alone,
    signed_sum,
    usable,
    without_form,
)
from certify.enclosure.elementary.arithmetic import sub
from certify.enclosure.elementary.exponentials import LOGISTIC
from certify.enclosure.elementary.powers import reciprocal
from certify.enclosure.interval import Interval
from certify.enclosure.registry import BARE, Operation, Rule
from certify.enclosure.rules import linear_systems
from certify.enclosure.rules.softmax import enclose_logaddexp


@runtime_checkable
class Rules(Protocol):
    """The part of `affine_rules.AffineRules` that is needed here."""

    table: dict[str, Rule]

    def remember(self, x: AffineForm) -> AffineForm:
        """Gives each remainder a symbol of its own."""
        ...

    def linearised(self, bounds: Interval, x: AffineForm, of: Any) -> AffineForm:
        """Returns a function of one variable, with its remainder remembered."""
        ...

    def divide(self, bounds: Interval, x: Any, y: Any) -> AffineForm:
        """Returns a quotient."""
        ...


def solution(rules: Rules, op: Operation, bounds: Interval, a: Any, b: Any) -> AffineForm:
    """Encloses `x = y + C (b - A y) + (I - C A)(x - y)` for any matrix `C` and affine form `y`.

    With `y` right to first order, `b - A y` is a small form, in which what rows of `A` have in
    common cancels, and `x - y` is small: `|x - y| <= T |x - y| + t` for `T >= |I - C A|` and
    `t >= |C (b - A y)|`, where `T v <= q v < v` for some `v > 0` proves that `A` is invertible.
    """
    if a.shape[-1] == 1:
        return rules.divide(bounds, b, a)
    n = a.shape[-1]
    middle, _ = ball(without_form(a))
    middle = jnp.where(jnp.isfinite(middle), middle, 0.0)
    c = Interval.point(usable(linear_systems.approximate_inverse(middle)))
    start = Interval.point(usable(c.lower @ usable(without_form(b).midpoint)))
    first = as_form(_matmul(rules, c, difference_of(b, _matmul(rules, a, start))))
    near = signed_sum(everything(start.shape), start, first, 1.0)
    y = form_alone(usable(near.centre), usable(near.generators), jnp.zeros(near.shape))
    gap = rules.remember(settled(difference_of(b, _matmul(rules, a, y))))
    change = settled(_matmul(rules, c, gap))
    identity = Interval.point(jnp.broadcast_to(jnp.eye(n), a.shape))
    distance = settled(difference_of(identity, _matmul(rules, c, a))).magnitude
    contraction, v = linear_systems.contraction(distance)
    share = jnp.max(up(change.magnitude / v.lower, 2), -2, keepdims=True)
    away = up(v.lower * up(share / (1.0 - contraction), 4), 2)
    away = jnp.where(contraction < 1.0 - 2.0**-20, away, jnp.inf)
    for _ in range(3):
        away = jnp.minimum(away, up(change.magnitude + up(distance @ away, 2 * n), 1))
    rest = up(distance @ away, 2 * n)
    proved = jnp.all(jnp.isfinite(rest), -2, keepdims=True)
    result = signed_sum(bounds, y, change, 1.0)
    remainder = up(result.remainder + rest, 1)
    alone = form_alone(result.centre, result.generators, remainder)
    replaced = bounds.is_unknown & proved
    bounds = Interval(
        jnp.where(replaced, alone.lower, bounds.lower),
        jnp.where(replaced, alone.upper, bounds.upper),
    )
    return form(result.centre, result.generators, remainder, bounds)


def _matmul(rules: Rules, a: Any, b: Any) -> Any:
    """Multiplies stacks of matrices."""
    k = a.ndim - 2
    dimensions = (((a.ndim - 1,), (k,)), (tuple(range(k)),) * 2)
    op = Operation(lax.dot_general_p, {"dimension_numbers": dimensions})
    return rules.table["dot_general"](op, a, b)


def softmax(rules: Rules, op: Operation, bounds: Interval, x: AffineForm) -> AffineForm:
    """Encloses `1 / sum_j exp(x_j - x_i)`."""
    total = _exponentials(rules, x)
    inverse = rules.linearised(reciprocal(total.interval, 0), total, reciprocal)
    return form(inverse.centre, inverse.generators, inverse.remainder, bounds)


def _exponentials(rules: Rules, x: AffineForm) -> AffineForm:
    """Encloses `sum_j exp(x_j - x_i)` for each `i`."""
    size = x.shape[-1]
    others, own = (_spread(x, axis) for axis in (-2, -1))
    difference = _apply(rules, "sub", lax.sub_p, others, own)
    powers = _apply(rules, "exp", lax.exp_p, difference, accuracy=None)
    same = jnp.broadcast_to(jnp.eye(size, dtype=bool), powers.shape)
    ones = Interval.point(jnp.ones(powers.shape))
    exact = _apply(rules, "select_n", lax.select_n_p, same, powers, ones)
    return _apply(rules, "reduce_sum", lax.reduce_sum_p, exact, axes=(powers.ndim - 1,))


def logsumexp(rules: Rules, op: Operation, bounds: Interval, x: AffineForm) -> AffineForm:
    """Encloses the logsumexp, shifted by the largest centre, which changes nothing."""
    shift = Interval.point(jnp.max(x.centre, -1))
    every = Interval.point(jnp.broadcast_to(shift.lower[..., None], x.shape))
    shifted = _apply(rules, "sub", lax.sub_p, x, every)
    powers = _apply(rules, "exp", lax.exp_p, shifted, accuracy=None)
    total = _apply(rules, "reduce_sum", lax.reduce_sum_p, powers, axes=(x.ndim - 1,))
    logarithm = _apply(rules, "log", lax.log_p, total, accuracy=None)
    return signed_sum(bounds, logarithm, shift, 1.0)


def logaddexp(rules: Rules, op: Operation, bounds: Interval, x: Any, y: Any) -> AffineForm:
    """Encloses `x + log(1 + exp(y - x))`: a smooth function of the difference."""
    difference = signed_sum(sub(BARE, without_form(y), without_form(x)), y, x, -1.0)
    gain = rules.linearised(softplus(difference.interval, 0), difference, softplus)
    return signed_sum(bounds, x, gain, 1.0)


def _apply(rules: Rules, name: str, primitive: Any, *operands: Any, **params: Any) -> Any:
    return rules.table[name](Operation(primitive, params), *operands)


def softplus(x: Interval, order: int) -> Interval:
    """Encloses the derivatives of `log(1 + exp(x))`."""
    if order == 0:
        return enclose_logaddexp(BARE, x, Interval.point(jnp.zeros(x.shape)))
    assert LOGISTIC.derivatives is not None
    return LOGISTIC.derivatives.enclose(x, order - 1)


def _spread(x: AffineForm, axis: int) -> AffineForm:
    """Inserts a new axis of the length of the last at the given place."""
    shape = (*x.shape, x.shape[-1])
    parts = [
        jnp.broadcast_to(
            jnp.expand_dims(value, axis), (*value.shape[: value.ndim - x.ndim], *shape)
        )
        for value in (x.lower, x.upper, x.centre, x.generators, x.remainder)
    ]
    return AffineForm(*parts)
