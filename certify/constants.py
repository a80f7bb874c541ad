"""Constants of a game over a region: curvature, smoothness, coupling. Proved, or estimated."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

import dgames as dg
from certify.arguments import check_objective, check_region, traced
from certify.budget import Budget, Progress, Stages
from certify.enclosure.affine import AffineFamily
from certify.flat import FlatField, compiled_jacobians
from certify.metric.cell_margin import MAX_VERTICES, block_vertices
from certify.metric.objective import Aim
from certify.metric.weights import choose_weights, sampled_constants, sampled_margin
from certify.region import Region, half_widths

# Numbers in the largest array of equally shaped blocks, about.
_NUMBERS = 2**22


class BlockConstants(NamedTuple):
    """Bounds on the blocks of the game Jacobian over a region, one player against another.

    Attributes:
        curvature: `mu_i`, below the eigenvalues of the own-player blocks, shape (N,).
        smoothness: `ell_i`, above them, shape (N,).
        coupling: `L_ij`, above the spectral norms of the other blocks, shape (N, N), zero diagonal.
    """

    curvature: Float[np.ndarray, " players"]
    smoothness: Float[np.ndarray, " players"]
    coupling: Float[np.ndarray, "players players"]


def block_constants(families: AffineFamily, sizes: tuple[int, ...]) -> BlockConstants:
    """The constants of a batch of cells together, in floating point: for the checker to prove.

    Blocks of one shape are looked at together, as many as memory allows.
    """
    players = len(sizes)
    low, high = np.full(players, np.inf), np.full(players, -np.inf)
    coupling = np.zeros((players, players))
    for i, j, corners, remainder in _blocks(families, sizes):
        if (i == j).all():
            ends = _eigenvalues(corners, remainder)
            low[i], high[i] = ends[0].reshape(-1, len(i)).min(0), ends[1].reshape(-1, len(i)).max(0)
        else:
            coupling[i, j] = _norms(corners, remainder).reshape(-1, len(i)).max(0)
    return BlockConstants(low, high, coupling)


def _blocks(
    families: AffineFamily, sizes: tuple[int, ...]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Rows and columns of equally shaped blocks, either own ones or others, with their bounds.

    Yields:
        Players i and j, and the vertices and remainders of their blocks `(i, j)`: cell by cell, all
        of these blocks of one cell after the other.
    """
    parts = [
        np.asarray(part) for part in (families.centre, families.generators, families.remainder)
    ]
    cells, count = parts[1].shape[:2]
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    each = np.array(sizes)
    for a, b in itertools.product(np.unique(each), repeat=2):
        pairs = np.argwhere((each[:, None] == a) & (each == b))
        own = pairs[:, 0] == pairs[:, 1]
        numbers = cells * a * b * (count + (1 if a * b == 1 else 2 ** min(count, MAX_VERTICES)))
        most = max(1, _NUMBERS // int(numbers))
        for group in (pairs[own], pairs[~own]):
            for first in range(0, len(group), most):
                i, j = group[first : first + most].T
                rows = (starts[i][:, None] + np.arange(a))[:, :, None]
                columns = (starts[j][:, None] + np.arange(b))[:, None, :]
                centre, generators, remainder = (part[..., rows, columns] for part in parts)
                generators = np.moveaxis(generators, 1, 2)
                merged = (
                    x.reshape(cells * len(i), *x.shape[2:]) for x in (centre, generators, remainder)
                )
                yield i, j, *block_vertices(*merged)


def _eigenvalues(corners: np.ndarray, remainder: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest ones of the symmetric parts of blocks."""
    corners = 0.5 * (corners + np.swapaxes(corners, -1, -2))
    loss = 0.5 * (remainder + np.swapaxes(remainder, -1, -2)).sum(-1)
    spread = loss[:, None, :, None] * np.eye(loss.shape[-1])
    ends = corners - spread, corners + spread
    if loss.shape[-1] > 1:
        ends = tuple(np.linalg.eigvalsh(end) for end in ends)
    return ends[0].min((*range(1, ends[0].ndim),)), ends[1].max((*range(1, ends[1].ndim),))


def _norms(corners: np.ndarray, remainder: np.ndarray) -> np.ndarray:
    """Largest ones of blocks."""
    if corners.shape[-2:] == (1, 1):
        return np.abs(corners).max((1, 2, 3)) + remainder[:, 0, 0]
    norm = np.linalg.norm(corners, ord=2, axis=(-2, -1)).max(1)
    return norm + np.maximum(remainder.sum(-1).max(-1), remainder.sum(-2).max(-1))


class Estimate(eqx.Module):
    """Sampled constants. They bound nothing: the true margin may be smaller than `margin`.

    Attributes:
        margin: Smallest sampled strong-monotonicity modulus in the metric of `weights`.
        lipschitz: Largest sampled norm of the Jacobian in that metric.
        weights: Per player, by name.
        curvature: Per player, smallest sampled eigenvalue of the own block.
        smoothness: Per player, largest sampled eigenvalue of the own block.
        coupling: Largest sampled norms of the other blocks, shape (N, N).
        samples: How many points were looked at.
    """

    margin: float
    lipschitz: float
    weights: dict[str, float]
    curvature: dict[str, float]
    smoothness: dict[str, float]
    coupling: np.ndarray
    samples: int


def estimate(
    game: dg.Game | dg.AbstractField,
    region: Region,
    samples: int = 1000,
    *,
    key: Key[Array, ""],
    args: Any = None,
    objective: str = "basin",
    max_seconds: float | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Estimate:
    """Samples the constants of a game over a region: quick, and no proof of anything.

    Args:
        game: The game, or a field.
        region: Where.
        samples: Number of uniform random points, at least 1; corners are not looked at.
        key: A JAX random key.
        args: Passed to the costs.
        objective: What the weights are chosen for, as in `certify.certify`.
        max_seconds: After so many, weights are not improved any more.
        progress: Called with a `Progress` as each stage begins.

    Returns:
        An `Estimate`, never a certificate.

    Raises:
        ValueError: If the game does not fit the region or `samples` is not positive.

    Example:
        >>> import certify, jax, dgames as dg
        >>> game = dg.game(lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2 - x[0] * x[1]))
        >>> region = certify.Box((-1.0, -1.0), (1.0, 1.0))
        >>> found = certify.estimate(game, region, 10, key=jax.random.key(0))
        >>> round(found.margin, 6)
        2.0
    """
    if samples < 1:
        raise ValueError(f"estimate: {samples} samples were asked for; take at least 1.")
    region, goal = check_region("estimate", region), check_objective("estimate", objective)
    stages = Stages(Budget(1, max_seconds), progress)
    stages.begin("tracing the costs")
    field = traced("estimate", game, region, args)
    stages.begin("looking at Jacobians at points of the region", must=True)
    jacobians = sample_jacobians(field, region, samples, key)
    stages.begin("choosing weights", must=True)
    aim = Aim(goal, half_widths(region), field.is_gradient, lambda: stages.budget.left)
    weights = choose_weights(jacobians, field.sizes, aim)
    spread = np.repeat(weights, field.sizes)
    root = np.sqrt(spread)
    low, high, coupling = sampled_constants(jacobians, field.sizes)
    return Estimate(
        sampled_margin(jacobians, spread),
        float(np.linalg.norm(jacobians * (root[:, None] / root), ord=2, axis=(-2, -1)).max()),
        dict(zip(field.names, weights.tolist(), strict=True)),
        dict(zip(field.names, low.tolist(), strict=True)),
        dict(zip(field.names, high.tolist(), strict=True)),
        coupling,
        samples,
    )


def sample_jacobians(field: FlatField, region: Region, samples: int, key: Any) -> np.ndarray:
    """Jacobians of a field at random points of a region, shape (samples, n, n)."""
    return np.asarray(compiled_jacobians(field)(jnp.asarray(region.sample(key, samples))))
