"""The two-dimensional example of Small-Gain Nash: out of the Euclidean ball, trapped in the metric.

Sharma, *Small-Gain Nash*, 2025, arXiv:2512.06791. The game

    f_1 = x^2 / 2 + 10 x y,      f_2 = y^2 / 2 + x y / 20

is not monotone in the Euclidean norm: plain gradient steps first move away from the equilibrium.
In the norm `x^2 + 200 y^2` they approach it all the time, and that is proved here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import certify
import dgames as dg
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        start: Where the run starts.
        step_size: The step of the simultaneous gradient steps.
        steps: How many.
        radius: Half-width of the box around the equilibrium that is certified.
    """

    start: tuple[float, float] = (0.15, -0.15)
    step_size: float = 5e-4
    steps: int = 3000
    radius: float = 3.0


@dg.game
def game(x, args):
    """Returns the costs of both players."""
    coupling = x["x"] * x["y"]
    return {"x": x["x"] ** 2 / 2 + 10.0 * coupling, "y": x["y"] ** 2 / 2 + 0.05 * coupling}


def spectra(config: Config, run: Run) -> Data:
    """Eigenvalues of the Jacobian, and of its symmetric part in both norms."""
    blocks = dg.jacobian_blocks(game, {"x": 0.0, "y": 0.0})
    jacobian = np.array([[float(blocks[i][j][0, 0]) for j in "xy"] for i in "xy"])
    root = np.sqrt([1.0, 200.0])
    scaled = root[:, None] * jacobian / root
    return {
        "eigenvalues": np.sort(np.linalg.eigvals(jacobian).real),
        "euclidean": np.linalg.eigvalsh((jacobian + jacobian.T) / 2),
        "metric": np.linalg.eigvalsh((scaled + scaled.T) / 2),
    }


def trajectory(config: Config, run: Run) -> Data:
    """Runs the method: the path in coordinates and in both norms."""
    start = {"x": config.start[0], "y": config.start[1]}
    solution = dg.solve(
        game,
        dg.Simultaneous(config.step_size),
        start,
        max_steps=config.steps,
        tol=0.0,
        save_every=1,
    )
    path = solution.history.strategy
    x, y = np.asarray(path["x"]), np.asarray(path["y"])
    return {"x": x, "y": y, "euclidean": np.hypot(x, y), "metric": np.sqrt(x**2 + 200 * y**2)}


def certificate(config: Config, run: Run) -> Data:
    """A proof on the box, and the independent checker's verdict on it."""
    region = certify.Box.around({"x": 0.0, "y": 0.0}, config.radius)
    proof = certify.certify(game, region, methods=[dg.Simultaneous])
    path = proof.save(run.folder / "certificate.json")
    step, h = proof.step_sizes["simultaneous"], config.step_size
    return {
        "status": proof.status,
        "checked": certify.check(path, level=2).ok,
        "margin": proof.margin,
        "lipschitz": proof.lipschitz,
        "ratio": proof.weights["y"] / proof.weights["x"],
        "largest_step": step.max,
        # The factor that margin and Lipschitz constant prove for a step of the size used here.
        "factor": np.sqrt(1 - 2 * h * proof.margin + (h * proof.lipschitz) ** 2),
        "basin": proof.basin.radius,
        "start": np.sqrt(np.dot([proof.weights["x"], proof.weights["y"]], np.square(config.start))),
    }


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    path, proof = data["trajectory"], data["certificate"]
    ratios = np.divide(path["metric"][1:], path["metric"][:-1])
    slower = int(np.sum(ratios > proof["factor"] * (1 + 1e-12)))
    return {
        "smallest eigenvalue": data["spectra"]["eigenvalues"][0],
        "smallest Euclidean curvature": data["spectra"]["euclidean"][0],
        "Euclidean norm at the start": path["euclidean"][0],
        "largest Euclidean norm": max(path["euclidean"]),
        "steps that increase the metric norm": int(np.sum(np.diff(path["metric"]) > 0)),
        "accepted by the checker": proof["checked"],
        "start lies in the proved basin": proof["start"] <= proof["basin"],
        "margin": proof["margin"],
        "Lipschitz constant": proof["lipschitz"],
        "ratio of weights": proof["ratio"],
        "largest safe step": proof["largest_step"],
        "steps slower than proved": slower,
    }


def paths(config: Config, data: Mapping[str, Data]) -> Figure:
    """The run in the plane with both unit balls through its start, and its norms."""
    path = data["trajectory"]
    figure, (plane, norms) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
    angle = np.linspace(0, 2 * np.pi, 400)
    radius, scaled = path["euclidean"][0], path["metric"][0]
    plane.plot(
        radius * np.cos(angle), radius * np.sin(angle), "--", color="0.6", label="Euclidean ball"
    )
    plane.plot(
        scaled * np.cos(angle),
        scaled * np.sin(angle) / np.sqrt(200),
        color="C2",
        label="ball of the metric",
    )
    plane.plot(path["x"], path["y"], color="C0", label="gradient steps")
    plane.plot(*config.start, "o", color="C0")
    plane.set(xlabel="x", ylabel="y", xlim=(-2.3, 2.3), ylim=(-0.3, 0.3))
    plane.legend(loc="upper right", ncols=2, frameon=False)
    norms.plot(np.divide(path["euclidean"], radius), color="0.6", label="Euclidean norm")
    norms.plot(np.divide(path["metric"], scaled), color="C2", label="norm of the metric")
    norms.plot(
        data["certificate"]["factor"] ** np.arange(len(path["x"])),
        ":",
        color="black",
        label="proved bound",
    )
    norms.set(xlabel="step", ylabel="relative to the start", yscale="log")
    norms.legend(frameon=False)
    return figure


STUDY = Study(
    name="small_gain_toy",
    summary="Small-Gain Nash in two dimensions: out of the Euclidean ball, trapped in the metric",
    config=Config(),
    quick=Config(),
    stages={"spectra": spectra, "trajectory": trajectory, "certificate": certificate},
    numbers=numbers,
    figures={"paths": paths},
)
