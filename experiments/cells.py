"""What equal cells of a box prove about the steps of a field, for several studies.

Certificates cut cells where the margin needs it, so their Lipschitz constants are those of coarse
cells. Where steps are asked for, all cells are made equally small here.
"""

import itertools
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

import certify
import dgames as dg
from certify.jacobian.evaluator import evaluator
from certify.metric.spectra import eigenvalue_bounds, norm_bounds
from certify.problem.field import flat_field

_BATCH = 4096
_EPSILON = 2.0**-52


class Cells(NamedTuple):
    """An interval matrix for each cell, which provably contains every Jacobian on the cell.

    Attributes:
        lower: Lower ends.
        upper: Upper ends.
        sizes: Coordinates of each player.
    """

    lower: Float[np.ndarray, "cells n n"]
    upper: Float[np.ndarray, "cells n n"]
    sizes: tuple[int, ...]


def cells_of(field: dg.AbstractField, region: certify.Box, cuts: int) -> Cells:
    """Encloses the Jacobian of a field on equal cells of a box.

    Args:
        field: Smooth, of few coordinates.
        region: A box that is as long in each coordinate; it is cut into `cuts^n` cells.
        cuts: Cells along each coordinate.

    Raises:
        ValueError: If the Jacobian has no finite enclosure on some cell.
    """
    flat = flat_field(field, region)
    lower, upper = (np.asarray(corner) for corner in region.bounds())
    edges = lower[:, None] + (upper - lower)[:, None] * np.linspace(0.0, 1.0, cuts + 1)
    edges[:, -1] = upper
    index = np.array(list(itertools.product(range(cuts), repeat=flat.dimension)))
    along = np.arange(flat.dimension)
    compiled, ends = evaluator(flat, certify.Taylor()), []
    for first in range(0, len(index), _BATCH):
        part = index[first : first + _BATCH]
        family = jax.tree.map(
            np.asarray, compiled.blocks(edges[along, part], edges[along, part + 1])
        )
        if not family.finite.all():
            raise ValueError(
                f"cells_of: no finite enclosure on some cell of {cuts} per coordinate."
            )
        reach = np.abs(family.generators).sum(1) + family.remainder
        reach = reach * (1 + 64 * _EPSILON)  # more than the rounding of so short a sum
        ends.append((_down(family.centre - reach), _up(family.centre + reach)))
    low, high = (np.concatenate(side) for side in zip(*ends, strict=True))
    return Cells(low, high, flat.sizes)


def constants(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Proves curvatures of the players and couplings over all cells, for the small-gain test."""
    ends = np.cumsum([0, *cells.sizes])
    parts = [slice(a, b) for a, b in itertools.pairwise(ends.tolist())]
    own = [_symmetric(cells.lower[:, p, p], cells.upper[:, p, p]) for p in parts]
    curvature = np.array([eigenvalue_bounds(*ends)[0].min() for ends in own])
    coupling = np.zeros((len(parts), len(parts)))
    for i, j in itertools.permutations(range(len(parts)), 2):
        block = cells.lower[:, parts[i], parts[j]], cells.upper[:, parts[i], parts[j]]
        coupling[i, j] = norm_bounds(*block).max()
    return curvature, coupling


def margin(cells: Cells) -> float:
    """Proves a strong-monotonicity modulus in the Euclidean norm."""
    return float(eigenvalue_bounds(*_symmetric(cells.lower, cells.upper))[0].min())


def lipschitz(cells: Cells) -> float:
    """Proves a bound on the spectral norms of all Jacobians."""
    return float(norm_bounds(cells.lower, cells.upper).max())


def contraction(cells: Cells, steps: tuple[float, ...]) -> float:
    """A factor by which one step `x_i - h_i F_i(x)` contracts, proved if it is below 1.

    It is the largest norm of `I - H J` in the metric with weights `1 / h_i`, which the box, being
    convex, passes on to differences of steps. With the same factor or a better one every step in
    the same proportions contracts that is smaller, being a mean of this one and of none.

    Args:
        cells: From `cells_of`.
        steps: One step size per player.
    """
    h = np.repeat(steps, cells.sizes)
    # In the metric with weights 1 / h the matrix of the step is I - sqrt(H) J sqrt(H).
    root = np.sqrt(h)
    scale = root[:, None] * root
    slack = 8 * _EPSILON * scale * np.maximum(np.abs(cells.lower), np.abs(cells.upper))
    eye = np.eye(len(h))
    low = _down(eye - (scale * cells.upper + slack))
    high = _up(eye - (scale * cells.lower - slack))
    return float(norm_bounds(low, high).max())


def largest_step(cells: Cells, high: float, tolerance: float = 1e-3) -> float:
    """The largest common step of all players that is proved to contract, by bisection."""
    low, players = 0.0, len(cells.sizes)
    while high - low > tolerance:
        middle = (low + high) / 2
        low, high = (middle, high) if contraction(cells, (middle,) * players) < 1 else (low, middle)
    return low


def _symmetric(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on the symmetric parts."""
    low = 0.5 * (lower + np.swapaxes(lower, -1, -2))
    high = 0.5 * (upper + np.swapaxes(upper, -1, -2))
    return _down(low), _up(high)


def _down(values: np.ndarray) -> np.ndarray:
    """Returns a lower bound on the exact sum, given the rounded one."""
    return np.nextafter(values, -np.inf)


def _up(values: np.ndarray) -> np.ndarray:
    return np.nextafter(values, np.inf)
