"""Projections onto strategy sets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import dgames as dg

POINTS = arrays(np.float64, 4, elements=st.floats(-10, 10, allow_subnormal=False))
SETS = {
    "euclidean": dg.Euclidean(),
    "box": dg.Box(-1.0, 2.0),
    "uneven box": dg.Box(
        jnp.array([0.0, -jnp.inf, -1.0, 3.0]), jnp.array([1.0, 2.0, jnp.inf, 3.0])
    ),
    "half line": dg.Box(0.0, jnp.inf),
    "ball": dg.Ball(jnp.array([1.0, 0.0, 0.0, -2.0]), 1.5),
    "balls": dg.Balls(1.5),
    "simplex": dg.Simplex(),
}
ALL = pytest.mark.parametrize("own", SETS.values(), ids=SETS)


@ALL
@settings(max_examples=40, deadline=None, derandomize=True)
@given(x=POINTS, y=POINTS)
def test_projection_is_feasible_idempotent_and_nonexpansive(own, x, y):
    px, py = own.project(jnp.asarray(x)), own.project(jnp.asarray(y))
    assert own.contains(px, 1e-12)
    assert np.allclose(own.project(px), px, atol=1e-14)
    assert np.linalg.norm(px - py) <= np.linalg.norm(x - y) + 1e-12


@pytest.mark.full
@ALL
def test_projection_is_optimal(own, key):
    """The variational inequality `(x - P x) . (y - P x) <= 0` for all `y` of the set."""
    like = jnp.zeros(4)
    for i in range(20):
        sample, shift = jax.random.split(jax.random.fold_in(key, i))
        members = jax.vmap(lambda k: own.sample(k, like))(jax.random.split(sample, 50))
        assert jax.vmap(lambda y: own.contains(y, 1e-12))(members).all()
        x = 5 * jax.random.normal(shift, (4,))
        nearest = own.project(x)
        gaps = (members - jnp.broadcast_to(nearest, members.shape)) @ (x - nearest)
        assert gaps.max() <= 1e-11


@ALL
def test_members_stay_where_they_are(own, key):
    member = own.sample(key, jnp.zeros(4))
    assert np.allclose(own.project(member), member, rtol=0, atol=1e-15)


@ALL
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_dtypes_are_kept(own, dtype, key):
    assert own.project(jnp.ones(4, dtype)).dtype == dtype
    assert own.sample(key, jnp.ones(4, dtype)).dtype == dtype


@pytest.mark.parametrize("name", [name for name in SETS if name != "euclidean"])
def test_outside_is_outside(name):
    assert not SETS[name].contains(jnp.full(4, -7.0), 1.0)


def test_simplex_agrees_with_bisection(key):
    """An oracle of another kind: find the threshold by bisection on the total mass."""
    x = 2 * jax.random.normal(key, (30, 7))
    low, high = x.min(-1, keepdims=True) - 1, x.max(-1, keepdims=True)
    for _ in range(100):
        middle = (low + high) / 2
        heavy = jnp.maximum(x - jnp.repeat(middle, 7, 1), 0).sum(-1, keepdims=True) > 1
        low, high = jnp.where(heavy, middle, low), jnp.where(heavy, high, middle)
    expected = jnp.maximum(x - jnp.repeat(low, 7, 1), 0)
    assert np.allclose(dg.Simplex().project(x), expected, atol=1e-14)


def test_blocks_may_be_pytrees():
    block = {"u": jnp.array([3.0, 0.0]), "v": jnp.array(4.0)}
    inside = dg.Ball(0.0, 1.0).project(block)
    assert np.allclose(inside["u"], [0.6, 0.0]) and np.allclose(inside["v"], 0.8)
    boxed = dg.Box({"u": 1.0, "v": -jnp.inf}, {"u": 2.0, "v": 0.0}).project(block)
    assert boxed["u"].tolist() == [2.0, 1.0] and boxed["v"] == 0.0


def test_every_row_has_its_own_ball():
    rows = jnp.array([[3.0, 4.0], [0.3, 0.4], [-5.0, 12.0]])
    inside = dg.Balls(1.0).project(rows)
    expected = [[0.6, 0.8], [0.3, 0.4], [-5 / 13, 12 / 13]]
    assert np.allclose(inside, expected, atol=1e-15) and inside[1].tolist() == rows[1].tolist()
    assert not dg.Balls(1.0).contains(rows, 0.1) and dg.Balls(13.0).contains(rows, 1e-12)


def test_product_speaks_about_players(key):
    product = dg.Product({"a": dg.Simplex(), "b": dg.Box(0.0, 1.0)})
    x = {"a": jnp.array([2.0, 0.0]), "b": jnp.array(-3.0)}
    projected = product.project(x)
    assert projected["a"].tolist() == [1.0, 0.0] and projected["b"] == 0.0
    assert product.contains(projected) and not product.contains(x, 0.1)
    assert product.contains(product.sample(key, x), 1e-12)


def test_one_set_is_every_players_own():
    sets = dg.player_sets(dg.Ball(0.0, 1.0), (jnp.ones(2), jnp.ones(2)))
    assert len(sets) == 2 and all(isinstance(own, dg.Ball) for own in sets)
    with pytest.raises(ValueError, match="each of the players a, b; got a, c"):
        dg.player_sets({"a": dg.Simplex(), "c": dg.Simplex()}, {"a": 1.0, "b": 1.0})
