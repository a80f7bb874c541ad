"""Positions, orders and integers that depend on the box; updates of entries; windows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from certify.enclosure import EnclosureError, Interval, enclose
from certify.enclosure.registry import RULES, SMOOTH_RULES
from tools.numpy_jaxpr import uncompiled

SMOOTH = RULES | SMOOTH_RULES
_K = jnp.array([[1.0, -2.0], [3.0, 0.0]])

# Exact in floats for small integers, so members can be compared without any tolerance.
FUNCTIONS = {
    "argmax": lambda x: jnp.argmax(x, axis=1).astype(jnp.float64),
    "argmin": lambda x: jnp.argmin(x, axis=0).astype(jnp.float64),
    "argmax of all": lambda x: jnp.argmax(x).astype(jnp.float64),
    "argmax of booleans": lambda x: jnp.argmax(x > 0.0, axis=1).astype(jnp.float64),
    "entry of argmax": lambda x: x[0, jnp.argmax(x[1])],
    "rows of argmax": lambda x: x[jnp.argmax(x, axis=0)],
    "along argmax": lambda x: jnp.take_along_axis(x, jnp.argmin(x, axis=1)[:, None], axis=1),
    "one_hot": lambda x: jax.nn.one_hot(jnp.argmax(x, axis=1), x.shape[1], dtype=jnp.float64),
    "argsort": lambda x: jnp.argsort(x, axis=1).astype(jnp.float64),
    "sorted along": lambda x: lax.sort((x, -x, 2.0 * x), dimension=1, num_keys=1)[1],
    "median": lambda x: jnp.median(x, axis=0),
    "top_k": lambda x: lax.top_k(x, min(2, x.shape[1]))[0],
    "places of top_k": lambda x: lax.top_k(x, min(2, x.shape[1]))[1].astype(jnp.float64),
    "count": lambda x: jnp.sum(x > 0.0).astype(jnp.float64),
    "counts": lambda x: jnp.cumsum(x > 0.0, axis=0).astype(jnp.float64),
    "switch": lambda x: lax.switch(
        jnp.argmax(x[:, 0]), [lambda: x[0], lambda: -x[1], lambda: x[2]]
    ),
    "cut off": lambda x: x[1].astype(jnp.int32).astype(jnp.float64) * 2.0,
    "arithmetic": lambda x: ((jnp.argmax(x, axis=1) - 2) * 3 + 1 > 0).astype(jnp.float64),
    "chosen integers": lambda x: jnp.where(x > 0.0, 3, -1).astype(jnp.float64),
    "piecewise": lambda x: jnp.piecewise(
        x, [x < 0.0, x > 1.0], [lambda x: -x, lambda x: x * x, 7.0]
    ),
    "set": lambda x: x.at[jnp.array([0, 2])].set(-x[:2]),
    "set twice": lambda x: x.at[jnp.array([1, 1])].set(x[:1]),
    "add": lambda x: x.at[jnp.array([0, 0, 2])].add(x),
    "multiply": lambda x: x.at[1].mul(x[2]),
    "least": lambda x: x.at[jnp.array([1, 1, 0])].min(x),
    "greatest": lambda x: x.at[1].max(x[2]),
    "add at argmax": lambda x: jnp.zeros(x.shape[1]).at[jnp.argmax(x[0])].add(x[1, 0]),
    "remainder": lambda x: jnp.mod(x, 2.0),
    "other remainder": lambda x: lax.rem(x, jnp.full_like(x, 2.0)),
    "convolution": lambda x: lax.conv(x[None, None], _K[None, None], (1, 1), "SAME")[0, 0],
    "square of a convolution": lambda x: lax.conv(x[None, None], x[None, None], (1, 2), "SAME")[
        0, 0
    ],
    "strides and dilations": lambda x: lax.conv_general_dilated(
        x[None, None],
        _K[None, None],
        (2, 1),
        ((1, 2), (0, 1)),
        lhs_dilation=(2, 1),
        rhs_dilation=(1, 2),
    )[0, 0],
    "groups and other axes": lambda x: lax.conv_general_dilated(
        x.T[None],
        jnp.stack([_K, _K + 1.0, -_K], -1)[:, :1],
        (1,),
        "SAME",
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=3,
    )[0],
    "sums of windows": lambda x: lax.reduce_window(x, 0.0, lax.add, (2, 1), (1, 1), "SAME"),
    "maxima of windows": lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 1), (2, 1), "SAME"),
    "minima of windows": lambda x: lax.reduce_window(x, jnp.inf, lax.min, (3, 1), (1, 1), "VALID"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_members_are_inside(name):
    rng, function = np.random.default_rng(3), FUNCTIONS[name]
    enclosed, compute = jax.jit(enclose(function)), jax.jit(jax.vmap(function))
    for size in (1, 4):
        for reach in (1, 2, 3):
            lower = rng.integers(-3, 4, (3, size)).astype(float)
            upper = lower + rng.integers(0, reach, lower.shape)
            box = enclosed(Interval(lower, upper))
            ends = (lower.astype(int), upper.astype(int) + 1)
            values = np.asarray(compute(rng.integers(*ends, (40, 3, size)).astype(float)))
            assert ((np.asarray(box.lower) <= values) & (values <= np.asarray(box.upper))).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_decided_boxes_are_tight(name):
    """Nothing is lost where every order is decided and the box is a point."""
    x = jnp.asarray(np.random.default_rng(4).permutation(12.0 - np.arange(12)).reshape(3, 4)) + 0.25
    box = uncompiled(enclose(FUNCTIONS[name]))(Interval(x, x + 0.0))
    assert float(box.width.max()) < 1e-10


UNDEFINED = {
    "argmax": lambda x: jnp.argmax(x, axis=1).astype(jnp.float64),
    "entry of argmax": lambda x: jnp.array([1.0, 2.0, 3.0])[jnp.argmax(x[0])],
    "argsort": lambda x: jnp.argsort(x, axis=1).astype(jnp.float64),
    "top_k": lambda x: lax.top_k(x, 1)[1].astype(jnp.float64),
    "sorted along": lambda x: lax.sort((x, jnp.ones_like(x)), num_keys=1)[1],
    "cut off": lambda x: (0 * x.astype(jnp.int32)).astype(jnp.float64),
    "switch": lambda x: lax.switch(x[0, 0].astype(jnp.int32), [lambda: 1.0, lambda: 2.0]),
    "remainder": lambda x: jnp.mod(x, 2.0),
    "set": lambda x: x.at[0, 0].set(1.0),
    "multiply": lambda x: jnp.zeros(4).at[0].mul(x[0, 0]),
    "greatest": lambda x: jnp.zeros(4).at[0].max(x[0, 0]),
    "erf_inv": lambda x: lax.erf_inv(x),
}


@pytest.mark.parametrize("name", UNDEFINED)
def test_nothing_known_stays_unknown(name):
    box = Interval(-jnp.ones((3, 3)), jnp.ones((3, 3)))
    for rules in (RULES, SMOOTH):
        found = uncompiled(enclose(lambda x: UNDEFINED[name](1.0 / x), rules))(box)
        assert bool(found.is_unknown.any())


JUMPS = {
    "argmax": lambda x: jnp.argmax(x).astype(jnp.float64),
    "entry of argmax": lambda x: jnp.array([1.0, 2.0, 3.0])[jnp.argmax(x)],
    "permutation": lambda x: jnp.array([1.0, 2.0, 3.0])[jnp.argsort(x)],
    "switch": lambda x: lax.switch(jnp.argmax(x), [lambda: 1.0, lambda: 2.0]),
    "count": lambda x: jnp.sum(x > 0.0).astype(jnp.float64),
    "remainder": lambda x: jnp.mod(x, 0.5),
    "top_k": lambda x: lax.top_k(x, 2)[0],
    "moved": lambda x: lax.sort((x, jnp.array([1.0, 2.0, 3.0])), num_keys=1)[1],
    "maxima of windows": lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2,), (1,), "VALID"),
}


@pytest.mark.parametrize("name", JUMPS)
def test_smooth_mode_sees_jumps(name):
    undecided = Interval(-jnp.ones(3), jnp.ones(3))
    function = uncompiled(enclose(JUMPS[name], SMOOTH))
    assert bool(function(undecided).is_unknown.any())
    x = jnp.array([0.1, 0.8, -0.3])
    assert not bool(function(Interval(x, x + 0.05)).is_unknown.any())


def test_ties_of_points_go_to_the_first():
    box = enclose(lambda x: jnp.argmax(x).astype(jnp.float64))(jnp.array([1.0, 3.0, 3.0]))
    assert float(box.lower) == float(box.upper) == 1.0


def test_indices_that_may_be_outside():
    def function(x):
        return jnp.arange(3.0).at[(jnp.argmax(x) + jnp.argmax(-x))[None]].get(mode="fill")

    assert bool(enclose(function)(Interval(-jnp.ones(3), jnp.ones(3))).is_unknown.all())


def test_what_has_no_rule():
    x = Interval(-jnp.ones(3), jnp.ones(3))
    with pytest.raises(EnclosureError, match="several keys"):
        enclose(lambda x: lax.sort((x, x), num_keys=2)[1])(x)
    with pytest.raises(EnclosureError, match="one place"):
        enclose(lambda x: x.at[jnp.array([0, 0])].mul(x[:2]))(x)
    with pytest.raises(EnclosureError, match=r"'rem' of integers .*test_order.py"):
        enclose(lambda x: (jnp.argmax(x) % 2).astype(jnp.float64))(x)
