"""Enclosures of the Jacobians of a field on many cells, in blocks of one fixed shape.

The last bits of what XLA and BLAS compute depend on the shapes they are given, and a search that
decides by them would depend on how its cells were batched. So cells are evaluated in blocks of one
fixed shape, by one compiled program, and the place of a cell in its block depends only on its place
in the round. A bigger batch has more blocks; more devices or processes evaluate more blocks at a
time.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from certify.checker.rederive import entries
from certify.enclosure.derivatives import CONTINUOUS
from certify.enclosure.interval import Interval
from certify.enclosure.margins import flush
from certify.enclosure.programs.compiling import compiled, for_once, on_arrays, shared
from certify.graph.trace import graph_of
from certify.jacobian.by_jaxpr import is_smooth, jacobian_family
from certify.jacobian.by_taylor import taylor_family
from certify.jacobian.enclosure_choice import (
    ConstantJacobian,
    DefiniteEnclosure,
    Taylor,
    kinks_in,
)
from certify.jacobian.family import AffineFamily
from certify.problem.field import FlatField

# The number of cells of a block, unless their Jacobians are so large that there must be fewer.
WIDTH = 16
# About the most numbers in the largest array of a block.
_MEMORY = 2**22


class Evaluator(NamedTuple):
    """A function that encloses the Jacobians of one block of cells on each device.

    It is compiled unless it runs in NumPy or operation by operation.

    Attributes:
        blocks: Maps the corners of `devices * width` cells to their families.
        width: The number of cells of a block.
        devices: The number of blocks that are evaluated at a time.
        signs: Which entries mirror each other (see `certify.problem.symmetry`).
        selectors: How many generators after those of the coordinates belong to kinks.
    """

    blocks: Callable[[np.ndarray, np.ndarray], AffineFamily]
    width: int
    devices: int
    signs: np.ndarray
    selectors: int = 0


@functools.lru_cache(maxsize=32)
def evaluator(field: FlatField, enclosure: DefiniteEnclosure, *, compile: bool = True) -> Evaluator:
    """Builds the evaluator of a field for the devices of this process, and compiles it once.

    Args:
        field: The pseudo-gradient as a function of vectors.
        enclosure: How Jacobians are enclosed.
        compile: If not, enclosures run operation by operation, on one device.
    """
    n = field.dimension
    width = block_width(field, enclosure)
    if isinstance(enclosure, Taylor):
        kinks = kinks_in(field)
        selectors = 0 if kinks is None else kinks.selectors
        return Evaluator(_by_taylor(field, width), width, 1, field.signs, selectors)
    family = jacobian_family(field.function, enclosure.method)
    smooth_costs = is_smooth(field.costs, enclosure.method)

    def evaluate(lower: Any, upper: Any) -> AffineFamily:
        # A jump of a cost leaves no trace in the code of its gradient, which is then the gradient
        # of no function.
        smooth = smooth_costs(flush(Interval(lower, upper)))
        found = family(lower, upper)
        return dataclasses.replace(found, finite=found.finite & smooth)

    constant = isinstance(enclosure, ConstantJacobian)
    if constant or not compile:  # a constant Jacobian needs one cell
        block = jax.ShapeDtypeStruct((width, n), jnp.float64)
        once = for_once(jax.vmap(evaluate), block, block) if compile else jax.vmap(evaluate)
        return Evaluator(on_arrays(once), width, 1, field.signs)
    devices = jax.local_devices()
    # The program is compiled ahead of the first call, so a block of another shape would be an
    # error, not another compilation.
    corner = jax.ShapeDtypeStruct((width * len(devices), n), jnp.float64)
    traced = _sharded(jax.vmap(evaluate), devices).trace(corner, corner)
    program = shared(traced) if len(devices) == 1 else compiled(traced)
    return Evaluator(program, width, len(devices), field.signs)


def _by_taylor(field: FlatField, width: int) -> Callable[[np.ndarray, np.ndarray], AffineFamily]:
    """Returns a function that finds families from the expression graph, and checks the code too.

    The graph was read from the code of the costs, but it is another program. So a family is finite
    only where the code itself is also defined on the cell and makes no undecided choice there, but
    at the kinks of a field.
    """
    of_costs = field.is_gradient or field.natural is not None
    made = entries([*field.sizes], field.zero_sum, of_costs)
    kinks = kinks_in(field)
    family = taylor_family(graph_of(field), made, field.natural, kinks)
    allowed = {} if kinks is None else {"rules": CONTINUOUS}
    smooth_costs = is_smooth(field.costs, "interval", **allowed)
    corner = jax.ShapeDtypeStruct((width, field.dimension), jnp.float64)
    smooth_code = for_once(
        jax.vmap(lambda lower, upper: smooth_costs(Interval(lower, upper))), corner, corner
    )

    def evaluate(lower: np.ndarray, upper: np.ndarray) -> AffineFamily:
        found = family(lower, upper)
        smooth = np.asarray(smooth_code(lower, upper))
        # Nothing tells which coordinate is to blame, so the widest gets the largest score.
        known = np.asarray(found.share)
        width = np.broadcast_to((upper - lower)[:, :, None, None], known.shape)
        share = np.where((found.finite & ~smooth)[:, None, None, None], width, known)
        return dataclasses.replace(found, share=share, finite=found.finite & smooth)

    return evaluate


def block_width(field: FlatField, enclosure: DefiniteEnclosure) -> int:
    """Returns the number of cells of a block, which depends on the game and the enclosure alone."""
    if isinstance(enclosure, ConstantJacobian):  # one cell is enough
        return 1
    entries = field.dimension ** (4 if isinstance(enclosure, Taylor) else 3)
    return int(np.clip(_MEMORY // entries, 1, WIDTH))


def _sharded(block: Callable, devices: list[Any]) -> Any:
    """Returns a function that evaluates one block on each device."""
    if len(devices) == 1:
        return jax.jit(block)
    mesh = Mesh(np.array(devices), ("cells",))
    spec = PartitionSpec("cells")
    # Every device runs the program of one block unchanged; nothing has to be checked or merged.
    each = jax.shard_map(block, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
    return jax.jit(each, in_shardings=NamedSharding(mesh, spec))
