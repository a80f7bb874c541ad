"""Runs a jaxpr in numpy: the rules of `certify.enclosure` without compiling them.

Compiling an enclosure takes seconds, which would leave a search for escapes no time to search.
Numpy rounds like XLA, though it neither fuses nor flushes subnormals; primitives it lacks are run
by JAX.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

_CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "custom_jvp_call": "call_jaxpr"}


def _broadcast(x, *_, shape, broadcast_dimensions, **__):
    inner = [1] * len(shape)
    for axis, size in zip(broadcast_dimensions, np.shape(x), strict=True):
        inner[axis] = size
    return np.broadcast_to(np.reshape(x, inner), shape)


def _slice(x, *, start_indices, limit_indices, strides):
    cuts = zip(start_indices, limit_indices, strides or (1,) * x.ndim, strict=True)
    return x[tuple(slice(*cut) for cut in cuts)]


def _select(which, *cases):
    if len(cases) == 2:
        return np.where(which, cases[1], cases[0])
    return np.choose(np.asarray(which, int), cases)


def _integer_pow(x, *, y):
    result = functools.reduce(np.multiply, [x] * abs(y))
    return 1.0 / result if y < 0 else result


def _dot(x, y, *, dimension_numbers, **_):
    (cx, cy), (bx, by) = dimension_numbers
    fx = [k for k in range(x.ndim) if k not in cx and k not in bx]
    fy = [k for k in range(y.ndim) if k not in cy and k not in by]
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    of_x, of_y = [""] * x.ndim, [""] * y.ndim
    for i, j in [*zip(bx, by, strict=True), *zip(cx, cy, strict=True)]:
        of_x[i] = of_y[j] = next(letters)
    for i in fx:
        of_x[i] = next(letters)
    for j in fy:
        of_y[j] = next(letters)
    out = [of_x[i] for i in (*bx, *fx)] + [of_y[j] for j in fy]
    return np.einsum(f"{''.join(of_x)},{''.join(of_y)}->{''.join(out)}", x, y)


def _round_away(x, **_):
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


def _iota(*, dtype, shape, dimension, **_):
    inner = [size if axis == dimension else 1 for axis, size in enumerate(shape)]
    return np.broadcast_to(np.arange(shape[dimension], dtype=dtype).reshape(inner), shape)


def _split(x, *, sizes, axis):
    return np.split(x, np.cumsum(sizes)[:-1], axis)


def _unstack(x, *, axis):
    return list(np.moveaxis(x, axis, 0))


def _plain(function):
    return lambda *operands, **_: function(*operands)


def _reduce(function):
    # NumPy would add narrow integers up in wider ones.
    return lambda x, *, axes, **_: function(x, axis=tuple(axes)).astype(x.dtype)


_NUMPY = {
    **{
        name: _plain(getattr(np, numpy_name))
        for name, numpy_name in {
            "add": "add",
            "add_any": "add",
            "sub": "subtract",
            "mul": "multiply",
            "max": "maximum",
            "min": "minimum",
            "neg": "negative",
            "abs": "abs",
            "exp": "exp",
            "exp2": "exp2",
            "log": "log",
            "log1p": "log1p",
            "expm1": "expm1",
            "tanh": "tanh",
            "sin": "sin",
            "cos": "cos",
            "tan": "tan",
            "asin": "arcsin",
            "acos": "arccos",
            "atan": "arctan",
            "atan2": "arctan2",
            "sinh": "sinh",
            "cosh": "cosh",
            "asinh": "arcsinh",
            "acosh": "arccosh",
            "atanh": "arctanh",
            "sqrt": "sqrt",
            "pow": "power",
            "cbrt": "cbrt",
            "square": "square",
            "lt": "less",
            "le": "less_equal",
            "gt": "greater",
            "ge": "greater_equal",
            "eq": "equal",
            "ne": "not_equal",
            "is_finite": "isfinite",
            "floor": "floor",
            "ceil": "ceil",
            "sign": "sign",
        }.items()
    },
    "and": _plain(np.bitwise_and),
    "or": _plain(np.bitwise_or),
    "xor": _plain(np.bitwise_xor),
    "not": _plain(np.invert),
    "rsqrt": _plain(lambda x: 1.0 / np.sqrt(x)),
    "logistic": _plain(lambda x: 1.0 / (1.0 + np.exp(-x))),
    "integer_pow": _integer_pow,
    "clamp": _plain(lambda low, x, high: np.minimum(np.maximum(x, low), high)),
    "select_n": _plain(_select),
    "broadcast_in_dim": _broadcast,
    "reshape": lambda x, *_, new_sizes, **__: np.reshape(x, new_sizes),
    "squeeze": lambda x, *, dimensions: np.squeeze(x, dimensions),
    "expand_dims": lambda x, *, dimensions: np.expand_dims(x, dimensions),
    "transpose": lambda x, *, permutation: np.transpose(x, permutation),
    "concatenate": lambda *xs, dimension: np.concatenate(xs, dimension),
    "rev": lambda x, *, dimensions: np.flip(x, dimensions),
    "slice": _slice,
    "convert_element_type": lambda x, *, new_dtype, **_: np.asarray(x).astype(new_dtype),
    "bitcast_convert_type": lambda x, *, new_dtype: np.asarray(x).view(new_dtype),
    "reduce_sum": _reduce(np.sum),
    "reduce_max": _reduce(np.max),
    "reduce_min": _reduce(np.min),
    "reduce_prod": _reduce(np.prod),
    "reduce_and": _reduce(np.all),
    "reduce_or": _reduce(np.any),
    "iota": _iota,
    "split": _split,
    "stack": lambda *xs, axis: np.stack(xs, axis),
    "unstack": _unstack,
    "dot_general": _dot,
    "copy": _plain(np.asarray),
    "stop_gradient": _plain(np.asarray),
}


def uncompiled(function):
    """What `jax.jit(function)` is, but for numpy: traced once for operands of the same shapes."""
    traced = {}

    def call(*operands):
        leaves, structure = jax.tree.flatten(operands)
        leaves = list(map(np.asarray, leaves))
        key = structure, tuple((x.shape, x.dtype) for x in leaves)
        if key not in traced:
            traced[key] = jax.make_jaxpr(function, return_shape=True)(*structure.unflatten(leaves))
        code, shape = traced[key]
        with np.errstate(all="ignore"):
            results = map(jnp.asarray, run(code, leaves))
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return call


def run(closed, operands):
    """The outputs of a jaxpr for numpy arrays."""
    jaxpr = closed.jaxpr
    values = dict(zip(jaxpr.constvars, map(np.asarray, closed.consts), strict=True))
    values.update(zip(jaxpr.invars, operands, strict=True))
    for equation in jaxpr.eqns:
        inputs = [
            np.asarray(atom.val) if isinstance(atom, core.Literal) else values[atom]
            for atom in equation.invars
        ]
        name, params = equation.primitive.name, equation.params
        if name in _CALLS:
            results = run(params[_CALLS[name]], inputs)
        elif name == "div":
            real = np.issubdtype(inputs[0].dtype, np.floating)
            results = [np.divide(*inputs) if real else np.floor_divide(*inputs)]
        elif name in _NUMPY:
            results = _NUMPY[name](*inputs, **params)
            several = equation.primitive.multiple_results
            results = list(map(np.asarray, results if several else [results]))
        else:
            results = equation.primitive.bind(*map(jnp.asarray, inputs), **params)
            results = list(results) if equation.primitive.multiple_results else [results]
            results = list(map(np.asarray, results))
        values.update(zip(equation.outvars, results, strict=True))
    return [
        np.asarray(atom.val) if isinstance(atom, core.Literal) else values[atom]
        for atom in jaxpr.outvars
    ]
