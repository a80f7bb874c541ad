"""Random games and random noise in Small-Gain Nash: what samples show, and what holds for all.

Sharma, *Small-Gain Nash*, 2025, arXiv:2512.06791.

**Ensemble.** Thirty games of two players with `Q_i = G_i' G_i + I`, G_i normal, and couplings
`10 s R` and `s R' / 20` with |R| = 1. The paper's test knows norms alone and fails where
`s^2 / 2 >= curvature_1 curvature_2`; in the metric with weights 1 and 200 all of the games contract
all the same, and that is proved from their Jacobians.

**Noise.** Both couplings of the linear game are disturbed by a share of their norm. The mean over
trials says nothing about the worst case, and neither does the least of a few hundred: noise in line
with the coupling is worse than all of them. What is proved holds for all noise of that norm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import certify
import dgames as dg
from certify.metric.spectra import eigenvalue_bounds, norm_bounds
from certify.steps.simultaneous import lipschitz_step, small_gain_step
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

FIRST, SECOND, RATIO = 10.0, 0.05, 200.0
KINDS = ("dense", "rank one", "a quarter of the rows")


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        dimension: The coordinates of each player.
        games: Random games, with seeds from 0.
        strengths: The strengths of their couplings.
        certified: Games of which certificates are made and checked, at the greatest strength.
        strength: The strength of the coupling that is disturbed.
        noise: Sizes of the noise, as shares of the coupling's norm.
        trials: The number of trials for each size and kind of noise.
        seed: The seed of the noise.
    """

    dimension: int = 32
    games: int = 30
    strengths: tuple[float, ...] = tuple(2.5 * k / 6 for k in range(7))
    certified: int = 3
    strength: float = 1.0
    noise: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    trials: int = 300
    seed: int = 0


def parts(config: Config, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both own blocks and the coupling of norm 1 of a random game."""
    rng, n = np.random.default_rng(seed), config.dimension
    first, second, cross = (rng.standard_normal((n, n)) for _ in range(3))
    one, two = (root.T @ root + np.eye(n) for root in (first, second))
    return one, two, cross / np.linalg.norm(cross, 2)


def scaled(matrices: np.ndarray, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Jacobians in the metric with weights `(1, ratio)`, with bounds on the rounding."""
    root = np.repeat([1.0, np.sqrt(ratio)], matrices.shape[-1] // 2)
    value = matrices * (root[:, None] / root)
    slack = 8 * np.finfo(float).eps * np.abs(value)
    return value - slack, value + slack


def margins(matrices: np.ndarray, ratio: float) -> np.ndarray:
    """Lower bounds on the margins of matrices in a metric, proved."""
    low, high = scaled(matrices, ratio)
    low, high = (0.5 * (side + side.swapaxes(-1, -2)) for side in (low, high))
    return eigenvalue_bounds(np.nextafter(low, -np.inf), np.nextafter(high, np.inf))[0]


def ensemble(config: Config, run: Run) -> list[Data]:
    """For each random game and strength: which test shows it monotone, and which steps are safe."""

    def measured(seed: int) -> list[Data]:
        first, second, cross = parts(config, seed)
        own = np.stack([first, second])
        curvature, smoothness = eigenvalue_bounds(own, own)
        rows = []
        for strength in config.strengths:
            couplings = np.stack([FIRST * strength * cross, SECOND * strength * cross.T])
            coupling = np.zeros((2, 2))
            coupling[0, 1], coupling[1, 0] = norm_bounds(couplings, couplings)
            gain = certify.small_gain(curvature, coupling)
            J = np.block([[first, couplings[0]], [couplings[1], second]])[None]
            margin = margins(J, RATIO)[0]
            lipschitz = norm_bounds(*scaled(J, RATIO))[0]
            row = {
                "strength": strength,
                "small_gain": gain.margin,
                "euclidean": margins(J, 1.0)[0],
                "metric": margin,
                "limit": 2 / np.abs(np.linalg.eigvals(J[0]).real).max(),
                "by_lipschitz": lipschitz_step(margin, lipschitz)["max"] if margin > 0 else 0.0,
                "by_players": 0.0,
            }
            if gain.margin > 0:
                step = small_gain_step(curvature, smoothness, coupling, gain)
                row["by_players"] = step["max"]
            rows.append(row)
        return rows

    return run.each(range(config.games), measured)


def certificates(config: Config, run: Run) -> list[Data]:
    """Certificates of some games at the greatest strength, where small gain fails."""

    def made(seed: int) -> Data:
        first, second, cross = parts(config, seed)
        strength, n = config.strengths[-1], config.dimension
        couplings = {(0, 1): FIRST * strength * cross, (1, 0): SECOND * strength * cross.T}
        game = dg.games.Quadratic([first, second], couplings)
        region = certify.Box.around((jnp.zeros(n), jnp.zeros(n)), 1.0)
        proof = certify.certify(game, region, metric=certify.Weights({"0": 1.0, "1": RATIO}))
        path = proof.save(run.folder / f"game-{seed}.json.gz")
        small_gain = proof.small_gain.margin
        return {"checked": certify.check(path).ok, "margin": proof.margin, "alone": small_gain}

    return run.each(range(config.certified), made)


def noise(config: Config, run: Run) -> list[Data]:
    """Computes margins under noise: proved for all noise of a size, sampled, and for the worst."""
    rng, n = np.random.default_rng(config.seed), config.dimension
    rotation = np.asarray(dg.games.Quadratic.small_gain_nash(1.0, n).jacobian())[:n, n:] / FIRST
    first, second = FIRST * config.strength, SECOND * config.strength
    norm = float(norm_bounds(rotation[None], rotation[None])[0])  # 1, but for rounding

    def disturbed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The Jacobian with noise of norm 1 times its share of both couplings."""
        eye = np.eye(n)
        return np.block([[eye, first * (rotation + a)], [second * (rotation.T + b), eye]])

    def of_kind(kind: str, size: float) -> list[float]:
        pairs = ((draw(rng, kind, n), draw(rng, kind, n)) for _ in range(config.trials))
        trials = np.stack([disturbed(size * a, size * b) for a, b in pairs])
        root = np.repeat([1.0, np.sqrt(RATIO)], n)
        value = trials * (root[:, None] / root)
        return np.linalg.eigvalsh((value + value.swapaxes(1, 2)) / 2)[:, 0].tolist()

    def measured(size: float) -> Data:
        reach = (norm + size) * (1 + 1e-12)  # more than the rounding of sum and products
        gain = certify.small_gain([1.0, 1.0], [[0.0, first * reach], [second * reach, 0.0]])
        trials = {kind: of_kind(kind, size) for kind in KINDS}
        aligned = disturbed(size * rotation, size * rotation.T)
        return {
            "size": size,
            "proved": gain.margin,
            "means": {kind: np.mean(values) for kind, values in trials.items()},
            "least": {kind: np.min(values) for kind, values in trials.items()},
            "aligned": np.linalg.eigvals(aligned).real.min(),
        }

    return run.each(config.noise, measured)


def draw(rng: np.random.Generator, kind: str, n: int) -> np.ndarray:
    """Random noise of norm 1."""
    value = rng.standard_normal((n, n))
    if kind == "rank one":
        value = np.outer(value[0], value[1])
    elif kind == "a quarter of the rows":
        value[n // 4 :] = 0.0
    return value / np.linalg.norm(value, 2)


def tolerated(config: Config, run: Run) -> Data:
    """The largest noise for which a margin is proved: in the norm, and entry by entry."""
    n = config.dimension
    J = np.asarray(dg.games.Quadratic.small_gain_nash(config.strength, n).jacobian())
    blocks = np.stack([J[:n, n:], J[n:, :n].copy()])
    sizes = np.array([FIRST, SECOND])[:, None, None] * config.strength

    def positive(share: float, entrywise: bool) -> bool:
        coupling = np.zeros((2, 2))
        if entrywise:
            low, high = blocks - share * sizes, blocks + share * sizes
            bounds = norm_bounds(np.nextafter(low, -np.inf), np.nextafter(high, np.inf))
        else:
            bounds = norm_bounds(blocks, blocks) + share * sizes[:, 0, 0] * (1 + 1e-12)
        coupling[0, 1], coupling[1, 0] = bounds
        return certify.small_gain([1.0, 1.0], coupling).margin > 0

    def largest(entrywise: bool) -> float:
        low, high = 0.0, 1.0
        while high - low > 1e-7:
            middle = (low + high) / 2
            low, high = (middle, high) if positive(middle, entrywise) else (low, middle)
        return low

    return {"norm": largest(False), "entry": largest(True)}


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    games = data["ensemble"]
    strong = [row for rows in games for row in rows if row["by_players"] > 0]

    def fractions(key: str) -> list[float]:
        return np.mean([[row[key] > 0 for row in rows] for rows in games], axis=0).tolist()

    result = {
        "certified by the paper's test": fractions("small_gain"),
        "monotone in the Euclidean norm": fractions("euclidean"),
        "proved from the Jacobian": fractions("metric"),
        "steps over the paper's, median": np.median(
            [row["by_players"] / row["by_lipschitz"] for row in strong]
        ),
        "steps over the true limit, median": np.median(
            [row["by_players"] / row["limit"] for row in strong]
        ),
        "steps beyond the true limit": int(sum(row["by_players"] > row["limit"] for row in strong)),
        "proved margins under noise": [row["proved"] for row in data["noise"]],
        "margins under aligned noise": [row["aligned"] for row in data["noise"]],
        "least margins of all trials": [min(row["least"].values()) for row in data["noise"]],
        "mean margins of dense noise": [row["means"]["dense"] for row in data["noise"]],
        "trials below the proved margin": int(
            sum(min(row["least"].values()) < row["proved"] - 1e-12 for row in data["noise"])
        ),
        "largest noise proved, norm": data["tolerated"]["norm"],
        "largest noise proved, entry by entry": data["tolerated"]["entry"],
    }
    if data["certificates"]:
        made = data["certificates"]
        result["certificates accepted by the checker"] = all(row["checked"] for row in made)
        result["least margin of the certificates"] = min(row["margin"] for row in made)
        result["greatest margin of small gain alone"] = max(row["alone"] for row in made)
    return result


def figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """The shares of games that each test shows, their steps, and margins under noise."""
    canvas, (left, middle, right) = plt.subplots(1, 3, figsize=(13.5, 4.1), layout="constrained")
    shown, rows = numbers(data), data["noise"]
    for name, label, style in (
        ("proved from the Jacobian", "proved from the Jacobian", {"color": "C2", "lw": 3}),
        ("certified by the paper's test", "paper's test (norms alone)", {"color": "C1"}),
        ("monotone in the Euclidean norm", "Euclidean norm", {"color": "0.6"}),
    ):
        left.plot(config.strengths, shown[name], ".-", label=label, **style)
    left.set(xlabel="strength", ylabel=f"share of {config.games} games", ylim=(-0.05, 1.35))
    left.set_yticks([0, 0.5, 1])
    left.legend(frameon=False, loc="upper right")
    flat = [row for game in data["ensemble"] for row in game if row["by_players"] > 0]
    limits = [row["limit"] for row in flat]
    middle.semilogy(
        limits, [row["by_players"] for row in flat], ".", color="C2", label="proved here"
    )
    middle.semilogy(
        limits,
        [row["by_lipschitz"] for row in flat],
        ".",
        color="C1",
        label="2 margin / lipschitz²",
    )
    ends = [min(limits), max(limits)]
    middle.semilogy(ends, ends, "k:", label="true limit")
    middle.set(xlabel="true limit of Euler steps", ylabel="safe step", ylim=(None, 0.3))
    middle.legend(frameon=False, loc="upper left")
    sizes = [row["size"] for row in rows]
    for kind, color in zip(KINDS, ("C0", "C4", "C5"), strict=True):
        right.plot(sizes, [row["means"][kind] for row in rows], ":", color=color)
        right.plot(
            sizes,
            [row["least"][kind] for row in rows],
            ".-",
            color=color,
            label=f"{kind}: least (mean dotted)",
        )
    right.plot(sizes, [row["aligned"] for row in rows], "kx", label="aligned with the coupling")
    right.plot(sizes, [row["proved"] for row in rows], color="C2", label="proved for all noise")
    right.axhline(0.0, color="0.8", linewidth=0.8)
    right.set(xlabel="noise, as a share of the coupling", ylabel="margin")
    right.legend(frameon=False, fontsize=8)
    return canvas


STUDY = Study(
    name="small_gain_random",
    summary="Small-Gain Nash: random games and noise, what samples show and what is proved",
    config=Config(),
    quick=Config(certified=0, trials=10),
    stages={
        "ensemble": ensemble,
        "certificates": certificates,
        "noise": noise,
        "tolerated": tolerated,
    },
    numbers=numbers,
    figures={"random": figure},
)
