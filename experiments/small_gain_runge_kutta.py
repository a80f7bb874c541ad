"""Runge-Kutta steps of Small-Gain Nash: 2.5 / lipschitz is a rule of thumb and not a certificate.

Sharma, *Small-Gain Nash*, 2025, arXiv:2512.06791, takes steps of the classical Runge-Kutta method
up to 2.5 / lipschitz, whatever the margin. A linear game of three players is shown in which one
such step leads away from the equilibrium, and a nonlinear field in which one multiplies a distance
by five. What is true: the region of stability contains a half-disc of radius 2.6, so that the steps
of *linear* games converge in the end; and the worst case over all fields of a margin and a
Lipschitz constant is a semidefinite program, whose solution is proved.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import certify
import dgames as dg
from certify.metric.spectra import eigenvalue_bounds, norm_bounds
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

GUIDELINE = 2.5

# The matrix comes from maximising the norm of one step over matrices of norm 1 with a positive
# margin.
WITNESS = np.array(
    [[0.5969, -0.1929, 0.6536], [-0.2927, 0.2308, -0.2442], [-0.7462, -0.2797, 0.6037]]
)


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        conditions: Lipschitz constants over margins at which worst cases are computed.
        resolution: Points of curves.
        far: How far out the nonlinear field turns over.
        apart: How near to each other its two runs start.
    """

    conditions: tuple[float, ...] = (1.5, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
    resolution: int = 200
    far: float = 1000.0
    apart: float = 1e-5


def linear(config: Config, run: Run) -> Data:
    """Steps in the linear game: as the method makes them, and one in exact arithmetic."""
    couplings = {
        (i, j): WITNESS[i : i + 1, j : j + 1] for i in range(3) for j in range(3) if i != j
    }
    game = dg.games.Quadratic([WITNESS[k : k + 1, k : k + 1] for k in range(3)], couplings)
    field = dg.pseudo_gradient(game)
    symmetric = 0.5 * (WITNESS + WITNESS.T)
    margin = float(eigenvalue_bounds(symmetric[None], symmetric[None])[0][0]) - 1e-15
    lipschitz = float(norm_bounds(WITNESS[None], WITNESS[None])[0])

    @jax.jit
    @jax.vmap
    def matrix(size: Any) -> Any:
        """Returns the matrix of one step."""

        def moved(start: Any) -> Any:
            x = tuple(start[k : k + 1] for k in range(3))
            method = dg.RungeKutta4(size)
            return jnp.concatenate(method.step(field, x, method.init(field, x))[0])

        return jax.vmap(moved, out_axes=1)(jnp.eye(3))

    chosen = GUIDELINE / lipschitz
    sizes = np.append(np.linspace(0.0, 2.8, config.resolution) / lipschitz, chosen)
    matrices = np.asarray(matrix(jnp.asarray(sizes)))
    norms = np.linalg.norm(matrices, 2, (1, 2))
    powers = [np.linalg.norm(np.linalg.matrix_power(matrices[-1], k), 2) for k in range(15)]
    return {
        "margin": margin,
        "lipschitz": lipschitz,
        "sizes": sizes[:-1] * lipschitz,
        "norms": norms[:-1],
        "norm": norms[-1],
        "proved": growth(chosen, np.linalg.svd(matrices[-1])[2][0]),
        "radius": np.abs(np.linalg.eigvals(matrices[-1])).max(),
        "powers": powers,
    }


def growth(size: float, start: np.ndarray) -> float:
    """Returns a lower bound on how much one step lengthens a vector, in rational arithmetic."""
    h = Fraction(size)
    J = [[Fraction(entry) for entry in row] for row in WITNESS.tolist()]
    term = x = [Fraction(entry) for entry in start.tolist()]
    total = x
    for order in range(1, 5):
        term = [-h / order * sum(a * b for a, b in zip(row, term, strict=True)) for row in J]
        total = [a + b for a, b in zip(total, term, strict=True)]
    square = sum(a * a for a in total) / sum(a * a for a in x)
    bound = math.sqrt(square)
    while Fraction(bound) ** 2 > square:
        bound = math.nextafter(bound, 0.0)
    return bound


def nonlinear(config: Config, run: Run) -> Data:
    """One step in a field with margin 0.1 and Lipschitz constant 1 that turns over on the way.

    `F(s, x) = (0.1 s, 0.1 x - w(s) S x)`, S the rotation by 90 degrees: the four stages of a step
    see s at 1, 0.875, 0.890625 and 0.777 of where it is, and w alternates between two values there.
    """
    turn, far, apart = 0.9949, config.far, config.apart
    low, high = 0.875 * far, 0.890625 * far

    def field(z: Any, args: Any = None) -> Any:
        s, x = z
        w = turn * jnp.clip((2 * s - low - high) / (high - low), -1.0, 1.0)
        return 0.1 * s, 0.1 * x - w * jnp.array([-x[1], x[0]])

    # J = [[0.1, 0], [-w'(s) S x, 0.1 I - w S]], with |x| at most 4 apart at all stages.
    slope = 2 * turn / (high - low) * 4 * apart
    method, ends = dg.RungeKutta4(GUIDELINE), []
    for x in ([0.0, 0.0], [apart, 0.0]):
        after, _ = method.step(dg.FunctionField(field), (jnp.asarray(far), jnp.asarray(x)), None)
        ends.append(np.concatenate([[float(after[0])], np.asarray(after[1])]))
    return {
        "margin": 0.1 - slope / 2,
        "lipschitz": math.hypot(0.1, turn) + slope,
        "factor": np.linalg.norm(ends[1] - ends[0]) / apart,
    }


def worst(config: Config, run: Run) -> list[Data]:
    """Proves factors and steps over all fields with a margin and Lipschitz constant 1."""

    def worst_of(condition: float) -> Data:
        margin, method = 1 / condition, dg.RungeKutta4(1.0)
        at_guideline = certify.rate(dg.RungeKutta4(GUIDELINE), margin, 1.0, convergence="pairwise")
        return {
            "condition": condition,
            "factor": at_guideline.rate,
            "verified": at_guideline.verify(),
            "pairwise": certify.largest_rate_step(method, margin, 1.0, convergence="pairwise"),
            "to_equilibrium": certify.largest_rate_step(method, margin, 1.0),
        }

    return run.each(config.conditions, worst_of)


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    game, field = data["linear"], data["nonlinear"]
    rows = {row["condition"]: row for row in data["worst"]}
    chosen = [rows[condition] for condition in (1.5, 2.0, 5.0, 10.0, 100.0)]
    return {
        "linear game: margin": game["margin"],
        "linear game: Lipschitz constant": game["lipschitz"],
        "linear game: norm of one step": game["norm"],
        "linear game: norm of one step, proved": game["proved"],
        "linear game: spectral radius of one step": game["radius"],
        "nonlinear field: margin": field["margin"],
        "nonlinear field: Lipschitz constant": field["lipschitz"],
        "nonlinear field: factor of one step": field["factor"],
        "worst factors at 2.5 / lipschitz": [row["factor"] for row in chosen],
        "rates verified exactly": all(row["verified"] for row in data["worst"]),
        "largest pairwise steps": [row["pairwise"] for row in chosen],
        "largest steps to the equilibrium, conditions 10 and 100": [
            rows[10.0]["to_equilibrium"],
            rows[100.0]["to_equilibrium"],
        ],
    }


def figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """The linear game's steps, worst factors of the guideline, and steps that are proved."""
    canvas, (left, middle, right) = plt.subplots(1, 3, figsize=(13.5, 4), layout="constrained")
    game, rows = data["linear"], data["worst"]
    left.plot(game["sizes"], game["norms"], label="norm of one step")
    left.axhline(1.0, color="0.8", linewidth=0.8)
    left.axvline(GUIDELINE, color="C1", linestyle=":", label="paper's step")
    left.plot(GUIDELINE, game["proved"], "o", color="C2", label="proved in rationals")
    left.set(xlabel="step x lipschitz", title="a linear game of three players", ylim=(0.7, 1.5))
    left.legend(frameon=False, loc="upper left")
    conditions = [row["condition"] for row in rows]
    middle.plot(
        conditions, [row["factor"] for row in rows], "o-", color="C2", label="at most (proved)"
    )
    field = data["nonlinear"]
    middle.plot(
        field["lipschitz"] / field["margin"],
        field["factor"],
        "x",
        color="C3",
        ms=10,
        label="a field (measured)",
    )
    middle.axhline(1.0, color="0.8", linewidth=0.8)
    middle.set(
        xscale="log",
        xlabel="lipschitz / margin",
        title="one step of 2.5 / lipschitz: growth",
        ylim=(0, 6.2),
    )
    middle.legend(frameon=False, loc="lower right")
    for key, label, style in (
        ("to_equilibrium", "proved: nearer to the equilibrium", "o-"),
        ("pairwise", "proved: contracts", "s-"),
    ):
        right.plot(conditions, [row[key] for row in rows], style, color="C2", label=label)
    right.plot(
        conditions, [2 / c for c in conditions], ":", color="black", label="2 margin / lipschitz²"
    )
    right.axhline(GUIDELINE, color="C1", linestyle=":", label="paper's step")
    right.set(
        xscale="log",
        yscale="log",
        xlabel="lipschitz / margin",
        title="step x lipschitz",
    )
    right.legend(frameon=False, fontsize=8)
    return canvas


STUDY = Study(
    name="small_gain_runge_kutta",
    summary="Small-Gain Nash: the Runge-Kutta step 2.5 / lipschitz is no certificate",
    config=Config(),
    quick=Config(conditions=(1.5, 2.0, 5.0, 10.0, 100.0), resolution=60),
    stages={"linear": linear, "nonlinear": nonlinear, "worst": worst},
    numbers=numbers,
    figures={"runge_kutta": figure},
)
