"""Measures cells by the margin and the Lipschitz constant that a metric has on them."""

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np

from certify.jacobian.enclosure_choice import DefiniteEnclosure
from certify.jacobian.evaluator import Evaluator, evaluator
from certify.jacobian.family import AffineFamily, mirrored, unstacked
from certify.metric.cell_lipschitz import lipschitz_bounds
from certify.metric.cell_margin import margin_bounds, reduced
from certify.metric.metric import Weighting
from certify.metric.objective import LIPSCHITZ_POWER, Objective
from certify.problem.field import FlatField
from certify.prove.family_measure import FamilyMeasure
from certify.search.measure import Cell, Measured, Merit

# How many blocks are on each device, or sent to each process, at a time, unless the user says.
BLOCKS = 16
# Lipschitz constants are taken to be in this range, so that they have powers and inverses.
_STEEPNESS = (1e-100, 1e100)


def in_process(
    field: FlatField,
    weighting: Weighting,
    enclosure: DefiniteEnclosure,
    objective: Objective = "margin",
    *,
    batch_size: int | None = None,
    compile: bool = True,
) -> FamilyMeasure:
    """Measures cells in this process, on all its devices.

    Args:
        field: The pseudo-gradient as a function of vectors.
        weighting: The metric: one weight per coordinate, or a matrix.
        enclosure: How Jacobians are enclosed.
        objective: What is to be large; for "step" and "rate" it has two figures of merit, the
            margin and a power of the inverse of the Lipschitz constant.
        batch_size: Cells at a time, rounded up to whole blocks on all devices.
        compile: As for `evaluator`.
    """
    program = evaluator(field, enclosure, compile=compile)
    step = program.width * program.devices
    size = BLOCKS * step if batch_size is None else rounded_up(batch_size, step)

    def run(cells: list[Cell]) -> Iterator[Measured[AffineFamily]]:
        for batch in batches(cells, size):
            yield from measured(program, batch, weighting, objective)

    return FamilyMeasure(run)


def measured(
    program: Evaluator, cells: list[Cell], weighting: Weighting, objective: Objective = "margin"
) -> list[Measured[AffineFamily]]:
    """Measures a batch of cells, which starts with a whole block.

    Args:
        program: From `evaluator`.
        cells: Any number of them; the last block is filled up with copies, whose results are
            thrown away.
        weighting: The metric: one weight per coordinate, or a matrix.
        objective: What is to be large.
    """
    width, devices = program.width, program.devices
    step = width * devices
    # All programs are started before the first result is waited for.
    started = []
    for first in range(0, len(cells), step):
        part = cells[first : first + step]
        filled = part + part[:1] * (step - len(part))
        lower, upper = (np.stack(corners) for corners in zip(*filled, strict=True))
        started.append((program.blocks(lower, upper), len(part)))
    return [
        known
        for families, count in started
        for known in _bounded(
            jax.tree.map(np.asarray, families), count, program, weighting, objective
        )
    ]


def _bounded(
    families: AffineFamily,
    count: int,
    program: Evaluator,
    weighting: Weighting,
    objective: Objective,
) -> Iterator[Measured[AffineFamily]]:
    """Yields the first `count` cells of a few blocks, with bounds computed block by block."""
    width, signs = program.width, program.signs
    for first in range(0, count, width):
        block = jax.tree.map(lambda part, at=first: part[at : at + width], families)
        block = reduced(mirrored(block, signs))
        merits = _merits(block, weighting, signs, objective, program.selectors)
        # The shares, by far the largest part, have been turned into scores and are dropped.
        shares = np.broadcast_to(np.float64(0.0), np.asarray(block.share).shape)
        generators = np.ascontiguousarray(block.generators)
        block = dataclasses.replace(block, generators=generators, share=shares)
        for k, family in zip(range(min(width, count - first)), unstacked(block), strict=False):
            yield Measured(family, merits[k])


def _merits(
    block: AffineFamily,
    weighting: Weighting,
    signs: np.ndarray,
    objective: Objective,
    selectors: int,
) -> list[tuple[Merit, ...]]:
    """Returns the figures of merit of each cell of a block, whose product is the objective."""
    bounds, power = margin_bounds(block, weighting, signs), LIPSCHITZ_POWER[objective]
    peak, steepest = bounds.peak, -np.inf
    if selectors:
        both = _at_kinks(block, selectors)
        peak = np.minimum(peak, margin_bounds(both, weighting, signs).margin)
        steepest = lipschitz_bounds(both, weighting).norm if power else steepest
    merits = [_each(bounds.margin, peak, bounds.scores)]
    if power:
        steepness = lipschitz_bounds(block, weighting)
        least = np.maximum(steepness.floor, steepest)
        norm, floor = (np.clip(end, *_STEEPNESS) for end in (steepness.norm, least))
        merits.append(_each(power / norm**power, power / floor**power, steepness.scores))
    return list(zip(*merits, strict=True))


def _at_kinks(block: AffineFamily, selectors: int) -> AffineFamily:
    """Returns what is left of families on cells around kinks, however small these cells are.

    They have the Jacobians of both sides.
    """
    size, generators = block.centre.shape[-1], np.asarray(block.generators).copy()
    generators[:, :size] = generators[:, size + selectors :] = 0.0
    remainder = np.zeros_like(np.asarray(block.remainder))
    return dataclasses.replace(block, generators=generators, remainder=remainder)


def _each(value: np.ndarray, peak: np.ndarray, scores: np.ndarray) -> list[Merit]:
    """Returns one figure of merit of each cell."""
    return list(map(Merit, value.tolist(), peak.tolist(), scores))


def batches(cells: list[Cell], size: int) -> Iterator[list[Cell]]:
    """Yields the cells of a round in batches of a given size."""
    for first in range(0, len(cells), size):
        yield cells[first : first + size]


def rounded_up(size: int, step: int) -> int:
    """Returns the smallest multiple of a step that is at least `size`.

    Example:
        >>> rounded_up(1, 16), rounded_up(32, 16), rounded_up(33, 16)
        (16, 32, 48)
    """
    return -(-size // step) * step
