"""Measures cells: encloses the Jacobian on each of them and bounds its margin, in fixed blocks.

The last bits of what XLA and BLAS compute depend on the shapes they are given, and a search that
decides by them would depend on how its cells were batched. So cells are measured in blocks of one
fixed shape, by one compiled program, each cell at a place that depends on nothing but its place in
the round: a bigger batch is more blocks, and more devices or processes are more blocks at a time.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from certify.checker.rederive import entries
from certify.enclosure.interval import Interval
from certify.enclosure.margins import flush
from certify.enclosure.programs.compiling import compiled, for_once, on_arrays
from certify.graph.trace import graph_of
from certify.jacobian.by_jaxpr import Form, is_smooth, jacobian_family, jacobian_form
from certify.jacobian.by_taylor import taylor_family
from certify.jacobian.family import AffineFamily, mirrored, unstacked
from certify.metric.cell_margin import margin_bounds, reduced
from certify.metric.metric import Weighting
from certify.problem.field import FlatField

# Cells of a block, unless their Jacobians are so large that fewer have to do.
WIDTH = 16
# Numbers in the largest array of a block, about.
_MEMORY = 2**22
# Blocks on each device, or sent to each process, at a time unless the user says how many.
BLOCKS = 16


class Cell(NamedTuple):
    """A box: its corners, as vectors."""

    lower: np.ndarray
    upper: np.ndarray


class Measured(NamedTuple):
    """What is known of one cell: its family proves, the rest is floating point and guides.

    Attributes:
        family: Encloses the Jacobian over the cell.
        margin: Of the family in the metric.
        peak: An upper bound on what smaller cells could reach.
        scores: What a cut of each coordinate could gain.
    """

    family: AffineFamily
    margin: float
    peak: float
    scores: np.ndarray


class Evaluator(NamedTuple):
    """The enclosure of one block of cells on each device, compiled unless it is by NumPy.

    Attributes:
        blocks: From the corners of `devices * width` cells to their families.
        width: Cells of a block.
        devices: Blocks at a time.
        signs: Which entries mirror each other (see `symmetry`).
    """

    blocks: Callable[[np.ndarray, np.ndarray], AffineFamily]
    width: int
    devices: int
    signs: np.ndarray


# From the cells of a round to what is known of each, in the same order.
Measure = Callable[[list[Cell]], Iterable[Measured]]


@functools.lru_cache(maxsize=32)
def evaluator(field: FlatField, form: Form | None = None, *, quickly: bool = False) -> Evaluator:
    """Compiles the enclosures of a field for the devices of this process, once.

    Args:
        field: The pseudo-gradient as a function of vectors.
        form: How Jacobians are enclosed; the best one when not given.
        quickly: Whether to run them operation by operation instead, on one device.
    """
    n = field.dimension
    form = form or jacobian_form(field.function, n)
    width = block_width(field, form)
    if form == "taylor":
        return Evaluator(_by_taylor(field, width), width, 1, field.signs)
    family = jacobian_family(field.function, form)
    smooth_costs = is_smooth(field.costs, form)

    def evaluate(lower: Any, upper: Any) -> AffineFamily:
        # A jump of a cost leaves no trace in its gradient, which is then the gradient of nothing.
        smooth = smooth_costs(flush(Interval(lower, upper)))
        found = family(lower, upper)
        return dataclasses.replace(found, finite=found.finite & smooth)

    if quickly or form == "constant":  # of which there is one cell
        block = jax.ShapeDtypeStruct((width, n), jnp.float64)
        once = jax.vmap(evaluate) if quickly else for_once(jax.vmap(evaluate), block, block)
        return Evaluator(on_arrays(once), width, 1, field.signs)
    devices = jax.local_devices()
    # Compiled ahead of the first call: a block of another shape would be an error, not another
    # compilation.
    corner = jax.ShapeDtypeStruct((width * len(devices), n), jnp.float64)
    program = compiled(_sharded(jax.vmap(evaluate), devices).trace(corner, corner))
    return Evaluator(program, width, len(devices), field.signs)


def _by_taylor(field: FlatField, width: int) -> Callable[[np.ndarray, np.ndarray], AffineFamily]:
    """Families from the expression graph, where the code of the costs itself is smooth, too.

    The graph was read from the code, but it is another program. So the code is asked as well,
    whether it is defined on a cell and makes no choice there that is not decided.
    """
    of_costs = field.is_gradient or field.natural is not None
    made = entries([*field.sizes], field.zero_sum, of_costs)
    family = taylor_family(graph_of(field), made, field.natural)
    smooth_costs = is_smooth(field.costs, "interval")
    corner = jax.ShapeDtypeStruct((width, field.dimension), jnp.float64)
    smooth_code = for_once(
        jax.vmap(lambda lower, upper: smooth_costs(Interval(lower, upper))), corner, corner
    )

    def evaluate(lower: np.ndarray, upper: np.ndarray) -> AffineFamily:
        found = family(lower, upper)
        smooth = np.asarray(smooth_code(jnp.asarray(lower), jnp.asarray(upper)))
        # Nothing tells which coordinate is to blame: the widest is.
        width = np.broadcast_to((upper - lower)[:, :, None, None], found.share.shape)
        share = np.where((found.finite & ~smooth)[:, None, None, None], width, found.share)
        return dataclasses.replace(found, share=share, finite=found.finite & smooth)

    return evaluate


def block_width(field: FlatField, form: Form) -> int:
    """Cells of a block: a matter of the game alone."""
    if form == "constant":  # then there is one cell
        return 1
    entries = field.dimension ** (4 if form in ("affine", "taylor") else 3)
    return int(np.clip(_MEMORY // entries, 1, WIDTH))


def _sharded(block: Callable, devices: list[Any]) -> Any:
    """One block on each device; on a single one, the block itself."""
    if len(devices) == 1:
        return jax.jit(block)
    mesh = Mesh(np.array(devices), ("cells",))
    spec = PartitionSpec("cells")
    # Every device runs the program of one block as it stands; nothing is to be checked or merged.
    each = jax.shard_map(block, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    return jax.jit(each, in_shardings=NamedSharding(mesh, spec))


def batches(cells: list[Cell], size: int) -> Iterator[list[Cell]]:
    """The cells of a round, so many at a time."""
    for first in range(0, len(cells), size):
        yield cells[first : first + size]


def rounded_up(size: int, step: int) -> int:
    """The smallest multiple of a step that is no smaller.

    Example:
        >>> rounded_up(1, 16), rounded_up(32, 16), rounded_up(33, 16)
        (16, 32, 48)
    """
    return -(-size // step) * step


def measure(compiled: Evaluator, cells: list[Cell], weights: Weighting) -> list[Measured]:
    """Measures a batch of cells, which starts with a whole block.

    Args:
        compiled: From `evaluator`.
        cells: Any number of them; the last block is filled up with copies, whose results are
            thrown away.
        weights: The metric: one weight per coordinate, or a matrix.
    """
    width, devices = compiled.width, compiled.devices
    step = width * devices
    # All programs are started before the first result is waited for.
    started = []
    for first in range(0, len(cells), step):
        part = cells[first : first + step]
        filled = part + part[:1] * (step - len(part))
        lower, upper = (np.stack(corners) for corners in zip(*filled, strict=True))
        started.append((compiled.blocks(lower, upper), len(part)))
    return [
        known
        for families, count in started
        for known in _bounded(jax.tree.map(np.asarray, families), count, compiled, weights)
    ]


def _bounded(
    families: AffineFamily, count: int, compiled: Evaluator, weights: np.ndarray
) -> Iterator[Measured]:
    """The first `count` cells of a few blocks, with their bounds, computed block by block."""
    width, signs = compiled.width, compiled.signs
    for first in range(0, count, width):
        block = jax.tree.map(lambda part, at=first: part[at : at + width], families)
        block = reduced(mirrored(block, signs))
        bounds = margin_bounds(block, weights, signs)
        # The shares have become scores; they are by far the largest part.
        shares = np.broadcast_to(np.float64(0.0), np.shape(block.share))
        generators = np.ascontiguousarray(block.generators)
        block = dataclasses.replace(block, generators=generators, share=shares)
        margins, peaks = bounds.margin.tolist(), bounds.peak.tolist()
        for k, family in zip(range(min(width, count - first)), unstacked(block), strict=False):
            yield Measured(family, margins[k], peaks[k], bounds.scores[k])


def in_process(
    field: FlatField,
    weights: Weighting,
    *,
    form: Form | None = None,
    batch_size: int | None = None,
    quickly: bool = False,
) -> Measure:
    """Measures cells in this process, on all its devices.

    Args:
        field: The pseudo-gradient as a function of vectors.
        weights: The metric: one weight per coordinate, or a matrix.
        form: How Jacobians are enclosed; the best one when not given.
        batch_size: Cells at a time, rounded up to whole blocks on all devices.
        quickly: As for `evaluator`.
    """
    program = evaluator(field, form, quickly=quickly)
    step = program.width * program.devices
    size = BLOCKS * step if batch_size is None else rounded_up(batch_size, step)

    def run(cells: list[Cell]) -> Iterator[Measured]:
        for batch in batches(cells, size):
            yield from measure(program, batch, weights)

    return run
