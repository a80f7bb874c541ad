"""A metric chosen for given cells, for use where one chosen from samples has no proof on them.

Samples do not show the remainders of cells, which cost a full matrix more than weights. Here each
cell is close to what the proof has to handle: the vertices of its largest generators, each with a
hull around it whose radii are the norms of the blocks of the remainder.
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

# How many generators of a cell span its vertices, how many of the worst cells enter the program in
# a round, and the most rounds.
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
    """Finds a metric with a nearly largest margin on the worst cells, as `margin_bounds` gives it.

    If a first look shows that no metric has a positive margin there, the start is returned.

    Args:
        families: The affine families of the cells.
        sizes: The number of coordinates of each player.
        kind: The kind of the metric.
        start: A metric, which is returned if no better one is found.
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
        found = solve(hulls, sizes, kind, guess / np.outer(frame, frame), least=0.0)[0].metric
        guess = rounded(found * np.outer(frame, frame) / np.abs(found).max())
        margins = margin_bounds(families, guess, signs).margin
        if margins.min() > value:
            best, value = guess, float(margins.min())
    return best


def _frame(
    metric: Float[np.ndarray, "n n"], sizes: tuple[int, ...], mirrored: bool
) -> Float[np.ndarray, " n"]:
    """Returns scales, one per player, of coordinates in which the metric is not far from round."""
    if mirrored:  # a hull is mirrored in no other frame
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
    """Returns hulls, one for each vertex of a cell, in coordinates scaled by `frame`."""
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
