"""Training with a guarantee, on real data: what weight decay proves and what it costs.

A model and a critic, networks with one hidden layer, play the moment game on data that scikit-learn
ships: the model is to predict labels, and the critic looks for anything that it has not predicted,

    min_f max_g  mean[(y - f(x)) g(x)] - mean g(x)^2 / 2 + decay.

The sign of the model is a classifier. Where decay leaves a margin on a ball whose basin contains
the initial weights, training from them provably converges; the same model trained by Adam, without
a critic, decay or promise, is what its accuracy is to be compared with.

What decides is where decay, width and the size of the labels are. More decay proves more and learns
less, and wider networks are easier to prove. The size of the labels is no part of the
classification, which needs signs only, but of the proof: own curvature is proportional to the
errors, and so is the way from the start. With small labels networks stay close to their
linearisation at the start (Chizat, Oyallon and Bach, *On lazy training in differentiable
programming*, arXiv:1812.07956), and what they learn is what that can. So both are shown: with
labels of 1 and of 0.1 accuracies are equal to the last row, and proofs are not.

Robust training needs neither critic nor small labels: a classifier with the logistic loss against
whoever weighs the images. There the largest datum decides, not the mean over data, so it is for
rows of about equal lengths, such as images; for the patients, whose rows differ more, decay that is
proved leaves little to learn.

The last part is about instruments: the critic sees what causes the inputs, the model sees inputs
that errors of the outputs have moved, too, and is to find the structural function behind them.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Array, Float
from matplotlib.figure import Figure

import certify
import dgames as dg
from certify.checker.rederive_neural import PRECISION
from certify.prove.neural.containing_region import containing
from certify.prove.neural.networks_proof import NetworksProof
from certify.prove.neural.posed_networks import posed_networks
from dgames.plot import COLOURS
from experiments.data.splits import Split, split
from experiments.neural.classifiers import accuracies, by_adam
from experiments.neural.moment_games import Posed, posed, structural
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study

# Regions that are tried for the largest one with a margin, up to so many times what is needed.
BISECTIONS, WIDEST = 7, 32.0


@dataclass(frozen=True)
class Setting:
    """A game on a data set.

    Attributes:
        table: The data set, see `experiments.data.splits.split`.
        units: Hidden units of each network.
        labels: Labels are plus and minus this number, moved to have mean zero.
        decay: The decay of the model; that of the critic is `RATIO` times as large.
    """

    table: str
    units: int
    labels: float
    decay: float


@dataclass(frozen=True)
class Curve:
    """Games that differ in their decay only.

    Attributes:
        units: Hidden units of each network.
        labels: See `Setting`.
    """

    units: int
    labels: float


@dataclass(frozen=True)
class RobustSetting:
    """A game of a classifier and the weights of its data.

    Attributes:
        table: The data set, see `experiments.data.splits.split`.
        units: Hidden units.
        decay: The decay of the classifier.
        temperature: What it costs to weigh data unequally, see `dgames.Robust`.
    """

    table: str
    units: int
    decay: float
    temperature: float


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: The seed of splits, starts and instruments.
        rows: The most rows to learn from, or None.
        settings: Games whose certificates are saved, checked and used.
        robust: Games of robust training, which are saved, checked and used alike.
        curves: Games on breast cancer, for all decays.
        decays: Decays of the model, the largest one first.
        step: The step of runs whose ends are certified.
        adam: Steps of Adam.
        moment_units: Hidden units of each network, with instruments.
        moment_decays: Decays of the model there, the largest one first.
        samples: Rows of data there.
    """

    seed: int = 0
    rows: int | None = None
    settings: tuple[Setting, ...] = (
        Setting("breast cancer", 512, 0.1, 0.05),
        Setting("breast cancer", 512, 1.0, 0.25),
        Setting("digits", 256, 0.1, 0.1),
    )
    robust: tuple[RobustSetting, ...] = (RobustSetting("digits", 512, 0.2, 1.0),)
    curves: tuple[Curve, ...] = (Curve(128, 0.1), Curve(512, 0.1), Curve(512, 1.0))
    decays: tuple[float, ...] = (0.4, 0.25, 0.1, 0.05, 0.025)
    step: float = 0.4
    adam: int = 800
    moment_units: tuple[int, ...] = (1024, 4096)
    moment_decays: tuple[float, ...] = (0.4, 0.2, 0.1)
    samples: int = 64


def classification(config: Config, table: Split, units: int, labels: float, decay: float) -> Posed:
    """Returns the game on a data set, of a model and a critic that see the same features."""
    outputs = labels * (table.labels - table.labels.mean())
    return posed(table.rows, table.rows, outputs, units, decay, "softplus", config.seed)


def distance(x: Any, y: Any) -> Float[Array, ""]:
    """The Euclidean distance of all weights."""
    parts = jax.tree.map(lambda a, b: jnp.sum((a - b) ** 2), x, y)
    return jnp.sqrt(sum(jax.tree.leaves(parts), jnp.zeros(())))


def certified(config: Config, run: Run) -> Data:
    """Certifies, saves, checks and trains each game, and trains its model by Adam."""

    def one(setting: Setting) -> Data:
        table = split(setting.table, config.seed, most=config.rows)
        game, start, data = classification(
            config, table, setting.units, setting.labels, setting.decay
        )
        point = dg.solve(
            game, dg.Extragradient(config.step), start, data, max_steps=20_000, tol=1e-11
        ).strategy
        name = f"{setting.table}-{setting.units}-{setting.labels:g}-{setting.decay:g}"
        proof, found = _certificate(game, point, data, run, name)
        step = proof.step_sizes["extragradient"]
        trained = dg.solve(
            game,
            dg.Extragradient(step.best),
            start,
            data,
            max_steps=proof.training.steps,
            tol=1e-9 * proof.margin,
            save_every=20,
            save=lambda x, state, args: distance(x, point),
        )
        assert trained.history is not None
        return found | {
            "rows": len(table.rows),
            "moved": float(distance(start, point)),
            "step": step.best,
            "rate": step.rate,
            "accuracy": accuracies(trained.strategy[0], table),
            "steps": trained.history.steps,
            "distances": trained.history.saved,
            "residual": trained.residual,
            "Adam": by_adam(start[0], table, config.adam),
        }

    return run.each(config.settings, one)


def _certificate(
    game: dg.ZeroSumNetworks, point: Any, data: Any, run: Run, name: str
) -> tuple[certify.NeuralConvergence, dict[str, Any]]:
    """Certifies, saves and checks a game; returns the certificate and what it says."""
    began = time.perf_counter(), time.process_time()
    proof = certify.certify_networks(game, point, "contains_start", args=data)
    took = time.perf_counter() - began[0], time.process_time() - began[1]
    path = proof.save(run.folder / f"{name.replace(' ', '-')}.json")
    verdicts = [certify.check(path, level=level) for level in range(1, proof.checkable + 1)]
    return proof, {
        "weights": proof.weights,
        "margin": proof.margin,
        "lipschitz": proof.lipschitz,
        "radius": proof.radius[0],
        "basin": proof.basin,
        "contains start": proof.contains_start,
        "sentence": proof.sentence,
        "steps proved": proof.training.steps,
        "seconds": took[0],
        "cpu seconds": took[1],
        "checked": [verdict.ok for verdict in verdicts],
        "check seconds": [verdict.seconds for verdict in verdicts],
        "megabytes": path.stat().st_size / 1e6,
    }


def robust(config: Config, run: Run) -> Data:
    """The same for classifiers against whoever weighs their data, with mirror steps."""
    mirrors = (dg.EuclideanMirror(), dg.EntropyMirror())
    methods = {"mirror_descent": dg.MirrorDescent, "mirror_prox": dg.MirrorProx}

    def one(setting: RobustSetting) -> Data:
        table = split(setting.table, config.seed, most=config.rows)
        rows, labels = data = jnp.asarray(table.rows), jnp.asarray(table.labels)
        first = dg.nn.mlp(
            (rows.shape[1], setting.units, 1), jax.random.key(config.seed), start="antisymmetric"
        )
        value = dg.Robust(dg.neural.logistic, setting.temperature)
        game = dg.ZeroSumNetworks(value, (first, None), (setting.decay, 0.0))
        start = first, jnp.full(len(labels), 1 / len(labels))
        point = dg.solve(
            game, dg.MirrorDescent(0.2, mirrors), start, data, max_steps=20_000, tol=1e-11
        ).strategy
        name = f"robust-{setting.table}-{setting.units}-{setting.decay:g}"
        proof, found = _certificate(game, point, data, run, name)
        method = methods[proof.training.method](proof.training.step, mirrors)
        trained = dg.solve(
            game, method, start, data, max_steps=proof.training.steps, tol=0.0
        ).strategy
        return found | {
            "rows": len(rows),
            "moved": float(distance(first, point[0])),
            "method": proof.training.method,
            "step": proof.training.step,
            "largest weight, of the mean": float(point[1].max() * len(labels)),
            "accuracy": accuracies(trained[0], table),
            "left": float(distance(trained[0], point[0])),
            "Adam": by_adam(first, table, config.adam),
        }

    return run.each(config.robust, one)


def region_bounds(game: Posed, point: Any) -> Data:
    """What is proved near a point: the largest region with a margin, and one with the start.

    The region that contains the start is the one of `radius="contains_start"`. Its margin may be
    negative, and then training from the start is not proved to converge.
    """
    with ctx.workprec(PRECISION):
        asked = posed_networks(game.game, point, None, "contains_start", "point")
        proof = NetworksProof(game.game, asked, game.data)
        radii = containing(proof, stretched=True)
        margin = float(proof.bounds(radii).margin)
        shares = (1.0, WIDEST) if margin > 0 else (1 / WIDEST, 1.0)
        low, high = (radii[0] * share for share in shares)
        for _ in range(BISECTIONS):
            middle = (low * high) ** 0.5
            if proof.bounds((middle, middle)).margin > 0:
                low = middle
            else:
                high = middle
        largest = low if proof.bounds((low, low)).margin > 0 else 0.0
    return {"radius": radii[0], "margin": margin, "largest": largest, "moved": proof.away}


def frontier(config: Config, run: Run) -> Data:
    """Trains all games on breast cancer, and bounds each of them near its equilibrium."""
    table = split("breast cancer", config.seed, most=config.rows)

    def one(item: tuple[Curve, float]) -> Data:
        curve, decay = item
        game = classification(config, table, curve.units, curve.labels, decay)
        end = dg.solve(
            game.game,
            dg.Extragradient(config.step),
            game.start,
            game.data,
            max_steps=20_000,
            tol=1e-7,
        )
        return {
            "units": curve.units,
            "labels": curve.labels,
            "decay": decay,
            "accuracy": accuracies(end.strategy[0], table),
            **region_bounds(game, end.strategy),
        }

    return run.each([(curve, decay) for curve in config.curves for decay in config.decays], one)


def instrumented(config: Config) -> tuple[Any, Any, Any]:
    """Returns inputs, instruments and outputs, whose errors have moved the inputs, too."""
    keys = jax.random.split(jax.random.key(config.seed), 3)
    instruments = jax.random.uniform(keys[0], (config.samples, 2), minval=-0.7, maxval=0.7)
    shared, own = (0.2 * jax.random.normal(key, (config.samples,)) for key in keys[1:])
    inputs = instruments.at[:, 0].add(shared)
    return inputs, instruments, structural(inputs) + shared + own / 2


def moments(config: Config, run: Run) -> Data:
    """Trains and certifies games of tanh networks with instruments."""
    inputs, instruments, outputs = instrumented(config)
    fresh = jax.random.uniform(jax.random.key(config.seed + 1), (500, 2), minval=-0.7, maxval=0.7)
    truth = np.asarray(structural(fresh))

    def one(item: tuple[int, float]) -> Data:
        units, decay = item
        game, start, data = posed(
            inputs, instruments, outputs, units, decay, "tanh", config.seed + 2
        )
        end = dg.solve(
            game, dg.Extragradient(0.2), start, data, max_steps=20_000, tol=1e-10
        ).strategy
        errors = truth - np.asarray(jax.vmap(end[0])(fresh)[:, 0])
        found: dict[str, Any] = {
            "units": units,
            "decay": decay,
            "explained": 1 - (errors**2).mean() / truth.var(),
            "moved": float(distance(start, end)),
        }
        began = time.perf_counter()
        proof = certify.certify_networks(game, end, "contains_start", args=data)
        found |= {"seconds": time.perf_counter() - began, "status": proof.status}
        if proof.status != "proved":
            return found | region_bounds(Posed(game, start, data), end)
        path = proof.save(run.folder / f"instruments-{units}-{decay:g}.json")
        verdict = certify.check(path, level=2)
        return found | {
            "weights": proof.weights,
            "margin": proof.margin,
            "radius": proof.radius[0],
            "steps proved": proof.training.steps,
            "checked": verdict.ok,
            "check seconds": verdict.seconds,
        }

    return run.each([(m, d) for m in config.moment_units for d in config.moment_decays], one)


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    found: dict[str, Any] = {}
    games = [*data["certified"], *data["robust"]]
    for key, name in (
        ("weights", "weights"),
        ("contains start", "training from the start is proved to converge"),
        ("margin", "margins"),
        ("steps proved", "steps to 1e-8 that are proved to be enough"),
    ):
        found[f"certified: {name}"] = [each[key] for each in games]
    found["certified: accepted at levels 1 and 2"] = [
        len(each["checked"]) == 2 and all(each["checked"]) for each in games
    ]
    found["certified: accuracy on held-out data"] = [g["accuracy"]["held out"] for g in games]
    found["certified: the same by Adam"] = [max(g["Adam"].values()) for g in games]
    found["certified: accuracy, of that by Adam"] = [
        g["accuracy"]["held out"] / max(g["Adam"].values()) for g in games
    ]
    found["certified: largest distance on the way, of the proved one"] = [
        _largest_share(each) for each in data["certified"]
    ]
    found["certified: distance after the steps proved to be enough, robust training"] = [
        each["left"] for each in data["robust"]
    ]
    for each in data["frontier"]:
        curve = f"{each['units']} units, labels {each['labels']:g}, decay {each['decay']:g}"
        found[f"{curve}: accuracy on held-out data"] = each["accuracy"]["held out"]
        found[f"{curve}: largest radius with a margin, of the one needed"] = (
            each["largest"] / each["radius"]
        )
    rows = data["moments"]
    found["instruments: share explained"] = [each["explained"] for each in rows]
    found["instruments: margins"] = [each["margin"] for each in rows]
    found["instruments: accepted at level 2"] = [each.get("checked", False) for each in rows]
    return found


def _largest_share(each: Data) -> float:
    """The largest distance from the equilibrium on a run, as a share of what is proved of it."""
    steps, distances = np.array(each["steps"]), np.array(each["distances"])
    far = distances > 1e-7 * distances[0]  # those below are of roundings
    return float((distances / (distances[0] * each["rate"] ** steps))[far].max())


def frontier_figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws accuracy, and the radius that is certified beside the one needed, over decay."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.4), layout="constrained")
    looks = zip(COLOURS, (("^", 7), ("s", 10), ("o", 5)), config.curves, strict=False)
    for colour, (marker, size), curve in looks:
        own = [
            each
            for each in data["frontier"]
            if (each["units"], each["labels"]) == (curve.units, curve.labels)
        ]
        decays = [each["decay"] for each in own]
        scores = [each["accuracy"]["held out"] for each in own]
        look = {"color": colour, "marker": marker, "markersize": size}
        label = f"{curve.units} units, labels ±{curve.labels:g}"
        left.semilogx(decays, scores, linewidth=1.2, label=label, **look)
        for each, score in zip(own, scores, strict=True):
            if not each["margin"] > 0:
                left.plot(each["decay"], score, markerfacecolor="white", **look)
        right.loglog(decays, [each["largest"] or np.nan for each in own], color=colour)
        right.loglog(decays, [each["radius"] for each in own], ":", color=colour)
    adam = max(data["certified"][0]["Adam"].values())
    left.axhline(adam, color="0.5", linewidth=1, label="by Adam, nothing proved")
    left.axhline(0.9 * adam, color="0.7", linewidth=1, linestyle="--", label="90 % of that")
    left.set_title("accuracy on held-out data; full: proved from the start", size="medium")
    right.set_title("radius of weights; dotted: needed for the start", size="medium")
    for ax in (left, right):
        ax.set_xlabel("decay of the model")
        ax.set_xticks(config.decays, [f"{decay:g}" for decay in config.decays])
        ax.set_xticks([], minor=True)
        ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    return figure


def training_figure(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws distances from the equilibrium with the certified step, beside the proved rate."""
    count = len(config.settings)
    figure, axes = plt.subplots(
        1, count, figsize=(3.4 * count, 3.2), layout="constrained", squeeze=False
    )
    for ax, setting, each in zip(axes[0], config.settings, data["certified"], strict=True):
        steps, distances = np.array(each["steps"]), np.array(each["distances"])
        ax.semilogy(steps, distances[0] * each["rate"] ** steps, "k--", label="proved")
        ax.semilogy(steps, distances, color=COLOURS[0], label="extragradient")
        ax.set(ylim=(1e-8 * distances[0], 3 * distances[0]), xlabel="step")
        ax.set_title(f"{setting.table}, labels ±{setting.labels:g}", size="medium")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_ylabel("distance")
    axes[0, 0].legend(frameon=False)
    return figure


STUDY = Study(
    name="neural_frontier",
    summary="Networks trained with a guarantee on real data: what decay proves and costs",
    config=Config(),
    quick=Config(
        rows=40,
        settings=(Setting("breast cancer", 32, 0.1, 0.25),),
        robust=(RobustSetting("digits", 32, 0.8, 1.0),),
        curves=(Curve(32, 0.1),),
        decays=(0.4, 0.05),
        adam=100,
        moment_units=(64,),
        moment_decays=(0.8,),
        samples=16,
    ),
    stages={"certified": certified, "robust": robust, "frontier": frontier, "moments": moments},
    numbers=numbers,
    figures={"frontier": frontier_figure, "training": training_figure},
)
