"""The numbers and figures of the study of a small neural game."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import dgames as dg
from experiments.neural.config import Config, game_of
from experiments.neural.game import FineTuning
from experiments.storage import Data


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study: those of every run, and those of full runs only."""
    proof, step, sweep = data["certificate"], data["direct"], data["sweep"]
    limit, theorem = step["limit"], proof["steps"]["simultaneous"]
    runs, failing = data["training"], data["failing"]
    arrived = np.array(failing["arrived"])
    result = {
        "smallest curvature of a network's own cost, at all equilibria": min(
            curvature for entry in sweep for curvature in entry["curvatures"]
        ),
        "margin": proof["margin"],
        "margin, as a share of the smallest curvature at the equilibrium": proof["margin"]
        / _closer(data)["symmetric"],
        "distance of the equilibrium from the centre, at most": proof["uncertainty"],
        "accepted by the checker, levels 1 and 2": list(proof["accepted"].values()),
        "step of the direct route accepted by the checker": step["accepted"],
        "largest step by the theorem, as a share of the true limit": theorem["max"] / limit,
        "largest step by the direct route, as a share of the true limit": step["max"] / limit,
        "the limit of the direct route, relative to the spectral one": limit
        / _closer(data)["limit"],
        "smallest share of runs that arrive, below the true limit": float(
            min(arrived[np.array(failing["shares"]) < 1])
        ),
        "largest share of runs that arrive, above it": float(
            max(arrived[np.array(failing["shares"]) > 1])
        ),
        "slowest step of all runs / proved factor, by the theorem": runs["theorem"]["slowest"]
        / runs["theorem"]["rate"],
        "slowest step of all runs / proved factor, direct route": runs["direct"]["slowest"]
        / runs["direct"]["rate"],
        "largest distance on all runs, in radii of the basin": max(
            max(run["largest"]) for run in runs.values()
        ),
    }
    return result | (_of_full_runs(data) if data["batches"] else {})


def _closer(data: Mapping[str, Data]) -> Data:
    """Returns the entry of the sweep for the game of the closer look, by its equilibrium."""
    center = np.array(data["certificate"]["center"])
    return min(
        data["sweep"], key=lambda entry: np.linalg.norm(np.array(entry["equilibrium"]) - center)
    )


def _of_full_runs(data: Mapping[str, Data]) -> dict[str, Any]:
    sweep, noisy, large = data["sweep"], data["batches"], data["larger"]
    widths = [largest(entry) for entry in sweep]
    first = [entry["tries"][0].get("margin", 0.0) for entry in sweep]
    return {
        "half-widths that are proved, by the strength of the pull": widths,
        "margins on the smallest box grow with the pull": bool(np.all(np.diff(first) > 0)),
        "the first weights lie in a proved basin, by the strength of the pull": [
            any(entry.get("start", np.inf) <= entry.get("basin", 0.0) for entry in one["tries"])
            for one in sweep
        ],
        "runs from far away that come to the same equilibrium, by the strength": [
            min(entry["same"]) for entry in data["outside"]["weights"]
        ],
        "mean squared distance of noisy runs / proved bound": float(
            np.mean(noisy["squares"][50:]) / noisy["proved"]
        ),
        "variance of mini-batches in the middle / proved bound": noisy["variance"]["middle"]
        / noisy["variance"]["bound"],
        "coordinates of larger networks that are proved": [
            entry["coordinates"] for entry in large if entry["status"] == "proved"
        ],
        "larger networks accepted by the checker": [
            entry.get("accepted", False) for entry in large
        ],
    }


def largest(entry: Data) -> float:
    """The largest half-width of a box that was proved in a sweep's entry, or zero."""
    return max((one["radius"] for one in entry["tries"] if one["status"] == "proved"), default=0.0)


def training(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws distances from the equilibrium in the metric of each proof, beside what is proved."""
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), sharey=True, layout="constrained")
    titles = {"theorem": "step by the theorem", "direct": "step by the direct route"}
    for axis, (name, title) in zip(axes, titles.items(), strict=True):
        run = data["training"][name]
        steps = np.arange(len(run["median"]))
        axis.fill_between(steps, run["smallest"], run["largest"], color="C0", alpha=0.3, lw=0)
        axis.plot(steps, run["median"], color="C0", label=f"{config.runs} runs: median, range")
        axis.plot(steps, run["rate"] ** steps, "k:", label="proved")
        axis.set(title=f"{title}, {run['step']:.3f}", xlabel="step", yscale="log", ylim=(1e-9, 1.5))
        axis.legend(frameon=False, loc="upper right")
    axes[0].set_ylabel("distance, in radii of the basin")
    return figure


def regularisation(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws how far proofs reach and the margins that they have, by the strength of the pull."""
    figure, (width, margin) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
    sweep = data["sweep"]
    weights = [entry["weight"] for entry in sweep]
    width.plot(weights, [largest(entry) for entry in sweep], "o-", label="largest box proved")
    width.plot(
        weights,
        [entry["distance"] for entry in sweep],
        "s--",
        color="C1",
        label="distance of the first weights",
    )
    width.set(xlabel="pull to the first weights", xscale="log", yscale="log")
    width.set_ylabel("half-width; distance")
    width.legend(frameon=False)
    shades = plt.get_cmap("viridis")(np.linspace(0.85, 0.1, len(sweep)))
    for entry, color in zip(sweep, shades, strict=True):
        proved = [one for one in entry["tries"] if one["status"] == "proved"]
        margin.plot(
            [one["radius"] for one in proved],
            [one["margin"] for one in proved],
            ".-",
            color=color,
            label=f"pull {entry['weight']:g}",
        )
        for one in entry["tries"]:
            if one["status"] != "proved":
                margin.plot(
                    one["radius"], proved[-1]["margin"] if proved else 0.0, "x", color=color
                )
    margin.set(xlabel="half-width of the box (x: undecided)", ylabel="margin", yscale="log")
    margin.set_xscale("log")
    margin.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def networks(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws both networks before and after training, for the strengths of the sweep."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
    inputs = jnp.linspace(-1.6, 1.6, 161)
    game: FineTuning = game_of(config, config.weight)
    _, unravel = dg.ravel(game.start)
    before = game.functions(game.start)[1]
    left.plot(inputs, before(inputs), "--", color="0.5", label="before")
    left.plot(game.noise, game.data, "k*", ms=10, label="new data")
    shades = plt.get_cmap("viridis")(np.linspace(0.85, 0.1, len(data["sweep"])))
    for entry, color in zip(data["sweep"], shades, strict=True):
        critic, generator = game.functions(unravel(jnp.array(entry["equilibrium"])))
        name = f"pull {entry['weight']:g}"
        left.plot(inputs, generator(inputs), color=color, label=name)
        right.plot(inputs, critic(inputs), color=color, label=name)
    left.set(xlabel="noise", ylabel="generator")
    right.set(xlabel="data", ylabel="critic")
    left.legend(frameon=False, fontsize="small", ncols=2)
    return figure
