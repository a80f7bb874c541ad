"""First-price auctions with private values, and their smooth neighbours."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.game import Game
from dgames.sets import Box, PlayerSets
from dgames.strategy import Strategy, as_strategy, blocks, join


class FirstPriceAuction(Game):
    r"""A sealed-bid first-price auction of one item, made smooth.

    Every bidder has a private value v, uniform on [0, highest], and a strategy `b_i(v)` that is
    piecewise linear: a block of shape `(knots,)` holds the bids at evenly spaced values. Bidders
    pay minus their expected utility,

        f_i(x) = -E u_i,    u_i = a_i (v_i - max_j b_j),    a = softmax(b / temperature)

    so that each holds a share of the item, and pays that share of the winning bid; with
    `pay_as_bid`, of their own, `u_i = a_i (v_i - b_i)`. At the temperature zero the item goes to
    the highest bid, and both are the auction itself. The Bayes-Nash equilibrium there is
    `b(v) = v (N - 1) / N` for N bidders.

    Where the item goes to the highest bid, the derivative of the utility along the own bid is
    `-Pr(win)`: gradients do not see that a higher bid wins more often, and drive all bids to zero.
    That is why the allocation is smoothed. The price is not, so that the costs have a kink where
    bids are equal. What smoothing costs is bounded by `smoothing_bias`. The field's variance over
    sampled values grows as the temperature falls.

    As `args` the costs take None, for the mean over a grid of values (the middles of `grid`
    intervals, of all bidders independently); or an array of values of shape `(samples, bidders)`,
    such as those of `sample`, for the mean over them.

    The costs are not convex in the own strategy in general, so that a point of rest is a candidate:
    `utility_loss` measures it in the auction itself.

    Attributes:
        temperature: At least 0, in units of bids.
        highest: The highest value, positive; bids are between zero and that.
        grid: How many values of each bidder the grid has. Intervals are to be shorter than the
            temperature, and the grid has `grid^N` points for N bidders.
        pay_as_bid: Whether bidders pay their share of their own bid.

    Example:
        >>> auction = FirstPriceAuction(0.1)
        >>> [f"{-cost:.4f}" for cost in auction.costs(auction.bayes_nash_equilibrium())]
        ['0.1478', '0.1478']

    References:
        Kohring, Pieroth and Bichler, *Enabling first-order gradient-based learning for equilibrium
        computation in markets*, ICML 2023. Vickrey, *Counterspeculation, auctions, and competitive
        sealed tenders*, Journal of Finance 16 (1961), for the equilibrium.
    """

    temperature: Float[Array, "*batch"] = eqx.field(converter=as_float)
    highest: Float[Array, "*batch"] = eqx.field(default=1.0, converter=as_float)
    grid: int = eqx.field(static=True, default=64)
    pay_as_bid: bool = eqx.field(static=True, default=False)

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        own = [jnp.asarray(block) for block in blocks(x)]
        values = self._grid(len(own), own[0].dtype) if args is None else args
        if jnp.ndim(values) != 2 or jnp.shape(values)[1] != len(own):
            raise ValueError(
                "FirstPriceAuction: args are values of shape (samples, bidders), here for "
                f"{len(own)} bidders, or None; got shape {jnp.shape(values)}"
            )
        values = jnp.asarray(values).astype(own[0].dtype)
        bids = jnp.stack([self.bid(b, v) for b, v in zip(own, values.T, strict=True)], -1)
        utilities = jnp.mean(self.utilities(bids, values), 0)
        return join(x, tuple(-utility for utility in utilities))

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return Box(0.0, self.highest)

    def bid(
        self, strategy: Float[Array, " knots"], value: Float[Array, "*values"]
    ) -> Float[Array, "*values"]:
        """Returns the bids of a strategy at values.

        Args:
            strategy: The bids at the knots, of which there are at least two.
            value: Values between zero and the highest.
        """
        if strategy.ndim != 1 or strategy.shape[0] < 2:
            raise ValueError(
                "FirstPriceAuction: a strategy is a vector of bids at two knots or more, but one "
                f"has shape {strategy.shape}"
            )
        last = strategy.shape[0] - 1
        place = value / self.highest.astype(value.dtype) * last
        left = jnp.clip(jnp.floor(place), 0, last - 1)
        share = place - left
        index = left.astype(int)
        return (1 - share) * strategy[index] + share * strategy[index + 1]

    def allocation(
        self, bids: Float[Array, "*samples bidders"]
    ) -> Float[Array, "*samples bidders"]:
        """Returns everyone's share of the item; at the temperature zero, ties are split evenly."""
        temperature = self.temperature.astype(bids.dtype)
        smooth = temperature > 0
        shares = jax.nn.softmax(bids / jnp.where(smooth, temperature, 1), axis=-1)
        first = (bids == jnp.max(bids, -1, keepdims=True)).astype(bids.dtype)
        return jnp.where(smooth, shares, first / jnp.sum(first, -1, keepdims=True))

    def utilities(
        self, bids: Float[Array, "*samples bidders"], values: Float[Array, "*samples bidders"]
    ) -> Float[Array, "*samples bidders"]:
        """Returns everyone's utility in single auctions."""
        price = bids if self.pay_as_bid else jnp.max(bids, -1, keepdims=True)
        return self.allocation(bids) * (values - price)

    def sample(
        self, key: Key[Array, ""], samples: int, bidders: int = 2
    ) -> Float[Array, "samples bidders"]:
        """Draws values of all bidders, for `args`.

        Args:
            key: A random key.
            samples: The number of auctions.
            bidders: N.
        """
        return self.highest * jax.random.uniform(key, (samples, bidders), self.highest.dtype)

    def bayes_nash_equilibrium(
        self, bidders: int = 2, knots: int = 33
    ) -> tuple[Float[Array, " knots"], ...]:
        """The Bayes-Nash equilibrium of the auction itself, `b(v) = v (N - 1) / N`.

        Args:
            bidders: N, at least 2.
            knots: How many bids a strategy has.
        """
        bids = jnp.linspace(0, 1, knots).astype(self.highest.dtype) * self.highest
        return ((bidders - 1) / bidders * bids,) * bidders

    def distance(self, x: Strategy) -> Float[Array, " bidders"]:
        """Each bidder's root mean square distance from the equilibrium's bids, over all values.

        Args:
            x: A joint strategy.
        """
        own = blocks(as_strategy(x))
        values = self._middles(1024, own[0].dtype)
        best = (len(own) - 1) / len(own) * values
        return jnp.stack([jnp.sqrt(jnp.mean((self.bid(b, values) - best) ** 2)) for b in own])

    def utility_loss(self, x: Strategy, bids: int = 1024) -> Float[Array, " bidders"]:
        """What each bidder gives up by `x` in the auction itself, before the value is known.

        That is the mean over values of what the best bid to each earns more than the strategy's
        own, by enumeration of evenly spaced bids, against the others' bids at the values of the
        grid. It is an estimate up to the spacing of both.

        Args:
            x: A joint strategy.
            bids: How many bids are tried.
        """
        own = [jnp.asarray(block) for block in blocks(as_strategy(x))]
        dtype = own[0].dtype
        values, tried = self._middles(self.grid, dtype), self._middles(bids, dtype)
        losses = []
        for i, strategy in enumerate(own):
            played = self.bid(strategy, values)
            all_bids = jnp.concatenate([played, tried])
            chance = jnp.ones_like(all_bids)
            for other in own[:i] + own[i + 1 :]:
                theirs = self.bid(other, values)
                wins = (all_bids[:, None] > theirs[None, :]).astype(dtype)
                ties = (all_bids[:, None] == theirs[None, :]).astype(dtype)
                chance = chance * jnp.mean(wins + 0.5 * ties, 1)
            earned = chance[None, :] * (values[:, None] - all_bids[None, :])
            mine = jnp.diagonal(earned[:, : len(values)])
            losses.append(jnp.mean(jnp.max(earned, 1) - mine))
        return jnp.stack(losses)

    def smoothing_bias(
        self, density: float | Array, margin: float | Array, bidders: int = 2
    ) -> Float[Array, ""]:
        r"""Bounds how much smoothing moves the expected utility of any value and bid.

            log(2 N) temperature density margin

        Let m be the highest bid of the others and `d = b - m`. The share of the item is between
        `1 / (1 + (N - 1) exp(-d / t))` and `1 / (1 + exp(-d / t))`, so that it differs from that of
        the auction by at most `1 - 1 / (1 + (N - 1) exp(-d / t))` where `d > 0` and by at most
        `1 / (1 + exp(-d / t))` where `d < 0`. The integrals of these over d are `t log N` and
        `t log 2`, m has a density, and the prices are the same in both.

        Hence a strategy that is within e of the best one in the smooth game is within e plus twice
        this bound of it in the auction itself: the bound is needed at the strategy and at the
        deviation.

        Args:
            density: A bound on the density of the highest bid of the others: for two bidders, one
                over the least slope of the other's strategy times `highest`.
            margin: A bound on `|v - price|`, at deviations too: at most `highest`.
            bidders: N.

        >>> round(float(FirstPriceAuction(0.1).smoothing_bias(density=2.0, margin=1.0)), 4)
        0.2773
        """
        return math.log(2 * bidders) * self.temperature * density * margin

    def _middles(self, count: int, dtype: Any) -> Float[Array, " values"]:
        share = (jnp.arange(count).astype(dtype) + 0.5) / count
        return share * self.highest.astype(dtype)

    def _grid(self, bidders: int, dtype: Any) -> Float[Array, "samples bidders"]:
        middles = self._middles(self.grid, dtype)
        places = np.stack(np.meshgrid(*[np.arange(self.grid)] * bidders, indexing="ij"), -1)
        return middles[places.reshape(-1, bidders)]
