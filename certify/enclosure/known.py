"""Functions that are enclosed and differentiated as a whole, not by the code they consist of.

`logaddexp(x, y) = log(exp(x) + exp(y))`, hence softplus, is smooth, but JAX computes it with a
maximum and an absolute value whose kinks cancel. A call is recognised by its code, equation by
equation, not by its name: whatever has this code is this function.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jax.interpreters import ad, batching, mlir

from .elementwise import add, exp, log1p
from .interval import Interval
from .registry import Operation, rule
from .rounding import where_defined
from .univariate import derivative

logaddexp_p = core.Primitive("logaddexp")


def logaddexp(x: Any, y: Any) -> Any:
    """`log(exp(x) + exp(y))` as one primitive, with logistic functions for derivatives."""
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
    """Increasing in both arguments: the larger, plus `log(1 + exp(-distance))`, at each end."""

    def at(a: Any, b: Any) -> Interval:
        low, high = Interval.point(jnp.minimum(a, b)), Interval.point(jnp.maximum(a, b))
        difference = add(op, low, Interval.point(-high.lower))
        return add(op, high, log1p(op, exp(op, difference)))

    return Interval(at(x.lower, y.lower).lower, at(x.upper, y.upper).upper)


def is_logaddexp(equation: core.JaxprEqn) -> bool:
    """Whether the equation calls code that is, equation by equation, that of `jnp.logaddexp`."""
    if equation.primitive.name != "custom_jvp_call" or len(equation.invars) != 2:
        return False
    avals: list[Any] = [atom.aval for atom in equation.invars]
    if any(aval.dtype != np.float64 for aval in avals):
        return False
    shapes = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals]
    for known in jax.make_jaxpr(jnp.logaddexp)(*shapes).jaxpr.eqns:
        if known.primitive.name == "custom_jvp_call":
            return _same_code(known.params["call_jaxpr"], equation.params["call_jaxpr"])
    return False


def _same_code(one: core.ClosedJaxpr, other: core.ClosedJaxpr) -> bool:
    if one.consts or other.consts or len(one.jaxpr.eqns) != len(other.jaxpr.eqns):
        return False
    pairs = dict(zip(one.jaxpr.invars, other.jaxpr.invars, strict=True))

    def same(a: Any, b: Any) -> bool:
        if isinstance(a, core.Literal) or isinstance(b, core.Literal):
            return False
        return pairs.get(a) is b

    for left, right in zip(one.jaxpr.eqns, other.jaxpr.eqns, strict=True):
        if left.primitive is not right.primitive or left.params != right.params:
            return False
        if len(left.invars) != len(right.invars) or len(left.outvars) != len(right.outvars):
            return False
        if not all(map(same, left.invars, right.invars)):
            return False
        pairs.update(zip(left.outvars, right.outvars, strict=True))
    return len(one.jaxpr.outvars) == len(other.jaxpr.outvars) and all(
        map(same, one.jaxpr.outvars, other.jaxpr.outvars)
    )
