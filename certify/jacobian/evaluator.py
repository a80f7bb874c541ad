"""Encloses the Jacobians of a field on many cells, in blocks of one fixed shape.

The last bits of what XLA and BLAS compute depend on the shapes they are given, and a search that
decides by them would depend on how its cells were batched. So cells are evaluated in blocks of one
fixed shape, by one compiled program, each cell at a place that depends on nothing but its place in
the round: a bigger batch is more blocks, and more devices or processes are more blocks at a time.
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
from certify.enclosure.interval import Interval
from certify.enclosure.margins import flush
from certify.enclosure.programs.compiling import compiled, for_once, on_arrays, shared
from certify.graph.trace import graph_of
from certify.jacobian.by_jaxpr import is_smooth, jacobian_family
from certify.jacobian.by_taylor import taylor_family
from certify.jacobian.enclosure_choice import ConstantJacobian, DefiniteEnclosure, Taylor
from certify.jacobian.family import AffineFamily
from certify.problem.field import FlatField

# Cells of a block, unless their Jacobians are so large that fewer have to do.
WIDTH = 16
# Numbers in the largest array of a block, about.
_MEMORY = 2**22


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


@functools.lru_cache(maxsize=32)
def evaluator(field: FlatField, enclosure: DefiniteEnclosure, *, compile: bool = True) -> Evaluator:
    """Compiles the enclosures of a field for the devices of this process, once.

    Args:
        field: The pseudo-gradient as a function of vectors.
        enclosure: How Jacobians are enclosed.
        compile: If not, enclosures run operation by operation, on one device.
    """
    n = field.dimension
    width = block_width(field, enclosure)
    if isinstance(enclosure, Taylor):
        return Evaluator(_by_taylor(field, width), width, 1, field.signs)
    family = jacobian_family(field.function, enclosure.method)
    smooth_costs = is_smooth(field.costs, enclosure.method)

    def evaluate(lower: Any, upper: Any) -> AffineFamily:
        # A jump of a cost leaves no trace in its gradient, which is then the gradient of nothing.
        smooth = smooth_costs(flush(Interval(lower, upper)))
        found = family(lower, upper)
        return dataclasses.replace(found, finite=found.finite & smooth)

    constant = isinstance(enclosure, ConstantJacobian)
    if constant or not compile:  # a constant one has one cell
        block = jax.ShapeDtypeStruct((width, n), jnp.float64)
        once = for_once(jax.vmap(evaluate), block, block) if compile else jax.vmap(evaluate)
        return Evaluator(on_arrays(once), width, 1, field.signs)
    devices = jax.local_devices()
    # Compiled ahead of the first call: a block of another shape would be an error, not another
    # compilation.
    corner = jax.ShapeDtypeStruct((width * len(devices), n), jnp.float64)
    traced = _sharded(jax.vmap(evaluate), devices).trace(corner, corner)
    program = shared(traced) if len(devices) == 1 else compiled(traced)
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
        smooth = np.asarray(smooth_code(lower, upper))
        # Nothing tells which coordinate is to blame: the widest is.
        known = np.asarray(found.share)
        width = np.broadcast_to((upper - lower)[:, :, None, None], known.shape)
        share = np.where((found.finite & ~smooth)[:, None, None, None], width, known)
        return dataclasses.replace(found, share=share, finite=found.finite & smooth)

    return evaluate


def block_width(field: FlatField, enclosure: DefiniteEnclosure) -> int:
    """Cells of a block: a matter of the game alone."""
    if isinstance(enclosure, ConstantJacobian):  # then there is one cell
        return 1
    entries = field.dimension ** (4 if isinstance(enclosure, Taylor) else 3)
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
