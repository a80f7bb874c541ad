"""Functions stripped of hand-written derivatives."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from certify.enclosure.elementary import REPLACEMENTS
from certify.enclosure.programs.inline import FLOW, Replacement, anchored, replay
from certify.enclosure.programs.patterns import Patterns
from certify.enclosure.programs.promotion import promoted
from certify.enclosure.rules.reductions import product_tree


def plain(function: Callable) -> Callable:
    """Returns the same function, written so that JAX's derivative of it is its derivative.

    `jax.custom_jvp`, `jax.custom_vjp` and `stop_gradient` let the derivative be anything: a proof
    must differentiate the code that computes the value instead. Maxima and minima become choices,
    whose derivative, away from ties, is that of the chosen operand; JAX's own derivative of them
    compares an operand with the result, which intervals cannot decide. Functions whose derivatives
    are known as a whole (see `elementary`, `softmax`) become primitives that know them. Lower
    precision is promoted before, because derivative code holds constants, such as the log(2) of
    `exp2`, in the precision of its operands.
    """

    def same(*arguments: Any) -> Any:
        jaxpr, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        table = Patterns().replacements | _PLAIN
        results = replay(anchored(promoted(jaxpr).code), jax.tree.leaves(arguments), table)
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return same


def _identity(_: Any, operands: list[Any], __: Any) -> list[Any]:
    return operands


def _extreme_of_two(equation: core.JaxprEqn, operands: list[Any], _: Any) -> list[Any]:
    x, y = operands
    first = x >= y if equation.primitive.name == "max" else x <= y
    return [jnp.where(first, x, y)]


def _clamp(_: Any, operands: list[Any], __: Any) -> list[Any]:
    low, x, high = operands
    inner = jnp.where(x >= low, x, low)
    return [jnp.where(inner <= high, inner, high)]


def _last(x: Any, axes: Any) -> Any:
    """Merges the given axes into one, the last."""
    moved = jnp.moveaxis(x, axes, range(-len(axes), 0))
    return moved.reshape((*moved.shape[: moved.ndim - len(axes)], -1))


def _extreme(equation: core.JaxprEqn, operands: list[Any], _: Any) -> list[Any]:
    (x,) = operands
    axes = tuple(int(axis) for axis in equation.params["axes"])
    if not jnp.issubdtype(x.dtype, jnp.floating) or not axes:
        return [equation.primitive.bind(x, **equation.params)]
    return [(_largest if equation.primitive.name == "reduce_max" else _smallest)(_last(x, axes))]


@jax.custom_jvp
def _largest(x: Any) -> Any:
    return jnp.max(x, -1)


@jax.custom_jvp
def _smallest(x: Any) -> Any:
    return jnp.min(x, -1)


def _chosen(beats: Any, tangent: Any) -> Any:
    """Returns the tangent of the entry that beats all others, each compared with each."""
    itself = jnp.broadcast_to(jnp.eye(beats.shape[-1], dtype=bool), beats.shape)
    wins = jnp.all(beats | itself, -1)
    return jnp.sum(jnp.where(wins, tangent, 0.0), -1)


@_largest.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (x,), (tangent,) = primals, tangents
    return _largest(x), _chosen(x[..., :, None] >= x[..., None, :], tangent)


@_smallest.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (x,), (tangent,) = primals, tangents
    return _smallest(x), _chosen(x[..., :, None] <= x[..., None, :], tangent)


def _product(equation: core.JaxprEqn, operands: list[Any], _: Any) -> list[Any]:
    (x,) = operands
    axes = tuple(int(axis) for axis in equation.params["axes"])
    if x.size == 0 or not axes or not jnp.issubdtype(x.dtype, jnp.floating):
        return [equation.primitive.bind(x, **equation.params)]
    first = jnp.moveaxis(_last(x, axes), -1, 0)
    return [product_tree(jnp.multiply, first, lambda x, cut: x[cut])]


def _replaced(compute: Callable) -> Replacement:
    return lambda _, operands, __: [compute(*operands)]


_PLAIN: dict[str, Replacement] = {
    **FLOW,
    "stop_gradient": _identity,
    "max": _extreme_of_two,
    "min": _extreme_of_two,
    "clamp": _clamp,
    "reduce_max": _extreme,
    "reduce_min": _extreme,
    "reduce_prod": _product,
    **{name: _replaced(compute) for name, compute in REPLACEMENTS.items()},
}
