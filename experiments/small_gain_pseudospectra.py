"""Pseudospectra of Small-Gain Nash: large in the Euclidean norm, discs in the metric.

Sharma, *Small-Gain Nash*, 2025, arXiv:2512.06791. The Jacobian `[[1, 10], [1/20, 1]]` has the
eigenvalues `1 +- 1 / sqrt(2)`, so the flow `x' = -J x` decays. In the Euclidean norm it grows
first, and a small change of J makes it grow for ever: that is what pseudospectra show, the points z
within reach of eigenvalues of `J + E`, |E| <= e. In the metric with weights 1 and 200 the matrix is
symmetric: pseudospectra are discs around eigenvalues, and the flow decays from the start. What is
proved in the metric bounds what happens in the Euclidean norm, by the root of the weights' ratio.

The Jacobian of the 64-dimensional game at strength 1 is this one 32 times over, in other
coordinates: it has the same pseudospectra.

References:
    Trefethen and Embree, *Spectra and Pseudospectra*, 2005.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy.linalg import expm
from scipy.optimize import minimize, minimize_scalar

import certify
import dgames as dg
from dgames.diagnose import pseudospectrum
from experiments.small_gain_toy import game
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

ROOT = np.sqrt([1.0, 200.0])


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        resolution: Points in each direction of the complex plane, and of time.
        levels: Sizes of changes of the Jacobian that are drawn.
        time: How long the flow is followed.
    """

    resolution: int = 241
    levels: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    time: float = 16.0


def jacobian() -> np.ndarray:
    """Returns the Jacobian of the two-dimensional game."""
    blocks = dg.jacobian_blocks(game, {"x": 0.0, "y": 0.0})
    return np.array([[float(blocks[i][j][0, 0]) for j in "xy"] for i in "xy"])


def plane(config: Config, run: Run) -> Data:
    """The smallest singular values over the complex plane, in both norms."""
    J = jacobian()
    real = np.linspace(-1.0, 3.0, config.resolution)
    imaginary = np.linspace(-1.6, 1.6, config.resolution)
    z = real[None, :] + 1j * imaginary[:, None]
    return {
        "real": real,
        "imaginary": imaginary,
        "euclidean": pseudospectrum(J, z),
        "metric": pseudospectrum(ROOT[:, None] * J / ROOT, z),
    }


def stability(config: Config, run: Run) -> Data:
    """Finds the smallest change of the Jacobian that stops the decay, and proves a safe one.

    The true one is the least of `pseudospectrum` on the imaginary axis. A margin in the metric
    survives every change that is smaller than it in the metric's norm, so every change that is
    smaller by the root of the ratio of weights in the Euclidean norm.
    """
    J = jacobian()
    gain = certify.small_gain(np.diag(J), [[0.0, J[0, 1]], [J[1, 0], 0.0]])
    ratio = gain.weights[1] / gain.weights[0]
    minimum: Any = minimize_scalar(
        lambda w: pseudospectrum(J, 1j * w), bounds=(-3.0, 3.0), options={"xatol": 1e-12}
    )

    def kreiss(matrix: np.ndarray) -> float:
        """`sup Re s |(s + J)^-1|` over the right half-plane."""

        def negative(at: np.ndarray) -> float:
            s = complex(np.exp(at[0]), at[1])
            return -float(s.real / pseudospectrum(matrix, -s))

        starts = [(a, b) for a in (-2.0, 0.0, 2.0) for b in (0.0, 1.0)]
        options = {"xatol": 1e-10, "fatol": 1e-14}
        runs = [
            minimize(negative, start, method="Nelder-Mead", options=options) for start in starts
        ]
        return max(-float(each.fun) for each in runs)

    return {
        "margin": gain.margin,
        "ratio": ratio,
        "distance": minimum.fun,
        # The factor rounds down by more than the errors of a quotient and a root.
        "proved": gain.margin / np.sqrt(ratio) * (1 - 1e-14),
        "kreiss_euclidean": kreiss(J),
        "kreiss_metric": kreiss(ROOT[:, None] * J / ROOT),
    }


def growth(config: Config, run: Run) -> Data:
    """Norms of the flow over time, in both norms, and the proved bounds."""
    J, proof = jacobian(), run.data["stability"]
    times = np.linspace(0.0, config.time, config.resolution)

    def norm(time: float, scaled: bool = False) -> float:
        matrix = expm(-time * J)
        return float(np.linalg.norm(ROOT[:, None] * matrix / ROOT if scaled else matrix, 2))

    peak: Any = minimize_scalar(
        lambda time: -norm(time), bounds=(0.0, 5.0), options={"xatol": 1e-10}
    )
    worst = np.linalg.eigvalsh((J + J.T) / 2)[0]
    return {
        "times": times,
        "euclidean": [norm(time) for time in times],
        "metric": [norm(time, scaled=True) for time in times],
        "proved_metric": np.exp(-proof["margin"] * times),
        "proved_euclidean": np.sqrt(proof["ratio"]) * np.exp(-proof["margin"] * times),
        "by_curvature": np.exp(-worst * times),
        "peak": -peak.fun,
        "peak_time": peak.x,
    }


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    stable, flow = data["stability"], data["growth"]
    excess = np.divide(flow["metric"], flow["proved_metric"])
    return {
        "largest growth, Euclidean": flow["peak"],
        "time of it": flow["peak_time"],
        "largest growth, in the metric": max(flow["metric"]),
        "largest growth possible, Euclidean": np.sqrt(stable["ratio"]) * (1 + 1e-14),
        "times above the proved bounds": int(
            np.sum(excess > 1 + 1e-9)
            + np.sum(np.array(flow["euclidean"]) > np.array(flow["proved_euclidean"]) * (1 + 1e-9))
        ),
        "Kreiss constant, Euclidean": stable["kreiss_euclidean"],
        "Kreiss constant, in the metric": stable["kreiss_metric"],
        "smallest change that stops the decay": stable["distance"],
        "changes proved to be harmless": stable["proved"],
        "changes proved to be harmless, in the metric": stable["margin"],
    }


def figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Pseudospectra in both norms, and the flow's growth."""
    canvas, (left, middle, right) = plt.subplots(1, 3, figsize=(13.5, 4.1), layout="constrained")
    values = data["plane"]
    eigenvalues = np.linalg.eigvals(jacobian())
    colors = [plt.get_cmap("viridis")(k / len(config.levels)) for k in range(len(config.levels))]
    for axis, key, title in ((left, "euclidean", "Euclidean norm"), (middle, "metric", "metric")):
        axis.contour(
            values["real"], values["imaginary"], values[key], levels=config.levels, colors=colors
        )
        axis.plot(eigenvalues.real, eigenvalues.imag, "k.")
        axis.axvline(0.0, color="C3", linewidth=0.8)
        axis.set(title=f"pseudospectra, {title}", xlabel="real part", xlim=(-1, 3))
    for level, color in zip(config.levels, colors, strict=True):
        middle.plot([], [], color=color, label=f"changes up to {level:g}")
    middle.plot([], [], color="C3", label="decay ends here")
    middle.legend(frameon=False, fontsize=8, loc="upper right")
    left.set_ylabel("imaginary part")
    flow = data["growth"]
    for key, label, style in (
        ("euclidean", "Euclidean norm of the flow", {"color": "0.5"}),
        ("proved_euclidean", "proved: at most", {"color": "0.5", "linestyle": ":"}),
        ("metric", "norm in the metric", {"color": "C2"}),
        ("proved_metric", "proved: at most", {"color": "black", "linestyle": ":"}),
    ):
        right.plot(flow["times"], flow[key], label=label, **style)
    right.axhline(1.0, color="0.85", linewidth=0.8)
    right.set(xlabel="time", yscale="log", title="growth of the flow", ylim=(5e-3, 40))
    right.legend(frameon=False, fontsize=8)
    return canvas


STUDY = Study(
    name="small_gain_pseudospectra",
    summary="Small-Gain Nash: pseudospectra and transient growth, in both norms",
    config=Config(),
    quick=Config(resolution=81),
    stages={"plane": plane, "stability": stability, "growth": growth},
    numbers=numbers,
    figures={"pseudospectra": figure},
)
