"""Rules for affine forms: linear operations keep them, nonlinear ones are linearised.

Linearisation has a remainder, which is bounded by Taylor's theorem from the exact range of the
second derivative, or by the mean value theorem from that of the first, whichever is less. Every
other primitive falls back to its interval rule.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

from certify.enclosure import known_functions, linear, linear_systems, logic, structural
from certify.enclosure.affine_form import (
    AffineForm,
    aligned,
    as_form,
    ball,
    form,
    moved,
    raw,
    settled,
    up,
)
from certify.enclosure.elementary import SLOPES
from certify.enclosure.elementary.arithmetic import add, sub
from certify.enclosure.elementary.exponentials import LOGISTIC
from certify.enclosure.elementary.powers import integer_slope, integral_exponents, reciprocal
from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_entire
from certify.enclosure.registry import BARE, RULES, Operation, Rule
from certify.rounding import EPSILON, TINY

# Products are expanded into pairs of symbols, or of coordinates, up to this many of them.
_PAIRS = 2**16


class AffineRules:
    """The rules of one evaluation, which may introduce symbols of its own.

    A remainder that gets a symbol can cancel later: worth it where linear maps follow, as in neural
    networks. Symbols are handed out while tracing, so the code must not be traced once and run
    several times (see `control`, where loops lose their forms).

    Attributes:
        table: Rules by primitive name, for `interpret`.
    """

    def __init__(self, coordinates: int, fresh: int = 0, rules: Mapping[str, Rule] = RULES) -> None:
        self._coordinates = self._used = coordinates
        self._most = coordinates + fresh
        self._rules = rules
        own: dict[str, Callable] = {
            "add": self._add,
            "add_any": self._add,
            "sub": self._sub,
            "neg": self._neg,
            "mul": self._mul,
            "div": self._div,
            "dot_general": self._dot_general,
            "reduce_sum": self._reduce_sum,
            "cumsum": self._cumsum,
            "select_n": self._select_n,
            "abs": self._abs,
            "convert_element_type": self._convert,
            "max": self._max,
            "min": self._min,
            "solution": self._solution,
            "softmax": self._softmax,
            "logsumexp": self._logsumexp,
            "logaddexp": self._logaddexp,
            **dict.fromkeys(sorted(structural.MOVES), self._move),
            **dict.fromkeys(SLOPES, self._univariate),
            "square": self._square,
        }
        # Rules that are missing, or stricter, in the given table stay so.
        wrapped = {name: self._with_forms(name, own[name]) for name in own if name in rules}
        self.table: dict[str, Rule] = {**rules, **wrapped}

    def _with_forms(self, name: str, affine: Callable) -> Rule:
        plain = self._rules[name]

        def either(op: Operation, *operands: Any) -> Any:
            if not any(isinstance(x, AffineForm) for x in operands):
                return plain(op, *operands)
            if name == "pow" and integral_exponents(operands[1]) is not None:
                base, exponent = operands  # which must stay known
                return _outlined(
                    lambda x: affine(op, plain(op, _without_form(x), exponent), x, exponent)
                )(base)
            return _outlined(lambda *xs: affine(op, plain(op, *map(_without_form, xs)), *xs))(
                *operands
            )

        return either

    def _remember(self, x: AffineForm) -> AffineForm:
        """Gives each remainder a symbol of its own, while there are some left."""
        size = math.prod(x.shape)
        if size == 0 or self._used + size > self._most:
            return x
        gap = jnp.zeros((self._used - x.symbols, *x.shape))
        known = jnp.isfinite(x.remainder)
        new = jnp.diag(jnp.where(known, x.remainder, 0.0).ravel()).reshape((size, *x.shape))
        self._used += size
        generators = jnp.concatenate([x.generators, gap, new])
        remainder = jnp.where(known, 0.0, x.remainder)
        return AffineForm(x.lower, x.upper, x.centre, generators, remainder)

    # Linear operations.

    def _move(self, op: Operation, bounds: Any, *operands: Any) -> Any:
        if not all(_is_real(x) for x in operands if isinstance(x, Interval)):
            return bounds
        return moved(op, operands, bounds)

    def _convert(self, op: Operation, bounds: Any, x: AffineForm) -> Any:
        return x if op.params["new_dtype"] == np.float64 else bounds

    def _neg(self, op: Operation, bounds: Interval, x: AffineForm) -> Any:
        return raw(-x.centre, -x.generators, x.remainder, bounds)

    def _add(self, op: Operation, bounds: Interval, x: Any, y: Any) -> Any:
        return self._sum(bounds, x, y, 1.0)

    def _sub(self, op: Operation, bounds: Interval, x: Any, y: Any) -> Any:
        return self._sum(bounds, x, y, -1.0)

    def _sum(self, bounds: Interval, x: Any, y: Any, sign: float) -> AffineForm:
        x, y = (as_form(z).broadcast_to(bounds.shape) for z in (x, y))
        a, b = aligned(x, y)
        centre, generators = x.centre + sign * y.centre, a + sign * b
        error = EPSILON * (jnp.abs(centre) + jnp.sum(jnp.abs(generators), 0))
        error = up(x.remainder + y.remainder + error, a.shape[0] + 4)
        return raw(centre, generators, error, bounds)

    def _reduce_sum(self, op: Operation, bounds: Interval, x: AffineForm) -> AffineForm:
        axes = tuple(op.params["axes"])
        terms = math.prod(x.shape[axis] for axis in axes)
        return self._linear(bounds, x, lambda value: jnp.sum(value, axes), None, terms)

    def _cumsum(self, op: Operation, bounds: Interval, x: AffineForm) -> AffineForm:
        return self._linear(bounds, x, op.bind, None, x.shape[op.params["axis"]])

    def _linear(
        self, bounds: Interval, x: AffineForm, apply: Callable, size: Callable | None, terms: int
    ) -> AffineForm:
        """A linear map with point coefficients; `size` applies their absolute values."""
        size = size or apply
        magnitude = size(jnp.abs(x.centre) + jnp.sum(jnp.abs(x.generators), 0))
        error = linear.sum_error(terms + x.symbols, 2.0 * magnitude)
        error = error + 4.0 * terms * x.symbols * TINY
        remainder = up(size(x.remainder) + error, terms + 4)
        return raw(apply(x.centre), jax.vmap(apply)(x.generators), remainder, bounds)

    # Products.

    def _mul(self, op: Operation, bounds: Interval, x: Any, y: Any) -> AffineForm:
        for a, b in ((x, y), (y, x)):
            if a.is_point:
                return self._times(bounds, a.lower, b)
        x, y = (as_form(z).broadcast_to(bounds.shape) for z in (x, y))
        return self._product(bounds, x, y, jnp.multiply, 1)

    def _times(self, bounds: Interval, a: Any, x: AffineForm) -> AffineForm:
        size, x = jnp.abs(a), x.broadcast_to(bounds.shape)
        return self._linear(bounds, x, lambda b: a * b, lambda b: size * b, 1)

    def _div(self, op: Operation, bounds: Interval, x: Any, y: Any) -> AffineForm:
        inverse = reciprocal(_without_form(y), 0)
        if isinstance(y, AffineForm):
            inverse = self._linearised(inverse, y, reciprocal)
        return self._mul(op, bounds, x, inverse)

    def _dot_general(self, op: Operation, bounds: Interval, x: Any, y: Any) -> AffineForm:
        dimensions = op.params["dimension_numbers"]
        terms = math.prod(x.shape[axis] for axis in dimensions[0][0])

        def dot(a: Any, b: Any) -> Any:
            return lax.dot_general(a, b, dimensions, precision=lax.Precision.HIGHEST)

        if x.is_point:
            a = x.lower
            return self._linear(bounds, y, lambda b: dot(a, b), lambda b: dot(jnp.abs(a), b), terms)
        if y.is_point:
            b = y.lower
            return self._linear(bounds, x, lambda a: dot(a, b), lambda a: dot(a, jnp.abs(b)), terms)
        return self._product(bounds, as_form(x), as_form(y), dot, terms)

    def _product(
        self, bounds: Interval, x: AffineForm, y: AffineForm, dot: Callable, terms: int
    ) -> AffineForm:
        """`(cx + dx)(cy + dy)`, in which `dx dy` is not linear."""
        x, y = settled(x), settled(y)
        a, b = aligned(x, y)
        symbols = a.shape[0]
        centre = dot(x.centre, y.centre)
        generators = jax.vmap(dot, (None, 0))(x.centre, b) + jax.vmap(dot, (0, None))(a, y.centre)
        by_deviation = dot(x.deviation, y.deviation)
        shift = jnp.zeros_like(centre)
        nonlinear = by_deviation
        count = math.prod(centre.shape)
        pairs = symbols if symbols**2 * count <= _PAIRS else min(symbols, self._coordinates)
        if 0 < pairs**2 * count <= _PAIRS:
            rest_x, rest_y = (
                up(jnp.sum(jnp.abs(z[pairs:]), 0) + r, symbols)
                for z, r in ((a, x.remainder), (b, y.remainder))
            )
            shift, by_pairs = _pairs(a[:pairs], b[:pairs], rest_x, rest_y, dot)
            better = by_pairs < by_deviation
            shift = jnp.where(better, shift, 0.0)
            nonlinear = jnp.where(better, by_pairs, by_deviation)
        mixed = dot(jnp.abs(x.centre), y.remainder) + dot(x.remainder, jnp.abs(y.centre))
        magnitude = dot(jnp.abs(x.centre) + x.deviation, jnp.abs(y.centre) + y.deviation)
        # Deviations may be far less than the generators, from whose products rounding errors come.
        parts = (jnp.abs(z.centre) + jnp.sum(jnp.abs(z.generators), 0) for z in (x, y))
        size = magnitude + dot(*parts)
        size = size + jnp.sum(jnp.abs(generators), 0) + jnp.abs(shift)
        error = linear.sum_error(2 * (terms + symbols**2) + 16, size)
        error = error + 4.0 * terms * symbols**2 * TINY
        remainder = up(nonlinear + mixed + error, terms + symbols + 8)
        return self._remember(form(centre + shift, generators, remainder, bounds))

    def _solution(self, op: Operation, bounds: Interval, a: Any, b: Any) -> AffineForm:
        """`x = y + C (b - A y) + (I - C A)(x - y)`, for any matrix `C` and any affine form `y`.

        With `y` right to first order, `b - A y` is a small form, in which what rows of `A` have in
        common cancels, and `x - y` is small: `|x - y| <= T |x - y| + t` for `T >= |I - C A|` and
        `t >= |C (b - A y)|`, where `T v <= q v < v` for some `v > 0` proves that `A` is invertible.
        """
        if a.shape[-1] == 1:
            return self._div(op, bounds, b, a)
        n = a.shape[-1]
        middle, _ = ball(_without_form(a))
        middle = jnp.where(jnp.isfinite(middle), middle, 0.0)
        c = Interval.point(_usable(linear_systems.approximate_inverse(middle)))
        start = Interval.point(_usable(c.lower @ _usable(_without_form(b).midpoint)))
        first = as_form(self._matmul(c, self._difference(b, self._matmul(a, start))))
        near = self._sum(_everything(start.shape), start, first, 1.0)
        y = _alone(_usable(near.centre), _usable(near.generators), jnp.zeros(near.shape))
        gap = self._remember(settled(self._difference(b, self._matmul(a, y))))
        change = settled(self._matmul(c, gap))
        identity = Interval.point(jnp.broadcast_to(jnp.eye(n), a.shape))
        distance = settled(self._difference(identity, self._matmul(c, a))).magnitude
        contraction, v = linear_systems.contraction(distance)
        share = jnp.max(up(change.magnitude / v.lower, 2), -2, keepdims=True)
        away = up(v.lower * up(share / (1.0 - contraction), 4), 2)
        away = jnp.where(contraction < 1.0 - 2.0**-20, away, jnp.inf)
        for _ in range(3):
            away = jnp.minimum(away, up(change.magnitude + up(distance @ away, 2 * n), 1))
        rest = up(distance @ away, 2 * n)
        proved = jnp.all(jnp.isfinite(rest), -2, keepdims=True)
        result = self._sum(bounds, y, change, 1.0)
        remainder = up(result.remainder + rest, 1)
        alone = _alone(result.centre, result.generators, remainder)
        replaced = bounds.is_unknown & proved
        bounds = Interval(
            jnp.where(replaced, alone.lower, bounds.lower),
            jnp.where(replaced, alone.upper, bounds.upper),
        )
        return form(result.centre, result.generators, remainder, bounds)

    def _difference(self, x: Any, y: Any) -> AffineForm:
        interval = sub(BARE, _without_form(x), _without_form(y))
        return self._sum(interval, x, y, -1.0)

    def _matmul(self, a: Any, b: Any) -> Any:
        """Of stacks of matrices."""
        k = a.ndim - 2
        dimensions = (((a.ndim - 1,), (k,)), (tuple(range(k)),) * 2)
        op = Operation(lax.dot_general_p, {"dimension_numbers": dimensions})
        return self.table["dot_general"](op, a, b)

    # Softmax and its kin, composed of exponentials of differences.

    def _softmax(self, op: Operation, bounds: Interval, x: AffineForm) -> AffineForm:
        total = self._exponentials(x)
        inverse = self._linearised(reciprocal(total.interval, 0), total, reciprocal)
        return form(inverse.centre, inverse.generators, inverse.remainder, bounds)

    def _exponentials(self, x: AffineForm) -> AffineForm:
        """`sum_j exp(x_j - x_i)` for each `i`."""
        size = x.shape[-1]
        others, own = (_spread(x, axis) for axis in (-2, -1))
        difference = self._apply("sub", lax.sub_p, others, own)
        powers = self._apply("exp", lax.exp_p, difference, accuracy=None)
        same = jnp.broadcast_to(jnp.eye(size, dtype=bool), powers.shape)
        ones = Interval.point(jnp.ones(powers.shape))
        exact = self._apply("select_n", lax.select_n_p, same, powers, ones)
        return self._apply("reduce_sum", lax.reduce_sum_p, exact, axes=(powers.ndim - 1,))

    def _logsumexp(self, op: Operation, bounds: Interval, x: AffineForm) -> AffineForm:
        """Shifted by the largest centre, which changes nothing."""
        shift = Interval.point(jnp.max(x.centre, -1))
        every = Interval.point(jnp.broadcast_to(shift.lower[..., None], x.shape))
        shifted = self._apply("sub", lax.sub_p, x, every)
        powers = self._apply("exp", lax.exp_p, shifted, accuracy=None)
        total = self._apply("reduce_sum", lax.reduce_sum_p, powers, axes=(x.ndim - 1,))
        logarithm = self._apply("log", lax.log_p, total, accuracy=None)
        return self._sum(bounds, logarithm, shift, 1.0)

    def _logaddexp(self, op: Operation, bounds: Interval, x: Any, y: Any) -> AffineForm:
        """`x + log(1 + exp(y - x))`: a smooth function of the difference."""
        difference = self._sum(sub(BARE, _without_form(y), _without_form(x)), y, x, -1.0)
        gain = self._linearised(_softplus(difference.interval, 0), difference, _softplus)
        return self._sum(bounds, x, gain, 1.0)

    def _apply(self, name: str, primitive: Any, *operands: Any, **params: Any) -> Any:
        return self.table[name](Operation(primitive, params), *operands)

    # Choices and kinks.

    def _select_n(self, op: Operation, bounds: Any, which: Any, *cases: Any) -> Any:
        if bounds.lower.dtype == bool:
            return bounds
        if not isinstance(which, Interval):
            return moved(op, (which, *cases), bounds)
        decided = which.lower == which.upper
        x = moved(op, (which.lower, *cases), bounds)
        centre, radius = ball(bounds)
        return form(
            jnp.where(decided, x.centre, centre),
            jnp.where(decided, x.generators, 0.0),
            jnp.where(decided, x.remainder, radius),
            bounds,
        )

    def _abs(self, op: Operation, bounds: Interval, x: AffineForm) -> AffineForm:
        """Linear where the sign is known, else between the chord above and `m x` below.

        `|x| - m x` is convex: largest at the ends, where it is `u (1 - m)` and `-l (1 + m)`, and
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
        return self._scaled(x, slope, rest, rest, bounds)

    def _max(self, op: Operation, bounds: Interval, x: Any, y: Any) -> Any:
        return self._extreme(bounds, x, y, 1.0)

    def _min(self, op: Operation, bounds: Interval, x: Any, y: Any) -> Any:
        return self._extreme(bounds, x, y, -1.0)

    def _extreme(self, bounds: Interval, x: Any, y: Any, sign: float) -> Any:
        """`(x + y +- |x - y|) / 2`."""
        a, b = _without_form(x), _without_form(y)
        difference = self._sum(sub(BARE, a, b), x, y, -1.0)
        distance = self._abs(BARE, logic.absolute(BARE, difference.interval), difference)
        total = self._sum(add(BARE, a, b), x, y, 1.0)
        both = self._sum(_everything(bounds.shape), total, distance, sign)
        return form(0.5 * both.centre, 0.5 * both.generators, 0.5 * both.remainder + TINY, bounds)

    # Smooth functions of one variable.

    def _univariate(self, op: Operation, bounds: Interval, x: Any, *rest: Any) -> Any:
        if not isinstance(x, AffineForm) or any(isinstance(y, AffineForm) for y in rest):
            return bounds

        def of(x: Interval, order: int) -> Interval:
            return SLOPES[op.primitive.name](op, x, order, *rest)

        return self._linearised(bounds, x.broadcast_to(bounds.shape), of)

    def _square(self, op: Operation, bounds: Interval, x: AffineForm) -> AffineForm:
        """Also of a product of a number with itself."""
        return self._linearised(bounds, x, lambda x, order: integer_slope(x, 2, order))

    def _linearised(self, bounds: Interval, x: AffineForm, of: Callable) -> AffineForm:
        """`s(p) + m (x - p)` and a remainder, where `p` is a point of the interval."""
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
        # Or the range itself, which never leaves the interval. Half a remainder and a slope instead
        # would be more than the range.
        constant, radius = ball(of(interval, 0))
        flat = radius <= 2.0 * rest
        slope, offset = jnp.where(flat, 0.0, slope), jnp.where(flat, 0.0, offset)
        value, rest = jnp.where(flat, constant, value), jnp.where(flat, radius, rest)
        shift = value + offset - slope * point
        size = jnp.abs(value) + jnp.abs(offset) + jnp.abs(slope * point)
        rest = up(rest + 8.0 * EPSILON * size, 4)
        return self._remember(self._scaled(x, slope, shift, rest, bounds))

    def _scaled(
        self, x: AffineForm, slope: Any, shift: Any, rest: Any, bounds: Interval
    ) -> AffineForm:
        """`slope x + shift`, give or take `rest`."""
        centre = slope * x.centre + shift
        generators = slope * x.generators
        size = jnp.abs(slope * x.centre) + jnp.abs(shift) + jnp.sum(jnp.abs(generators), 0)
        error = jnp.abs(slope) * x.remainder + rest + 4.0 * EPSILON * size
        return form(centre, generators, up(error, x.symbols + 6), bounds)


def _softplus(x: Interval, order: int) -> Interval:
    """The derivatives of `log(1 + exp(x))`."""
    if order == 0:
        return known_functions.enclose_logaddexp(BARE, x, Interval.point(jnp.zeros(x.shape)))
    assert LOGISTIC.derivatives is not None
    return LOGISTIC.derivatives.enclose(x, order - 1)


def _outlined(function: Callable) -> Callable:
    """The same function, compiled on its own.

    XLA would fuse each rule into those before and after it, which takes it minutes.
    """

    def outlined(*operands: Any) -> Any:
        # Points are recognised by having one array for both ends: give it back to them.
        points = [isinstance(x, Interval) and x.is_point for x in operands]

        def run(*values: Any) -> Any:
            pairs = zip(values, points, strict=True)
            return function(*(Interval.point(x) if point else x for x, point in pairs))

        values = [x.lower if point else x for x, point in zip(operands, points, strict=True)]
        with set_xla_metadata(inlineable="false"):
            return jax.jit(run)(*values)

    return outlined


def _pairs(a: Any, b: Any, rest_x: Any, rest_y: Any, dot: Callable) -> tuple[Any, Any]:
    """Centre and radius of `dx dy`, with `e_k^2` in `[0, 1]` and each pair of symbols as one."""
    products = jax.vmap(jax.vmap(dot, (None, 0)), (0, None))(a, b)
    count = a.shape[0]
    squares = jnp.moveaxis(jnp.diagonal(products, axis1=0, axis2=1), -1, 0)
    both = jnp.abs(products + jnp.swapaxes(products, 0, 1))
    pairs = 0.5 * jnp.tensordot(1.0 - jnp.eye(count), both, 2)
    spread_a, spread_b = jnp.sum(jnp.abs(a), 0), jnp.sum(jnp.abs(b), 0)
    rest = dot(spread_a, rest_y) + dot(rest_x, spread_b) + dot(rest_x, rest_y)
    return 0.5 * jnp.sum(squares, 0), 0.5 * jnp.sum(jnp.abs(squares), 0) + pairs + rest


def _usable(value: Any) -> Any:
    """Any finite normal floats will do: others become zero."""
    return jnp.where(jnp.isfinite(value) & (jnp.abs(value) >= TINY), value, 0.0)


def _without_form(x: Any) -> Any:
    return x.interval if isinstance(x, AffineForm) else x


def _is_real(x: Interval) -> bool:
    return x.lower.dtype == np.float64


def _alone(centre: Any, generators: Any, remainder: Any) -> AffineForm:
    """A form of numbers of which nothing else is known; nor is the form where it overflows."""
    found = form(centre, generators, remainder, _everything(centre.shape))
    inside = (found.lower > jnp.finfo(jnp.float64).min) & jnp.isfinite(found.upper)
    known = where_entire(~inside, found.interval)
    return raw(found.centre, found.generators, found.remainder, known)


def _everything(shape: tuple[int, ...]) -> Interval:
    """Of any floats that are defined; real numbers may be smaller still."""
    most = jnp.full(shape, jnp.finfo(jnp.float64).max)
    return Interval(-most, jnp.full(shape, jnp.inf))


def _spread(x: AffineForm, axis: int) -> AffineForm:
    """With a new axis of the same length as the last, in that place."""
    shape = (*x.shape, x.shape[-1])
    parts = [
        jnp.broadcast_to(
            jnp.expand_dims(value, axis), (*value.shape[: value.ndim - x.ndim], *shape)
        )
        for value in (x.lower, x.upper, x.centre, x.generators, x.remainder)
    ]
    return AffineForm(*parts)
