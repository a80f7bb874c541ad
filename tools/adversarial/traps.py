"""Functions of a number that jump, bend or have no value somewhere in [-0.9, 1.1].

Whatever a cost does with one of them, nothing can be proved of the game.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Trap = Callable[[Any], Any]


def _low(value: Any) -> Any:
    """One of two numbers, by a predicate."""
    return jnp.where(value, 0.3, -0.3)


def _real(value: Any) -> Any:
    return value.astype(jnp.float64)


def _table(*entries: float) -> Any:
    return jnp.array(entries)


def _weights(x: Any) -> Any:
    return jnp.stack([x, 0.1 - x, 2.0 + 0.0 * x])


def _undefined(x: Any) -> Any:
    return jnp.log(x + 0.5)


_GUARDS: dict[str, Trap] = {
    "isfinite of a logarithm": lambda x: _low(jnp.isfinite(jnp.log(x))),
    "isfinite of a square root": lambda x: _low(jnp.isfinite(jnp.sqrt(x))),
    "isfinite of a quotient": lambda x: _low(jnp.isfinite(1.0 / jnp.maximum(x, 0.0))),
    "isnan of a power": lambda x: _low(jnp.isnan(jnp.power(x, 0.5))),
    "isnan of an arcsine": lambda x: _low(jnp.isnan(jnp.arcsin(2.0 * x))),
    "isnan by inequality to itself": lambda x: _low(jnp.log(x) != jnp.log(x)),
    "isinf of a logarithm": lambda x: _low(jnp.isinf(jnp.log(jnp.maximum(x, 0.0)))),
    "isposinf": lambda x: _low(jnp.isposinf(1.0 / jnp.maximum(x, 0.0))),
    "nan_to_num": lambda x: jnp.nan_to_num(0.1 * jnp.log(x + 0.5), nan=0.3),
    "nan_to_num of a root": lambda x: jnp.nan_to_num(jnp.sqrt(x)),
    "nanmax": lambda x: jnp.nanmax(jnp.stack([jnp.sqrt(x), -0.5 + 0.0 * x])),
    "nansum": lambda x: 0.2 * jnp.nansum(jnp.stack([jnp.sqrt(x), 1.0 + 0.0 * x])),
    "nanmean": lambda x: 0.2 * jnp.nanmean(jnp.stack([jnp.sqrt(x), 1.0 + 0.0 * x])),
    "fmax ignores NaN": lambda x: jnp.fmax(jnp.sqrt(x), 0.1),
    "fmin ignores NaN": lambda x: jnp.fmin(jnp.sqrt(x), 0.1),
    "guard by all": lambda x: _low(jnp.all(jnp.isfinite(jnp.log(jnp.stack([x, x + 5.0]))))),
    "guard by any": lambda x: _low(~jnp.any(jnp.isnan(jnp.log(jnp.stack([x, x + 5.0]))))),
    "guard of a solved system": lambda x: _low(
        jnp.isfinite(
            jnp.linalg.solve(
                jnp.stack([jnp.stack([x, 0.0 * x]), _table(0.0, 1.0)]), _table(1.0, 1.0)
            )
        ).all()
    ),
    "guard of a Cholesky factor": lambda x: _low(
        jnp.isfinite(jnp.linalg.cholesky(jnp.eye(2) * x)).all()
    ),
    "guard by cond": lambda x: lax.cond(jnp.isfinite(jnp.log(x)), lambda: 0.3, lambda: -0.3),
    "maximum with a NaN": lambda x: jnp.where(x > 0.0, 0.3, jnp.maximum(jnp.nan, 0.0 * x)),
    "minimum hides infinity": lambda x: jnp.minimum(1.0 / jnp.maximum(x, 0.0), 0.3),
}

_UNDEFINED: dict[str, Trap] = {
    "zero times a logarithm": lambda x: 0.0 * _undefined(x),
    "logarithm minus itself": lambda x: _undefined(x) - _undefined(x),
    "logarithm to the power zero": lambda x: lax.integer_pow(_undefined(x), 0),
    "logarithm to the power 0.0": lambda x: 0.2 * jnp.power(_undefined(x), 0.0),
    "quotient of exponentials": lambda x: 0.2 * jnp.exp(_undefined(x)) / jnp.exp(_undefined(x)),
    "logarithm of an exponential": lambda x: 0.1 * jnp.log(jnp.exp(_undefined(x))),
    "exponential of a logarithm": lambda x: 0.1 * jnp.exp(_undefined(x)),
    "square of a square root": lambda x: 0.1 * jnp.square(jnp.sqrt(x)),
    "quotient by itself": lambda x: 0.2 * (x / x),
    "reciprocal of a reciprocal": lambda x: 0.2 / (1.0 / x),
    "times x over x": lambda x: 0.1 * x * x / x,
    "softmax of an undefined shift": lambda x: (
        0.2 * jax.nn.softmax(jnp.stack([x, 0.0 * x]) + _undefined(x))[0]
    ),
    "softmax of an undefined entry": lambda x: (
        0.2 * jax.nn.softmax(jnp.stack([x, _undefined(x)]))[0]
    ),
    "anchor": lambda x: (
        (x + lax.stop_gradient(_undefined(x))) - lax.stop_gradient(_undefined(x)) - x
    ),
    "one anchor": lambda x: (lambda m: 0.1 * ((x + m) - m))(lax.stop_gradient(_undefined(x))),
    "anchor of a scale": lambda x: (lambda m: 0.1 * jnp.exp(x - m) * jnp.exp(m))(
        lax.stop_gradient(_undefined(x))
    ),
    "anchor in a quotient": lambda x: (lambda m: 0.1 * jnp.exp(x - m) / jnp.exp(-m))(
        lax.stop_gradient(_undefined(x))
    ),
    "logsumexp of undefined entries": lambda x: (
        0.1 * (jax.nn.logsumexp(jnp.stack([_undefined(x), _undefined(x)])) - _undefined(x))
    ),
    "maximum with an undefined number": lambda x: 0.2 * jnp.maximum(_undefined(x), 10.0) / 10.0,
    "clip of an undefined number": lambda x: 0.2 * jnp.clip(jnp.log(x), -9.0, -8.0) / 8.0,
    "tangent": lambda x: 0.01 * jnp.tan(3.0 * x) * 0.0,
    "arcsine": lambda x: 0.1 * jnp.arcsin(1.2 * x),
    "inverse hyperbolic cosine": lambda x: 0.1 * jnp.arccosh(1.2 + x),
    "inverse hyperbolic tangent": lambda x: 0.1 * jnp.arctanh(x) * 0.0,
    "power of a negative base": lambda x: 0.1 * jnp.power(x, 0.5),
    "power of a variable base": lambda x: 0.1 * jnp.power(x, x),
    "zero to the power zero": lambda x: 0.2 * jnp.power(jnp.maximum(x, 0.0), 0.0 * x),
    "negative integer power": lambda x: 1e-3 * lax.integer_pow(x, -2) * 0.0,
    "entropy": lambda x: 0.1 * jax.scipy.special.xlogy(x, x),
    "entr": lambda x: 0.1 * jax.scipy.special.entr(x),
    "norm at zero": lambda x: 0.1 * jnp.linalg.norm(jnp.stack([x, 0.0 * x])),
    "inverse of the error function": lambda x: 0.1 * jax.scipy.special.erfinv(x),
    "logit": lambda x: 0.0 * jax.scipy.special.logit(x),
    "determinant": lambda x: (
        0.0
        * jnp.log(
            jnp.linalg.det(
                jnp.stack([jnp.stack([x, 0.0 * x]), jnp.stack([0.0 * x, 1.0 + 0.0 * x])])
            )
        )
    ),
    "solution of a singular system": lambda x: (
        0.1
        * jnp.linalg.solve(
            jnp.stack([jnp.stack([x, 0.0 * x]), jnp.stack([0.0 * x, 1.0 + 0.0 * x])]),
            jnp.stack([x, x]),
        )[0]
    ),
    "overflow": lambda x: 0.1 * jnp.exp(900.0 * x) / jnp.exp(900.0 * x),
    "overflow of a product": lambda x: (1e300 * (x + 3.0)) * (1e300 * (x + 3.0)) * 0.0,
    "an infinite constant": lambda x: 0.1 / (x + jnp.inf),
    "zero times infinity": lambda x: 0.1 * x + (0.0 * jnp.inf) * x,
    "a NaN behind a predicate": lambda x: jnp.where(x > -0.85, 0.3, jnp.nan),
    "infinity behind a predicate": lambda x: jnp.where(x > -0.85, 0.1 * x, jnp.inf),
    "logsumexp of nothing": lambda x: 0.1 * jnp.exp(jax.nn.logsumexp(jnp.full(2, -jnp.inf) + x)),
}


def _byte(x: Any) -> Any:
    return (10.0 * x + 20.0).astype(jnp.uint8)


_CASTS: dict[str, Trap] = {
    **{
        f"to {kind}": functools.partial(
            lambda x, kind: 0.05 * _real((3.0 * x).astype(kind)), kind=kind
        )
        for kind in ("int8", "int16", "int32", "int64")
    },
    **{
        f"to {kind}": functools.partial(
            lambda x, kind: 0.05 * _real((3.0 * x + 4.0).astype(kind)), kind=kind
        )
        for kind in ("uint8", "uint16", "uint32", "uint64")
    },
    "to bool": lambda x: 0.3 * _real(jnp.maximum(x, 0.0).astype(bool)),
    "bool by way of float32": lambda x: 0.3 * _real((x > 0.0).astype(jnp.float32)),
    "bool by way of float16": lambda x: 0.3 * _real((x > 0.0).astype(jnp.float16)),
    "bool by way of bfloat16": lambda x: 0.3 * _real((x > 0.0).astype(jnp.bfloat16)),
    "bool by way of int8": lambda x: 0.3 * _real((x > 0.0).astype(jnp.int8)),
    "bool by way of uint32": lambda x: 0.3 * _real((x > 0.0).astype(jnp.uint32)),
    "float32 to int": lambda x: 0.05 * _real((3.0 * x).astype(jnp.float32).astype(jnp.int32)),
    "float32 compared": lambda x: _low(x.astype(jnp.float32) > jnp.float32(0.1)),
    "float16 rounded": lambda x: 0.1 * _real(jnp.round(4.0 * x).astype(jnp.float16)),
    "wrapping around": lambda x: 1e-3 * _real(jnp.uint8(3) - (3.0 * x + 4.0).astype(jnp.uint8)),
    "negated unsigned": lambda x: 1e-3 * _real(-(3.0 * x + 4.0).astype(jnp.uint8)),
    "narrow sum": lambda x: (
        1e-3 * _real(jnp.sum(jnp.stack([_byte(x), _byte(x)]) * jnp.uint8(9), dtype=jnp.uint8))
    ),
    "cast out of range": lambda x: 1e-3 * _real((200.0 * x).astype(jnp.int8)),
    "bits": lambda x: 1e-3 * _real(_byte(x) & jnp.uint8(3)),
    "bits by or": lambda x: 1e-3 * _real(_byte(x) | jnp.uint8(3)),
    "bits by exclusive or": lambda x: 1e-3 * _real(_byte(x) ^ jnp.uint8(3)),
    "bits negated": lambda x: 1e-3 * _real(~_byte(x)),
    "bits shifted": lambda x: 1e-3 * _real(_byte(x) << jnp.uint8(3)),
    "bits shifted right": lambda x: 1e-2 * _real(_byte(x) >> jnp.uint8(1)),
    "bits counted": lambda x: 1e-2 * _real(lax.population_count(_byte(x))),
    "leading zeros": lambda x: 1e-2 * _real(lax.clz(_byte(x))),
    "whole division": lambda x: 1e-2 * _real(_byte(x) // jnp.uint8(3)),
    "remainder of integers": lambda x: 1e-2 * _real(_byte(x) % jnp.uint8(3)),
    "bits of a float": lambda x: 1e-19 * _real(lax.bitcast_convert_type(x, jnp.int64)),
    "reduce_precision": lambda x: 0.2 * lax.reduce_precision(x, 8, 2),
    "nextafter": lambda x: 0.2 * lax.nextafter(x, jnp.zeros_like(x)),
}


def _yes(x: Any) -> Any:
    return x > 0.0


def _number(x: Any) -> Any:
    return _yes(x).astype(jnp.int32)


_PREDICATES: dict[str, Trap] = {
    "where": lambda x: _low(_yes(x)),
    "equality": lambda x: jnp.where(x == 0.125, 0.3, 0.1),
    "inequality": lambda x: jnp.where(x != 0.125, 0.1, 0.3),
    "where at a point, kink": lambda x: jnp.where(x <= 0.0, 0.2 * x, -0.2 * x),
    "cond": lambda x: lax.cond(_yes(x), lambda: 0.3, lambda: -0.3),
    "switch": lambda x: lax.switch(
        _number(x) + (x > 0.5).astype(jnp.int32), [lambda: 0.1, lambda: 0.2, lambda: 0.3]
    ),
    "switch out of range": lambda x: lax.switch(
        5 * _number(x) - 2, [lambda: 0.1, lambda: 0.2, lambda: 0.3]
    ),
    "index": lambda x: _table(0.1, 0.3)[_number(x)],
    "index of uint8": lambda x: _table(0.1, 0.3)[_yes(x).astype(jnp.uint8)],
    "index of integers": lambda x: _real(jnp.array([3, 0])[_yes(x).astype(jnp.uint8)]) * 0.1,
    "index of booleans": lambda x: _low(jnp.array([True, False])[_number(x)]),
    "negative index": lambda x: _table(0.1, 0.3)[-_number(x)],
    "index out of bounds, filled": lambda x: (
        _table(0.1, 0.3).at[7 * _number(x)].get(mode="fill", fill_value=0.2)
    ),
    "index out of bounds, clipped": lambda x: _table(0.1, 0.3).at[7 * _number(x)].get(mode="clip"),
    "index out of bounds, wrapped": lambda x: (
        _table(0.1, 0.3, 0.2).at[7 * _number(x)].get(mode="wrap")
    ),
    "index out of bounds, promised": lambda x: (
        _table(0.1, 0.3).at[_number(x)].get(mode="promise_in_bounds")
    ),
    "take": lambda x: jnp.take(_table(0.1, 0.3), _number(x)),
    "take_along_axis": lambda x: jnp.take_along_axis(
        _table(0.1, 0.3), jnp.reshape(_number(x), (1,)), 0
    )[0],
    "dynamic slice": lambda x: lax.dynamic_slice(_table(0.1, 0.3), (_number(x),), (1,))[0],
    "dynamic slice, moved inside": lambda x: lax.dynamic_slice(
        _table(0.1, 0.3), (9 * _number(x) - 4,), (1,)
    )[0],
    "dynamic update": lambda x: lax.dynamic_update_slice(
        _table(0.1, 0.3), _table(0.2), (_number(x),)
    )[0],
    "scatter": lambda x: jnp.zeros(2).at[_number(x)].set(0.3)[0],
    "scatter-add": lambda x: jnp.zeros(2).at[_number(x)].add(0.3)[0],
    "scatter-add of x": lambda x: jnp.zeros(2).at[_number(x)].add(0.2 * (x + 2.0))[0],
    "scatter-sub": lambda x: jnp.zeros(2).at[_number(x)].subtract(0.3)[0],
    "scatter-mul": lambda x: jnp.ones(2).at[_number(x)].multiply(0.3)[0],
    "scatter-min": lambda x: jnp.zeros(2).at[_number(x)].min(-0.3)[0],
    "scatter-max": lambda x: jnp.zeros(2).at[_number(x)].max(0.3)[0],
    "scatter-apply": lambda x: jnp.ones(2).at[_number(x)].apply(lambda y: 0.3 * y)[0],
    "scatter dropped": lambda x: jnp.zeros(2).at[5 * _number(x)].add(0.3, mode="drop")[0],
    "scatter clipped": lambda x: jnp.zeros(2).at[5 * _number(x)].add(0.3, mode="clip")[1],
    "one-hot": lambda x: jax.nn.one_hot(_number(x), 2, dtype=jnp.float64) @ _table(0.1, 0.3),
    "as an integer, summed": lambda x: 0.1 * _real(jnp.sum(jnp.stack([x > 0.0, x > 0.5]))),
    "as integers, cumulated": lambda x: (
        0.1 * _real(jnp.cumsum(jnp.stack([x > 0.0, x > 0.5]).astype(jnp.int32))[1])
    ),
    "as integers, multiplied": lambda x: (
        0.1 * _real(jnp.prod(jnp.stack([x > 0.0, x > -0.5]).astype(jnp.int32)))
    ),
    "with constants": lambda x: _table(0.1, 0.2, 0.3)[
        jnp.concatenate([_number(x)[None], jnp.array([2])])[0]
    ],
    "with constants, sorted": lambda x: (
        0.1 * _real(jnp.sort(jnp.concatenate([_number(x)[None], jnp.array([2, -1])]))[1])
    ),
    "minus one": lambda x: 0.1 * _real(_number(x) - 1),
    "negated as an integer": lambda x: 0.1 * _real(-_number(x)),
    "inverted as an integer": lambda x: 0.1 * _real(~_number(x)),
    "shifted": lambda x: 0.1 * _real(jnp.left_shift(_number(x), 1)),
    "shifted by": lambda x: 0.1 * _real(jnp.left_shift(1, _number(x))),
    "and": lambda x: _low((x > 0.0) & (x < 0.5)),
    "or": lambda x: _low((x > 0.5) | (x < 0.0)),
    "exclusive or": lambda x: _low((x > 0.5) ^ (x < 0.0)),
    "not": lambda x: _low(~(x > 0.0)),
    "comparison of predicates": lambda x: _low((x > 0.0) > (x > 0.5)),
    "equality of predicates": lambda x: _low((x > 0.0) == (x > 0.5)),
    "maximum of predicates": lambda x: _low(jnp.maximum(x > 0.0, x > 0.5)),
    "argmax": lambda x: 0.1 * _real(jnp.argmax(_weights(x)[:2])),
    "argmin": lambda x: 0.1 * _real(jnp.argmin(_weights(x))),
    "argmax of predicates": lambda x: 0.1 * _real(jnp.argmax(jnp.stack([x > 0.5, x > 0.0]))),
    "argsort": lambda x: 0.1 * _real(jnp.argsort(_weights(x))[0]),
    "sort": lambda x: 0.2 * jnp.sort(_weights(x))[0],
    "sort with company": lambda x: lax.sort((_weights(x), _table(0.1, 0.2, 0.3)))[1][0],
    "sort of predicates": lambda x: _low(jnp.sort(jnp.stack([x > 0.0, x > 0.5]))[0]),
    "largest two": lambda x: 0.1 * lax.top_k(_weights(x), 2)[0][1],
    "places of the largest": lambda x: 0.1 * _real(lax.top_k(_weights(x), 2)[1][1]),
    "searchsorted": lambda x: 0.1 * _real(jnp.searchsorted(_table(0.0, 0.5), x)),
    "digitize": lambda x: 0.1 * _real(jnp.digitize(x, _table(0.0, 0.5))),
    "count_nonzero": lambda x: 0.1 * _real(jnp.count_nonzero(jnp.stack([x > 0.0, x > 0.5]))),
    "select": lambda x: jnp.select([x > 0.5, x > 0.0], [0.1 * x, 0.2], 0.3),
    "piecewise": lambda x: jnp.piecewise(x, [x > 0.0], [0.3, 0.1]),
    "interpolation": lambda x: 0.2 * jnp.interp(x, _table(-1.0, 0.0, 1.5), _table(0.0, 1.0, 0.0)),
    "heaviside": lambda x: 0.2 * jnp.heaviside(x, jnp.float64(0.5)),
    "unwrap": lambda x: 0.02 * jnp.unwrap(jnp.stack([0.0 * x, 6.0 * x]))[1],
    "while that counts": lambda x: (
        0.1 * lax.while_loop(lambda k: k < 3.0 * x, lambda k: k + 1.0, 0.0 * x)
    ),
    "loop of known length": lambda x: lax.fori_loop(
        0, 3, lambda k, s: jnp.where(s > 0.2, s - 0.2, s), x
    ),
    "loop with a predicate": lambda x: lax.scan(
        lambda on, y: (on | (y > 0.0), _low(on)), jnp.array(False), jnp.stack([x, x + 0.5])
    )[1][1],
    "loop with an integer": lambda x: (
        0.1
        * _real(
            lax.scan(
                lambda k, y: (k + (y > 0.0).astype(jnp.int32), k),
                jnp.int32(0),
                jnp.stack([x, x + 0.5]),
            )[0]
        )
    ),
    "reduced by or": lambda x: _low(lax.reduce_or(jnp.stack([x > 0.0, x > 0.5]), (0,))),
    "reduced by a function": lambda x: (
        0.1 * lax.reduce(jnp.stack([x, 0.0 * x]), -jnp.inf, lax.max, (0,))
    ),
    "associative scan": lambda x: (
        0.1 * lax.associative_scan(jnp.maximum, jnp.stack([x, 0.0 * x]))[1]
    ),
    "vmapped cond": lambda x: (
        jax.vmap(lambda y: lax.cond(y > 0.0, lambda z: z, lambda z: -z, y))(
            jnp.stack([x, x + 0.5])
        ).sum()
        * 0.1
    ),
    "vmapped index": lambda x: jax.vmap(lambda k: _table(0.1, 0.3)[k])(
        jnp.stack([x > 0.0, x > 0.5]).astype(jnp.int32)
    ).sum(),
    "boolean times number": lambda x: (
        0.1 * (_real(x > 0.0) @ jnp.float64(1.0)) if False else 0.1 * _real(x > 0.0) * (x + 2.0)
    ),
    "mask": lambda x: 0.1 * jnp.sum(_table(0.5, 1.0), where=jnp.stack([x > 0.0, x > 0.5])),
    "masked maximum": lambda x: (
        0.1 * jnp.max(_table(0.5, 1.0), where=jnp.stack([x < 5.0, x > 0.5]), initial=-9.0)
    ),
    "masked softmax": lambda x: (
        0.1 * jax.nn.softmax(_table(0.5, 1.0), where=jnp.stack([x < 5.0, x > 0.5]))[0]
    ),
    "weighted logsumexp": lambda x: (
        0.1 * jax.nn.logsumexp(_table(0.5, 1.0), b=jnp.stack([1.0 + 0.0 * x, _real(x > 0.5)]))
    ),
}

_KINKS: dict[str, Trap] = {
    "abs": lambda x: 0.1 * jnp.abs(x),
    "sign": lambda x: 0.1 * jnp.sign(x),
    "maximum": lambda x: 0.1 * jnp.maximum(x, 0.0),
    "minimum": lambda x: 0.1 * jnp.minimum(x, 0.2),
    "clip": lambda x: 0.1 * jnp.clip(x, -0.2, 0.2),
    "clamp with low above high": lambda x: 0.1 * lax.clamp(x, jnp.float64(0.4), 0.1 * x),
    "relu": lambda x: 0.1 * jax.nn.relu(x),
    "leaky relu": lambda x: 0.1 * jax.nn.leaky_relu(x),
    "elu": lambda x: 0.1 * jax.nn.elu(x, 2.0),
    "selu": lambda x: 0.1 * jax.nn.selu(x),
    "hard tanh": lambda x: 0.1 * jax.nn.hard_tanh(3.0 * x),
    "relu6": lambda x: 0.1 * jax.nn.relu6(x),
    "floor": lambda x: 0.1 * jnp.floor(x),
    "ceil": lambda x: 0.1 * jnp.ceil(x),
    "round": lambda x: 0.1 * jnp.round(x),
    "truncation": lambda x: 0.1 * jnp.trunc(x),
    "remainder": lambda x: 0.1 * jnp.remainder(x, 0.5),
    "fmod": lambda x: 0.1 * jnp.fmod(x, 0.5),
    "modf": lambda x: 0.1 * jnp.modf(3.0 * x)[0],
    "floor division": lambda x: 0.1 * (x // 0.5),
    "atan2": lambda x: 0.05 * jnp.arctan2(x, -1.0 + 0.0 * x),
    "atan2 of zero": lambda x: 0.05 * jnp.arctan2(0.0 * x, x),
    "copysign": lambda x: 0.1 * jnp.copysign(0.2, x),
    "signbit": lambda x: _low(jnp.signbit(x)),
    "cube root": lambda x: 0.1 * jnp.cbrt(x),
    "square root of a square": lambda x: 0.1 * jnp.sqrt(jnp.square(x)),
    "hypot": lambda x: 0.1 * jnp.hypot(x, 0.0 * x),
    "power 1.5": lambda x: 0.1 * jnp.power(jnp.abs(x), 1.5),
    "logaddexp of minus infinity": lambda x: 0.1 * jnp.logaddexp(jnp.log(jnp.abs(x)), -jnp.inf),
    "sum of maxima": lambda x: 0.1 * jnp.max(_weights(x)[:2]),
    "running maximum": lambda x: 0.1 * lax.cummax(_weights(x)[:2])[1],
    "window of a maximum": lambda x: (
        0.1 * lax.reduce_window(_weights(x), -jnp.inf, lax.max, (2,), (1,), "valid")[0]
    ),
    "median": lambda x: 0.1 * jnp.median(_weights(x)),
    "quantile": lambda x: 0.1 * jnp.quantile(_weights(x), 0.3),
    "norm of order one": lambda x: 0.1 * jnp.linalg.norm(jnp.stack([x, x]), 1),
    "largest norm": lambda x: 0.1 * jnp.linalg.norm(jnp.stack([x, 0.2 + 0.0 * x]), jnp.inf),
    "derivative of a maximum": lambda x: 0.1 * jax.grad(lambda y: jnp.maximum(y, 0.0))(x),
    "derivative of an absolute value": lambda x: 0.1 * jax.grad(jnp.abs)(x),
    "projection onto a simplex": lambda x: 0.1 * _onto_simplex(jnp.stack([x, -x]))[0],
}


def _onto_simplex(x: Any) -> Any:
    ordered = -jnp.sort(-x)
    sums = jnp.cumsum(ordered) - 1.0
    counts = jnp.arange(1, 3, dtype=jnp.float64)
    active = ordered - sums / counts > 0.0
    last = jnp.sum(active) - 1
    return jnp.maximum(x - sums[last] / (last + 1).astype(jnp.float64), 0.0)


def _user_sin(x: Any) -> Any:
    return jnp.sin(x)


def _hand_written(primal: Callable, how: str) -> Trap:
    """A custom derivative of a function of JAX, or of the user, that is not its derivative."""
    if how == "defjvps":
        function = jax.custom_jvp(primal)
        function.defjvps(lambda tangent, answer, x: -7.0 * tangent)
    elif how == "defjvp":
        function = jax.custom_jvp(primal)
        function.defjvp(lambda p, t: (primal(*p), -7.0 * t[0]))
    else:
        function = jax.custom_vjp(primal)
        function.defvjp(lambda x: (primal(x), None), lambda _, g: (-7.0 * g,))
    return lambda x: 0.1 * function(x)


def _scanned(function: Callable) -> Trap:
    return lambda x: lax.scan(lambda carry, _: (function(carry), None), x, None, length=1)[0]


def _straight_through(x: Any) -> Any:
    return 0.2 * (x + lax.stop_gradient(jnp.sin(x) - x))


def _custom_root(x: Any) -> Any:
    return 0.1 * lax.custom_root(
        lambda y: y - jnp.sin(x), x, lambda f, y: y - f(y), lambda g, y: -7.0 * y / g(1.0)
    )


def _linear_solve(x: Any) -> Any:
    return (
        0.1
        * lax.custom_linear_solve(
            lambda v: 2.0 * v, jnp.stack([x, x]), solve=lambda _, b: b / 3.0, symmetric=True
        )[0]
    )


_DERIVATIVES: dict[str, Trap] = {
    **{
        f"{how} of {name}": _hand_written(primal, how)
        for how in ("defjvps", "defjvp", "defvjp")
        for name, primal in (
            ("sin", jnp.sin),
            ("a function of the user", _user_sin),
            ("a jitted function", jax.jit(_user_sin)),
            ("a part of logaddexp", functools.partial(jnp.logaddexp, 0.3)),
            ("softplus", jax.nn.softplus),
        )
    },
    "defjvps in jit": jax.jit(_hand_written(jnp.sin, "defjvps")),
    "defjvp in a loop": _scanned(_hand_written(jnp.sin, "defjvp")),
    "defvjp in checkpoint": jax.checkpoint(_hand_written(jnp.sin, "defvjp")),
    "defjvps in vmap": lambda x: jax.vmap(_hand_written(jnp.sin, "defjvps"))(x[None])[0],
    "defjvps in cond": lambda x: lax.cond(
        x > -5.0, _hand_written(jnp.sin, "defjvps"), lambda y: y, x
    ),
    "defjvps in custom_jvp of JAX": lambda x: jax.nn.relu(
        _hand_written(jnp.sin, "defjvps")(x) + 9.0
    ),
    "stop_gradient": lambda x: 0.2 * lax.stop_gradient(jnp.sin(x)),
    "straight through": _straight_through,
    "custom_root": _custom_root,
    "custom_linear_solve": _linear_solve,
    "pure_callback": lambda x: (
        0.1
        * jax.pure_callback(
            lambda y: np.asarray(np.sign(y)), jax.ShapeDtypeStruct((), jnp.float64), x
        )
    ),
    "linear_call": lambda x: jax.custom_derivatives.linear_call(
        lambda _, y: 0.1 * y, lambda _, y: -7.0 * y, (), x
    ),
}

KINDS: dict[str, dict[str, Trap]] = {
    "guards": _GUARDS,
    "undefined": _UNDEFINED,
    "casts": _CASTS,
    "predicates": _PREDICATES,
    "kinks": _KINKS,
    "derivatives": _DERIVATIVES,
}
