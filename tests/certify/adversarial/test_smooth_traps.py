"""Smooth games that have what a certificate denies, where sampling hardly sees it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg

pytestmark = pytest.mark.thin(5)

BOX = certify.Box({"a": -0.9, "b": -1.0}, {"a": 1.1, "b": 1.0})


def bump(at, width, height):
    """A dent whose curvature is `height / width^2`, of no size to speak of."""
    return lambda a: -height * jnp.exp(-jnp.square((a - at) / width))


# Costs of a, none of which is convex in the region, and most of which have several minima.
COSTS = {
    "double well": lambda a: jnp.square(jnp.square(a) - 0.25),
    "flat double well": lambda a: jnp.square(jnp.square(a) - 1e-4) + 1e-9 * jnp.square(a),
    "dent": lambda a: a**2 + bump(0.377, 1e-2, 1e-3)(a),
    "narrow dent": lambda a: a**2 + bump(0.377, 1e-4, 1e-7)(a),
    "very narrow dent": lambda a: a**2 + bump(-0.3456, 1e-6, 1e-11)(a),
    "dent in a corner": lambda a: a**2 + bump(1.0999, 1e-5, 1e-9)(a),
    "narrow wave": lambda a: a**2 + 1e-8 * jnp.sin(3e4 * a),
    "steep sigmoid": lambda a: a**2 + 1e-3 * jax.nn.sigmoid(1e5 * (a - 0.377)),
    "steep softplus": lambda a: 2 * a**2 - 1e-2 * jax.nn.softplus(2e4 * (a - 0.377)) * 1e-3,
    "steep tanh": lambda a: a**2 + 0.02 * jnp.tanh(1e6 * (a - 0.377)),
    "pole outside of doubles": lambda a: a**2 - 1e-12 / (jnp.square(a - 0.377) + 1e-9),
    "logarithm of almost nothing": lambda a: a**2 + 1e-9 * jnp.log(jnp.square(a - 0.377) + 1e-14),
}


@pytest.mark.full
@pytest.mark.parametrize(
    "enclosure", [certify.AutoEnclosure(), certify.IntervalMatrices()], ids=["auto", "interval"]
)
@pytest.mark.parametrize("name", COSTS)
def test_costs_that_are_not_convex_are_not_proved(name, enclosure):
    def costs(x, args):
        a, b = x["a"], x["b"]
        return {"a": COSTS[name](a) + 0.01 * jnp.sin(a) * b, "b": b**2 + 0.01 * a * b}

    found = certify.certify(
        dg.game(costs), BOX, enclosure=enclosure, search=certify.Search(max_cells=40)
    )
    assert found.status != "proved"
    curvature = jax.vmap(jax.grad(jax.grad(COSTS[name])))
    near = np.concatenate([0.377 + np.linspace(-1, 1, 401) * width for width in (1, 1e-2, 1e-4)])
    near = np.concatenate([near, 1.0999 + np.linspace(-1, 1, 401) * 3e-5, [0.0, 1e-3]])
    near = np.concatenate([near, -0.3456 + np.linspace(-1, 1, 401) * 3e-6])
    near = np.concatenate([near, 0.377 + np.linspace(-1, 1, 401) * 3e-6])
    near = near[(near >= -0.9) & (near <= 1.1)]
    assert float(curvature(jnp.asarray(near)).min()) < 0.0


class _Coins:
    """Numbers that are others at each call, as a fault of a user's might be."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return float(np.random.default_rng(self.calls).random())


def test_impure_costs_are_not_proved():
    coin = _Coins()

    def costs(x, args):
        a, b = x["a"], x["b"]
        return {"a": (a - 0.3 * coin()) ** 2 + 0.1 * jnp.sin(a) * b, "b": b**2}

    with pytest.raises(certify.MismatchError, match="nothing is proved"):
        certify.certify(dg.game(costs), BOX)


def test_impure_strategy_sets_are_not_proved():
    class Game(dg.Game):
        coin: _Coins

        def costs(self, x, args=None):
            a, b = x["a"], x["b"]
            return {"a": a**2 + 0.1 * jnp.sin(a) * b, "b": b**2}

        def strategy_set(self, x):
            return {"a": dg.Box(-1.0 - self.coin(), 2.0), "b": dg.Euclidean()}

    with pytest.raises(certify.MismatchError, match="strategy sets are others"):
        certify.certify(Game(_Coins()), BOX)


@pytest.mark.full
def test_impure_costs_of_networks_are_not_proved():
    coin = _Coins()

    def cost(own, others, parameters, args):
        return (own - 0.1 * coin()) ** 2 - own * jnp.tanh(0.5 * others[0])

    game = dg.NetworkGame(cost, jnp.array([[1], [0]]), parameters=jnp.ones(2))
    region = certify.Box(dg.Stacked(-jnp.ones(2)), dg.Stacked(jnp.ones(2)))
    with pytest.raises(certify.MismatchError, match="pure function"):
        certify.certify_network(game, region)
