"""The 64-dimensional game of Small-Gain Nash: margins, weights and steps, proved and true.

Sharma, *Small-Gain Nash*, 2025, arXiv:2512.06791. Two players of 32 coordinates with

    F_1(x) = x_1 + 10 s R x_2,      F_2(x) = x_2 + s R' x_1 / 20,      R orthogonal,

at strengths s (the paper's lambda). Everything is known in closed form: in the Euclidean norm the
margin is `1 - 5.025 s`; with the weights `w_2 / w_1 = 200` it is `1 - s / sqrt(2)`, which is also
the smallest eigenvalue, so no metric has a better one. The paper's step `2 margin / lipschitz^2` is
safe but far from the limit `2 / lipschitz` of forward Euler; its step `2.5 / lipschitz` for
Runge-Kutta is right here and no certificate elsewhere (see `small_gain_runge_kutta`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import brentq

import certify
import dgames as dg
from certify.metric.spectra import eigenvalue_bounds, norm_bounds
from certify.steps.simultaneous import lipschitz_step, small_gain_step
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

GUIDELINE = 2.5  # the paper's Runge-Kutta step, in units of 1 / lipschitz


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        dimension: The coordinates of each player.
        strengths: Where the published constants are compared.
        strongest: Figures go from strength 0 to this one.
        resolution: Points in each direction of the maps.
        steps: Steps of each simulation.
        certified: Strengths at which certificates are made and checked.
        proof_dimension: The same in certificates, and where the largest provable steps are
            searched for; all constants are the same in every dimension.
        seed: The seed of the starts of simulations.
    """

    dimension: int = 32
    strengths: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    strongest: float = 1.6
    resolution: int = 81
    steps: int = 400
    certified: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    proof_dimension: int = 32
    seed: int = 0


def jacobian(strength: float, config: Config) -> np.ndarray:
    """Returns the Jacobian of the pseudo-gradient, which is the same everywhere."""
    return np.asarray(dg.games.Quadratic.small_gain_nash(strength, config.dimension).jacobian())


def symmetric_margin(matrix: np.ndarray, ratio: float = 1.0) -> float:
    """The margin in the metric of weights `(1, ratio)`, in floating point."""
    root = np.repeat([1.0, np.sqrt(ratio)], len(matrix) // 2)
    scaled = matrix * (root[:, None] / root)
    return float(np.linalg.eigvalsh((scaled + scaled.T) / 2)[0])


def constants(strength: float, config: Config) -> Data:
    """Margin, Lipschitz constant and Euler steps at one strength: measured, and proved.

    The Jacobian is a matrix of floats, taken exactly. Bounds on curvatures, couplings and the
    weighted norm come from `certify.metric.spectra`, with every rounding error paid for; the margin
    from them is proved with integers.
    """
    matrix, n = jacobian(strength, config), config.dimension
    spectrum = np.linalg.eigvals(matrix)
    blocks = np.stack([matrix[:n, n:], matrix[n:, :n]])
    own = np.stack([matrix[:n, :n], matrix[n:, n:]])
    curvature, smoothness = eigenvalue_bounds(own, own)
    coupling = np.zeros((2, 2))
    coupling[0, 1], coupling[1, 0] = norm_bounds(blocks, blocks)
    gain = certify.small_gain(curvature, coupling)
    root = np.sqrt(np.repeat(gain.weights, n))
    scaled = matrix * (root[:, None] / root)
    slack = 8 * np.finfo(float).eps * np.abs(scaled)  # of two roots, a quotient and a product
    lipschitz = float(norm_bounds((scaled - slack)[None], (scaled + slack)[None])[0])
    result = {
        "strength": strength,
        "euclidean": symmetric_margin(matrix),
        "abscissa": spectrum.real.min(),
        "margin": gain.margin,
        "unimprovable": gain.upper,
        "lipschitz": lipschitz,
        "ratio": gain.weights[1] / gain.weights[0],
        "guideline": GUIDELINE / lipschitz,
        "euler_limit": limit(lambda z: 1 + z, spectrum),
        "rk4_limit": limit(runge_kutta, spectrum),
        "euler_paper": float("nan"),
        "euler_theorem": float("nan"),
    }
    if gain.margin > 0:
        result["euler_paper"] = lipschitz_step(gain.margin, lipschitz)["max"]
        result["euler_theorem"] = small_gain_step(curvature, smoothness, coupling, gain)["max"]
    return result


def runge_kutta(z: Any) -> Any:
    """The stability function of the classical Runge-Kutta method."""
    return 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24


def limit(polynomial: Callable[[Any], Any], spectrum: np.ndarray) -> float:
    """The end of the first interval of steps with a spectral radius below 1."""

    def excess(step: float) -> float:
        return float(np.abs(polynomial(-step * spectrum)).max()) - 1.0

    steps = np.linspace(0.02, 3.0, 150)
    first = next((k for k, step in enumerate(steps) if excess(step) >= 0), None)
    if first is None or first == 0:
        return float("nan")
    return float(brentq(excess, steps[first - 1], steps[first], xtol=1e-14))  # pyright: ignore[reportArgumentType]


def margins(config: Config, run: Run) -> Data:
    """Constants at the published strengths and along the figure."""
    along = np.linspace(0.0, config.strongest, config.resolution)
    return {
        "published": [constants(strength, config) for strength in config.strengths],
        "along": [constants(strength, config) for strength in along.tolist()],
    }


def band(config: Config, run: Run) -> Data:
    """Ratios of weights with a margin at strength 1: proved, and the margins that they have."""
    matrix = jacobian(1.0, config)
    coupling = [[0.0, 10.0], [0.05, 0.0]]
    asked = [0.0, 0.1, 0.2, 0.28]
    ratios = np.geomspace(10.0, 4000.0, 2 * config.resolution)

    def margin(ratio: float) -> float:
        return symmetric_margin(matrix, ratio)

    ends = [brentq(margin, low, high) for low, high in ((10.0, 200.0), (200.0, 4000.0))]
    return {
        "ratios": ratios,
        "margins": [symmetric_margin(matrix, ratio) for ratio in ratios],
        "asked": asked,
        "proved": [certify.timescale_band([1.0, 1.0], coupling, level) for level in asked],
        "measured": ends,
    }


def certificates(config: Config, run: Run) -> list[Data]:
    """Proofs on a box of radius 1, and the checker's verdicts; steps by theorems."""

    def made(strength: float) -> Data:
        game = dg.games.Quadratic.small_gain_nash(strength, config.proof_dimension)
        region = box(config)
        proof = certify.certify(game, region, methods=[dg.Simultaneous, dg.RungeKutta4])
        path = proof.save(run.folder / f"strength-{strength:g}.json.gz")
        steps = proof.step_sizes
        return {
            "strength": strength,
            "checked": certify.check(path).ok,
            "margin": proof.margin,
            "lipschitz": proof.lipschitz,
            "euler": steps["simultaneous"].max,
            "rk4": steps["runge_kutta_4"].max,
        }

    return run.each(config.certified, made)


def box(config: Config) -> certify.Box:
    """Returns the region of the certificates; the game is the same everywhere."""
    return certify.Box.around((jnp.zeros(config.proof_dimension),) * 2, 1.0)


def direct(config: Config, run: Run) -> list[Data]:
    """The largest steps proved from the step itself, at the strongest certified coupling."""
    strength = max(config.certified)
    game = dg.games.Quadratic.small_gain_nash(strength, config.proof_dimension)

    def largest(case: tuple[str, Callable[[float], dg.AbstractMethod]]) -> Data:
        name, method = case
        step = certify.largest_step(game, method, box(config), tolerance=0.002)
        checked = step.at_max.check().ok
        return {"method": name, "strength": strength, "step": step.max, "checked": checked}

    return run.each([("euler", dg.Simultaneous), ("rk4", dg.RungeKutta4)], largest)


def maps(config: Config, run: Run) -> Data:
    """Computes spectral radii and the growth of runs, over strength and step."""
    strengths = np.linspace(0.0, config.strongest, config.resolution)
    sizes = np.linspace(0.0, 2.6, config.resolution + 1)[1:]
    spectra = [np.linalg.eigvals(jacobian(strength, config)) for strength in strengths.tolist()]
    start = jax.random.normal(jax.random.key(config.seed), (2, config.dimension))

    def growth(method: Callable[..., dg.AbstractMethod], strength: Any, size: Any) -> Any:
        """The metric norm after all steps, relative to the start."""
        game = dg.games.Quadratic.small_gain_nash(strength, config.dimension)
        field, x = dg.pseudo_gradient(game), (start[0], start[1])
        stepper = method(size)

        def step(carry: Any, _: Any) -> tuple[Any, None]:
            return stepper.step(field, *carry), None

        (end, _), _ = jax.lax.scan(step, (x, stepper.init(field, x)), length=config.steps)
        return norm(end) / norm(x)

    result: dict[str, Any] = {"strengths": strengths, "sizes": sizes, "steps": config.steps}
    for name, method, polynomial in (
        ("euler", dg.Simultaneous, lambda z: 1 + z),
        ("rk4", dg.RungeKutta4, runge_kutta),
    ):
        radius = [
            [np.abs(polynomial(-size * spectrum)).max() for size in sizes] for spectrum in spectra
        ]
        simulate = eqx.filter_jit(
            jax.vmap(
                jax.vmap(lambda s, h, m=method: growth(m, s, h), in_axes=(None, 0)),
                in_axes=(0, None),
            )
        )
        result[name] = {
            "radius": radius,
            "growth": simulate(jnp.asarray(strengths), jnp.asarray(sizes)),
        }
    return result


def norm(x: tuple[Any, Any]) -> Any:
    """Returns norms in the metric with weights 1 and 200."""
    return jnp.sqrt(jnp.sum(x[0] ** 2) + 200.0 * jnp.sum(x[1] ** 2))


def disagreements(steps: int, cells: Mapping[str, Any]) -> int:
    """Counts cells where simulation and spectral radius disagree after enough steps.

    In the metric the Jacobian is symmetric, so the norm changes by at most `radius^steps`, and a
    random start has a share in the fastest mode that 1e6 more than makes up for.
    """
    expected = steps * np.log(np.array(cells["radius"]))
    grown = ~(np.array(cells["growth"]) <= 1)  # beyond all floats it is not a number
    clear = np.abs(expected) > np.log(1e6)
    return int(np.sum(clear & (grown != (expected > 0))))


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    published = data["margins"]["published"]

    def column(key: str) -> list[float]:
        return [row[key] for row in published]

    certified = data["certificates"]
    euler, rk4 = data["direct"]
    proved = data["band"]["proved"]
    steps = data["maps"]["steps"]
    return {
        "Euclidean margins": column("euclidean"),
        "margins": column("margin"),
        "smallest eigenvalues": column("abscissa"),
        "Lipschitz constants": column("lipschitz"),
        "paper's Euler steps": column("euler_paper"),
        "Euler steps by our theorem": column("euler_theorem"),
        "true limits of Euler": column("euler_limit"),
        "strength where the Euclidean margin ends": ending(data["margins"]["along"], "euclidean"),
        "strength where the margin ends": ending(data["margins"]["along"], "margin"),
        "certificates accepted by the checker": all(row["checked"] for row in certified),
        "margin of the certificate": certified[-1]["margin"],
        "Lipschitz constant of the certificate": certified[-1]["lipschitz"],
        "Euler step of the certificate": certified[-1]["euler"],
        "Runge-Kutta step of the certificate": certified[-1]["rk4"],
        "Euler step by the direct route": euler["step"],
        "Runge-Kutta step by the direct route": rk4["step"],
        "direct steps accepted by the checker": euler["checked"] and rk4["checked"],
        "true limits of Runge-Kutta": column("rk4_limit"),
        "paper's Runge-Kutta step": published[-1]["guideline"],
        "proved step over the paper's, Euler": euler["step"] / published[-1]["euler_paper"],
        "best ratio of weights": published[-1]["ratio"],
        "timescale band, proved": proved[0],
        "timescale band, measured": data["band"]["measured"],
        "cells where Euler and spectra disagree": disagreements(steps, data["maps"]["euler"]),
        "cells where Runge-Kutta and spectra disagree": disagreements(steps, data["maps"]["rk4"]),
    }


def ending(rows: list[dict[str, float]], key: str) -> float:
    """Returns the strength at which a margin reaches zero; margins are linear in the strength."""
    first, last = rows[0], rows[-1]
    slope = (last[key] - first[key]) / (last["strength"] - first["strength"])
    return first["strength"] - first[key] / slope


def margins_figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Margins over the strength, Euler steps over the strength, and the band of weights."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    rows, bands = data["margins"]["along"], data["band"]
    strengths = [row["strength"] for row in rows]
    for key, label, style in (
        ("euclidean", "Euclidean norm", {"color": "0.6"}),
        ("margin", "small gain (proved)", {"color": "C2", "linewidth": 3}),
        ("abscissa", "smallest eigenvalue", {"color": "black", "linestyle": ":"}),
    ):
        left.plot(strengths, [row[key] for row in rows], label=label, **style)
    left.axhline(0.0, color="0.8", linewidth=0.8)
    left.set(xlabel="strength", ylabel="margin", ylim=(-1.6, 1.1))
    left.legend(frameon=False)
    for key, label, style in (
        ("euler_limit", "true limit", {"color": "black", "linestyle": ":"}),
        ("euler_theorem", "proved here, from constants", {"color": "C2"}),
        ("euler_paper", "paper: 2 margin / lipschitz²", {"color": "C1"}),
    ):
        middle.plot(strengths, [row[key] for row in rows], label=label, **style)
    step = data["direct"][0]
    middle.plot(
        step["strength"], step["step"], "o", color="C2", label="proved from the step itself"
    )
    middle.set(xlabel="strength", ylabel="step of forward Euler", ylim=(0, 2.1))
    middle.legend(frameon=False)
    right.plot(bands["ratios"], bands["margins"], color="black", label="margin (measured)")
    for level, (low, high) in zip(bands["asked"], bands["proved"], strict=True):
        label = "band proved for a margin" if level == 0 else None
        right.plot([low, high], [level, level], "|-", color="C2", label=label)
    right.set(xscale="log", xlabel="ratio of weights, second over first", ylabel="margin at 1")
    right.legend(frameon=False, loc="lower center")
    return figure


def stability_figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Spectral radii over strength and step, with what simulations say and what is proved."""
    maps, rows = data["maps"], data["margins"]["along"]
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained", sharey=True)
    strengths, sizes = np.array(maps["strengths"]), np.array(maps["sizes"])
    along = [row["strength"] for row in rows]
    for axis, name, title in zip(
        axes, ("euler", "rk4"), ("forward Euler", "Runge-Kutta"), strict=True
    ):
        radius = np.array(maps[name]["radius"]).T
        axis.pcolormesh(
            strengths, sizes, np.clip(radius, 0, 2), cmap="RdBu_r", vmin=0, vmax=2, shading="auto"
        )
        grown = ~(np.array(maps[name]["growth"]).T <= 1)
        axis.contour(strengths, sizes, grown, levels=[0.5], colors="black", linewidths=2)
        axis.plot([], [], color="black", linewidth=2, label="limit of simulations")
        axis.set(xlabel="strength", title=title, ylim=(0, 2.6))
        theorem = data["certificates"]
        if name == "euler":
            axis.plot(along, [row["euler_paper"] for row in rows], color="C1", label="paper's step")
            axis.plot(
                along,
                [row["euler_theorem"] for row in rows],
                "--",
                color="lime",
                label="proved here, from constants",
            )
        else:
            axis.plot(
                along,
                [row["guideline"] for row in rows],
                color="C1",
                label="paper's guideline: no certificate",
            )
            axis.plot(
                [row["strength"] for row in theorem],
                [row["rk4"] for row in theorem],
                "s",
                color="lime",
                label="proved here, from constants",
            )
        step = next(row for row in data["direct"] if row["method"] == name)
        axis.plot(step["strength"], step["step"], "o", color="lime", label="proved from the step")
        axis.legend(loc="upper right", fontsize=8)
    axes[0].set_ylabel("step")
    figure.colorbar(axes[0].collections[0], ax=axes, label="spectral radius of one step")
    return figure


STUDY = Study(
    name="small_gain_linear",
    summary="Small-Gain Nash in 64 dimensions: margins, timescale band, stability, proved steps",
    config=Config(),
    quick=Config(resolution=17, steps=100, certified=(1.0,), proof_dimension=4),
    stages={
        "margins": margins,
        "band": band,
        "certificates": certificates,
        "direct": direct,
        "maps": maps,
    },
    numbers=numbers,
    figures={"margins": margins_figure, "stability": stability_figure},
)
