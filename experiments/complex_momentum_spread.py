"""Bilinear games with spread singular values: how many evaluations the best-tuned methods need.

On `min_x max_y x' diag(s) y` with `s` spread over `[1 / kappa, 1]` one choice of parameters has to
serve all singular values. Every method is given its best parameters, and has to shrink the distance
to the equilibrium by a factor of a million. Simultaneous complex momentum then needs more
evaluations than the extragradient and the optimistic method, unless `kappa` is near 1. Alternating
steps need fewer, with real negative momentum too (Gidel et al., AISTATS 2019, arXiv:1807.04740);
but there each player sees what the other has just played, which simultaneous methods do not ask
for. Where tuning makes multipliers meet, runs need more than their rate promises: in alternating
steps, what complex momentum gains over negative momentum is largely lost that way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import dgames as dg
from experiments.momentum import spectra
from experiments.momentum.counting import complex_momentum, evaluations
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

GAIN = 1e-6


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: The seed of the starts of searches, and of the starts of runs.
        kappas: Ratios of the largest singular value to the smallest.
        values: How many singular values there are.
        guesses: Random parameters that each search looks at first.
        searches: How many of them it improves.
        budget: Runs stop after that many steps.
    """

    seed: int = 0
    kappas: tuple[int, ...] = (1, 2, 3, 5, 10, 20)
    values: int = 5
    guesses: int = 4000
    searches: int = 6
    budget: int = 200_000


@dataclass(frozen=True)
class Contestant:
    """A method with the rate of its steps and the parameters to tune.

    Attributes:
        rate: Its rate for singular values and parameters: step, modulus and angle, or the first.
        method: From the same parameters to the method.
        parameters: How many there are.
        cost: Evaluations per step.
    """

    rate: Callable[..., np.ndarray]
    method: Callable[..., dg.AbstractMethod]
    parameters: int
    cost: int = 1


def _alternating_rate(s: np.ndarray, step: Any, modulus: Any, angle: Any = np.pi) -> np.ndarray:
    return spectra.alternating(step, spectra.polar(modulus, angle), s)


def _complex_rate(s: np.ndarray, step: Any, modulus: Any, angle: Any) -> np.ndarray:
    return spectra.complex_momentum(step, spectra.polar(modulus, angle), 1j * s)


def _alternating(step: Any, *polar: Any) -> dg.ComplexMomentum:
    return complex_momentum(step, *polar, alternating=True)


METHODS = {
    "optimistic": Contestant(lambda s, h: spectra.optimistic(h, 1j * s), dg.Optimistic, 1),
    "extragradient": Contestant(
        lambda s, h: spectra.extragradient(h, 1j * s), dg.Extragradient, 1, cost=2
    ),
    "negative momentum": Contestant(
        lambda s, h, b: spectra.momentum(h, -b, 1j * s), lambda h, b: dg.Momentum(h, -b), 2
    ),
    "complex momentum": Contestant(_complex_rate, complex_momentum, 3),
    "negative momentum, alternating": Contestant(_alternating_rate, _alternating, 2),
    "complex momentum, alternating": Contestant(_alternating_rate, _alternating, 3),
}


def tuned(config: Config, run: Run) -> Data:
    """The best parameters of each method for each spread, and what they lead to."""
    items = [(kappa, name) for kappa in config.kappas for name in METHODS]
    return run.each(items, lambda item: _best(config, *item))


def _best(config: Config, kappa: int, name: str) -> Data:
    contestant, generator = METHODS[name], np.random.default_rng(config.seed)
    values = np.linspace(1 / kappa, 1, config.values)
    guesses = np.stack(
        [
            generator.uniform(np.log(0.003), np.log(3), config.guesses),
            generator.uniform(0, 1, config.guesses),
            generator.uniform(0, np.pi, config.guesses),
        ],
        axis=1,
    )[:, : contestant.parameters]

    def rate(parameters: np.ndarray) -> np.ndarray:
        step, *others = np.moveaxis(parameters, -1, 0)[..., None]
        return contestant.rate(values, np.exp(step), *others).max(-1)

    order = np.argsort(rate(guesses))[: config.searches]
    smallest, where = spectra.smallest(rate, guesses[order], restarts=4)
    where = np.concatenate([[np.exp(where[0])], where[1:]])
    # Rates that differ from 1 by rounding only do not count as converging.
    converges = smallest < 1 - 1e-9
    return {
        "kappa": kappa,
        "method": name,
        "rate": smallest,
        "parameters": where,
        "predicted": contestant.cost * np.log(GAIN) / np.log(smallest) if converges else np.inf,
        "counted": _counted(config, contestant, values, where) if converges else np.inf,
    }


def _counted(
    config: Config, contestant: Contestant, values: np.ndarray, parameters: np.ndarray
) -> float:
    """Counts the evaluations of a run from a random start."""
    generator = np.random.default_rng(config.seed + 1)
    start = tuple(jnp.asarray(generator.standard_normal(config.values)) for _ in range(2))
    radius = GAIN * float(jnp.linalg.norm(jnp.concatenate(start)))
    game = dg.games.Bilinear(np.diag(values))
    arguments = tuple(np.array([p]) for p in parameters)
    counts = evaluations(
        game, contestant.method, start, arguments, radius=radius, budget=config.budget
    )
    return float(counts[0])


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    entries = {(entry["kappa"], entry["method"]): entry for entry in data["tuned"]}
    counts = {
        f"evaluations of {name}, kappa {kappa}": entries[kappa, name]["predicted"]
        for kappa in (1, 3, 10)
        for name in METHODS
    }
    finite = [entry for entry in data["tuned"] if np.isfinite(entry["predicted"])]
    rivals = "extragradient", "optimistic"
    for kappa in (3, 10):
        best = min(entries[kappa, name]["predicted"] for name in rivals)
        ratio = entries[kappa, "complex momentum"]["predicted"] / best
        counts[f"complex momentum against the best of its rivals, kappa {kappa}"] = ratio
        alternating = [
            entries[kappa, f"{kind} momentum, alternating"]["counted"]
            for kind in ("complex", "negative")
        ]
        name = f"runs: complex against negative momentum, alternating, kappa {kappa}"
        counts[name] = alternating[0] / alternating[1]
    return counts | {
        "runs against predictions": [entry["counted"] / entry["predicted"] for entry in finite]
    }


def evaluations_needed(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws evaluations against the spread, with all methods best-tuned."""
    figure, axis = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    for k, name in enumerate(METHODS):
        entries = [entry for entry in data["tuned"] if entry["method"] == name]
        kappas = [entry["kappa"] for entry in entries]
        if not np.isfinite(entries[0]["predicted"]):
            continue
        line = "--" if "alternating" in name else "-"
        color = f"C{k}"
        axis.plot(kappas, [e["predicted"] for e in entries], line, color=color, label=name)
        axis.plot(kappas, [e["counted"] for e in entries], "o", color=color, markersize=4)
    axis.set(
        xlabel="largest singular value over the smallest",
        ylabel="evaluations until $10^{-6}$",
        xscale="log",
        yscale="log",
        xticks=config.kappas,
        xticklabels=[str(kappa) for kappa in config.kappas],
    )
    axis.set_title("Lines: from spectra. Dots: runs. Negative momentum needs alternation.", size=9)
    axis.minorticks_off()
    axis.legend(frameon=False)
    return figure


STUDY = Study(
    name="complex_momentum_spread",
    summary="Bilinear games with spread singular values: where complex momentum does not win",
    config=Config(),
    quick=Config(kappas=(1, 3, 10), guesses=1000, searches=2),
    stages={"tuned": tuned},
    numbers=numbers,
    figures={"evaluations": evaluations_needed},
)
