"""The real values and derivatives of JAX code, by ball arithmetic on its jaxpr.

Numbers are jets `c0 + c1 t + c2 t^2` of balls with some 250 bits, so one run along `x + t d` gives
the value, the slope and the curvature in the direction `d` of the very code that JAX would compute.
Nothing is shared with `certify.enclosure`: not its rules, not its derivatives, not JAX's either.
Floats of any precision are the real numbers that they are, and conversions between them do nothing.

Comparisons look at the whole jet, hence decide as they would for small positive `t`: at a kink the
slope is the one-sided one. Where balls cannot decide, `Undecided` is raised.
"""

import functools
import math
from typing import Any

import flint
import jax
import jax.numpy as jnp
import numpy as np
from flint import arb
from jax.extend import core

BITS = 250


class Undecided(Exception):
    """A comparison that this precision cannot decide, or code that the oracle does not know."""


class Jet:
    """The first three coefficients of a power series in balls."""

    __slots__ = ("c",)

    def __init__(self, *coefficients):
        zeros = (arb(0),) * (3 - len(coefficients))
        self.c = tuple(map(arb, coefficients)) + zeros

    def __add__(self, other):
        return Jet(*(a + b for a, b in zip(self.c, other.c, strict=True)))

    def __sub__(self, other):
        return Jet(*(a - b for a, b in zip(self.c, other.c, strict=True)))

    def __neg__(self):
        return Jet(*(-a for a in self.c))

    def __mul__(self, other):
        (a, b, c), (x, y, z) = self.c, other.c
        return Jet(a * x, a * y + b * x, a * z + b * y + c * x)

    def __truediv__(self, other):
        return self * other.through(lambda a: (1 / a, -1 / (a * a), 1 / (a * a * a)))

    def through(self, taylor):
        """A function of this, from its value, slope and half its curvature at a ball."""
        a, b, c = self.c
        value, slope, half = taylor(a)
        return Jet(value, slope * b, slope * c + half * b * b)

    def sign(self):
        """Of small positive `t`; zero only if the jet vanishes exactly."""
        for a in self.c:
            if a > 0:
                return 1
            if a < 0:
                return -1
            if not (a.is_exact() and a == 0):
                raise Undecided("a comparison too close to call")
        return 0


ZERO, ONE = Jet(0), Jet(1)


def _order(x, y):
    """The sign of a difference; a number equals itself however inexact it is."""
    return 0 if x is y else (x - y).sign()


def _exp(a):
    e = a.exp()
    return e, e, e / 2


def _power(exponent):
    p = arb(exponent)

    def taylor(a):
        if exponent in (0, 1, 2):
            return [(arb(1), arb(0), arb(0)), (a, arb(1), arb(0)), (a * a, 2 * a, arb(1))][exponent]
        if isinstance(exponent, int):
            return a**p, p * a ** (p - 1), p * (p - 1) / 2 * a ** (p - 2)
        return a**p, p * a ** (p - 1), p * (p - 1) / 2 * a ** (p - 2)

    return taylor


def _tanh(a):
    t, s = a.tanh(), a.sech()
    return t, s * s, -t * s * s


def _logistic(a):
    up, down = 1 / (1 + (-a).exp()), 1 / (1 + a.exp())
    return up, up * down, up * down * (down - up) / 2


def _gauss(a):
    return 2 / arb.pi().sqrt() * (-a * a).exp()


def _tan(a):
    t = a.tan()
    return t, 1 + t * t, t * (1 + t * t)


def _cbrt(a):
    root = a.root(3) if a >= 0 else -((-a).root(3))
    return root, 1 / (3 * root * root), -1 / (9 * root**5)


_TAYLOR = {
    "exp": _exp,
    "exp2": lambda a: tuple(
        (a * arb.const_log2()).exp() * arb.const_log2() ** k / math.factorial(k) for k in range(3)
    ),
    "expm1": lambda a: (a.expm1(), a.exp(), a.exp() / 2),
    "log": lambda a: (a.log(), 1 / a, -1 / (2 * a * a)),
    "log1p": lambda a: (a.log1p(), 1 / (1 + a), -1 / (2 * (1 + a) ** 2)),
    "tanh": _tanh,
    "logistic": _logistic,
    "sin": lambda a: (a.sin(), a.cos(), -a.sin() / 2),
    "cos": lambda a: (a.cos(), -a.sin(), -a.cos() / 2),
    "tan": _tan,
    "sinh": lambda a: (a.sinh(), a.cosh(), a.sinh() / 2),
    "cosh": lambda a: (a.cosh(), a.sinh(), a.cosh() / 2),
    "asin": lambda a: (a.asin(), (1 - a * a).rsqrt(), a * (1 - a * a).rsqrt() ** 3 / 2),
    "acos": lambda a: (a.acos(), -(1 - a * a).rsqrt(), -a * (1 - a * a).rsqrt() ** 3 / 2),
    "atan": lambda a: (a.atan(), 1 / (1 + a * a), -a / (1 + a * a) ** 2),
    "asinh": lambda a: (a.asinh(), (1 + a * a).rsqrt(), -a * (1 + a * a).rsqrt() ** 3 / 2),
    "acosh": lambda a: (a.acosh(), (a * a - 1).rsqrt(), -a * (a * a - 1).rsqrt() ** 3 / 2),
    "atanh": lambda a: (a.atanh(), 1 / (1 - a * a), a / (1 - a * a) ** 2),
    "erf": lambda a: (a.erf(), _gauss(a), -a * _gauss(a)),
    "erfc": lambda a: (a.erfc(), -_gauss(a), a * _gauss(a)),
    "sqrt": lambda a: (a.sqrt(), a.rsqrt() / 2, -(a.rsqrt() ** 3) / 8),
    "rsqrt": lambda a: (a.rsqrt(), -(a.rsqrt() ** 3) / 2, 3 * a.rsqrt() ** 5 / 8),
    "cbrt": _cbrt,
    "square": _power(2),
}


def _steps(function):
    """A step function: its value near the point, where it is constant."""

    def near(x):
        a = x.c[0]
        if x.sign() == 0 or (a.is_exact() and a == a.floor()):
            if all(b == 0 for b in x.c[1:]):
                return Jet(function(a))
            raise Undecided("at a step")
        value = function(a)
        if not value.is_exact():
            raise Undecided("near a step")
        return Jet(value)

    return near


def _general_power(x, y):
    if all(b == 0 for b in y.c[1:]):
        p = y.c[0]
        if x.c[0] == 0 and p > 0:
            raise Undecided("a power of zero")
        return x.through(lambda a: (a**p, p * a ** (p - 1), p * (p - 1) / 2 * a ** (p - 2)))
    return (y * x.through(_TAYLOR["log"])).through(_exp)


def _atan2(y, x):
    angle = arb.atan2(y.c[0], x.c[0])
    size = x * x + y * y
    # The slope is (x y' - y x') / (x^2 + y^2); one more term by the quotient rule.
    (x0, x1, x2), (y0, y1, y2) = x.c, y.c
    top = Jet(x0 * y1 - y0 * x1, 2 * (x0 * y2 - y0 * x2))
    slope = top / size
    return Jet(angle, slope.c[0], slope.c[1] / 2)


def _bigger(x, y):
    return x if _order(x, y) >= 0 else y


def _smaller(x, y):
    return x if _order(x, y) <= 0 else y


_BINARY = {
    "add": lambda x, y: x + y,
    "add_any": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "max": _bigger,
    "min": _smaller,
    "pow": _general_power,
    "atan2": _atan2,
}
_COMPARISONS = {
    "lt": lambda s: s < 0,
    "le": lambda s: s <= 0,
    "gt": lambda s: s > 0,
    "ge": lambda s: s >= 0,
    "eq": lambda s: s == 0,
    "ne": lambda s: s != 0,
}
_LIKE = {name: np.frompyfunc(f, 2, 1) for name, f in _BINARY.items()}
_SIMPLE = {
    "neg": lambda x: -x,
    "abs": lambda x: x if x.sign() >= 0 else -x,
    "sign": lambda x: Jet(x.sign()),
    "floor": _steps(arb.floor),
    "ceil": _steps(arb.ceil),
    "stop_gradient": lambda x: x,
    "copy": lambda x: x,
    "is_finite": lambda x: x.c[0].is_finite(),
}


def jets(x, direction):
    """An array of `x + t d`."""
    pairs = zip(np.ravel(x).tolist(), np.ravel(direction).tolist(), strict=True)
    return _array([Jet(a, b) for a, b in pairs], np.shape(x))


def _array(items, shape):
    result = np.empty(len(items), object)
    result[:] = items
    return result.reshape(shape)


def _objects(value, shape):
    """Arrays again where numpy has made a number of one entry."""
    return value.reshape(shape) if isinstance(value, np.ndarray) else _array([value], shape)


def constant(value):
    """Floats become jets; integers and booleans stay."""
    value = np.asarray(value)
    if jnp.issubdtype(value.dtype, jnp.floating):
        return _array([Jet(a) for a in value.astype(np.float64).ravel().tolist()], value.shape)
    return value


def directional(function, x, direction, kind=jnp.float64):
    """Value, slope and curvature (`d^T H d`) of scalar or vector code along a direction.

    The code is traced with an array of that kind of floats.
    """
    closed = traced(function, np.shape(x), kind)
    precision, flint.ctx.prec = flint.ctx.prec, BITS
    try:
        (result,) = run(closed, [jets(x, direction)])
        return [[c[0], c[1], 2 * c[2]] for c in (jet.c for jet in result.ravel())]
    finally:
        flint.ctx.prec = precision


@functools.lru_cache(maxsize=16)
def traced(function, shape, kind=jnp.float64):
    """The jaxpr of a function of one array."""
    return jax.make_jaxpr(function)(jax.ShapeDtypeStruct(shape, kind))


_DEAD = object()
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "checkpoint": "jaxpr",
}


def run(closed, operands):
    """The outputs of a jaxpr for arrays of jets, integers and booleans."""
    if not isinstance(closed, core.ClosedJaxpr):
        closed = core.ClosedJaxpr(closed, ())
    jaxpr = closed.jaxpr
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, map(constant, closed.consts), strict=True))
    values.update(zip(jaxpr.invars, operands, strict=True))

    def read(atom):
        return constant(atom.val) if isinstance(atom, core.Literal) else values[atom]

    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        values.update(zip(equation.outvars, _evaluate(equation, inputs), strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _evaluate(equation, inputs):
    name, params = equation.primitive.name, equation.params
    if name == "custom_linear_solve":
        return _linear_solve(params, inputs)
    if name in _CALLS:
        return run(params[_CALLS[name]], inputs)
    if name in ("lu", "lu_pivots_to_permutation") or any(x is _DEAD for x in inputs):
        return [_DEAD for _ in equation.outvars]
    if name == "scan":
        return _scan(params, inputs)
    if not any(x.dtype == object for x in inputs) and not any(
        jnp.issubdtype(v.aval.dtype, jnp.floating) for v in equation.outvars
    ):
        result = equation.primitive.bind(*map(jnp.asarray, inputs), **params)
        results = result if equation.primitive.multiple_results else [result]
        return [np.asarray(r) for r in results]
    result = _apply(name, equation, params, inputs)
    return result if equation.primitive.multiple_results else [result]


def _apply(name, equation, params, inputs):
    shape = equation.outvars[0].aval.shape
    first: Any = inputs[0] if inputs else None
    if name in _TAYLOR:
        return _each(lambda x: x.through(_TAYLOR[name]), first)
    if name == "integer_pow":
        return _each(lambda x: _integer_power(x, params["y"]), first)
    if name in _SIMPLE:
        kept = _each(_SIMPLE[name], first)
        return kept.astype(bool) if name == "is_finite" else kept
    if name in _BINARY:
        return _objects(_LIKE[name](*inputs), shape)
    if name in _COMPARISONS:
        found = np.frompyfunc(lambda x, y: _COMPARISONS[name](_order(x, y)), 2, 1)(*inputs)
        return np.asarray(found).astype(bool).reshape(shape)
    if name == "clamp":
        low, x, high = np.broadcast_arrays(*inputs)
        return _objects(_LIKE["min"](_LIKE["max"](x, low), high), shape)
    if name == "select_n":
        which, *cases = inputs
        which = np.broadcast_to(which.astype(int), shape).ravel().tolist()
        return _array([cases[k].ravel()[i] for i, k in enumerate(which)], shape)
    if name == "convert_element_type":
        if first.dtype == object:
            if jnp.issubdtype(params["new_dtype"], jnp.floating):
                return first
            raise Undecided("a conversion of jets")
        return _array([Jet(int(v)) for v in first.ravel().tolist()], first.shape)
    if name in _MOVES:
        return _objects(_MOVES[name](params, *inputs), shape)
    if name in _REDUCTIONS:
        return _reduced(_REDUCTIONS[name], first, params["axes"])
    if name in _RUNNING:
        return _running(_RUNNING[name], first, params["axis"], params["reverse"])
    if name == "dot_general":
        return _dot(params["dimension_numbers"], *inputs).reshape(shape)
    if name == "sort" and len(inputs) == 1:
        rows = np.apply_along_axis(_sorted, params["dimension"], first)
        return [rows]
    if name == "iota":
        return constant(np.asarray(equation.primitive.bind(**params)))
    if name in ("gather", "dynamic_slice", "split", "pad", "unstack"):
        return _by_position(equation, params, inputs)
    raise Undecided(f"the oracle does not know {name}")


def _each(function, x):
    return _objects(np.frompyfunc(function, 1, 1)(x), x.shape)


def _integer_power(x, n):
    if n < 0:
        return ONE / _integer_power(x, -n)
    result = ONE
    for _ in range(n):
        result = result * x
    return result


def _broadcast(params, x, *_):
    shape = params["shape"]
    inner = [1] * len(shape)
    for axis, size in zip(params["broadcast_dimensions"], x.shape, strict=True):
        inner[axis] = size
    return np.broadcast_to(x.reshape(inner), shape)


def _slice(params, x):
    steps = params["strides"] or (1,) * x.ndim
    cuts = zip(params["start_indices"], params["limit_indices"], steps, strict=True)
    return x[tuple(slice(*cut) for cut in cuts)]


_MOVES = {
    "broadcast_in_dim": _broadcast,
    "reshape": lambda params, x, *_: x.reshape(params["new_sizes"]),
    "squeeze": lambda params, x: np.squeeze(x, params["dimensions"]),
    "expand_dims": lambda params, x: np.expand_dims(x, params["dimensions"]),
    "transpose": lambda params, x: np.transpose(x, params["permutation"]),
    "stack": lambda params, *xs: np.stack(xs, params["axis"]),
    "concatenate": lambda params, *xs: np.concatenate(xs, params["dimension"]),
    "rev": lambda params, x: np.flip(x, params["dimensions"]),
    "slice": _slice,
}


def _by_position(equation, params, inputs):
    """Moves numbers by moving their positions."""
    tables, positions, start = [], [], 0
    for x in inputs:
        if x.dtype == object:
            positions.append(jnp.arange(start, start + x.size).reshape(x.shape))
            tables.append(x.ravel())
            start += x.size
        else:
            positions.append(jnp.asarray(x))
    if equation.primitive.name == "gather":
        params = params | {"fill_value": 0}
    found = equation.primitive.bind(*positions, **params)
    table = np.concatenate(tables)
    if equation.primitive.multiple_results:
        return [table[np.asarray(f)] for f in found]
    return table[np.asarray(found)]


_REDUCTIONS = {
    "reduce_sum": lambda items: functools.reduce(lambda x, y: x + y, items, ZERO),
    "reduce_prod": lambda items: functools.reduce(lambda x, y: x * y, items, ONE),
    "reduce_max": lambda items: functools.reduce(_bigger, items),
    "reduce_min": lambda items: functools.reduce(_smaller, items),
}
_RUNNING = {
    "cumsum": lambda x, y: x + y,
    "cumprod": lambda x, y: x * y,
    "cummax": _bigger,
    "cummin": _smaller,
    "cumlogsumexp": lambda x, y: (x.through(_exp) + y.through(_exp)).through(_TAYLOR["log"]),
}


def _reduced(function, x, axes):
    kept = [k for k in range(x.ndim) if k not in axes]
    rows = np.transpose(x, (*kept, *axes)).reshape((math.prod(x.shape[k] for k in kept), -1))
    return _array([function(list(row)) for row in rows], tuple(x.shape[k] for k in kept))


def _running(function, x, axis, backwards):
    moved = np.moveaxis(x, axis, -1)
    flat = (moved[..., ::-1] if backwards else moved).reshape((-1, moved.shape[-1]))
    rows = []
    for row in flat:
        found = [row[0]]
        for entry in row[1:]:
            found.append(function(found[-1], entry))
        rows += found[::-1] if backwards else found
    return np.moveaxis(_array(rows, moved.shape), -1, axis)


def _sorted(row):
    compare = functools.cmp_to_key(_order)
    return _array(sorted(row.tolist(), key=compare), row.shape)


def _dot(dimensions, x, y):
    (cx, cy), (bx, by) = dimensions
    fx = [k for k in range(x.ndim) if k not in cx and k not in bx]
    fy = [k for k in range(y.ndim) if k not in cy and k not in by]
    batch, terms = math.prod(x.shape[k] for k in bx), math.prod(x.shape[k] for k in cx)
    a = np.transpose(x, (*bx, *fx, *cx)).reshape((batch, -1, terms))
    b = np.transpose(y, (*by, *cy, *fy)).reshape((batch, terms, -1))
    result = [
        functools.reduce(lambda p, q: p + q, (a[i, j, k] * b[i, k, m] for k in range(terms)), ZERO)
        for i in range(batch)
        for j in range(a.shape[1])
        for m in range(b.shape[2])
    ]
    shape = [x.shape[k] for k in (*bx, *fx)] + [y.shape[k] for k in fy]
    return _array(result, shape)


def _scan(params, inputs):
    first, split = params["num_consts"], params["num_consts"] + params["num_carry"]
    consts, carry, xs = inputs[:first], inputs[first:split], inputs[split:]
    length = params["length"]
    rounds = [None] * length
    for k in reversed(range(length)) if params["reverse"] else range(length):
        results = run(params["jaxpr"], [*consts, *carry, *(np.asarray(x[k]) for x in xs)])
        carry, rounds[k] = results[: split - first], results[split - first :]
    return [*carry, *(np.stack(entries) for entries in zip(*rounds, strict=True))]


def _linear_solve(params, inputs):
    """By the matrix of `matvec`, column by column, and Gaussian elimination."""
    lengths = params["const_lengths"]
    constants, b = inputs[: lengths.matvec], inputs[-1]
    size = b.size
    matvec = params["jaxprs"].matvec
    columns = []
    for k in range(size):
        unit = constant(np.eye(size)[k]).reshape(b.shape)
        columns.append(run(matvec, [*constants, unit])[0].ravel())
    matrix = np.stack(columns, 1)
    return [eliminated(matrix, b.reshape(size, 1)).reshape(b.shape)]


def eliminated(matrix, right):
    """The solution of a linear system of jets."""
    rows = np.concatenate([matrix, right], 1)
    n = len(matrix)
    for k in range(n):
        sizes = [float(abs(rows[i, k].c[0].mid())) for i in range(k, n)]
        pivot = k + int(np.argmax(sizes))
        rows[[k, pivot]] = rows[[pivot, k]]
        rows[k] = [entry / rows[k, k] for entry in rows[k]]
        for i in range(n):
            if i != k:
                factor = rows[i, k]
                rows[i] = [a - factor * c for a, c in zip(rows[i], rows[k], strict=True)]
    return rows[:, n:]
