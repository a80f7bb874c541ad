"""Proofs with data: games of models and adversaries on data sets that scikit-learn ships.

Six games, each of which is certified, saved, checked at both levels, trained with the certified
step, and trained on mini-batches:

- a logistic model of breast cancer against noise in labels, and against noise in its predictions:
  599 coordinates, everywhere;
- least squares against an adversary who falsifies one measurement, on a box;
- two regressors with their own patients, not zero-sum, everywhere;
- a generator of labels against a discriminator, both of random features, on a ball;
- a distributionally robust model, whose adversary has the simplex, on a box.

Beside each proved margin stands the smallest one at sampled points, which no proof can exceed, and
for the two regressors the best margin of a semidefinite program, which proves nothing.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import certify
import dgames as dg
from certify.problem.field import compiled_jacobians, flat_field
from experiments.data import batches
from experiments.data.games import DataGame, named
from experiments.data.multipliers import best_multipliers
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

NAMES = (
    "label noise",
    "prediction noise",
    "measurement noise",
    "two regressors",
    "generator",
    "robust model",
)


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: The seed of starts, points and batches.
        names: The games.
        units: Random features of each player of the generator's game.
        points: Points at which margins are sampled.
        size: Rows of each table in a mini-batch.
        runs: Training runs on mini-batches.
        ball: The ball of noise wanted, as a share of the squared distance of the start.
        lengths: How long these runs are, in units of `1 / (step * margin)`.
        weights: Ratios of weights, over those proved, that the semidefinite program tries.
    """

    seed: int = 0
    names: tuple[str, ...] = NAMES
    units: int = 100
    points: int = 8
    size: int = 32
    runs: int = 16
    ball: float = 0.1
    lengths: float = 4.0
    weights: tuple[float, ...] = (0.5, 0.7, 1.0, 1.4, 2.0)


def certificates(config: Config, run: Run) -> Data:
    """Certifies, saves and checks each game, and trains it with the certified step."""

    def one(name: str) -> Data:
        data = named(config.units)[name]()
        began = time.perf_counter()
        proof = certify.certify(
            data.game,
            data.region,
            [dg.Simultaneous, dg.Extragradient],
            enclosure=certify.RankOneTerms(),
        )
        seconds = time.perf_counter() - began
        path = proof.save(run.folder / f"{name.replace(' ', '-')}.json")
        verdicts = [certify.check(path, level=level) for level in (1, 2)]
        return {
            "coordinates": data.region.dimension,
            "everywhere": isinstance(data.region, certify.Everywhere),
            "margin": proof.margin,
            "sampled": _sampled(data, proof, config),
            "lipschitz": proof.lipschitz,
            "weights": proof.weights,
            "basin": float(proof.basin.radius),
            "seconds": seconds,
            "checked": [verdict.ok for verdict in verdicts],
            "check_seconds": [verdict.seconds for verdict in verdicts],
            "kibibytes": path.stat().st_size / 1024,
            "training": _trained(data, proof, config),
        }

    return dict(zip(config.names, run.each(config.names, one), strict=True))


def mini_batches(config: Config, run: Run) -> Data:
    """Trains each game on mini-batches, beside a bound on the mean squared distance."""

    def one(name: str) -> Data:
        data = named(config.units)[name]()
        proof = certify.load(run.folder / f"{name.replace(' ', '-')}.json")
        assert isinstance(proof, certify.Convergence)
        noise = batches.noise(data, proof, config.size)
        start = _start(data, proof, config.seed, 1.0)  # steps are projected onto the region
        first = batches.squared_distance(proof, start)
        step = batches.step_of(proof, noise, config.ball * first)
        steps = 100 * max(1, round(config.lengths / (step * proof.margin) / 100))
        found = batches.train(
            data,
            proof,
            start,
            step,
            config.size,
            steps,
            config.runs,
            jax.random.key(config.seed),
        )
        constants = proof.margin, proof.lipschitz, step
        return {
            "step": step,
            "variance": noise.variance,
            "growth": noise.growth,
            "start": first,
            "ball": certify.noise_ball(
                *constants, noise.variance, noise.growth, proof.cocoercivity
            ),
            "steps": found.steps,
            "squares": found.squares,
            "bound": batches.bound_on_squares(proof, noise, step, first, found.steps),
        }

    return dict(zip(config.names, run.each(config.names, one), strict=True))


def multipliers(config: Config, run: Run) -> Data:
    """Finds the best margin of the two regressors that any multipliers and weights could prove."""
    name = "two regressors"
    if name not in config.names:
        return None
    data, weights = named(config.units)[name](), run.data["certificates"][name]["weights"]
    own = weights["south"] / weights["north"]

    def one(ratio: float) -> Data:
        sizes = dg.dimensions(data.region.example)
        spread = np.repeat([1.0, own * ratio], sizes)
        best = best_multipliers(data.game, data.region, spread)
        return {"ratio": own * ratio, "margin": best.margin, "seconds": best.seconds}

    return run.each(config.weights, one)


def _sampled(data: DataGame, proof: certify.Convergence, config: Config) -> float:
    """The smallest margin at points of the region, in the metric of the proof."""
    field = flat_field(data.game, data.region)
    points = data.region.sample(jax.random.key(config.seed), config.points)
    center = dg.ravel(proof.equilibrium.center)[0]
    points = jnp.concatenate([jnp.asarray(points), center[None]])
    jacobians = np.asarray(compiled_jacobians(field)(points))
    root = np.sqrt(np.diag(proof.metric))
    scaled = root[:, None] * jacobians / root
    return float(np.linalg.eigvalsh(0.5 * (scaled + scaled.swapaxes(1, 2)))[:, 0].min())


def _start(data: DataGame, proof: certify.Convergence, seed: int, distance: float) -> Any:
    """A start at about this distance from the equilibrium, or nearer where sets are in between."""
    center, unravel = dg.ravel(jax.tree.map(jnp.asarray, proof.equilibrium.center))
    way = jax.random.normal(jax.random.key(seed), center.shape)
    length = jnp.sqrt(jnp.sum(jnp.asarray(np.diag(proof.metric)) * way**2))
    x = unravel(center + way * distance / length)
    return x if data.project is None else data.project(x)


def _trained(data: DataGame, proof: certify.Convergence, config: Config) -> Data:
    """Distances from the equilibrium along a run with the certified step, and the proved rate."""
    safe = proof.step_sizes["extragradient"]
    start = _start(data, proof, config.seed + 1, min(10.0, 0.9 * safe.basin))
    run = dg.solve(
        data.game,
        dg.Extragradient,
        start,
        step_size=proof,
        max_steps=20_000,
        save_every=10,
    )
    distances = jax.vmap(lambda x: _distance(proof, x))(run.history.strategy)
    return {
        "steps": run.history.steps,
        "distances": distances,
        "rate": safe.rate,
        "residual": run.residual,
        "count": run.steps,
    }


def _distance(proof: certify.Convergence, x: Any) -> jax.Array:
    center = jax.tree.map(jnp.asarray, proof.equilibrium.center)
    parts = (proof.weights[name] * jnp.sum((x[name] - center[name]) ** 2) for name in x)
    return jnp.sqrt(sum(parts, jnp.zeros(())))


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    found: dict[str, Any] = {}
    for name, each in data["certificates"].items():
        run, batch = each["training"], data["mini_batches"][name]
        steps, distances = np.array(run["steps"]), np.array(run["distances"])
        # Distances below this are those of roundings.
        far = distances > 1e-7 * distances[0]
        proved = distances[0] * run["rate"] ** steps
        found |= {
            f"{name}: coordinates": each["coordinates"],
            f"{name}: everywhere": each["everywhere"],
            f"{name}: accepted at levels 1 and 2": all(each["checked"]),
            f"{name}: margin": each["margin"],
            f"{name}: margin, of the sampled one": each["margin"] / each["sampled"],
            f"{name}: residual after training": run["residual"],
            f"{name}: largest distance, of the proved one": float((distances / proved)[far].max()),
            f"{name}: largest mean square on batches, of its bound": float(
                np.max(np.array(batch["squares"]) / np.array(batch["bound"]))
            ),
        }
    if data["multipliers"]:
        best = max(each["margin"] for each in data["multipliers"])
        own = data["certificates"]["two regressors"]["margin"]
        found["two regressors: margin, of the best by a semidefinite program"] = own / best
    return found


def training(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws distances from the equilibrium, with full gradients, beside the proved rates."""
    figure, axes = plt.subplots(2, 3, figsize=(9.6, 5.2), layout="constrained")
    for ax, name in zip(axes.flat, config.names, strict=False):
        run = data["certificates"][name]["training"]
        steps, distances = np.array(run["steps"]), np.array(run["distances"])
        ax.semilogy(steps, distances[0] * run["rate"] ** steps, "k--", label="proved")
        ax.semilogy(steps, distances, "C0", label="extragradient")
        ax.set(title=name, ylim=(1e-9 * distances[0], 3 * distances[0]))
    for ax in axes[-1]:
        ax.set_xlabel("step")
    axes[0, 0].set_ylabel("distance")
    axes[0, 0].legend(frameon=False)
    return figure


def noise(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws mean squared distances on mini-batches, beside their bounds."""
    figure, axes = plt.subplots(2, 3, figsize=(9.6, 5.2), layout="constrained")
    for ax, name in zip(axes.flat, config.names, strict=False):
        run = data["mini_batches"][name]
        ax.semilogy(run["steps"], run["bound"], "k--", label="bound on the mean")
        ax.axhline(run["ball"], color="0.7", label="ball of noise")
        ax.semilogy(run["steps"], run["squares"], "C0", label="mean of the runs")
        ax.set(title=name)
    for ax in axes[-1]:
        ax.set_xlabel("step")
    axes[0, 0].set_ylabel("squared distance")
    axes[0, 0].legend(frameon=False)
    return figure


STUDY = Study(
    name="real_data",
    summary="Models, adversaries and generators on real data: proved, checked, trained",
    config=Config(),
    quick=Config(
        names=("measurement noise", "generator"), units=20, runs=8, lengths=2.0, weights=(1.0,)
    ),
    stages={
        "certificates": certificates,
        "mini_batches": mini_batches,
        "multipliers": multipliers,
    },
    numbers=numbers,
    figures={"training": training, "noise": noise},
)
