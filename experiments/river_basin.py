"""Three mills on a river: equilibria under shared limits, the steps that lead there, and weights.

Krawczyk and Uryasev, *Relaxation algorithms to find Nash equilibria with economic applications*,
Environmental Modeling and Assessment 5 (2000); problem A.13 of Facchinei and Kanzow (2009). What
the mills discharge is measured at two stations. Methods are compared by their iterations until a
relative error of 1e-10; Rosen's weights select the equilibrium, and its multipliers; and what a
mill could gain alone is zero at each of these equilibria.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import dgames as dg
from dgames.games import RiverBasin
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

MARGIN, LIPSCHITZ = 0.03, 0.12274917217635373
PUBLISHED = (21.14480155732168, 16.02785326538717, 2.7259709656438)
START = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        steps: Primal steps of the primal-dual method.
        weights: Rosen's weights of the second and the third mill; the first one has 1.
        caps: What the first station may measure.
        error: The relative error that counts.
    """

    steps: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    weights: tuple[tuple[float, float], ...] = ((1.0, 1.0), (1.05, 1.1), (1.0, 5.0), (2 / 3, 1 / 3))
    caps: tuple[float, ...] = (40.0, 60.0, 80.0, 100.0, 120.0, 130.0, 140.0)
    error: float = 1e-10


def equilibrium(config: Config, run: Run) -> Data:
    """The variational equilibrium, by Newton's method."""
    point = dg.solve_kkt(RiverBasin(), START)
    return {
        "outputs": [float(output) for output in point.strategy],
        "multipliers": point.multipliers.tolist(),
        "residual": float(point.residual),
    }


def methods(config: Config) -> dict[str, tuple[Any, dg.AbstractMethod, Any]]:
    """Fields, methods and starts by name."""
    game = RiverBasin()
    with_multipliers = dg.with_multipliers(game, START)
    length = np.linalg.norm(np.asarray(game.load), 2) ** 2
    augmented = dg.AugmentedField(game, 1e-3, 1e-4)
    primal_dual = {
        f"primal-dual, {tau:g}": (
            dg.ExtendedField(game),
            dg.PrimalDual(tau, 0.95 * (1 / tau - LIPSCHITZ / 2) / length),
            with_multipliers,
        )
        for tau in config.steps
    }
    return {
        "projected, a / b^2": (game, dg.Simultaneous(MARGIN / LIPSCHITZ**2), START),
        "projected, 1 / b": (game, dg.Simultaneous(1 / LIPSCHITZ), START),
        "projected, 2 / (a + b)": (game, dg.Simultaneous(2 / (MARGIN + LIPSCHITZ)), START),
        "projected extragradient": (game, dg.Extragradient(0.8 / LIPSCHITZ), START),
        **primal_dual,
        "augmented, simultaneous": (augmented, dg.Simultaneous(1.898), with_multipliers),
        "augmented, extragradient": (augmented, dg.Extragradient(4.82), with_multipliers),
    }


def runs(config: Config, run: Run) -> Data:
    """The relative errors of every method, step by step."""
    solution = np.array(run.data["equilibrium"]["outputs"])

    def errors(name: str) -> Data:
        field, method, start = methods(config)[name]
        found = dg.solve(field, method, start, tol=1e-12, save_every=1)
        points = np.stack([np.asarray(own) for own in found.history.strategy[:3]], 1)
        relative = np.linalg.norm(points - solution, axis=1) / np.linalg.norm(solution)
        return {"errors": relative.tolist(), "count": int(np.argmax(relative < config.error))}

    names = list(methods(config))
    return dict(zip(names, run.each(names, errors), strict=True))


def weighted(config: Config, run: Run) -> Data:
    """Equilibria of Rosen's weights, their multipliers, and what mills could gain alone."""

    def of(weights: tuple[float, float]) -> Data:
        each = (1.0, *weights)
        point = dg.solve_kkt(RiverBasin(), START, notion="normalised", weights=each)
        gaps = dg.deviations(RiverBasin(), point.strategy).gaps
        return {
            "outputs": [float(output) for output in point.strategy],
            "multiplier": float(point.multipliers[0]),
            "gain": max(float(gap) for gap in gaps),
        }

    found = run.each(config.weights, of)
    return dict(zip([f"1, {a:g}, {b:g}" for a, b in config.weights], found, strict=True))


def capped(config: Config, run: Run) -> Data:
    """Outputs and the price of pollution under other limits of the first station."""

    def of(cap: float) -> Data:
        point = dg.solve_kkt(RiverBasin(limit=jnp.array([cap, 100.0])), START)
        return {
            "outputs": [float(output) for output in point.strategy],
            "multipliers": point.multipliers.tolist(),
        }

    return dict(zip(map(str, config.caps), run.each(config.caps, of), strict=True))


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    found = data["equilibrium"]
    return {
        "outputs": found["outputs"],
        "multipliers": found["multipliers"],
        "residual": found["residual"],
        "largest difference from published outputs": float(
            np.abs(np.array(found["outputs"]) - PUBLISHED).max()
        ),
        "largest gain alone at weighted equilibria": max(
            each["gain"] for each in data["weighted"].values()
        ),
        **{f"iterations, {name}": each["count"] for name, each in data["runs"].items()},
        **{f"outputs, weights {name}": each["outputs"] for name, each in data["weighted"].items()},
    }


def convergence(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws the relative errors over iterations."""
    figure, ax = plt.subplots(figsize=(6.2, 4.0), layout="constrained")
    styles = {"projected": "C0", "primal-dual": "C1", "augmented": "C2"}
    dashes = ("-", "--", "-.", ":")
    seen: dict[str, int] = {}
    for name, each in data["runs"].items():
        family = next(family for family in styles if name.startswith(family))
        place = seen[family] = seen.get(family, -1) + 1
        errors = np.maximum(each["errors"], 1e-16)
        ax.semilogy(errors, color=styles[family], linestyle=dashes[place % 4], label=name)
    ax.set(xlabel="iterations", ylabel="relative error", ylim=(1e-12, 2), xlim=(0, 800))
    ax.legend(frameon=False, fontsize="small")
    return figure


def prices(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws outputs and the price of pollution over the limit of the first station."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.4), layout="constrained")
    each = [data["capped"][str(cap)] for cap in config.caps]
    outputs = np.array([one["outputs"] for one in each])
    for mill in range(3):
        left.plot(config.caps, outputs[:, mill], "o-", label=f"mill {mill + 1}")
    left.set(xlabel="limit of the first station", ylabel="output")
    left.legend(frameon=False)
    multipliers = np.array([one["multipliers"] for one in each])
    for station in range(2):
        right.plot(config.caps, multipliers[:, station], "s-", label=f"station {station + 1}")
    right.set(xlabel="limit of the first station", ylabel="multiplier")
    right.legend(frameon=False)
    return figure


STUDY = Study(
    name="river_basin",
    summary="Three mills on a river: shared limits, the steps that lead there, and weights",
    config=Config(),
    quick=Config(steps=(4.0, 8.0), weights=((1.0, 1.0), (1.05, 1.1)), caps=(60.0, 100.0)),
    stages={"equilibrium": equilibrium, "runs": runs, "weighted": weighted, "capped": capped},
    numbers=numbers,
    figures={"convergence": convergence, "prices": prices},
)
