"""Integers that depend on the box wrap around as the code's do, or are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from certify.enclosure import EnclosureError, Interval, enclose
from certify.enclosure.registry import RULES, SMOOTH_RULES
from tests.certify.enclosure.checked_rules import checked, values

TYPES = [jnp.int8, jnp.uint8, jnp.int16, jnp.uint16, jnp.int32, jnp.uint32, jnp.int64, jnp.uint64]
SMOOTH = RULES | SMOOTH_RULES


def contains(function, lower, upper, count=101):
    """Whether values at points of a box are in its enclosure; also whether that is finite."""
    lower, upper = np.asarray(lower), np.asarray(upper)
    shares = np.linspace(0.0, 1.0, count).reshape((-1,) + (1,) * lower.ndim)
    points = np.clip(lower + shares * (upper - lower), lower, upper)
    with jax.numpy_dtype_promotion("standard"):
        box = checked(function)(Interval(lower, upper))
        found = values(function, points)
    low, high = np.asarray(box.lower), np.asarray(box.upper)
    return bool(((low <= found) & (found <= high)).all()), bool(np.isfinite(high - low).all())


WRAPPED = {
    "difference below zero": lambda x: jnp.uint8(1) - x.astype(jnp.uint8),
    "negative": lambda x: -x.astype(jnp.uint8),
    "difference of 32 bits": lambda x: jnp.uint32(1) - x.astype(jnp.uint32),
    "difference of 64 bits": lambda x: jnp.uint64(1) - x.astype(jnp.uint64),
    "narrow sum": lambda x: jnp.sum(
        jnp.stack([x, x]).astype(jnp.int8) * jnp.int8(50), dtype=jnp.int8
    ),
    "narrow running sum": lambda x: lax.cumsum(
        jnp.stack([x, x, x]).astype(jnp.int8) * jnp.int8(60), 0
    )[2],
    "narrow product": lambda x: x.astype(jnp.int8) * jnp.int8(100),
    "product": lambda x: (x.astype(jnp.int32) + 70000) * (x.astype(jnp.int32) + 70000),
    "least integer": lambda x: -(x.astype(jnp.int8) - jnp.int8(100) - jnp.int8(28)),
    "least integer of 32 bits": lambda x: -(x.astype(jnp.int32) - 2**30 - 2**30),
    "narrower": lambda x: (x.astype(jnp.int32) + 255).astype(jnp.uint8),
    "without sign": lambda x: (x.astype(jnp.int32) - 2).astype(jnp.uint32),
    "with sign": lambda x: (x.astype(jnp.uint8) + jnp.uint8(126)).astype(jnp.int8),
    "large constant": lambda x: x.astype(jnp.uint64) + jnp.uint64(2**64 - 2),
    "clamped": lambda x: lax.clamp(jnp.uint8(0), jnp.uint8(1) - x.astype(jnp.uint8), jnp.uint8(9)),
    "least of two": lambda x: jnp.minimum(jnp.uint8(1) - x.astype(jnp.uint8), jnp.uint8(3)),
    "largest entry": lambda x: jnp.max(jnp.stack([-x, x]).astype(jnp.int8) - jnp.int8(127)),
    "place of the least": lambda x: jnp.argmin(
        jnp.stack([jnp.uint8(1) - x.astype(jnp.uint8), jnp.uint8(7)])
    ),
    "sorted": lambda x: jnp.sort(jnp.stack([jnp.uint8(1) - x.astype(jnp.uint8), jnp.uint8(7)]))[0],
    "chosen": lambda x: jnp.where(x > 1.0, jnp.uint8(1) - x.astype(jnp.uint8), jnp.uint8(7)),
    "compared": lambda x: jnp.where(jnp.uint8(1) - x.astype(jnp.uint8) > 100, 1.0, 2.0),
    "equal": lambda x: jnp.where(jnp.uint8(1) - x.astype(jnp.uint8) == 255, 1.0, 2.0),
    "is not zero": lambda x: (jnp.uint8(2) - x.astype(jnp.uint8)).astype(bool),
    "index": lambda x: jnp.array([1.0, 5.0, 2.0])[jnp.uint8(1) - x.astype(jnp.uint8)],
    "start": lambda x: lax.dynamic_slice(
        jnp.array([1.0, 5.0, 2.0]), (jnp.int8(100) * x.astype(jnp.int8),), (1,)
    )[0],
    "branch": lambda x: lax.switch(
        (jnp.int8(100) * x.astype(jnp.int8)).astype(jnp.int32),
        [lambda: 1.0, lambda: 5.0, lambda: 2.0],
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_wrapped_integers_are_contained(name):
    inside, _ = contains(lambda x: WRAPPED[name](x).astype(jnp.float64), 0.5, 2.5)
    assert inside
    smooth = checked(lambda x: WRAPPED[name](x).astype(jnp.float64), SMOOTH)
    with jax.numpy_dtype_promotion("standard"):
        assert bool(smooth(Interval(0.5, 2.5)).is_unknown)


def test_integers_that_do_not_wrap_stay_known():
    for dtype in TYPES:
        inside, finite = contains(
            lambda x, dtype=dtype: (dtype(5) - x.astype(dtype) * dtype(2)).astype(jnp.float64),
            0.5,
            2.5,
        )
        assert inside and finite, dtype


@pytest.mark.parametrize("dtype", TYPES)
def test_numbers_beyond_the_type_are_anything(dtype):
    """What a machine makes of them differs from machine to machine."""
    for lower, upper in ((-3.5, -1.5), (2.0**64, 2.0**65), (-(2.0**70), 1.0), (200.0, 300.0)):
        box = checked(lambda x: x.astype(dtype).astype(jnp.float64))(Interval(lower, upper))
        info = np.iinfo(dtype)
        fits = info.min <= lower and upper <= info.max
        assert bool(box.is_unknown) == (not fits)


def test_an_index_without_room_is_refused():
    table = jnp.arange(300.0)
    for function in (
        lambda x: lax.dynamic_slice(table, (x.astype(jnp.uint8),), (1,))[0],
        lambda x: lax.dynamic_update_slice(table, x[None], (x.astype(jnp.int8),))[0],
    ):
        with pytest.raises(EnclosureError, match="index of type"):
            enclose(function)(Interval(0.5, 2.5))


@pytest.mark.parametrize(
    "function",
    [
        lambda k: k << 1,
        lambda k: k >> 1,
        lambda k: k // 2,
        lambda k: k % 3,
        lambda k: k & 1,
        lambda k: k ^ 1,
        lambda k: ~k,
        lambda k: abs(k),
        lambda k: k**2,
        lambda k: jnp.sign(k),
        lambda k: lax.population_count(k),
        lambda k: lax.clz(k),
        lambda k: lax.bitcast_convert_type(k, jnp.float32),
        lambda k: jnp.prod(jnp.stack([k, k])),
        lambda k: jnp.stack([k, k]) @ jnp.stack([k, k]),
        lambda k: jax.random.uniform(jax.random.key(k)),
        lambda k: lax.nextafter(k.astype(jnp.float64), jnp.float64(1.0)),
    ],
)
def test_other_operations_are_refused(function):
    with pytest.raises(EnclosureError):
        jax.eval_shape(
            enclose(lambda x: function(x.astype(jnp.int32)).astype(jnp.float64)), Interval(0.5, 2.5)
        )


# Random programs of integers, of narrow types above all.

UNARY = {
    "neg": lambda k: -k,
    "int8": lambda k: k.astype(jnp.int8),
    "uint8": lambda k: k.astype(jnp.uint8),
    "int16": lambda k: k.astype(jnp.int16),
    "uint32": lambda k: k.astype(jnp.uint32),
    "int64": lambda k: k.astype(jnp.int64),
    "uint64": lambda k: k.astype(jnp.uint64),
    "sum": lambda k: jnp.sum(k, dtype=k.dtype) + k,
    "cumsum": lambda k: lax.cumsum(k, 0),
    "cummax": lambda k: lax.cummax(k, 0),
    "max": lambda k: jnp.max(k) - k,
    "sort": lambda k: jnp.sort(k),
    "argmax": lambda k: k + jnp.argmax(k).astype(k.dtype),
    "argmin": lambda k: k - jnp.argmin(k).astype(k.dtype),
    "roll": lambda k: jnp.roll(k, 1),
    "bool": lambda k: k.astype(bool).astype(k.dtype),
    "float": lambda k: (1.5 * k.astype(jnp.float64)).astype(k.dtype),
    "own entries": lambda k: k[jnp.clip(k, 0, 2).astype(jnp.int32)],
}
BINARY = {
    "add": jnp.add,
    "sub": jnp.subtract,
    "mul": jnp.multiply,
    "max": jnp.maximum,
    "min": jnp.minimum,
    "where": lambda k, m: jnp.where(k < m, k, m + m),
    "where equal": lambda k, m: jnp.where(k == m, k, m - k),
    "clip": lambda k, m: jnp.clip(k, jnp.zeros_like(m), m),
}


@pytest.mark.full
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_random_programs(data):
    """No rule gives an inverted interval, and the values of the code are contained."""
    dtype = data.draw(st.sampled_from(TYPES))
    steps = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from([*UNARY, *BINARY, *BINARY]),
                st.sampled_from([0, 1, 2, 3, 50, 100, 127]),
                st.booleans(),
            ),
            min_size=1,
            max_size=4,
        )
    )
    start = data.draw(st.sampled_from([-200.0, -2.5, 0.0, 0.5, 1.0, 100.0, 254.0, 2.0**31]))
    width = data.draw(st.sampled_from([0.0, 0.75, 2.0, 10.0]))

    def program(x):
        first = latest = x.astype(dtype)
        for name, number, again in steps:
            if name in UNARY and not again:
                latest = UNARY[name](latest)
            else:
                name = name if name in BINARY else "add"
                other = first.astype(latest.dtype) if again else latest.dtype.type(number)
                latest = BINARY[name](latest, jnp.broadcast_to(other, latest.shape))
        return latest.astype(jnp.float64)

    lower = np.array([start, start + 0.25, start - 1.0])
    inside, _ = contains(program, lower, lower + width, 23)
    assert inside, steps
