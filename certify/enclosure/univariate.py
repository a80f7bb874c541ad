"""Functions of one variable with all their derivatives, each with its exact range.

Code that JAX writes for a derivative forgets what it is: `tanh' = 1 - tanh^2` becomes
`(1 - t)(1 + t)`, whose factors interval arithmetic takes for independent. Here the k-th derivative
of a function is one primitive, and its range over an interval is the hull of its values at the ends
and at the critical points in between.

Up to a positive weight, each derivative is a polynomial with integer coefficients,

    s^(k) = P_k w_k,

found from the one before by a linear combination of `P_k'` and `P_k`. Hence the critical points of
`s^(k)` are the roots of `P_(k+1)`, which are enclosed rigorously.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core
from jax.interpreters import ad, batching, mlir

from certify.enclosure import elementwise, special, trigonometric
from certify.enclosure.elementwise import mul
from certify.enclosure.interval import Interval
from certify.enclosure.polynomial import (
    Polynomial,
    differentiated,
    enclosed_value,
    plus,
    real_roots,
    times,
    value,
)
from certify.enclosure.registry import BARE, Operation, rule
from certify.enclosure.rounding import where_defined, where_entire
from certify.enclosure.sinc import Sinc

# Floats around 2 / sqrt(pi) and 1 / e.
_BELL_HEIGHT = (1.1283791670955123, 1.1283791670955128)
_INVERSE_E = (0.36787944117144228, 0.36787944117144239)


class Univariate(Protocol):
    """A function with its derivatives of every order."""

    def compute(self, x: Any, order: int) -> Any:
        """The derivative of that order in floating point."""
        ...

    def enclose(self, x: Interval, order: int) -> Interval:
        """Its range, exact up to rounding; unknown outside the domain."""
        ...


class Saturation(NamedTuple):
    """A monotone function `y` with `y' = D(y)`: its derivatives are polynomials in itself.

    Attributes:
        function: `y` in floating point.
        rule: The enclosure rule of `y`.
        slope: `D`.
    """

    function: Callable
    rule: Callable
    slope: Polynomial

    def polynomial(self, order: int) -> Polynomial:
        """`P_0(y) = y` and `P_(k+1) = P_k' D`."""
        p: Polynomial = (0, 1)
        for _ in range(order):
            p = times(differentiated(p), self.slope)
        return p

    def compute(self, x: Any, order: int) -> Any:
        """A polynomial of the function."""
        return value(self.polynomial(order), self.function(x))

    def enclose(self, x: Interval, order: int) -> Interval:
        """The range of a polynomial over the range of the function."""
        y = self.rule(BARE, x)
        if order == 0:
            return y
        p = self.polynomial(order)
        return _hull(functools.partial(enclosed_value, p), y, differentiated(p))


class Power(NamedTuple):
    """A polynomial in the variable itself.

    Attributes:
        coefficients: Of the polynomial, that of the lowest power first.
    """

    coefficients: Polynomial

    def polynomial(self, order: int) -> Polynomial:
        """The derivative of that order."""
        p = self.coefficients
        for _ in range(order):
            p = differentiated(p)
        return p

    def compute(self, x: Any, order: int) -> Any:
        """By Horner's scheme."""
        return value(self.polynomial(order), x)

    def enclose(self, x: Interval, order: int) -> Interval:
        """The hull over ends and critical points."""
        p = self.polynomial(order)
        return _hull(functools.partial(enclosed_value, p), x, differentiated(p))


class Bell(NamedTuple):
    """A function whose first derivative is a positive even weight, up to sign.

    With `w_k = q w_(k+1)` and `w_k' = r_k w_(k+1)` the derivatives are `P_k w_k`, where `P_1 = +-1`
    and `P_(k+1) = P_k' q + P_k r_k`.

    Attributes:
        function: In floating point.
        rule: Its enclosure rule.
        sign: `P_1`.
        ratio: `q`.
        decay: `r_k` as a function of `k`.
        weight: Encloses `w_k`.
        float_weight: `w_k` in floating point.
    """

    function: Callable
    rule: Callable
    sign: int
    ratio: Polynomial
    decay: Callable[[int], Polynomial]
    weight: Callable[[Interval, int], Interval]
    float_weight: Callable[[Any, int], Any]

    def polynomial(self, order: int) -> Polynomial:
        """`P_k` for `k >= 1`."""
        p: Polynomial = (self.sign,)
        for k in range(1, order):
            p = plus(times(differentiated(p), self.ratio), times(p, self.decay(k)))
        return p

    def compute(self, x: Any, order: int) -> Any:
        """A polynomial times a weight."""
        if order == 0:
            return self.function(x)
        return value(self.polynomial(order), x) * self.float_weight(x, order)

    def enclose(self, x: Interval, order: int) -> Interval:
        """The hull over ends and critical points."""
        if order == 0:
            return self.rule(BARE, x)

        def at(x: Interval) -> Interval:
            return mul(BARE, enclosed_value(self.polynomial(order), x), self.weight(x, order))

        return _hull(at, x, self.polynomial(order + 1))


class Entropy:
    """`x log(x)` for positive `x`, with derivatives `log(x) + 1`, `1 / x`, `-1 / x^2`, ..."""

    def compute(self, x: Any, order: int) -> Any:
        """By formula."""
        if order == 0:
            return x * jnp.log(x)
        if order == 1:
            return jnp.log(x) + 1.0
        return self._factor(order) * lax.integer_pow(x, 1 - order)

    def enclose(self, x: Interval, order: int) -> Interval:
        """Decreasing up to `1 / e`, increasing from there on; its derivatives are monotone."""
        if order == 0:
            result = _hull(self._at, x, ())
            if not x.is_point:
                reached = (x.lower <= _INVERSE_E[1]) & (x.upper >= _INVERSE_E[0])
                lower = jnp.where(reached, -_INVERSE_E[1], result.lower)
                result = Interval(lower, result.upper)
        elif order == 1:
            one = Interval.point(jnp.ones(()))
            result = elementwise.add(BARE, elementwise.log(BARE, x), one)  # type: ignore[arg-type]
        else:
            factor = Interval.point(jnp.full((), float(self._factor(order))))
            result = mul(BARE, factor, elementwise.integer_power(x, 1 - order))
        return where_entire(x.lower <= 0, result)

    @staticmethod
    def _at(x: Interval) -> Interval:
        return mul(BARE, x, elementwise.log(BARE, x))

    @staticmethod
    def _factor(order: int) -> int:
        return (-1) ** order * int(np.prod(np.arange(1, order - 1), dtype=np.int64))


def _hull(at: Callable, x: Interval, slope: Polynomial) -> Interval:
    """The hull of values at the ends of an interval and at the roots of the derivative inside."""
    if x.is_point:
        return at(x)
    ends = at(Interval.point(jnp.stack([x.lower, x.upper])))
    lower, upper = jnp.min(ends.lower, 0), jnp.max(ends.upper, 0)
    for (first, last), least, most in _extremes(at, slope):
        reached = (x.lower <= last) & (x.upper >= first)
        lower = jnp.where(reached, jnp.minimum(lower, least), lower)
        upper = jnp.where(reached, jnp.maximum(upper, most), upper)
    return Interval(lower, upper)


def _extremes(at: Callable, slope: Polynomial) -> list[tuple[tuple[float, float], float, float]]:
    """Brackets of the critical points, with bounds of the values in them."""
    if len(slope) < 2:
        return []
    brackets = real_roots(slope)
    with jax.ensure_compile_time_eval():
        first, last = jnp.asarray(brackets).T
        values = at(Interval(first, last))
        lower, upper = np.asarray(values.lower).tolist(), np.asarray(values.upper).tolist()
    return list(zip(brackets, lower, upper, strict=True))


def _square_plus_one(x: Interval) -> Interval:
    return elementwise.add(BARE, elementwise.square(BARE, x), Interval.point(jnp.ones(())))


def _gauss(x: Interval, order: int) -> Interval:
    height = Interval(*map(jnp.asarray, _BELL_HEIGHT))
    square = elementwise.square(BARE, x)
    return mul(BARE, height, elementwise.exp(BARE, Interval(-square.upper, -square.lower)))


def _float_gauss(x: Any, order: int) -> Any:
    return _BELL_HEIGHT[0] * jnp.exp(-jnp.square(x))


def _half_power(x: Interval, order: int) -> Interval:
    root = elementwise.rsqrt(BARE, _square_plus_one(x))
    return elementwise.integer_power(root, 2 * order - 1)


FUNCTIONS: dict[str, Univariate] = {
    "tanh": Saturation(lax.tanh, elementwise.tanh, (1, 0, -1)),
    "logistic": Saturation(lax.logistic, elementwise.logistic, (0, 1, -1)),
    "erf": Bell(lax.erf, special.erf, 1, (1,), lambda k: (0, -2), _gauss, _float_gauss),
    "erfc": Bell(lax.erfc, special.erfc, -1, (1,), lambda k: (0, -2), _gauss, _float_gauss),
    "atan": Bell(
        lax.atan,
        trigonometric.atan,
        1,
        (1, 0, 1),
        lambda k: (0, -2 * k),
        lambda x, k: elementwise.integer_power(_square_plus_one(x), -k),
        lambda x, k: (1.0 + x * x) ** -k,
    ),
    "asinh": Bell(
        lax.asinh,
        trigonometric.asinh,
        1,
        (1, 0, 1),
        lambda k: (0, 1 - 2 * k),
        _half_power,
        lambda x, k: lax.rsqrt(1.0 + x * x) ** (2 * k - 1),
    ),
    "entropy": Entropy(),
    "sinc": Sinc(),
    # The variance of a coin with that probability of heads.
    "variance": Power((0, 1, -1)),
}

derivative_p = core.Primitive("derivative")


def derivative(function: str, x: Any, order: int = 0) -> Any:
    """The derivative of that order of one of `FUNCTIONS`, as one primitive of JAX.

    Its own derivative, by the chain rule, is the next one.
    """
    return derivative_p.bind(x, function=function, order=order)


def _compute(x: Any, *, function: str, order: int) -> Any:
    return FUNCTIONS[function].compute(x, order)


derivative_p.def_impl(jax.jit(_compute, static_argnames=("function", "order")))
derivative_p.def_abstract_eval(lambda x, **_: x)
mlir.register_lowering(derivative_p, mlir.lower_fun(_compute, multiple_results=False))
batching.defvectorized(derivative_p)
ad.defjvp(derivative_p, lambda g, x, *, function, order: g * derivative(function, x, order + 1))


@rule("derivative")
@where_defined
def enclose_derivative(op: Operation, x: Interval) -> Interval:
    """The exact range of the derivative, up to rounding."""
    return FUNCTIONS[op.params["function"]].enclose(x, op.params["order"])
