"""Hexner's game: when to give away what one knows, in continuous time and in steps.

Two points race to a target that only player 1 knows. In closed form player 1 hides it until a time
that follows from how costly both move. In steps of time the value comes from convex hulls over
beliefs; both answers are compared, and play is simulated.

Hexner, *A differential game of incomplete information*, Journal of Optimization Theory and
Applications 28 (1979); parameters of Ghimire et al., arXiv:2403.02741.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg
from matplotlib.figure import Figure

from dgames.dynamic import Hexner
from experiments.stages import Run
from experiments.storage import Data, Number
from experiments.study import Study


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: Not used: nothing is random.
        cost1: Player 1's cost of acceleration.
        cost2: Player 2's.
        steps: Numbers of steps of the game in steps of time.
        beliefs: Probabilities of the type 1 at the start.
        pieces: Steps of the simulation.
    """

    seed: int = 0
    cost1: float = 0.025
    cost2: float = 0.1
    steps: tuple[int, ...] = (5, 10, 20, 40, 80, 160)
    beliefs: tuple[float, ...] = (0.5, 0.25, 0.1)
    pieces: int = 4000


def values(config: Config, run: Run) -> Data:
    """Values and times in closed form, with steps, and of other information."""
    game, rest = Hexner.double_integrator(config.cost1, config.cost2), np.zeros(2)
    stepped = [Hexner.double_integrator(config.cost1, config.cost2, 1.0, k) for k in config.steps]
    times = np.linspace(0.0, 1.0, 201)
    single = Hexner.single_integrator(config.cost1, config.cost2)
    return {
        "values": [game.value(rest, rest, p) for p in config.beliefs],
        "reveal": game.reveal_time(),
        "told": game.value(rest, rest, 1.0),
        "stepped": [each.value(rest, rest, 0.5) for each in stepped],
        "stepped reveal": [each.reveal_time() for each in stepped],
        "single": single.value([0.0], [0.0], 0.5),
        "single reveal": single.reveal_time(),
        "times": times.tolist(),
        "advantage": [game.advantage(float(s)) for s in times],
    }


def play(config: Config, run: Run) -> Data:
    """Positions along optimal play, of either type, and the mean cost."""
    game, step = Hexner.double_integrator(config.cost1, config.cost2), 1 / config.pieces
    reveal, total, paths = game.reveal_time(), 0.0, {}
    costs = np.array([config.cost1, -config.cost2])
    for kind in (1.0, -1.0):
        x, path = np.zeros((2, 2)), []
        for k in range(config.pieces):
            path.append(x[:, 0].tolist())
            time = (k + 0.5) * step
            aim = kind * game.target if time >= reveal else 0 * game.target
            back = scipy.linalg.expm(-game.A * (1 - time)) @ aim
            u = np.array([-(game.gain(i + 1, time) @ (x[i] - back))[0] for i in (0, 1)])
            total += step * float(costs @ u**2) / 2
            x = x + step * np.stack([x[:, 1] + step * u / 2, u], axis=1)
        miss = (x[:, 0] - kind) ** 2
        total += float(miss[0] - miss[1]) / 2
        paths[f"{kind:+g}"] = [*path, x[:, 0].tolist()][:: max(1, config.pieces // 200)]
    return {"cost": total, "paths": paths}


def numbers(data: Mapping[str, Data]) -> dict[str, Number]:
    """The numbers of the study."""
    found = data["values"]
    return {
        "value": found["values"][0],
        "values of other beliefs": found["values"][1:],
        "time of revealing": found["reveal"],
        "value if both know": found["told"],
        "value with 10 steps": found["stepped"][1],
        "time of revealing with 10 steps": found["stepped reveal"][1],
        "value with the most steps": found["stepped"][-1],
        "single integrator: value": found["single"],
        "single integrator: time of revealing": found["single reveal"],
        "mean cost of simulated play": data["play"]["cost"],
    }


def reveal(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws what revealing is worth over the time to go, and play of both types."""
    found = data["values"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.6), layout="constrained")
    left.plot(found["times"], found["advantage"], "C0")
    best = 1 - found["reveal"]
    left.plot(best, min(found["advantage"]), "C3o", label="reveal here")
    left.set(xlabel="time to go", ylabel="$k_1 - k_2$")
    left.legend(frameon=False)
    for kind, style in (("+1", "-"), ("-1", "--")):
        path = np.array(data["play"]["paths"][kind])
        times = np.linspace(0, 1, len(path))
        right.plot(times, path[:, 0], f"C0{style}", label=f"player 1, type {kind}")
        right.plot(times, path[:, 1], f"C1{style}", label=f"player 2, type {kind}")
    right.axvline(found["reveal"], color="0.8", linewidth=1)
    right.set(xlabel="time", ylabel="position")
    right.legend(frameon=False, fontsize=8)
    return figure


STUDY = Study(
    name="hexner",
    summary="Hexner's game of one-sided information: when to reveal, in closed form and in steps",
    config=Config(),
    quick=Config(steps=(5, 10, 40), pieces=1000),
    stages={"values": values, "play": play},
    numbers=numbers,
    figures={"reveal": reveal},
)
