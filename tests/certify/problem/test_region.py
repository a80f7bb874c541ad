"""Regions: bounds, membership, and one clear sentence for each bad one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg


def test_around_and_bounds():
    box = certify.Box.around({"a": 1.0, "b": jnp.zeros(2)}, 0.5)
    lower, upper = box.bounds()
    np.testing.assert_array_equal(lower, [0.5, -0.5, -0.5])
    np.testing.assert_array_equal(upper, [1.5, 0.5, 0.5])
    each = certify.Box.around((0.0, 0.0), (1.0, 2.0))
    np.testing.assert_array_equal(each.bounds()[1], [1.0, 2.0])


def test_ball_bounds_are_outward():
    center = (0.1, 0.2)
    ball = certify.Ball(center, 0.3)
    lower, upper = ball.bounds()
    assert (lower < np.array(center) - 0.3).all()
    assert (upper > np.array(center) + 0.3).all()


@pytest.mark.parametrize(
    "region",
    [certify.Box((0.0, jnp.zeros(2)), (1.0, jnp.ones(2))), certify.Ball((0.5, jnp.ones(2)), 0.7)],
)
def test_samples_lie_inside(region):
    points = region.sample(jax.random.key(0), 500)
    lower, upper = region.bounds()
    assert points.shape == (500, 3)
    assert (points >= lower).all() and (points <= upper).all()
    if isinstance(region, certify.Ball):
        distance = np.linalg.norm(points - np.array([0.5, 1.0, 1.0]), axis=1)
        assert distance.max() <= 0.7 * (1 + 1e-12)
        assert distance.max() > 0.65


def test_lower_precision_is_exact_and_remembered():
    center = {"a": jnp.float32(0.1), "b": jnp.asarray([0.1, 1e-40], jnp.bfloat16)}
    exact = [float(np.float32(0.1)), *np.asarray(center["b"]).astype(np.float64).tolist()]
    assert 0 < exact[2] < 1e-39
    ball = certify.Ball(center, jnp.float32(0.1))
    np.testing.assert_array_equal(dg.ravel(ball.center)[0], exact)
    assert ball.radius == exact[0]
    box = certify.Box.around(center, 2.0**-30)
    np.testing.assert_array_equal(box.bounds()[1], np.array(exact) + 2.0**-30)
    high = jax.tree.map(lambda leaf: leaf + jnp.ones_like(leaf), center)
    for region in (ball, box, certify.Box(center, high)):
        assert dg.ravel(region.center)[0].dtype == jnp.float64
        types = [leaf.dtype for leaf in jax.tree.leaves(region.example)]
        assert types == [jnp.float32, jnp.bfloat16]


def test_largest_ball_touches():
    box = certify.Box((-1.0, -2.0), (3.0, 2.0))
    assert box.largest_ball(np.zeros(2), np.array([1.0, 4.0])) == 1.0
    assert box.largest_ball(np.zeros(2), np.array([16.0, 1.0])) == 2.0
    ball = certify.Ball((3.0, 0.0), 5.0)
    assert ball.largest_ball(np.zeros(2), np.array([1.0, 4.0])) == 2.0


def test_cells_outside_a_ball():
    ball = certify.Ball((0.0, 0.0), 1.0)
    assert ball.misses(np.array([0.8, 0.8]), np.array([1.0, 1.0]))
    assert not ball.misses(np.array([0.7, 0.7]), np.array([1.0, 1.0]))


BAD = [
    (
        lambda: certify.Box((0.0, 1.0), (1.0, 1.0)),
        "player '1' has lower bound 1.0 and upper bound 1.0",
    ),
    (lambda: certify.Box((0.0, 2.0), (1.0, 1.0)), "lower bound must be smaller"),
    (lambda: certify.Box((0.0, jnp.nan), (1.0, 1.0)), "not finite for player '1'"),
    (lambda: certify.Box((0.0, -jnp.inf), (1.0, 1.0)), "not finite for player '1'"),
    (lambda: certify.Box((0.0,), (1.0, 1.0)), "different players or shapes"),
    (lambda: certify.Box({"a": 0.0}, {"b": 1.0}), "different players or shapes"),
    (lambda: certify.Box((), ()), "no players"),
    (lambda: certify.Box.around((0.0, 0.0), 0.0), "positive and finite"),
    (lambda: certify.Box.around((0.0, 0.0), -1.0), "positive and finite"),
    (lambda: certify.Box.around((0.0, 0.0), jnp.nan), "positive and finite"),
    (lambda: certify.Box.around((0.0, 0.0), (1.0,)), "different players or shapes"),
    (
        lambda: certify.Ball((jnp.zeros((), jnp.float8_e5m2), 0.0), 1.0),
        "float8_e5m2 for player '0'",
    ),
    (lambda: certify.Ball((0.0, 0.0), 0.0), "positive and finite"),
    (lambda: certify.Ball((0.0, jnp.inf), 1.0), "not finite for player '1'"),
    (lambda: certify.Ball((0.0, 0.0), "wide"), "must be a number"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bad_regions(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_without_x64(monkeypatch):
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(ValueError, match="jax_enable_x64"):
            certify.Box.around((0.0, 0.0), 1.0)
    finally:
        jax.config.update("jax_enable_x64", True)
