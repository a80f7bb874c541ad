"""The public entry points for derivatives: sound enclosures of Jacobians and Hessians."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from certify.enclosure.affine.affine_form import coordinates, settled
from certify.enclosure.affine.affine_rules import AffineRules
from certify.enclosure.enclose import as_given, as_operand, enclose, require_x64
from certify.enclosure.interpreter import interpret
from certify.enclosure.interval import Interval, is_interval
from certify.enclosure.margins import where_entire
from certify.enclosure.programs.inline import anchored
from certify.enclosure.programs.plain import plain
from certify.enclosure.programs.promotion import promoted
from certify.enclosure.registry import RULES, SMOOTH_RULES, EnclosureError, Rule
from certify.enclosure.self_test import self_test
from certify.rounding import EPSILON, TINY

Method = Literal["affine", "interval"]

# Kinks where the function is continuous all the same, so that it is Lipschitz with the hull of the
# derivatives on either side (Clarke's generalised Jacobian).
_KINKS = {"abs", "max", "min", "reduce_max", "reduce_min", "clamp", "cummax", "cummin"}
CONTINUOUS = RULES | {name: rule for name, rule in SMOOTH_RULES.items() if name not in _KINKS}
_SMOOTH = RULES | SMOOTH_RULES


def enclose_jacobian(
    function: Callable, *, method: Method = "affine", symbols: int = 512
) -> Callable:
    """Returns a function on intervals whose result contains every Jacobian of `function`.

    The derivative is that of the real-valued function that the code spells out, whatever
    derivative rules the code brings along (`jax.custom_jvp`, `stop_gradient`). At kinks of
    `abs`, `max` and the like it is Clarke's generalised Jacobian (on the boundary of a box with an
    interior, that of the function on the box), so that the result bounds the Lipschitz constants of
    `function` on the box in any case. Where the box may reach a jump, or a point at which the
    function is undefined, the result is `[-inf, inf]`.

    Args:
        function: A function of one argument; traceable by JAX with an argument of the types given.
            Lower precision is promoted, as by `enclose`.
        method: "affine" follows how every number depends on the coordinates of the box and
            intersects that with interval arithmetic; "interval" is interval arithmetic with exact
            ranges of the derivatives of nonlinear functions, faster to compile, and wider except on
            large boxes.
        symbols: How many remainders "affine" may remember on top of the coordinates: narrower for
            networks, at a cost in memory in proportion.

    Returns:
        A function of the same argument. Its leaves are `Interval`s or arrays (points); the result
        is structured like that of `jax.jacobian`, with an `Interval` of shape `(*output, *input)`
        for each array. It can be jitted and vmapped.

    Raises:
        EnclosureError: As `enclose`.
        ValueError: For empty or NaN intervals.

    Example:
        >>> import jax.numpy as jnp
        >>> box = Interval(jnp.array([-1.0, 0.5]), jnp.array([1.0, 0.5]))
        >>> slopes = enclose_jacobian(lambda x: jnp.tanh(x[0]) * x[1], method="interval")(box)
        >>> bool((slopes.lower <= jnp.array([0.21, -0.76])).all())
        True
    """
    return _enclosed(function, 1, method, symbols)


def enclose_hessian(
    function: Callable, *, method: Method = "affine", symbols: int = 512
) -> Callable:
    """Returns a function on intervals whose result contains every Hessian of `function`.

    It works like `enclose_jacobian`, for second derivatives. These do not exist at kinks, so there
    the result is `[-inf, inf]`. Hessians with respect to one array are symmetric, and so is the
    result.

    Args:
        function: See `enclose_jacobian`.
        method: See `enclose_jacobian`.
        symbols: See `enclose_jacobian`.

    Returns:
        A function of the same argument. Its result is structured like that of `jax.hessian`, with
        an `Interval` of shape `(*output, *input, *input)` for each array.

    Raises:
        EnclosureError: As `enclose_jacobian`.
        ValueError: For empty or NaN intervals.

    Example:
        >>> import jax.numpy as jnp
        >>> box = Interval(jnp.array([0.9, 2.0]), jnp.array([1.1, 2.1]))
        >>> second = enclose_hessian(lambda x: x[0] ** 2 * x[1], method="interval")(box)
        >>> second.shape, bool(second.contains(jnp.array([[4.1, 2.0], [2.0, 0.0]])).all())
        ((2, 2), True)
    """
    return _enclosed(function, 2, method, symbols)


def _enclosed(function: Callable, order: int, method: Method, symbols: int) -> Callable:
    if method not in ("affine", "interval"):
        raise ValueError(f'method {method!r} is unknown; use "affine" or "interval".')

    compiled: dict[Any, Callable] = {}  # by the structure, shapes and types of the argument

    def enclosed(argument: Any) -> Any:
        require_x64()
        self_test()
        leaves, structure = jax.tree.flatten(argument, is_leaf=is_interval)
        intervals = [_real(as_operand(leaf)) for leaf in leaves]
        inputs = structure.unflatten(jax.ShapeDtypeStruct(x.shape, jnp.float64) for x in intervals)
        given = structure.unflatten(map(as_given, leaves))
        jaxpr, outputs = jax.make_jaxpr(function, return_shape=True)(given)
        run = core.jaxpr_as_fun(promoted(jaxpr).code)

        def flat(x: Any) -> Any:
            results = run(*jax.tree.leaves(_arranged(x, [inputs])))
            return jnp.concatenate([leaf.ravel() for leaf in results])

        lower, upper = (
            jnp.concatenate([getattr(x, end).ravel() for x in intervals])
            for end in ("lower", "upper")
        )
        key = structure, tuple((x.shape, x.dtype) for x in jax.tree.leaves(given))
        if key not in compiled:
            compiled[key] = jax.jit(derivative_enclosure(flat, order, method, symbols))
        result = compiled[key](Interval(lower, upper))
        trees = [outputs] + order * [inputs]
        return jax.tree.map(
            Interval, _arranged(result.lower, trees), _arranged(result.upper, trees)
        )

    return enclosed


def _real(operand: Any) -> Interval:
    if not isinstance(operand, Interval):
        raise EnclosureError(
            f"an argument has type {operand.dtype}; derivatives are with respect to float64"
        )
    return operand


def _arranged(value: Any, trees: Sequence[Any], axis: int = 0) -> Any:
    """Cuts the axes of an array into nested trees of arrays, as `jax.jacobian` arranges them."""
    if not trees:
        return value
    shapes = [leaf.shape for leaf in jax.tree.leaves(trees[0])]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = jnp.split(value, ends[:-1].tolist(), axis)
    return jax.tree.unflatten(
        jax.tree.structure(trees[0]),
        [
            _arranged(
                part.reshape((*part.shape[:axis], *shape, *part.shape[axis + 1 :])),
                trees[1:],
                axis + len(shape),
            )
            for part, shape in zip(parts, shapes, strict=True)
        ],
    )


def derivative_enclosure(
    function: Callable, order: int, method: Method = "affine", symbols: int = 512
) -> Callable[[Interval], Interval]:
    """Encloses the derivative of that order of `function: R^n -> R^m` over boxes in `R^n`."""
    code = derivative_code(function, order)
    continuous = enclose(function, CONTINUOUS if order == 1 else _SMOOTH)

    def enclosed(box: Interval) -> Interval:
        box = around(box)
        value = continuous(box)
        defined = jnp.isfinite(value.lower) & jnp.isfinite(value.upper)
        result = evaluate(code, box, RULES if order == 1 else _SMOOTH, method, symbols)
        for _ in range(order):
            defined = defined[..., None]
        return symmetric(where_entire(~defined, result), order)

    return enclosed


def around(box: Interval) -> Interval:
    """Returns the box, a little wider where it has no width.

    The derivative at a point is a matter of what happens around it: code for `x = 0` alone, as in
    `where(x == 0, 0, x)`, has a derivative of its own, and so has each of two functions that tie.
    """
    step = 4.0 * EPSILON * jnp.abs(box.lower) + 4.0 * TINY
    flat = box.lower == box.upper
    return Interval(
        jnp.where(flat, box.lower - step, box.lower), jnp.where(flat, box.upper + step, box.upper)
    )


def derivative_code(function: Callable, order: int) -> Callable:
    """Returns JAX code of the derivative, in reverse mode first where there are few outputs."""

    def code(x: Any) -> Any:
        rewritten = plain(function)
        outputs = jax.eval_shape(function, x).size
        result = jax.jacrev(rewritten) if outputs < x.size else jax.jacfwd(rewritten)
        for _ in range(order - 1):
            result = jax.jacfwd(result)
        return result(x)

    return code


def evaluate(
    code: Callable, box: Interval, rules: Mapping[str, Rule], method: Method, symbols: int
) -> Any:
    """Runs code of a vector, by interval or affine arithmetic."""
    if method == "interval":
        return enclose(code, rules)(box)
    shape = jax.ShapeDtypeStruct(box.shape, jnp.float64)
    jaxpr, output = jax.make_jaxpr(code, return_shape=True)(shape)
    table = AffineRules(box.lower.size, symbols, rules).table
    # Generators have one axis more than what they are multiplied by.
    with jax.numpy_rank_promotion("allow"):
        results = interpret(anchored(jaxpr), [coordinates(box)], table)
        settle = [settled(x) if isinstance(x, Interval) else x for x in results]
    return jax.tree.unflatten(jax.tree.structure(output), settle)


def symmetric(x: Interval, order: int) -> Interval:
    """Intersects the enclosures of mixed derivatives, which do not depend on the order."""
    if order < 2:
        return Interval(x.lower, x.upper)
    lower, upper = x.lower, x.upper
    unknown = x.is_unknown | jnp.swapaxes(x.is_unknown, -1, -2)
    result = Interval(
        jnp.maximum(lower, jnp.swapaxes(lower, -1, -2)),
        jnp.minimum(upper, jnp.swapaxes(upper, -1, -2)),
    )
    return where_entire(unknown, result)
