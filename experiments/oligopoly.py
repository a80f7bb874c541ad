"""Five firms: a published equilibrium, and how far around it the game is proved to contract.

Murphy, Sherali and Soyster, *A mathematical programming approach for determining oligopolistic
market equilibrium*, Mathematical Programming 24 (1982). Firms choose quantities; costs and demand
are powers of them. On boxes around the equilibrium, the margin is sampled (an upper bound on what
can be proved), proved cell by cell, and proved from constants of the whole box by small gain, which
gives out first.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
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
        seed: The seed of the sampled points.
        radii: Half-widths of the boxes, in units of output.
        samples: Points in each box.
        tightness: The share of what more cells could prove at which a search stops.
    """

    seed: int = 0
    radii: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0)
    samples: int = 3000
    tightness: float = 0.97


def equilibrium(config: Config, run: Run) -> Data:
    """Finds the point to which extragradient steps from equal outputs converge."""
    game = dg.games.Oligopoly.murphy_sherali_soyster()
    start = tuple(jnp.array(30.0) for _ in range(5))
    solution = dg.solve(game, dg.Extragradient(0.5), start, max_steps=20_000, tol=1e-10)
    return {
        "outputs": [float(output) for output in solution.strategy],
        "steps": int(solution.steps),
    }


def sampled_margin(game: dg.Game, center: Any, radius: float, config: Config) -> float:
    """The least eigenvalue of the symmetric part of the Jacobian, at corners and random points."""
    corners = np.array(list(itertools.product((-1.0, 1.0), repeat=len(center))))
    inside = jax.random.uniform(
        jax.random.key(config.seed), (config.samples, len(center)), minval=-1.0, maxval=1.0
    )
    offsets = radius * jnp.concatenate([jnp.asarray(corners), inside])

    middle = jnp.asarray(center)

    @jax.vmap
    def least(offset: Array) -> Array:
        jacobian = jax.jacfwd(lambda x: jnp.stack(dg.pseudo_gradient(game)(tuple(x))))(
            middle + offset
        )
        return jnp.linalg.eigvalsh((jacobian + jacobian.T) / 2)[0]

    return float(least(offsets).min())


def margins(config: Config, run: Run) -> Data:
    """The margin over each box: sampled, proved by cells, proved by constants."""
    game = dg.games.Oligopoly.murphy_sherali_soyster()
    center = tuple(jnp.array(output) for output in run.data["equilibrium"]["outputs"])

    def on(radius: float) -> Data:
        region = certify.Box.around(center, radius)
        proof = certify.certify(
            game, region, [dg.Simultaneous], search=certify.Search(tightness=config.tightness)
        )
        path = proof.save(run.folder / f"radius-{radius:g}.json.gz")
        return {
            "sampled": sampled_margin(game, center, radius, config),
            "proved": proof.margin,
            "small_gain": proof.small_gain.margin,
            "cells": proof.cells,
            "step": proof.step_sizes["simultaneous"].max,
            "width": max(
                float(jnp.abs(high - low))
                for low, high in zip(proof.equilibrium.lower, proof.equilibrium.upper, strict=True)
            ),
            "checked": certify.check(path, level=1 if radius > 5 else 2).ok,
        }

    return dict(zip(map(str, config.radii), run.each(config.radii, on), strict=True))


def numbers(data: Mapping[str, Data]) -> dict[str, Any]:
    """The numbers of the study."""
    margins = data["margins"]
    named = {f"radius {float(radius):g}": each for radius, each in margins.items()}
    sampled = {f"{name}: sampled margin": each["sampled"] for name, each in named.items()}
    proved = {f"{name}: proved margin": each["proved"] for name, each in named.items()}
    gain = {f"{name}: margin by small gain": each["small_gain"] for name, each in named.items()}
    return {
        "outputs": data["equilibrium"]["outputs"],
        "certificates accepted by the checker": all(each["checked"] for each in margins.values()),
        "width of the enclosures": max(each["width"] for each in margins.values()),
        **sampled,
        **proved,
        **gain,
    }


def curves(config: Config, data: Mapping[str, Data]) -> Figure:
    """Draws margins over the half-width of the box."""
    margins = [data["margins"][str(radius)] for radius in config.radii]
    figure, ax = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
    ax.axhline(0, color="0.8", linewidth=1)
    lines = (
        ("sampled", "sampled: at most this", "k:"),
        ("proved", "proved, by cells", "C2o-"),
        ("small_gain", "proved, by constants of the box", "C1s--"),
    )
    for name, label, style in lines:
        ax.plot(config.radii, [each[name] for each in margins], style, label=label)
    ax.set(xlabel="half-width of the box", ylabel="margin")
    ax.set_ylim(bottom=min(-0.06, np.min([each["proved"] for each in margins])))
    ax.legend(frameon=False)
    return figure


STUDY = Study(
    name="oligopoly",
    summary="Five firms: a published equilibrium, and margins proved around it",
    config=Config(),
    quick=Config(radii=(1.0, 5.0, 10.0), samples=300),
    stages={"equilibrium": equilibrium, "margins": margins},
    numbers=numbers,
    figures={"margins": curves},
)
