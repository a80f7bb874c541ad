"""The Markov game of Small-Gain Nash: steps of natural gradients that converge, and provably so.

Sharma, *Small-Gain Nash*, 2025, arXiv:2512.06791. The paper's step comes from constants at corners
of a cube, so it is an estimate; it counts a run as a success if it ends less than 1 from the
equilibrium, where it starts 0.03 away; and its weights of players enter the norm that is looked at,
never the run, so that no run can tell one ratio of weights from another. Here a run succeeds if it
reaches the equilibrium and every step brings it nearer; players are given steps of different sizes,
which runs do feel; and steps are proved from enclosures of the Jacobian over all of the cube.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure

import certify
import dgames as dg
from benchmarks.peers import small_gain_procedure as peer
from certify.problem.field import compiled_jacobians, flat_field
from certify.steps.simultaneous import lipschitz_step
from experiments import cells
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

CENTER = (jnp.zeros((2, 1)), jnp.zeros((2, 1)))
NATURAL = dg.NaturalGradient(dg.Regularised(dg.games.MarkovGame.small_gain_nash(), 1.0))

# With smaller steps than this one, runs do not arrive in time.
TINY = 0.1


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        radius: Half-width of the cube of logits; in logit differences it is twice that.
        cuts: Cells along each coordinate of that cube.
        larger: Radii of larger cubes over which steps are proved, and their cuts.
        sizes: How many common step sizes are tried.
        resolution: Step sizes of each player in the map of both.
        starts: Runs for each.
        steps: Length of each run.
        samples: Jacobians that the band of weights is measured at.
        seed: The seed of starts and samples.
    """

    radius: float = 0.1
    cuts: int = 5
    larger: tuple[tuple[float, int], ...] = ((0.25, 6), (0.5, 11))
    sizes: int = 60
    resolution: int = 41
    starts: int = 32
    steps: int = 600
    samples: int = 20_000
    seed: int = 0


def proofs(config: Config, run: Run) -> list[Data]:
    """Steps proved over cubes, by the margin and the Lipschitz constant, and directly."""

    def made(case: tuple[float, int]) -> Data:
        radius, cuts = case
        covering = cells.cells_of(NATURAL, certify.Box.around(CENTER, 2 * radius), cuts)
        margin, lipschitz = cells.margin(covering), cells.lipschitz(covering)
        step = cells.largest_step(covering, 2.0)
        return {
            "radius": radius,
            "margin": margin,
            "lipschitz": lipschitz,
            "by_constants": lipschitz_step(margin, lipschitz)["max"] if margin > 0 else 0.0,
            "direct": step,
        }

    return run.each([(config.radius, config.cuts), *config.larger], made)


def centre(config: Config, run: Run) -> Data:
    """The limit of steps at the equilibrium, which nothing can pass, and the paper's step."""
    J = _jacobians(np.zeros((1, 4)))[0]
    return {
        "jacobian": J,
        "limit": 2 / np.linalg.eigvals(J).real.max(),
        "largest_imaginary": np.abs(np.linalg.eigvals(J).imag).max(),
        "paper": peer.markov_everywhere(np.zeros(8), config.radius).step,
    }


def _jacobians(points: np.ndarray) -> np.ndarray:
    """Returns Jacobians of the natural gradient at points in logit differences."""
    field = flat_field(NATURAL, certify.Box.around(CENTER, 1.0))
    return np.asarray(compiled_jacobians(field)(jnp.asarray(points)))


@eqx.filter_jit
def _runs(starts: Array, steps: Array, length: int) -> tuple[Array, Array]:
    """Returns distances at the end, and the largest factor by which the norm grew in one step.

    The norm is that with weights `1 / h_i`.

    Args:
        starts: Shape (pairs, starts, 4).
        steps: Step sizes of the players, shape (pairs, 2).
        length: How many steps.
    """

    def one(start: Array, h: Array) -> tuple[Array, Array]:
        def norm(x: tuple[Array, Array]) -> Array:
            return jnp.sqrt(sum(jnp.sum(block**2) / size for block, size in zip(x, h, strict=True)))

        def step(x: Any, _: Any) -> tuple[Any, Array]:
            moves = NATURAL(x)
            new = tuple(b - size * move for b, size, move in zip(x, h, moves, strict=True))
            # Differences of numbers near zero are rounding, not growth.
            return new, (norm(new) - 1e-12) / (norm(x) + 1e-300)

        x = (start[:2, None], start[2:, None])
        end, growth = jax.lax.scan(step, x, length=length)
        return jnp.sqrt(sum(jnp.sum(block**2) for block in end)), jnp.max(growth)

    return jax.vmap(jax.vmap(one, in_axes=(0, None)))(starts, steps)


def _starts(config: Config, steps: np.ndarray) -> np.ndarray:
    """Random starts on the boundary of the largest ball of the metric `1 / h` inside the cube."""
    rng = np.random.default_rng(config.seed)
    directions = rng.standard_normal((config.starts, 4))
    weights = np.repeat(1 / steps, 2, axis=1)
    size = np.sqrt(np.einsum("sk,pk->ps", directions**2, weights))
    radius = 2 * config.radius * np.sqrt(weights.min(1))
    return directions[None] * (radius[:, None] / size)[..., None]


def success(config: Config, run: Run) -> Data:
    """Shares of successful runs over the common step size, by the paper's measure and by ours."""
    sizes = np.geomspace(0.005, 2.4, config.sizes)
    steps = np.stack([sizes, sizes], 1)
    ends, growth = _runs(jnp.asarray(_starts(config, steps)), jnp.asarray(steps), config.steps)
    near = 0.01 * np.random.default_rng(config.seed).standard_normal((config.starts, 4))
    starts = jnp.asarray(np.broadcast_to(near, (len(sizes), *near.shape)))
    paper, _ = _runs(starts, jnp.asarray(steps), config.steps)
    return {
        "sizes": sizes,
        "ours": np.mean((np.asarray(ends) < 1e-6) & (np.asarray(growth) <= 1), axis=1),
        "arrived": np.mean(np.asarray(ends) < 1e-6, axis=1),
        "paper": np.mean(np.asarray(paper) < 1.0, axis=1),
    }


def players(config: Config, run: Run) -> Data:
    """Step sizes of their own for both players: proved, stable at the equilibrium, and run."""
    sizes = np.geomspace(TINY, 6.0, config.resolution)
    steps = np.array([(h, k) for h in sizes for k in sizes])
    covering = cells.cells_of(NATURAL, certify.Box.around(CENTER, 2 * config.radius), config.cuts)
    proved = [cells.contraction(covering, (h, k)) < 1 for h, k in steps.tolist()]
    J = np.array(run.data["centre"]["jacobian"])
    maps = np.eye(4) - np.repeat(steps, 2, axis=1)[:, :, None] * J
    ends, growth = _runs(jnp.asarray(_starts(config, steps)), jnp.asarray(steps), 2 * config.steps)
    shape = (len(sizes), len(sizes))
    return {
        "sizes": sizes,
        "proved": np.reshape(proved, shape),
        "radius": np.abs(np.linalg.eigvals(maps)).max(1).reshape(shape),
        "nearer": (np.asarray(growth) <= 1).all(1).reshape(shape),
        "arrived": (np.asarray(ends) < 1e-6).all(1).reshape(shape),
    }


def band(config: Config, run: Run) -> Data:
    """Ratios of weights of the norm in which the flow contracts: proved, and what samples allow."""
    covering = cells.cells_of(NATURAL, certify.Box.around(CENTER, 2 * config.radius), config.cuts)
    curvature, coupling = cells.constants(covering)
    rng = np.random.default_rng(config.seed)
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1).T
    points = np.concatenate([corners, rng.uniform(-1.0, 1.0, (config.samples, 4))])
    J = _jacobians(2 * config.radius * points)
    ratios = np.geomspace(0.02, 50.0, 61)
    return {
        "curvature": curvature,
        "coupling": coupling,
        "proved": certify.timescale_band(curvature, coupling),
        "ratios": ratios,
        "sampled": [_margin(J, ratio) for ratio in ratios],
        "small_gain": [
            peer.margin(curvature, (coupling[0, 1], coupling[1, 0]), ratio) for ratio in ratios
        ],
    }


def _margin(jacobians: np.ndarray, ratio: float) -> float:
    """The least margin in the norm with weights `(1, ratio)`, of samples."""
    root = np.sqrt([1.0, 1.0, ratio, ratio])
    scaled = jacobians * (root[:, None] / root)
    return float(np.linalg.eigvalsh((scaled + scaled.swapaxes(1, 2)) / 2)[:, 0].min())


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    at, runs, pairs, weights = (data[key] for key in ("centre", "success", "players", "band"))
    sizes, ours = np.array(runs["sizes"]), np.array(runs["ours"])
    proof = data["proofs"][0]
    proved, stable = np.array(pairs["proved"]), np.array(pairs["radius"]) < 1
    works = np.array(pairs["nearer"]) & np.array(pairs["arrived"])
    sampled, ratios = np.array(weights["sampled"]), np.array(weights["ratios"])
    result = {
        "limit at the equilibrium": at["limit"],
        "paper's step": at["paper"],
        "margin, over cells": proof["margin"],
        "Lipschitz constant, over cells": proof["lipschitz"],
        "step by margin and Lipschitz constant": proof["by_constants"],
        "step by the direct route": proof["direct"],
        "steps by the direct route, larger cubes": [row["direct"] for row in data["proofs"][1:]],
        "largest step with success": sizes[ours == 1].max(),
        "success at proved steps that are not tiny": ours[
            (sizes > TINY) & (sizes <= proof["direct"])
        ].min(),
        "arrivals beyond the limit": np.array(runs["arrived"])[sizes > at["limit"]].max(),
        "arrivals with the smallest step": runs["arrived"][0],
        "success with the smallest step, by the paper's measure": runs["paper"][0],
        "proved pairs that are unstable": int(np.sum(proved & ~stable)),
        "proved pairs with a failed run": int(np.sum(proved & ~works)),
        "share of stable pairs that is proved": np.sum(proved) / np.sum(stable),
        "largest ratio of steps proved": _widest(np.array(pairs["sizes"]), proved),
        "band of weights, proved": weights["proved"],
        "band of weights, sampled": [ratios[sampled > 0].min(), ratios[sampled > 0].max()],
    }
    return result


def _widest(sizes: np.ndarray, proved: np.ndarray) -> float:
    """The largest ratio of the players' steps among proved pairs."""
    first, second = np.nonzero(proved)
    return float((sizes[second] / sizes[first]).max())


def figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Success over the step size, pairs of step sizes, and the band of weights."""
    canvas, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4.3), layout="constrained")
    runs, at, proof = data["success"], data["centre"], data["proofs"][0]
    left.plot(runs["sizes"], runs["paper"], color="C1", label="paper: ends within 1")
    left.plot(runs["sizes"], runs["ours"], color="C0", label="arrives, always nearer")
    for value, color, label in (
        (at["paper"], "C1", "paper's step (estimate)"),
        (proof["by_constants"], "C2", "proved, from constants"),
        (proof["direct"], "C2", "proved, step itself"),
        (at["limit"], "black", "limit at the equilibrium"),
    ):
        left.axvline(value, color=color, linestyle="--" if "itself" in label else ":", label=label)
    left.set(xlabel="step of both players", ylabel="share of runs", ylim=(-0.05, 1.1))
    left.set_xscale("log")
    left.set_yticks([0, 0.5, 1])
    left.legend(frameon=False, fontsize=8, ncols=2, loc="upper left", bbox_to_anchor=(0, -0.16))
    pairs = data["players"]
    sizes, stable = np.array(pairs["sizes"]), np.array(pairs["radius"]) < 1
    shades = np.array(pairs["proved"]).astype(int) + (
        np.array(pairs["nearer"]) & np.array(pairs["arrived"])
    )
    middle.pcolormesh(sizes, sizes, shades.T, cmap="Greens", vmin=0, vmax=3, shading="auto")
    middle.contour(sizes, sizes, stable.T.astype(float), levels=[0.5], colors="black")
    for level, label in ((1, "runs arrive, always nearer"), (2, "and that is proved")):
        middle.plot([], [], "s", color=plt.get_cmap("Greens")(level / 3), label=label)
    middle.plot([], [], color="black", label="stable at the equilibrium")
    middle.set(xscale="log", yscale="log", xlabel="step of player 1", ylabel="step of player 2")
    middle.legend(fontsize=8, loc="upper right")
    weights = data["band"]
    right.plot(weights["ratios"], weights["sampled"], "k:", label="sampled: at most this")
    right.plot(weights["ratios"], weights["small_gain"], color="C2", label="proved by small gain")
    right.plot(weights["proved"], [0, 0], "|-", color="C2", label="proved band")
    right.set(xscale="log", xlabel="ratio of weights in the norm", ylabel="margin of the flow")
    right.set_ylim(-0.8, 0.6)
    right.legend(frameon=False, fontsize=8)
    return canvas


STUDY = Study(
    name="small_gain_markov_steps",
    summary="Small-Gain Nash in a Markov game: step sizes and weights that work, and those proved",
    config=Config(),
    quick=Config(cuts=3, larger=((0.25, 4),), sizes=24, resolution=15, starts=8, samples=2000),
    stages={
        "centre": centre,
        "proofs": proofs,
        "success": success,
        "players": players,
        "band": band,
    },
    numbers=numbers,
    figures={"steps": figure},
)
