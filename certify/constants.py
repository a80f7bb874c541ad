"""Constants of a game over a region: curvature, smoothness, coupling. Proved, or estimated."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

import dgames as dg
from certify.enclosure.affine import AffineFamily
from certify.flat import FlatField, compiled_jacobians, flat_field
from certify.metric.cell_margin import block_vertices
from certify.metric.weights import choose_weights, sampled_constants, sampled_margin
from certify.region import Region


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
    """The constants of a batch of cells together, in floating point: for the checker to prove."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    players = len(sizes)
    low, high = np.full(players, np.inf), np.full(players, -np.inf)
    coupling = np.zeros((players, players))
    for i in range(players):
        for j in range(players):
            rows, columns = slice(*starts[i : i + 2]), slice(*starts[j : j + 2])
            centre, generators, remainder = (m[..., rows, columns] for m in _matrices(families))
            corners, remainder = block_vertices(centre, generators, remainder)
            if i == j:
                corners = 0.5 * (corners + np.swapaxes(corners, -1, -2))
                loss = 0.5 * (remainder + np.swapaxes(remainder, -1, -2)).sum(-1)
                spread = loss[:, None, :, None] * np.eye(sizes[i])
                low[i] = np.linalg.eigvalsh(corners - spread)[..., 0].min()
                high[i] = np.linalg.eigvalsh(corners + spread)[..., -1].max()
            else:
                norm = np.linalg.norm(corners, ord=2, axis=(-2, -1)).max(1)
                loss = np.maximum(remainder.sum(-1).max(-1), remainder.sum(-2).max(-1))
                coupling[i, j] = (norm + loss).max()
    return BlockConstants(low, high, coupling)


def _matrices(families: AffineFamily) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    centre, generators = np.asarray(families.centre), np.asarray(families.generators)
    return centre, generators, np.asarray(families.remainder)


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
    game: dg.Game, region: Region, samples: int = 1000, *, key: Key[Array, ""], args: Any = None
) -> Estimate:
    """Samples the constants of a game over a region: quick, and no proof of anything.

    Args:
        game: The game.
        region: Where.
        samples: Number of uniform random points, at least 1; corners are not looked at.
        key: A JAX random key.
        args: Passed to the costs.

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
    field = flat_field(game, region, args)
    jacobians = sample_jacobians(field, region, samples, key)
    weights = choose_weights(jacobians, field.sizes)
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
