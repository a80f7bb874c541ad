"""Proved gaps against closed forms and dense grids: no grid ever finds a better reply."""

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import certify
import dgames as dg

DISC = dg.games.DiscGame()


def mixture(seed, count):
    """Random points of the disc with random weights, as the float sums of which differ from one."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, 2))
    points /= np.maximum(1, np.linalg.norm(points, axis=1))[:, None]
    weights = rng.exponential(size=count)
    return points, weights / weights.sum()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 8))
def test_in_the_disc_game_the_gap_is_the_sum_of_the_lengths_of_both_means(seed, many, others):
    first, second = mixture(seed, many), mixture(seed + 1, others)
    bound = certify.gap(DISC, (first, second), tolerance=1e-4)
    means = [weights @ points for points, weights in (first, second)]
    exact = sum(map(np.linalg.norm, means))
    assert bound.status == "proved" and bound.upper - bound.lower <= 1e-4
    assert bound.lower <= exact + 1e-14 and exact - 1e-14 <= bound.upper
    # The first player pays y_1 x_2 - x_1 y_2, and at least the length of the other's mean less.
    own = bound.players["0"]
    paid = means[0][1] * means[1][0] - means[0][0] * means[1][1]
    assert own.paid[0] <= paid + 1e-14 and paid - 1e-14 <= own.paid[1]
    assert own.least[0] <= -np.linalg.norm(means[1]) + 1e-14 <= own.least[1] + 2e-14
    assert np.linalg.norm(own.reply) <= 1


def test_a_wrong_mixture_is_refused_and_a_right_one_is_not():
    square = jnp.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    right, wrong = jnp.full(4, 0.25), jnp.array([0.3, 0.25, 0.2, 0.25])
    bound = certify.gap(DISC, ((square, right), (square, right)))
    assert bound.at_most(1e-3) and not bound.exceeds(1e-3) and bound.lower == 0
    assert "exploitability in [0" in str(bound)
    bound = certify.gap(DISC, ((square, wrong), (square, wrong)))
    assert bound.exceeds(0.199) and not bound.at_most(0.199) and bound.at_most(0.201)
    short = certify.gap(
        DISC, ((square, wrong), (square, wrong)), search=certify.Search(max_cells=3)
    )
    assert short.status == "undecided" and "3 cells" in short.reason
    assert short.lower <= 0.2 <= short.upper


def test_what_is_no_mixture_in_the_region_is_refused():
    points = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    good = points, jnp.array([0.5, 0.5])
    for weights in ([0.5, 0.6], [1.5, -0.5], [np.nan, 1.0], [0.5, 0.4]):
        with pytest.raises(ValueError, match="are no distribution"):
            certify.gap(DISC, (good, (points, jnp.array(weights))))
    with pytest.raises(ValueError, match="one weight for each member"):
        certify.gap(DISC, (good, (points, jnp.ones(1))))
    with pytest.raises(ValueError, match="outside of the region"):
        certify.gap(DISC, (good, (1.1 * points, jnp.array([0.5, 0.5]))))
    free = dg.zero_sum(lambda x, args: x["a"] @ x["b"])
    with pytest.raises(ValueError, match="without bounds"):
        certify.gap(free, {"a": good, "b": good})
    with pytest.raises(ValueError, match=r"is a Simplex"):
        certify.gap(DISC, (good, good), dg.Simplex())
    with pytest.raises(ValueError, match="about the players"):
        certify.gap(DISC, (good, good), certify.Box.around({"a": jnp.zeros(2)}, 1.0))
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match=r"tolerance|Type-check error"):
        certify.gap(DISC, (good, good), tolerance=0.0)
    with pytest.raises(ValueError, match="a pair"):
        certify.gap(DISC, {"a": points, "b": points})


def sum_of(parts):
    return np.sum(list(parts), axis=0)


class Waves(dg.Game):
    """Costs with many minima and kinks, of a plane and a line."""

    def costs(self, x, args=None):
        a, b = x["a"], x["b"]
        waves = jnp.sin(args[0] * a[0] + b) * a[1] + jnp.abs(a[0] - args[1] * a[1])
        return {
            "a": waves + args[2] * jnp.max(a) * b,
            "b": jnp.cos(args[0] * b + a[0]) + args[2] * b * a[1],
        }


@pytest.mark.full
def test_no_point_of_a_dense_grid_pays_less_than_is_proved():
    rng = np.random.default_rng(3)
    for _ in range(6):
        args = jnp.asarray(rng.uniform([1, -1, -1], [6, 1, 1]))
        low, high = -rng.uniform(0.2, 1.5, 3), rng.uniform(0.2, 1.5, 3)
        shares = rng.dirichlet(np.ones(5), 2)
        a, b = rng.uniform(low[:2], high[:2], (5, 2)), rng.uniform(low[2], high[2], 5)
        region = certify.Box(
            {"a": jnp.asarray(low[:2]), "b": jnp.asarray(low[2])},
            {"a": jnp.asarray(high[:2]), "b": jnp.asarray(high[2])},
        )
        given = {"a": (jnp.asarray(a), shares[0]), "b": (jnp.asarray(b), shares[1])}
        bound = certify.gap(Waves(), given, region, args=args, tolerance=1e-3)
        p, q, r = map(float, args)
        x, y = np.meshgrid(*(np.linspace(low[k], high[k], 301) for k in range(2)))
        own = sum_of(
            w * (np.sin(p * x + z) * y + np.abs(x - q * y) + r * np.maximum(x, y) * z)
            for w, z in zip(shares[1], b, strict=True)
        )
        z = np.linspace(low[2], high[2], 2001)
        other = sum_of(
            w * (np.cos(p * z + u) + r * z * v) for w, (u, v) in zip(shares[0], a, strict=True)
        )
        assert bound.status == "proved"
        for name, values, fineness in (("a", own, 0.05), ("b", other, 0.01)):
            least = bound.players[name].least
            assert least[0] <= values.min() and values.min() - fineness <= least[1]
            assert least[1] - least[0] <= 1e-3
        # The reply in the result pays what is said of it.
        u, v = np.asarray(bound.players["a"].reply)
        reply = sum_of(
            w * (np.sin(p * u + z) * v + abs(u - q * v) + r * max(u, v) * z)
            for w, z in zip(shares[1], b, strict=True)
        )
        assert reply <= bound.players["a"].least[1] + 1e-12


@pytest.mark.full
def test_the_hills_are_enclosed_to_a_thousandth_and_to_much_less():
    """Global maxima, found from many starts, are the gaps of the origin."""
    for sharpness, known in ((2.0, 0.5013554190205718), (0.54, 0.3440425870963848)):
        hills = dg.games.CyclicHills(sharpness=sharpness)
        origin = jnp.zeros((1, 2)), jnp.ones(1)
        bound = certify.gap(hills, (origin, origin))
        assert bound.lower <= 2 * known <= bound.upper <= bound.lower + 1e-3
    # Of the even mixture of the centres, against a fine grid.
    centers = np.asarray(hills.centers)
    even = jnp.asarray(centers), jnp.full(7, 1 / 7)
    bound = certify.gap(hills, (even, even), tolerance=1e-6)
    line = np.linspace(-4, 4, 801)
    grid = np.stack(np.meshgrid(line, line), -1)
    heights = np.exp(-0.27 * np.sum((grid[..., None, :] - centers) ** 2, -1))
    mean = np.exp(-0.27 * np.sum((centers[:, None] - centers) ** 2, -1)).mean(0)
    gains = heights @ hills.cycle() @ mean + heights.sum(-1) / 2 - mean.sum() / 2
    assert 2 * gains.max() <= bound.upper and bound.lower <= 2 * gains.max() + 1e-3
    assert bound.exceeds(0.069) and bound.at_most(0.0695)
