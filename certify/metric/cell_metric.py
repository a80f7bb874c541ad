"""A metric for cells that are there, where the one chosen from samples has no proof on them.

A sample knows nothing of remainders, which cost a full matrix more than weights. Here each cell is
what the proof will see: the vertices of its largest generators, each with a hull around it whose
radii are the norms of the remainder's blocks.
"""

import itertools

import jax
import numpy as np
from jaxtyping import Float, Int

from certify.jacobian.family import AffineFamily
from certify.metric.best_matrix import Kind, rounded
from certify.metric.cell_margin import margin_bounds, reduced, vertices
from certify.metric.hull import Hull
from certify.metric.robust import solve

# Generators of a cell whose vertices are looked at; cells that enter the program in a round, and
# rounds.
_GENERATORS = 4
_WORST = 2
_ROUNDS = 3


def cell_metric(
    families: AffineFamily,
    sizes: tuple[int, ...],
    kind: Kind,
    start: Float[np.ndarray, "n n"],
    signs: Int[np.ndarray, "n n"],
    *,
    mirrored: bool = False,
) -> Float[np.ndarray, "n n"]:
    """A matrix with a nearly largest margin on the worst cells, in the sense of `margin_bounds`.

    Args:
        families: The cells.
        sizes: Coordinates of each player.
        kind: Of the metric.
        start: A metric; returned if none is better.
        signs: As for `margin_bounds`.
        mirrored: Whether the game is zero-sum.

    Raises:
        ImportError: If cvxpy is missing.
    """
    best = guess = start
    margins = margin_bounds(families, start, signs).margin
    value, active = float(margins.min()), []
    for _ in range(_ROUNDS):
        new = [k for k in np.argsort(margins)[:_WORST].tolist() if k not in active]
        if not new:
            break
        active += new
        frame = _frame(guess, sizes, mirrored)
        hulls = [hull for k in active for hull in hulls_of(families, k, sizes, frame, mirrored)]
        found = solve(hulls, sizes, kind, guess / np.outer(frame, frame))[0].metric
        guess = rounded(found * np.outer(frame, frame) / np.abs(found).max())
        margins = margin_bounds(families, guess, signs).margin
        if margins.min() > value:
            best, value = guess, float(margins.min())
    return best


def _frame(
    metric: Float[np.ndarray, "n n"], sizes: tuple[int, ...], mirrored: bool
) -> Float[np.ndarray, " n"]:
    """Coordinates in which the metric is not far from round; one scale for all of a player's."""
    if mirrored:  # which they are in no other
        return np.ones(len(metric))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return np.repeat(np.sqrt(np.maximum.reduceat(np.diagonal(metric), starts)), sizes)


def hulls_of(
    families: AffineFamily,
    cell: int,
    sizes: tuple[int, ...],
    frame: Float[np.ndarray, " n"],
    mirrored: bool = False,
) -> list[Hull]:
    """Hulls that together contain the vertices of a cell, in coordinates scaled by `frame`."""
    one: AffineFamily = jax.tree.map(lambda part: np.asarray(part)[cell : cell + 1], families)
    one = reduced(one, _GENERATORS)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    players = [slice(*pair) for pair in itertools.pairwise(ends)]
    scale = np.divide.outer(frame, frame)
    remainder = np.asarray(one.remainder)[0] * scale
    radius = np.array([[np.linalg.norm(remainder[i, j], 2) for j in players] for i in players])
    if mirrored:
        radius = np.maximum(radius, radius.T)
    corners = vertices(np.asarray(one.centre), np.asarray(one.generators))[0] * scale
    return [Hull(corner, radius, mirrored) for corner in corners]
