"""Worst-case rates of methods: tight values found elsewhere, beside those that are proved here.

Over all fields that are strongly monotone with modulus 1 / kappa and Lipschitz with constant 1: the
best factor per step over the step size. Tight values come from performance estimation (Drori and
Teboulle, arXiv:1206.3209; Taylor, Hendrickx and Glineur, arXiv:1502.05666) in floating point, on a
grid of steps. The rates computed here are proved by multipliers in rational arithmetic; a finer
search over the step makes some of them a little smaller.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import certify
import dgames as dg
from experiments import storage
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

_REFERENCE = Path(__file__).parent / "reference" / "rates.json"
_METHODS = {
    "gradient": lambda kappa: dg.Simultaneous(1.0),
    "optimistic": lambda kappa: dg.Optimistic(1.0),
    "extragradient": lambda kappa: dg.Extragradient(1.0),
    "negative_momentum": lambda kappa: dg.Momentum(1.0, kappa**-0.5 - 1),
    "rk4_to_equilibrium": lambda kappa: dg.RungeKutta4(1.0),
}


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        kappas: Condition numbers, of those of the reference.
    """

    kappas: tuple[int, ...] = (2, 5, 10, 20, 50, 100)


def rates(config: Config, run: Run) -> Data:
    """The best proved rate of each method, for each condition number."""
    reference = storage.read(_REFERENCE)
    items = [(name, kappa) for name in _METHODS for kappa in config.kappas]

    def best(item: tuple[str, int]) -> Data:
        name, kappa = item
        rate = certify.best_rate_step(_METHODS[name](kappa), 1 / kappa, 1.0)
        return {
            "method": name,
            "rate": rate.rate,
            "verified": rate.verify(),
            "reference": reference[name][reference["kappa"].index(kappa)],
        }

    return run.each(items, best)


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    result: dict[str, Any] = {"proofs verified": all(each["verified"] for each in data["rates"])}
    for name in _METHODS:
        own = [each for each in data["rates"] if each["method"] == name]
        result[f"{name}: rates"] = [each["rate"] for each in own]
        result[f"{name}: rates, less the reference"] = [
            each["rate"] - each["reference"] for each in own
        ]
    return result


def curves(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the steps that shrink the distance by a factor of ten, over the condition number."""
    figure, ax = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
    for name in _METHODS:
        own = [each for each in data["rates"] if each["method"] == name]
        line = ax.plot(
            config.kappas,
            [-1 / np.log10(each["rate"]) for each in own],
            label=name.replace("_", " "),
        )
        tight = [-1 / np.log10(each["reference"]) for each in own]
        ax.plot(config.kappas, tight, "o", color=line[0].get_color(), markersize=4)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="Lipschitz constant / modulus",
        ylabel="steps per digit, in the worst case",
    )
    ax.plot([], [], "ko", markersize=4, label="reference")
    ax.legend(frameon=False)
    return figure


STUDY = Study(
    name="worst_case_rates",
    summary="Worst-case rates of methods: tight values found elsewhere, and proofs",
    config=Config(),
    quick=Config(kappas=(2, 10)),
    stages={"rates": rates},
    numbers=numbers,
    figures={"rates": curves},
)
