"""Bounds on the blocks of the Jacobian, one for each pair of players, over a batch of cells."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.jacobian.family import AffineFamily
from certify.metric.cell_margin import MAX_VERTICES, block_vertices

# About the most numbers in the largest array of equally shaped blocks.
_NUMBERS = 2**22


class BlockConstants(NamedTuple):
    """Bounds on the blocks of the game Jacobian over a region, one for each pair of players.

    Attributes:
        curvature: Lower bounds `mu_i` on the eigenvalues of the symmetric parts of the own-player
            blocks, shape (N,).
        smoothness: Upper bounds `ell_i` on them, shape (N,).
        coupling: Upper bounds `L_ij` on the spectral norms of the other blocks, shape (N, N), zero
            on the diagonal.
    """

    curvature: Float[np.ndarray, " players"]
    smoothness: Float[np.ndarray, " players"]
    coupling: Float[np.ndarray, "players players"]


def block_constants(families: AffineFamily, sizes: tuple[int, ...]) -> BlockConstants:
    """Computes constants for all cells of a batch in floating point, for the checker to prove.

    Blocks of one shape are computed together, as many as memory allows.
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
    """Yields groups of equally shaped blocks, either own-player blocks or others.

    Yields:
        Arrays of players i and j, and the vertices and remainders of their blocks `(i, j)`, cell by
        cell: all of these blocks of the first cell, then those of the next.
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
    """Returns the smallest and largest eigenvalues of the symmetric parts of blocks."""
    corners = 0.5 * (corners + np.swapaxes(corners, -1, -2))
    loss = 0.5 * (remainder + np.swapaxes(remainder, -1, -2)).sum(-1)
    spread = loss[:, None, :, None] * np.eye(loss.shape[-1])
    ends = corners - spread, corners + spread
    if loss.shape[-1] > 1:
        ends = tuple(np.linalg.eigvalsh(end) for end in ends)
    return ends[0].min((*range(1, ends[0].ndim),)), ends[1].max((*range(1, ends[1].ndim),))


def _norms(corners: np.ndarray, remainder: np.ndarray) -> np.ndarray:
    """Returns the largest spectral norms of blocks."""
    if corners.shape[-2:] == (1, 1):
        return np.abs(corners).max((1, 2, 3)) + remainder[:, 0, 0]
    norm = np.linalg.norm(corners, ord=2, axis=(-2, -1)).max(1)
    return norm + np.maximum(remainder.sum(-1).max(-1), remainder.sum(-2).max(-1))
