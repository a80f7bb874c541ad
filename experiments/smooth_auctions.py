"""Smooth first-price auctions: where learning ends, and how near to an equilibrium that is.

Kohring, Pieroth and Bichler, *Enabling first-order gradient-based learning for equilibrium
computation in markets*, ICML 2023. In a first-price auction, gradients do not see that a higher bid
wins more often, and drive all bids to zero. With the item split by a softmax of the bids over a
temperature, they do. Two bidders with uniform values learn piecewise linear bids, from 4/5 of the
equilibrium `v / 2`; the mean over values is a sum over a grid, so that nothing is random.

Two things are proved beside it. What the learned strategies give up in the auction itself, in the
mean over values, is bounded from both sides in rational arithmetic. And smoothing moves every
expected utility by at most `log(4) temperature density`, where the bids of the other bidder have a
bounded density: against `v / 2` it is 2, so that this equilibrium of the auction gives up at most
twice as much in the smooth game. The bids that are learned have no bounded density, since low
values bid zero at high temperatures; that is why the first proof is another one. Both losses shrink
with the temperature.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import dgames as dg
from certify.rounding import float_above, float_below, raised
from dgames.figure_style import MARKERS
from dgames.games import FirstPriceAuction
from dgames.plot import COLOURS
from experiments.auctions.exact_loss import loss_bounds
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

# Density of the bids v / 2, and a bound on what winning earns.
DENSITY, MARGIN = 2.0, 1.0


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        temperatures: Temperatures of the softmax, in units of bids.
        knots: How many bids a strategy has.
        steps: Gradient steps.
        values: Points of the grids on which the loss in smooth games is estimated.
    """

    temperatures: tuple[float, ...] = (0.1, 0.05, 0.02, 0.01)
    knots: int = 33
    steps: int = 6000
    values: int = 400


def learned(config: Config, run: Run) -> Data:
    """The strategies that gradient steps end at, for each temperature, and without smoothing."""
    temperatures = (*config.temperatures, 0.0)

    def of(temperature: float) -> Data:
        # Intervals of the grid are shorter than the temperature.
        auction = FirstPriceAuction(temperature, grid=128 if 0 < temperature < 0.02 else 64)
        x = jax.tree.map(lambda bids: 0.8 * bids, auction.bayes_nash_equilibrium(2, config.knots))
        step = min(1.0, 30 * temperature) or 1.0
        x = dg.solve(auction, dg.Simultaneous(step), x, tol=0.0, max_steps=config.steps).strategy
        return {
            "bids": [np.asarray(bids).tolist() for bids in x],
            "distance": auction.distance(x),
        }

    return dict(zip(map(str, temperatures), run.each(temperatures, of), strict=True))


def losses(config: Config, run: Run) -> Data:
    """What the learned strategies give up in the auction, and the equilibrium in smooth games."""

    def of(temperature: float) -> Data:
        auction = FirstPriceAuction(temperature, grid=64 if temperature > 0.03 else 128)
        first, second = run.data["learned"][str(temperature)]["bids"]
        bounds = [loss_bounds(first, second), loss_bounds(second, first)]
        return {
            "least": [float_below(low) for low, _ in bounds],
            "most": [float_above(high) for _, high in bounds],
            "smooth": _smooth_loss(auction, config.values),
            "bound": raised(2 * float(auction.smoothing_bias(DENSITY, MARGIN)), 6),
            "utility": -float(auction.costs(auction.bayes_nash_equilibrium())[0]),
        }

    found = run.each(config.temperatures, of)
    return dict(zip(map(str, config.temperatures), found, strict=True))


def _smooth_loss(auction: FirstPriceAuction, count: int) -> float:
    """The most that any value gains by leaving v / 2 in the smooth game, on grids."""
    middles = jnp.arange(0.5, count) / count
    bids = jnp.stack(jnp.meshgrid(middles, middles / 2, indexing="ij"), -1)
    share = auction.allocation(bids)[..., 0]
    paid = jnp.mean(share * jnp.max(bids, -1), 1)
    utilities = jnp.outer(middles, jnp.mean(share, 1)) - paid[None]  # values along the first axis
    own = jax.vmap(jnp.interp, (0, None, 0))(middles / 2, middles, utilities)
    return float(jnp.max(jnp.max(utilities, 1) - own))


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    result: dict[str, Any] = {}
    for temperature, loss in data["losses"].items():
        own = data["learned"][temperature]
        middle = (len(own["bids"][0]) - 1) // 2
        found = {
            "distances from v / 2": own["distance"],
            "bids at 1/2 and 1": [own["bids"][0][middle], own["bids"][0][-1]],
            "losses in the auction, at most": loss["most"],
            "losses in the auction, at least": loss["least"],
            "utility of v / 2 in the smooth game": loss["utility"],
            "largest loss of v / 2 in the smooth game": loss["smooth"],
            "bound on that loss": loss["bound"],
        }
        result |= {f"temperature {temperature}: {name}": value for name, value in found.items()}
    sharp = data["learned"]["0.0"]["bids"]
    return result | {"largest bid without smoothing": max(map(max, sharp))}


def figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the learned bids, and losses and distances over the temperature."""
    canvas, (left, right) = plt.subplots(1, 2, figsize=(10.0, 4.0), layout="constrained")
    values = np.linspace(0, 1, config.knots)
    left.plot(values, values / 2, color="black", linewidth=1, linestyle=":", label="v / 2")
    for index, temperature in enumerate(config.temperatures):
        bids = data["learned"][str(temperature)]["bids"][0]
        label = f"temperature {temperature:g}"
        left.plot(values, bids, color=COLOURS[index], linewidth=1.6, label=label)
    left.set(xlabel="value", xlim=(0, 1), ylim=(0, 0.52))
    left.set_title("bids that are learned", size="medium")
    left.legend(frameon=False)
    each = [data["losses"][str(temperature)] for temperature in config.temperatures]
    distances = [max(data["learned"][str(t)]["distance"]) for t in config.temperatures]
    lines = {
        "theorem: loss of v / 2 in the smooth game, at most": [loss["bound"] for loss in each],
        "loss of v / 2 in the smooth game, estimate": [loss["smooth"] for loss in each],
        "distance of the learned bids from v / 2": distances,
        "their loss in the auction, proved": [max(loss["most"]) for loss in each],
    }
    for index, (label, line) in enumerate(lines.items()):
        style = ":" if index == 0 else "-"
        look = {"color": COLOURS[index], "marker": MARKERS[index], "linestyle": style}
        right.plot(config.temperatures, line, label=label, **look)
    right.set(xscale="log", yscale="log", xlabel="temperature")
    right.set(ylim=(1e-3, 20), xticks=config.temperatures)
    right.set_xticklabels([f"{temperature:g}" for temperature in config.temperatures])
    right.minorticks_off()
    right.legend(frameon=False, fontsize="small", loc="upper left")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    return canvas


STUDY = Study(
    name="smooth_auctions",
    summary="Smooth first-price auctions: where learning ends, and how near to an equilibrium",
    config=Config(),
    quick=Config(temperatures=(0.1, 0.05), steps=1500, values=200),
    stages={"learned": learned, "losses": losses},
    numbers=numbers,
    figures={"bids": figure},
)
