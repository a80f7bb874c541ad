"""Functions of one variable with all their derivatives, each with its exact range.

The code that JAX writes for a derivative hides its range: `tanh' = 1 - tanh^2` becomes
`(1 - t)(1 + t)`, whose factors interval arithmetic takes for independent. Here the k-th derivative
of a function is one primitive, whose range over an interval is known as a whole.
"""

from typing import Any, Protocol

import jax
from jax.extend import core
from jax.interpreters import ad, batching, mlir

from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_defined
from certify.enclosure.registry import Operation, rule


class Univariate(Protocol):
    """A function with its derivatives of every order."""

    def compute(self, x: Any, order: int) -> Any:
        """Returns the derivative of that order in floating point."""
        ...

    def enclose(self, x: Interval, order: int) -> Interval:
        """Returns its range, exact up to rounding; unknown outside the domain."""
        ...


# Functions by name, from the records of elementary functions.
DERIVATIVES: dict[str, Univariate] = {}

derivative_p = core.Primitive("derivative")


def derivative(function: str, x: Any, order: int = 0) -> Any:
    """Returns the derivative of that order of one of `DERIVATIVES`, as one primitive of JAX.

    Its own derivative, by the chain rule, is the next one.
    """
    return derivative_p.bind(x, function=function, order=order)


def _compute(x: Any, *, function: str, order: int) -> Any:
    return DERIVATIVES[function].compute(x, order)


derivative_p.def_impl(jax.jit(_compute, static_argnames=("function", "order")))
derivative_p.def_abstract_eval(lambda x, **_: x)
mlir.register_lowering(derivative_p, mlir.lower_fun(_compute, multiple_results=False))
batching.defvectorized(derivative_p)
ad.defjvp(derivative_p, lambda g, x, *, function, order: g * derivative(function, x, order + 1))


@rule("derivative")
@where_defined
def enclose_derivative(op: Operation, x: Interval) -> Interval:
    """Returns the exact range of the derivative, up to rounding."""
    return DERIVATIVES[op.params["function"]].enclose(x, op.params["order"])


def slope_of_derivative(op: Operation, x: Interval, order: int) -> Interval:
    """Returns the ranges of the derivatives of a derivative."""
    return DERIVATIVES[op.params["function"]].enclose(x, op.params["order"] + order)
