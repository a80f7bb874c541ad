"""The Markov game of Small-Gain Nash: natural against Euclidean policy gradients, and what holds.

Sharma, *Small-Gain Nash*, 2025, arXiv:2512.06791. Two players in two states with two actions are
both paid for a match, and 1 per state for entropy; uniform policies are an equilibrium. The paper
looks at the Jacobian in the Fisher metric at the corners of a cube of logits. Inside the cube the
constants may be worse, as is shown here. What can be proved is that the natural gradient is
strongly monotone in *one* norm, that of logit differences: over cubes, and over all policies. The
Euclidean policy gradient is not: softmax flattens it, far from the equilibrium.

Cubes are of the eight logits; in logit differences their radius is twice as large.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import certify
import dgames as dg
from benchmarks.peers import small_gain_procedure as peer
from certify.problem.field import compiled_jacobians, flat_field
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

CENTER = (jnp.zeros((2, 1)), jnp.zeros((2, 1)))
GAME = dg.Regularised(dg.games.MarkovGame.small_gain_nash(), 1.0)
NATURAL = dg.NaturalGradient(GAME)
EUCLIDEAN = dg.pseudo_gradient(dg.InLogits(GAME))


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        radius: Half-width of the cube of logits on which the paper's procedure is compared.
        searched: Radii of cubes whose inside is searched for worse constants than at the corners.
        candidates: Random points of each search, and improvements of the best of them.
        samples: Random points at which margins are sampled.
        proved: Radii of cubes over which margins are proved, and the share of what further cutting
            could prove that is asked for.
        everywhere: Whether a margin is proved over all policies, too.
        starts: Runs of each kind of gradient.
        spread: Starts are in cubes of logit differences, up to this radius.
        time: How long, in units of the natural gradient flow.
        step_size: The step of all runs, small enough to be almost the flow.
        seed: The seed of samples and starts.
    """

    radius: float = 0.1
    searched: tuple[float, ...] = (1.0, 2.0, 3.0)
    candidates: int = 20_000
    samples: int = 20_000
    proved: tuple[tuple[float, float], ...] = ((0.1, 0.97), (0.25, 0.97), (0.5, 0.95), (1.0, 0.9))
    everywhere: bool = True
    starts: int = 64
    spread: float = 6.0
    time: float = 25.0
    step_size: float = 0.02
    seed: int = 0


def procedure(config: Config, run: Run) -> Data:
    """Runs the paper's procedure at the corners, and looks for couplings inside larger cubes."""
    published = peer.markov_everywhere(np.zeros(8), config.radius)
    rng = np.random.default_rng(config.seed)
    inside = [_search(radius, config.candidates, rng) for radius in config.searched]
    corners = [peer.markov_everywhere(np.zeros(8), radius) for radius in config.searched]
    return {
        "curvature": min(published.curvature),
        "coupling": max(published.coupling),
        "margin": published.margin,
        "lipschitz": published.lipschitz,
        "step": published.step,
        "ratio": published.ratio,
        "points": published.points,
        "corners": [max(each.coupling) for each in corners],
        "inside": inside,
        "corner_margins": [each.margin for each in corners],
    }


def _search(radius: float, candidates: int, rng: np.random.Generator) -> float:
    """Looks for the largest coupling in a cube: random points, then small moves of the best."""
    points = rng.uniform(-radius, radius, (candidates, 8))
    values = _couplings(points)
    best = points[np.argsort(-values)[:32]]
    for width in np.geomspace(0.3, 0.003, 20) * radius:
        moved = best[:, None] + width * rng.standard_normal((len(best), 12, 8))
        tried = np.concatenate([best, np.clip(moved, -radius, radius).reshape(-1, 8)])
        best = tried[np.argsort(-_couplings(tried))[:32]]
    return float(_couplings(best).max())


def _couplings(points: np.ndarray) -> np.ndarray:
    """The larger one of the couplings at each point, in the Fisher metric."""
    hessians, metrics = peer.markov_hessian(points, 1.0), peer.fisher(peer.policies(points))
    one, two = peer.inverse_root(metrics[:, 0]), peer.inverse_root(metrics[:, 1])
    first = peer.norms(one @ hessians[:, :4, 4:] @ two)
    return np.maximum(first, peer.norms(two @ hessians[:, 4:, :4] @ one))


def sampled(config: Config, run: Run) -> list[Data]:
    """Margins at the centre, at random points and at corners: no proof can give more."""
    rng = np.random.default_rng(config.seed)
    jacobians = compiled_jacobians(flat_field(NATURAL, certify.Box.around(CENTER, 1.0)))
    unit = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1).T

    def margins(radius: float) -> Data:
        points = np.concatenate([unit, rng.uniform(-1.0, 1.0, (config.samples, 4))])
        J = np.asarray(jacobians(jnp.asarray(2 * radius * points)))
        own = [J[:, part, part] for part in (slice(0, 2), slice(2, 4))]
        curvature = min(np.linalg.eigvalsh((b + b.swapaxes(1, 2)) / 2).min() for b in own)
        coupling = [np.linalg.norm(b, 2, (1, 2)).max() for b in (J[:, :2, 2:], J[:, 2:, :2])]
        return {
            "radius": radius,
            "curvature": curvature,
            "coupling": max(coupling),
            "aggregated": curvature - sum(coupling) / 2,
            "per_cell": np.linalg.eigvalsh((J + J.swapaxes(1, 2)) / 2).min(),
            "lipschitz": np.linalg.norm(J, 2, (1, 2)).max(),
        }

    return [margins(radius) for radius in (0.0, 0.1, 0.25, 0.5, 1.0)]


def certificates(config: Config, run: Run) -> list[Data]:
    """Margins proved in the Euclidean norm of logit differences, and the checker's verdicts."""
    cases: list[tuple[float, float]] = [*config.proved]
    if config.everywhere:
        cases.append((float("inf"), 0.955))

    def made(case: tuple[float, float]) -> Data:
        radius, share = case
        whole = np.isinf(radius)
        region = certify.Policies(CENTER) if whole else certify.Box.around(CENTER, 2 * radius)
        proof = certify.certify(
            NATURAL,
            region,
            metric=certify.Weights({"0": 1.0, "1": 1.0}),
            search=certify.Search(tightness=share, max_cells=60_000),
        )
        path = proof.save(run.folder / f"radius-{radius:g}.json.gz")
        return {
            "radius": radius,
            "margin": proof.margin,
            "lipschitz": proof.lipschitz,
            "step": proof.step_sizes["simultaneous"].max,
            "basin": proof.basin.radius,
            "cells": proof.cells,
            "checked": certify.check(path).ok,
        }

    return run.each(cases, made)


def descent(config: Config, run: Run) -> Data:
    """Squared distances along both gradients, from the same starts, all the way."""
    starts = jax.random.uniform(
        jax.random.key(config.seed), (config.starts, 4), minval=-1.0, maxval=1.0
    )
    starts = starts * jnp.linspace(0.02, 1.0, config.starts)[:, None] * config.spread
    steps, every = round(config.time / config.step_size), 25

    @eqx.filter_jit
    def distances(field: dg.AbstractField, size: Any) -> Any:
        def path(start: Any) -> Any:
            x = (start[:2, None], start[2:, None])
            method = dg.Simultaneous(size)

            def step(x: Any, _: Any) -> tuple[Any, Any]:
                new, _ = method.step(field, x, None)
                return new, sum(jnp.sum(block**2) for block in new)

            squares = jax.lax.scan(step, x, length=steps)[1]
            return jnp.concatenate([jnp.sum(start**2)[None], squares])

        return jnp.sqrt(jax.vmap(path)(starts))

    # At the equilibrium the Euclidean gradient is a quarter of the natural one.
    natural = np.asarray(distances(NATURAL, config.step_size))
    euclidean = np.asarray(distances(EUCLIDEAN, 4 * config.step_size))
    return {
        "times": config.step_size * np.arange(0, steps + 1, every),
        "natural": natural[:, ::every],
        "euclidean": euclidean[:, ::every],
        "natural_rises": int(np.sum(np.diff(natural) > 1e-13)),
        "euclidean_rises": int(np.sum(np.diff(euclidean) > 1e-13)),
        "natural_end": natural[:, -1],
        "euclidean_end": euclidean[:, -1],
    }


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    paper, proofs, path = data["procedure"], data["certificates"], data["descent"]
    at, *samples = data["sampled"]
    largest = proofs[-1]
    result = {
        "curvature at the centre": at["curvature"],
        "coupling at the centre": at["coupling"],
        "margin at the centre": at["per_cell"],
        "paper's curvature": paper["curvature"],
        "paper's coupling": paper["coupling"],
        "paper's margin": paper["margin"],
        "paper's Lipschitz constant": paper["lipschitz"],
        "paper's step": paper["step"],
        "paper's points": paper["points"],
        "couplings at corners": paper["corners"],
        "couplings found inside": paper["inside"],
        "sampled aggregated margins": [row["aggregated"] for row in samples],
        "sampled margins": [row["per_cell"] for row in samples],
        "sampled Lipschitz constants": [row["lipschitz"] for row in samples],
        "certificates accepted by the checker": all(row["checked"] for row in proofs),
        "steps that increase the norm, natural": path["natural_rises"],
        "steps that increase the norm, Euclidean": path["euclidean_rises"],
        "runs within 1e-3 in the end, natural": _arrived(path["natural_end"]),
        "runs within 1e-3 in the end, Euclidean": _arrived(path["euclidean_end"]),
        "runs slower than proved, natural": _slower(path["natural"], path["times"], largest),
    }
    for row in proofs:
        where = "all policies" if np.isinf(row["radius"]) else f"radius {row['radius']:g}"
        result[f"proved margin, {where}"] = row["margin"]
        result[f"proved step, {where}"] = row["step"]
    return result


def _arrived(distances: list[float]) -> float:
    """The share of runs that have come near the equilibrium."""
    return float(np.mean(np.array(distances) < 1e-3))


def _slower(paths: Any, times: Any, proof: Data) -> int:
    """Counts runs from the basin that are ever farther away than `exp(-margin t)` allows.

    Steps of size h leave `1 - h margin` at best where the flow leaves `exp(-h margin)`; in steps as
    small as these the difference is less than one in a hundred.
    """
    paths = np.array(paths)
    inside = paths[:, 0] <= proof["basin"]
    bound = paths[inside, :1] * np.exp(-proof["margin"] * np.array(times))
    return int(np.sum(np.any(paths[inside] > 1.01 * bound + 1e-12, axis=1)))


def figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Runs of both gradients, margins over the radius, and corners against the inside."""
    canvas, (left, middle, right) = plt.subplots(1, 3, figsize=(13.5, 4.2), layout="constrained")
    path, proofs, samples = data["descent"], data["certificates"], data["sampled"][1:]
    times, last = np.array(path["times"]), proofs[-1]
    for key, label, color in (
        ("euclidean", "Euclidean gradient, time x 4", "C1"),
        ("natural", "natural gradient", "C0"),
    ):
        runs = np.array(path[key])
        runs = runs / runs[:, :1]
        left.plot(times, runs.T, color=color, alpha=0.25, linewidth=0.8)
        left.plot([], [], color=color, label=label)
    where = "all policies" if np.isinf(last["radius"]) else f"logits within {last['radius']:g}"
    left.plot(times, np.exp(-last["margin"] * times), "k:", label=f"proved, {where}")
    left.set(xlabel="time", ylabel="distance, relative to the start", yscale="log", ylim=(1e-6, 2))
    left.legend(frameon=False, loc="lower left")
    radii = [row["radius"] for row in samples]
    middle.plot(radii, [row["per_cell"] for row in samples], "k.:", label="sampled: at most this")
    middle.plot(
        radii,
        [row["aggregated"] for row in samples],
        ".:",
        color="0.6",
        label="sampled, small gain",
    )
    boxes = [row for row in proofs if np.isfinite(row["radius"])]
    middle.plot(
        [row["radius"] for row in boxes],
        [row["margin"] for row in boxes],
        "s",
        color="C2",
        label="proved",
    )
    if np.isinf(last["radius"]):
        middle.axhline(last["margin"], color="C2", label="proved, all policies")
    middle.plot(
        config.radius, data["procedure"]["margin"], "x", color="C1", label="paper: at corners"
    )
    middle.axhline(0.0, color="0.8", linewidth=0.8)
    middle.set(xlabel="radius of the cube of logits", ylabel="margin")
    middle.legend(frameon=False)
    corners = data["procedure"]
    right.plot(config.searched, corners["inside"], "^-", color="C3", label="found inside: at least")
    right.plot(
        config.searched, corners["corners"], "x-", color="C1", label="paper: largest at corners"
    )
    right.set(xlabel="radius of the cube of logits", ylabel="coupling", ylim=(0.6, 0.72))
    right.set_xticks(config.searched)
    right.legend(frameon=False, loc="lower right")
    return canvas


STUDY = Study(
    name="small_gain_markov",
    summary="Small-Gain Nash in a Markov game: policy gradients, and margins that are proved",
    config=Config(),
    quick=Config(
        candidates=2000,
        samples=1000,
        proved=((0.1, 0.97), (0.25, 0.97)),
        everywhere=False,
        starts=24,
    ),
    stages={
        "procedure": procedure,
        "sampled": sampled,
        "certificates": certificates,
        "descent": descent,
    },
    numbers=numbers,
    figures={"markov": figure},
)
