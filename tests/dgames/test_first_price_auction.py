"""First-price auctions: what smoothing does, and what it costs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from dgames.games import FirstPriceAuction


def exact_utility(temperature, nodes=200):
    """Ex ante, at `b = v / 2` of both, by Gauss's rule where one value is above the other."""
    place, weight = np.polynomial.legendre.leggauss(nodes)
    place, weight = (place + 1) / 2, weight / 2
    high, low = place[:, None], place[:, None] * place[None, :]
    share = 1 / (1 + np.exp(-(high - low) / (2 * temperature)))
    both = share * (high - high / 2) + (1 - share) * (low - high / 2)
    return (both * weight[:, None] * weight[None, :] * high).sum()


@pytest.mark.parametrize(
    ("temperature", "grid", "stated"),
    [
        (0.1, 64, 0.1478159),
        pytest.param(0.05, 64, 0.1602445, marks=pytest.mark.full),
        pytest.param(0.01, 128, 0.1663521, marks=pytest.mark.full),
        pytest.param(0.001, 1024, 0.1666634, marks=pytest.mark.full),
    ],
)
def test_smooth_utilities_at_the_equilibrium_of_the_auction(temperature, grid, stated):
    auction = FirstPriceAuction(temperature, grid=grid)
    first, second = (-cost for cost in auction.costs(auction.bayes_nash_equilibrium()))
    exact = exact_utility(temperature)
    assert np.isclose(first, exact, rtol=0, atol=3e-7) and np.isclose(first, second)
    assert np.isclose(exact, stated, rtol=0, atol=6e-8)
    assert np.isclose(exact, exact_utility(temperature, 400), rtol=0, atol=1e-12)


@pytest.mark.full
def test_without_smoothing_the_utility_is_one_sixth():
    auction = FirstPriceAuction(0.0, grid=512)
    assert np.allclose(
        [-cost for cost in auction.costs(auction.bayes_nash_equilibrium())], 1 / 6, atol=1e-6
    )
    three = FirstPriceAuction(0.0, grid=24)
    # Three bidders: E (v - 2 v / 3) v^2 = 1 / 12.
    assert np.allclose(
        [-c for c in three.costs(three.bayes_nash_equilibrium(3))], 1 / 12, atol=1e-3
    )
    larger = FirstPriceAuction(0.0, highest=4.0, grid=64)
    assert np.allclose(
        [-c for c in larger.costs(larger.bayes_nash_equilibrium())], 4 / 6, atol=1e-3
    )


@pytest.mark.parametrize("pay_as_bid", [False, pytest.param(True, marks=pytest.mark.full)])
def test_gradients_of_the_auction_itself_see_only_the_price(pay_as_bid):
    """The derivative of the cost along a shift of all bids is `Pr(win)`."""
    auction = FirstPriceAuction(0.0, grid=64, pay_as_bid=pay_as_bid)
    x = (jnp.linspace(0, 0.6, 9), jnp.linspace(0, 0.45, 9))
    values = auction.sample(jax.random.key(0), 4000)
    gradient = eqx.filter_jit(dg.pseudo_gradient(auction))(x, values)
    won = 0.6 * values[:, 0] > 0.45 * values[:, 1]
    chances = [jnp.mean(won), 1 - jnp.mean(won)]
    assert np.allclose([jnp.sum(block) for block in gradient], chances, atol=1e-12)
    smooth = dg.pseudo_gradient(FirstPriceAuction(0.05, pay_as_bid=pay_as_bid))
    smooth = eqx.filter_jit(smooth)(x, values)
    assert jnp.sum(smooth[1]) < 0 < jnp.sum(gradient[1])


def test_rules_of_payment():
    bids, values = jnp.array([0.4, 0.1]), jnp.array([0.9, 0.3])
    shares = np.exp([4.0, 1.0]) / np.exp([4.0, 1.0]).sum()
    price = FirstPriceAuction(0.1).utilities(bids, values)
    assert np.allclose(price, shares * [0.5, -0.1])
    own = FirstPriceAuction(0.1, pay_as_bid=True).utilities(bids, values)
    assert np.allclose(own, shares * [0.5, 0.2])
    ties = FirstPriceAuction(0.0).allocation(jnp.array([0.4, 0.4, 0.1]))
    assert np.allclose(ties, [0.5, 0.5, 0.0])


def test_bids_are_piecewise_linear():
    auction, strategy = FirstPriceAuction(0.1, highest=2.0), jnp.array([0.0, 0.5, 0.6])
    values = jnp.array([0.0, 0.5, 1.0, 1.5, 2.0])
    assert np.allclose(auction.bid(strategy, values), [0.0, 0.25, 0.5, 0.55, 0.6])


@pytest.mark.parametrize(
    ("bidders", "pay_as_bid"),
    [
        (2, False),
        *(pytest.param(n, own, marks=pytest.mark.full) for n, own in ((2, True), (3, False))),
    ],
)
def test_smoothing_moves_utilities_by_no_more_than_its_bound(bidders, pay_as_bid):
    """For many values and bids of the first bidder, against the others' equilibrium."""
    others = np.linspace(0, 1, 400)[1:] ** (1 / (bidders - 1))  # quantiles of the highest value
    slope = (bidders - 1) / bidders
    v, b = np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 21))
    # The density of the highest bid m of the others is at most (N - 1) / slope.
    density = (bidders - 1) / slope
    rest = np.zeros((len(others), bidders - 2))  # of three bidders, the third bids about as high
    for temperature in (0.2, 0.05, 0.01):
        high = slope * others
        bids = np.stack([np.broadcast_to(b.ravel()[:, None], (b.size, high.size))], -1)
        theirs = np.broadcast_to(
            np.column_stack([high, high[:, None] + rest]), (b.size, high.size, bidders - 1)
        )
        bids = jnp.asarray(np.concatenate([bids, theirs], -1))
        values = jnp.broadcast_to(jnp.asarray(v.ravel())[:, None, None], bids.shape)
        smooth, sharp = (
            FirstPriceAuction(t, pay_as_bid=pay_as_bid).utilities(bids, values)[..., 0].mean(1)
            for t in (temperature, 0.0)
        )
        bound = FirstPriceAuction(temperature).smoothing_bias(density, 1.0, bidders)
        moved = jnp.abs(smooth - sharp).max()
        assert moved <= bound + 2e-3  # which is the error of 399 quantiles
        if temperature == 0.05 and bidders == 2:
            assert moved > bound / 8  # it is not idle


def test_the_bound_for_two_bidders_is_that_of_the_design():
    found = FirstPriceAuction(0.01).smoothing_bias(density=2.0, margin=0.5)
    assert np.isclose(found, 2 * np.log(2) * 2.0 * 0.01 * 0.5)


def test_losses_and_distances():
    auction = FirstPriceAuction(0.0, grid=400)
    assert (auction.utility_loss(auction.bayes_nash_equilibrium()) < 2e-3).all()
    # Against b = v / 2, truthful bids earn nothing; v / 2 earns v^2 / 2, in the mean 1 / 6.
    x = (jnp.linspace(0, 1, 5), jnp.linspace(0, 0.5, 5))
    assert np.isclose(auction.utility_loss(x)[0], 1 / 6, atol=2e-3)
    assert np.allclose(auction.distance(x), [np.sqrt(1 / 12), 0.0], atol=1e-5)


def test_malformed_auctions():
    auction = FirstPriceAuction(0.1)
    with pytest.raises(ValueError, match=r"shape \(samples, bidders\), here for 2 bidders"):
        auction.costs(auction.bayes_nash_equilibrium(), jnp.zeros((5, 3)))
    with pytest.raises(ValueError, match="bids at two knots or more"):
        auction.costs((jnp.zeros(1), jnp.zeros(1)))


@pytest.mark.full
@pytest.mark.parametrize(
    ("temperature", "grid", "step", "distance", "half", "top", "loss"),
    [
        (0.1, 64, 1.0, 0.0543, 0.2161, 0.3920, 1.6e-2),
        (0.05, 64, 1.0, 0.0237, 0.2351, 0.4357, 9.6e-3),
        (0.02, 64, 1.0, 0.0069, 0.2474, 0.4702, 3.9e-3),
        # Finer grids and shorter steps than these end here; longer ones do not settle.
        (0.01, 96, 0.1, 0.0026, 0.2496, 0.4844, 2.0e-3),
    ],
)
def test_learning_ends_near_the_equilibrium(temperature, grid, step, distance, half, top, loss):
    auction = FirstPriceAuction(temperature, grid=grid)
    x = jax.tree.map(lambda bids: 0.8 * bids, auction.bayes_nash_equilibrium())
    x = dg.solve(auction, dg.Simultaneous(step), x, tol=0.0, max_steps=6000).strategy
    assert np.allclose(auction.distance(x), distance, atol=5e-4)
    for block in x:
        assert np.isclose(block[16], half, atol=1e-3) and np.isclose(block[32], top, atol=1e-3)
    losses = FirstPriceAuction(0.0, grid=512).utility_loss(x)
    assert np.allclose(losses, loss, rtol=0.1)
