"""Rules for affine forms: linear operations keep them, nonlinear ones are linearised.

Every primitive without such a rule falls back to its interval rule.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

from certify.enclosure.affine import composed_forms
from certify.enclosure.affine.affine_form import AffineForm, as_form, ball, form, moved, raw
from certify.enclosure.affine.curved_forms import absolute, extreme, linearised, product
from certify.enclosure.affine.linear_forms import linear_image, signed_sum, times, without_form
from certify.enclosure.elementary import SLOPES
from certify.enclosure.elementary.powers import integer_slope, integral_exponents, reciprocal
from certify.enclosure.interval import Interval
from certify.enclosure.registry import RULES, Operation, Rule
from certify.enclosure.rules import structural


class AffineRules:
    """The rules of one evaluation, which may introduce symbols of its own.

    A remainder that gets a symbol can cancel later, which is worth it where linear maps follow, as
    in neural networks. Symbols are handed out while tracing, so the code must not be traced once
    and run several times (see `control`, where loops lose their forms).

    Attributes:
        table: Rules by primitive name, for `interpret`.
    """

    def __init__(self, coordinates: int, fresh: int = 0, rules: Mapping[str, Rule] = RULES) -> None:
        self._coordinates = self._used = coordinates
        self._most = coordinates + fresh
        self._rules = rules
        own: dict[str, Callable] = {
            "add": lambda op, bounds, x, y: signed_sum(bounds, x, y, 1.0),
            "add_any": lambda op, bounds, x, y: signed_sum(bounds, x, y, 1.0),
            "sub": lambda op, bounds, x, y: signed_sum(bounds, x, y, -1.0),
            "neg": _neg,
            "mul": lambda op, bounds, x, y: self.multiply(bounds, x, y),
            "div": lambda op, bounds, x, y: self.divide(bounds, x, y),
            "dot_general": self._dot_general,
            "reduce_sum": _reduce_sum,
            "cumsum": _cumsum,
            "select_n": _select_n,
            "abs": lambda op, bounds, x: absolute(bounds, x),
            "convert_element_type": _convert,
            "max": lambda op, bounds, x, y: extreme(bounds, x, y, 1.0),
            "min": lambda op, bounds, x, y: extreme(bounds, x, y, -1.0),
            "solution": functools.partial(composed_forms.solution, self),
            "softmax": functools.partial(composed_forms.softmax, self),
            "logsumexp": functools.partial(composed_forms.logsumexp, self),
            "logaddexp": functools.partial(composed_forms.logaddexp, self),
            **dict.fromkeys(sorted(structural.MOVES), _move),
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
                base, exponent = operands  # the exponent must stay known
                return _outlined(
                    lambda x: affine(op, plain(op, without_form(x), exponent), x, exponent)
                )(base)
            return _outlined(lambda *xs: affine(op, plain(op, *map(without_form, xs)), *xs))(
                *operands
            )

        return either

    def remember(self, x: AffineForm) -> AffineForm:
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

    # Products.

    def multiply(self, bounds: Interval, x: Any, y: Any) -> AffineForm:
        """Multiplies entry by entry."""
        for a, b in ((x, y), (y, x)):
            if a.is_point:
                return times(bounds, a.lower, b)
        x, y = (as_form(z).broadcast_to(bounds.shape) for z in (x, y))
        return self._product(bounds, x, y, jnp.multiply, 1)

    def divide(self, bounds: Interval, x: Any, y: Any) -> AffineForm:
        """Divides entry by entry."""
        inverse = reciprocal(without_form(y), 0)
        if isinstance(y, AffineForm):
            inverse = self.linearised(inverse, y, reciprocal)
        return self.multiply(bounds, x, inverse)

    def _product(
        self, bounds: Interval, x: AffineForm, y: AffineForm, dot: Callable, terms: int
    ) -> AffineForm:
        return self.remember(product(bounds, x, y, dot, terms, self._coordinates))

    def _dot_general(self, op: Operation, bounds: Interval, x: Any, y: Any) -> AffineForm:
        dimensions = op.params["dimension_numbers"]
        terms = math.prod(x.shape[axis] for axis in dimensions[0][0])

        def dot(a: Any, b: Any) -> Any:
            return lax.dot_general(a, b, dimensions, precision=lax.Precision.HIGHEST)

        if x.is_point:
            a = x.lower
            return linear_image(bounds, y, lambda b: dot(a, b), lambda b: dot(jnp.abs(a), b), terms)
        if y.is_point:
            b = y.lower
            return linear_image(bounds, x, lambda a: dot(a, b), lambda a: dot(a, jnp.abs(b)), terms)
        return self._product(bounds, as_form(x), as_form(y), dot, terms)

    # Smooth functions of one variable.

    def _univariate(self, op: Operation, bounds: Interval, x: Any, *rest: Any) -> Any:
        if not isinstance(x, AffineForm) or any(isinstance(y, AffineForm) for y in rest):
            return bounds

        def of(x: Interval, order: int) -> Interval:
            return SLOPES[op.primitive.name](op, x, order, *rest)

        return self.linearised(bounds, x.broadcast_to(bounds.shape), of)

    def _square(self, op: Operation, bounds: Interval, x: AffineForm) -> AffineForm:
        """Squares a number; products of a number with itself come here too."""
        return self.linearised(bounds, x, lambda x, order: integer_slope(x, 2, order))

    def linearised(self, bounds: Interval, x: AffineForm, of: Callable) -> AffineForm:
        """Linearises a function of one variable by the ranges of its derivatives.

        The remainder is remembered.
        """
        return self.remember(linearised(bounds, x, of))


def _outlined(function: Callable) -> Callable:
    """Returns the same function, compiled on its own.

    XLA would otherwise fuse each rule into those before and after it, which takes it minutes.
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


def _move(op: Operation, bounds: Any, *operands: Any) -> Any:
    if not all(_is_real(x) for x in operands if isinstance(x, Interval)):
        return bounds
    return moved(op, operands, bounds)


def _convert(op: Operation, bounds: Any, x: AffineForm) -> Any:
    return x if op.params["new_dtype"] == np.float64 else bounds


def _neg(op: Operation, bounds: Interval, x: AffineForm) -> Any:
    return raw(-x.centre, -x.generators, x.remainder, bounds)


def _reduce_sum(op: Operation, bounds: Interval, x: AffineForm) -> AffineForm:
    axes = tuple(op.params["axes"])
    terms = math.prod(x.shape[axis] for axis in axes)
    return linear_image(bounds, x, lambda value: jnp.sum(value, axes), None, terms)


def _cumsum(op: Operation, bounds: Interval, x: AffineForm) -> AffineForm:
    return linear_image(bounds, x, op.bind, None, x.shape[op.params["axis"]])


def _select_n(op: Operation, bounds: Any, which: Any, *cases: Any) -> Any:
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


def _is_real(x: Interval) -> bool:
    return x.lower.dtype == np.float64
