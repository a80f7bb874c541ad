"""Anchors: numbers that code needs, though no result depends on their values (see `shifts`)."""

import jax.numpy as jnp
from jax.extend import core
from jax.interpreters import ad, batching, mlir

from certify.enclosure.interval import Interval
from certify.enclosure.margins import where_entire
from certify.enclosure.registry import Operation, rule
from certify.rounding import TINY

# Stands in for a `stop_gradient` that is proved irrelevant.
anchor_p = core.Primitive("anchor")
anchor_p.def_impl(lambda x: x)
anchor_p.def_abstract_eval(lambda x: x)
mlir.register_lowering(anchor_p, lambda _, x: [x])
batching.defvectorized(anchor_p)
ad.defjvp(anchor_p, None)


@rule("anchor")
def anchor(op: Operation, x: Interval) -> Interval:
    """Returns a number near the middle: the code needs one, and its value does not matter.

    Nothing is known where the number may be undefined or infinite.
    """
    middle = jnp.clip(0.5 * x.lower + 0.5 * x.upper, x.lower, x.upper)
    middle = jnp.where(jnp.abs(middle) < TINY, 0.0, middle)
    bounded = jnp.isfinite(x.lower) & jnp.isfinite(x.upper)
    return where_entire(~bounded, Interval(middle, middle))
