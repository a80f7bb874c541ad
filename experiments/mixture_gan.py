"""A generative adversarial network on a ring of eight Gaussians, trained with complex momentum.

Generator and discriminator are small networks, two players of a general-sum game with the
non-saturating loss. Complex momentum and complex Adam are swept over modulus, angle and step;
plain gradients, negative momentum, extragradient, optimistic steps and Adam are compared with them
after as many evaluations of the pseudo-gradient. Quality is the sliced Wasserstein distance to
fresh data and the number of modes that the generator covers, the median over the last checkpoints.

Nothing is proved here. Training is chaotic: another seed, machine or version of a library gives
other numbers, so they are compared with wide bounds only. And the best of many settings looks
better than it is: complex momentum is given far more of them than the others, so that a small lead
is none. The networks and settings of the paper (Lorraine et al., arXiv:2102.08431) were not
available; these are ours.

What comes out: both forms of Adam do best. Of the others, small angles do, up to pi / 8; there
complex momentum is less sensitive to the modulus than real momentum, but its best setting is not
better, and which one is best changes with the seeds.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib.figure import Figure

import dgames as dg
from experiments.mixture.ring import CENTRES, TYPE, data_batch, gan, networks, quality
from experiments.stages import Run
from experiments.storage import Data
from experiments.study import Study


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seeds: The seeds of networks and data; every cell is trained with each of them.
        evaluations: The evaluations of the pseudo-gradient in each training.
        batch: Samples of data, and of noise, per evaluation.
        width: The width of both hidden layers of both networks.
        noise: Dimension of the generator's input.
        checkpoints: How often the quality is measured; the last 3 count.
        samples: How many samples measure it.
        steps: Step sizes of complex momentum.
        moduli: Its moduli.
        angles: Its angles, in units of pi.
        methods: What it is compared with, of `METHODS`.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    evaluations: int = 4000
    batch: int = 128
    width: int = 32
    noise: int = 2
    checkpoints: int = 10
    samples: int = 1000
    steps: tuple[float, ...] = (0.01, 0.02, 0.04)
    moduli: tuple[float, ...] = (0.3, 0.5, 0.7, 0.8, 0.9)
    angles: tuple[float, ...] = (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
    methods: tuple[str, ...] = (
        "gradient",
        "negative momentum",
        "extragradient",
        "optimistic",
        "Adam",
        "complex Adam",
    )


class Contestant(NamedTuple):
    """A method: how to make it, evaluations per step, and the parameters that are tried."""

    make: Callable[..., dg.AbstractMethod]
    cost: int
    grid: tuple[tuple[float, ...], ...]


def _grid(*axes: tuple[float, ...]) -> tuple[tuple[float, ...], ...]:
    return tuple(zip(*(a.ravel().tolist() for a in np.meshgrid(*axes)), strict=True))


def complex_momentum(step: Any, modulus: Any, angle: Any) -> dg.Optax:
    """Complex momentum by its optax transformation, the angle in units of pi."""
    return dg.Optax(dg.transforms.complex_momentum(step, modulus, np.pi * angle))


STEPS = (0.01, 0.02, 0.04, 0.08)
METHODS = {
    "gradient": Contestant(dg.Simultaneous, 1, _grid(STEPS)),
    "negative momentum": Contestant(lambda h, b: dg.Momentum(h, b), 1, _grid(STEPS, (-0.3, -0.7))),
    "extragradient": Contestant(dg.Extragradient, 2, _grid((*STEPS, 0.16))),
    "optimistic": Contestant(dg.Optimistic, 1, _grid(STEPS)),
    "Adam": Contestant(
        lambda h, b: dg.Optax(optax.adam(h, b)), 1, _grid((1e-3, 3e-3, 1e-2), (0.0, 0.5, 0.9))
    ),
    "complex Adam": Contestant(
        lambda h, m, a: dg.Optax(dg.transforms.complex_adam(h, m, np.pi * a)),
        1,
        _grid((3e-4, 1e-3, 3e-3), (0.5, 0.9), (0.125, 0.25)),
    ),
}


def train(config: Config, contestant: Contestant, seed: int, grid: Any) -> Data:
    """Trains with all parameters of a grid at once."""
    columns = tuple(jnp.asarray(column, TYPE) for column in zip(*grid, strict=True))
    results, samples, finite = _trainer(config, contestant.make, contestant.cost)(
        jax.random.key(seed), columns
    )
    return {
        "parameters": grid,
        "distance": np.asarray(results[:, 0]),
        "modes": np.asarray(results[:, 1]),
        "near": np.asarray(results[:, 2]),
        "finite": np.asarray(finite),
        "samples": np.asarray(samples, float).round(3),
    }


@functools.cache
def _trainer(config: Config, make: Callable[..., dg.AbstractMethod], cost: int) -> Any:
    """Returns a training function, compiled once for each kind of method."""
    field = dg.pseudo_gradient(gan(config.width, config.noise))
    length = config.evaluations // cost // config.checkpoints

    def noise(key, number):
        return jax.random.normal(key, (number, config.noise), TYPE)

    def one(key, parameters):
        method = make(*parameters)
        first, second, third = jax.random.split(key, 3)
        x, static = eqx.partition(networks(config.width, config.noise, first), eqx.is_array)

        def batch(i):
            data, inputs = jax.random.split(jax.random.fold_in(second, i))
            return data_batch(data, config.batch), noise(inputs, config.batch)

        def step(carry, i):
            x, state = carry
            return method.step(field, x, state, batch(i)), None

        def generated(x, key):
            generator = eqx.combine(x, static)["generator"]
            return jax.vmap(generator)(noise(key, config.samples))

        def checkpoint(carry, k):
            carry, _ = jax.lax.scan(step, carry, k * length + jnp.arange(length))
            inputs, data = jax.random.split(jax.random.fold_in(third, k))
            fake = generated(carry[0], inputs)
            return carry, quality(fake, data_batch(data, config.samples))

        carry = x, method.init(field, x, batch(0))
        (x, _), qualities = jax.lax.scan(checkpoint, carry, jnp.arange(config.checkpoints))
        finite = jnp.isfinite(dg.ravel(x)[0]).all()
        return jnp.median(qualities[-3:], axis=0), generated(x, third)[:300], finite

    return jax.jit(jax.vmap(one, in_axes=(None, 0)))


def sweep(config: Config, run: Run) -> Data:
    """Complex momentum over moduli and angles, for every step and seed."""
    contestant = Contestant(complex_momentum, 1, ())

    def each(item: tuple[float, int]) -> Data:
        step, seed = item
        grid = _grid((step,), config.moduli, config.angles)
        return {"step": step, "seed": seed, **train(config, contestant, seed, grid)}

    return run.each([(h, seed) for h in config.steps for seed in config.seeds], each)


def comparison(config: Config, run: Run) -> Data:
    """Trains with the other methods, over their own parameters."""

    def each(item: tuple[str, int]) -> Data:
        name, seed = item
        chosen = METHODS[name]
        return {"method": name, "seed": seed, **train(config, chosen, seed, chosen.grid)}

    return run.each([(name, seed) for name in config.methods for seed in config.seeds], each)


def again(config: Config, run: Run) -> Data:
    """Repeats the first training of the comparison."""
    name, seed = config.methods[0], config.seeds[0]
    return train(config, METHODS[name], seed, METHODS[name].grid)


def _cells(data: Mapping[str, Data]) -> dict[str, list[dict[str, Any]]]:
    """Returns every setting of each method, with the median of its results over the seeds."""
    methods: dict[str, dict[Any, list[Any]]] = {}
    for entry in [*data["sweep"], *data["comparison"]]:
        settings = methods.setdefault(entry.get("method", "complex momentum"), {})
        for k, parameters in enumerate(entry["parameters"]):
            # A training that diverged counts as infinitely far away.
            distance = entry["distance"][k] if entry["finite"][k] else np.inf
            result = distance, entry["modes"][k], entry["near"][k], entry["samples"][k]
            settings.setdefault(tuple(parameters), []).append(result)
    return {
        name: [
            {
                "parameters": parameters,
                "distance": float(np.median([result[0] for result in results])),
                "modes": float(np.median([result[1] for result in results])),
                "near": float(np.median([result[2] for result in results])),
                "samples": results[0][3],
            }
            for parameters, results in settings.items()
        ]
        for name, settings in methods.items()
    }


def _by_method(data: Mapping[str, Data]) -> dict[str, list[dict[str, Any]]]:
    """Returns `_cells` with the sweep at angle 0 as positive momentum.

    At angle 1 it is negative momentum, which has settings of its own in the comparison.
    """
    methods = _cells(data)
    swept = methods.pop("complex momentum")
    return {
        "complex momentum": [c for c in swept if c["parameters"][2] not in (0.0, 1.0)],
        "positive momentum": [c for c in swept if c["parameters"][2] == 0.0],
        **methods,
    }


def _best(cells: list[dict[str, Any]]) -> dict[str, Any]:
    return min(cells, key=lambda cell: (not np.isfinite(cell["distance"]), cell["distance"]))


def _by_polar(cells: list[dict[str, Any]]) -> dict[tuple[float, float], dict[str, Any]]:
    """Returns the cell of complex momentum with the best step, by modulus and angle."""
    keys = {cell["parameters"][1:] for cell in cells}
    return {key: _best([c for c in cells if c["parameters"][1:] == key]) for key in keys}


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    cells = _cells(data)
    result: dict[str, Any] = {}
    for name, settings in _by_method(data).items():
        best = _best(settings)
        result |= {
            f"distance, {name}": best["distance"],
            f"modes, {name}": best["modes"],
            f"share of settings that cover 7 modes, {name}": float(
                np.mean([cell["modes"] >= 7 for cell in settings])
            ),
        }
    real, complex_ = (
        [c for c in cells["complex momentum"] if (c["parameters"][2] in (0.0, 1.0)) == real]
        for real in (True, False)
    )
    by_angle: dict[float, list[float]] = {}
    for (_, angle), cell in _by_polar(cells["complex momentum"]).items():
        by_angle.setdefault(angle, []).append(cell["distance"])
    means = {angle: float(np.mean(distances)) for angle, distances in by_angle.items()}
    first, second = data["comparison"][0], data["again"]
    return result | {
        "angle of the best momentum": _best(cells["complex momentum"])["parameters"][2],
        "angle with the best mean over moduli": min(means, key=lambda angle: means[angle]),
        "mean distance at the best complex angle over that of positive momentum": min(
            means[angle] for angle in means if angle not in (0.0, 1.0)
        )
        / means[0.0],
        "best distance at a complex angle over that at a real one": _best(complex_)["distance"]
        / _best(real)["distance"],
        "trainings that stayed finite": float(
            np.mean([e for entry in data["sweep"] for e in entry["finite"]])
        ),
        "the same seed gives the same numbers": first["samples"] == second["samples"]
        and first["distance"] == second["distance"],
    }


def heat(config: Config, data: Mapping[str, Data]) -> Figure:
    """Distance and modes by angle and modulus, at the best step of each cell."""
    shape = len(config.moduli), len(config.angles)
    distances, modes = np.zeros(shape), np.zeros(shape)
    for (modulus, angle), cell in _by_polar(_cells(data)["complex momentum"]).items():
        where = config.moduli.index(modulus), config.angles.index(angle)
        distances[where], modes[where] = cell["distance"], cell["modes"]
    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    low, high = distances.min(), 2 * distances.min()
    image = axis.imshow(
        distances, origin="lower", cmap="viridis_r", aspect="auto", vmin=low, vmax=high
    )
    for (row, column), covered in np.ndenumerate(modes):
        text = f"{distances[row, column]:.2f}\n{covered:g} modes"
        color = "black" if distances[row, column] < (low + high) / 2 else "white"
        axis.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
    axis.set(
        xlabel="angle of the momentum, in units of pi",
        ylabel="modulus",
        xticks=range(shape[1]),
        xticklabels=[f"{angle:g}" for angle in config.angles],
        yticks=range(shape[0]),
        yticklabels=[f"{modulus:g}" for modulus in config.moduli],
    )
    axis.set_title(f"complex momentum, best step, {config.evaluations} evaluations", size=10)
    figure.colorbar(image, ax=axis, label="sliced Wasserstein distance", extend="max")
    return figure


def samples(config: Config, data: Mapping[str, Data]) -> Figure:
    """Samples of the best setting of each method."""
    cells = _by_method(data)
    columns = 4
    rows = -(-len(cells) // columns)
    size = 2.6 * columns, 2.8 * rows
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    for axis, (name, settings) in zip(axes.ravel(), cells.items(), strict=False):
        best = _best(settings)
        points = np.array(best["samples"])
        axis.plot(*CENTRES.T, "o", color="0.8", markersize=13)
        axis.plot(*points.T, ".", color="C0", markersize=2)
        axis.set(xlim=(-2.9, 2.9), ylim=(-2.9, 2.9), aspect="equal")
        values = ", ".join(f"{value:g}" for value in best["parameters"])
        axis.set_title(
            f"{name} ({values})\n{best['distance']:.2f}, {best['modes']:g} modes", size=8
        )
    return figure


STUDY = Study(
    name="mixture_gan",
    summary="A GAN on eight Gaussians: complex momentum and complex Adam over modulus and angle",
    config=Config(),
    quick=Config(
        seeds=(0,),
        evaluations=200,
        batch=32,
        width=8,
        checkpoints=5,
        samples=200,
        steps=(0.04,),
        moduli=(0.5, 0.9),
        angles=(0.0, 0.25),
        methods=("complex Adam",),
    ),
    stages={"sweep": sweep, "comparison": comparison, "again": again},
    numbers=numbers,
    figures={"heat": heat, "samples": samples},
)
