"""What the study of a small neural game depends on, and the games that it describes."""

import dataclasses
import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from experiments.neural.game import FineTuning, pretrained


@dataclass(frozen=True)
class Config:
    """The configuration of the study.

    Attributes:
        seed: The seed of the first weights and of all runs.
        units: Hidden units of critic and generator.
        noise: The inputs of the generator, which has learnt to return the same numbers.
        shift: The difference of the new data from the old data.
        weights: Strengths of the pull to the first weights.
        weight: The strength of the closer look, one of them.
        radius: Half-width of the box of the closer look.
        cells: The most cells of a proof.
        radii: Half-widths of the boxes that are tried for each strength, until one has no proof.
        tolerance: The relative tolerance of the largest step of the direct route.
        step_cells: The most cells of a proof on that route.
        runs: Training runs from the basin, and from each other kind of start.
        steps: The number of steps of each run.
        batch_step: Step size of training with mini-batches.
        batch_steps: How many of these steps, a multiple of 100; none at all if zero.
        sizes: Further games, by their hidden units.
        size_radius: Half-width of their boxes.
    """

    seed: int = 0
    units: tuple[int, int] = (2, 2)
    noise: tuple[float, ...] = (-1.0, 0.0, 1.0)
    shift: float = 0.3
    weights: tuple[float, ...] = (0.03, 0.1, 0.2, 0.3, 0.6, 1.0, 2.0, 4.0)
    weight: float = 0.6
    radius: float = 0.03
    cells: int = 64
    radii: tuple[float, ...] = (0.003, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15)
    tolerance: float = 0.02
    step_cells: int = 64
    runs: int = 128
    steps: int = 400
    batch_step: float = 1e-3
    batch_steps: int = 20_000
    sizes: tuple[tuple[int, int], ...] = ((4, 4), (7, 7))
    size_radius: float = 0.003


def game_of(config: Config, weight: float, units: tuple[int, int] | None = None) -> FineTuning:
    """The game with one strength of the pull."""
    game = _tuned(units or config.units, config.noise, config.shift, config.seed)
    return dataclasses.replace(game, weight=jnp.asarray(weight))


@functools.lru_cache(maxsize=8)
def _tuned(units: tuple[int, int], noise: tuple[float, ...], shift: float, seed: int) -> FineTuning:
    points = jnp.array(noise)
    return pretrained(units, points, points + shift, points, 1.0, jax.random.key(seed))
