"""The Lipschitz constant of one cell in a given metric, from the affine family of its Jacobians.

As for the margin, everything here is ordinary floating point and proves nothing.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from certify.jacobian.family import AffineFamily
from certify.metric.cell_margin import (
    MAX_VERTICES,
    REGULARIZATIONS,
    folded,
    integers,
    numbers,
    vertices,
)
from certify.metric.metric import Metric, Weighting


class LipschitzBounds(NamedTuple):
    """Bounds on the Lipschitz constants of a batch of cells in one metric.

    Attributes:
        norm: The largest norm of a Jacobian over the family, remainder included.
        floor: A lower bound, from a bad corner and the centre, on what smaller cells can reach.
        scores: How much of the gap splitting each coordinate could close: its share of the
            remainder, each entry weighted by the derivative of the norm with respect to it, and
            what is lost by folding its generator into the remainder.
        scaling: Positive integers that absorb the remainder well, as the checker will use them.
    """

    norm: Float[np.ndarray, " cells"]
    floor: Float[np.ndarray, " cells"]
    scores: Float[np.ndarray, "cells n"]
    scaling: Int[np.ndarray, "cells m"]


def lipschitz_bounds(family: AffineFamily, weights: Weighting) -> LipschitzBounds:
    """Computes the Lipschitz constants of a batch of cells in a metric; m = 2n.

    Args:
        family: The affine families of the cells; without shares, scores mean nothing.
        weights: The metric: one weight per coordinate, or a matrix.
    """
    metric = Metric(weights)
    centre, generators = (
        metric.product(numbers(part)) for part in (family.centre, family.generators)
    )
    remainder = metric.product_above(numbers(family.remainder))
    at_vertices, loose = folded(generators, remainder, MAX_VERTICES)
    corners = metric.reduced(vertices(centre, at_vertices))
    left, values, right = np.linalg.svd(corners)
    cell, worst = np.arange(len(corners)), values[:, :, 0].argmax(1)
    pair = (right[cell, worst, 0, :], left[cell, worst, :, 0])
    scaling = _absorbing(corners[cell, worst], pair, loose, metric)
    loss = _losses(scaling, loose, metric)
    norm = _with_losses(corners, loss[:, None], metric).max(1)
    norm = np.where(np.asarray(family.finite), norm, np.inf)
    return LipschitzBounds(norm, *_improvements(family, metric, pair), scaling)


def _absorbing(
    worst: np.ndarray, pair: tuple[np.ndarray, np.ndarray], remainder: np.ndarray, metric: Metric
) -> np.ndarray:
    """Returns the candidate scalings that leave the worst vertices the smallest norms."""
    direction = np.abs(np.concatenate([*map(metric.framed_vectors, pair)], axis=-1))
    both = np.concatenate([metric.root, metric.root])
    candidates = np.stack([integers((direction + r) / both) for r in REGULARIZATIONS])
    norms = [_with_losses(worst, _losses(one, remainder, metric), metric) for one in candidates]
    best = np.stack(norms).argmin(0)
    return candidates[best, np.arange(len(best))]


def _losses(scaling: np.ndarray, remainder: np.ndarray, metric: Metric) -> np.ndarray:
    """Returns the diagonal that stands for the remainder of `[[0, J'], [J, 0]]`, in the frame."""
    direction = scaling * np.concatenate([metric.root, metric.root])
    right, left = np.split(direction, 2, axis=-1)
    return np.concatenate(
        [
            np.einsum("bji,bj->bi", remainder, left) / right,
            np.einsum("bij,bj->bi", remainder, right) / left,
        ],
        axis=-1,
    )


def _with_losses(matrices: np.ndarray, losses: np.ndarray, metric: Metric) -> np.ndarray:
    """Returns the largest eigenvalues of `[[0, J'], [J, 0]] + diag(losses)`, given reduced J.

    Without losses it is the norm of J.
    """
    right, left = (
        metric.reduced(part[..., None] * np.eye(len(metric.root)))
        for part in np.split(losses, 2, axis=-1)
    )
    rows = ((right, np.swapaxes(matrices, -1, -2)), (matrices, left))
    rows = [np.concatenate(np.broadcast_arrays(*row), axis=-1) for row in rows]
    return np.linalg.eigvalsh(np.concatenate(rows, axis=-2))[..., -1]


def _improvements(
    family: AffineFamily, metric: Metric, pair: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns lower bounds on the norms of smaller cells, and scores.

    Args:
        family: The affine families of the cells.
        metric: The metric.
        pair: The right and left singular vectors at the worst vertices, in reduced coordinates.
    """
    centre, generators = (
        metric.product(numbers(part)) for part in (family.centre, family.generators)
    )
    n = len(metric.root)
    share = np.zeros((len(centre), n, n, n)) if family.share is None else numbers(family.share)
    # Smaller cells have smaller remainders, and generators that belong to a remainder are part of
    # it.
    loose = metric.product_above(numbers(family.remainder)) + np.abs(generators[:, n:]).sum(1)
    right, left = map(metric.framed_vectors, pair)
    scores = _along(np.abs(left), metric.product_above(share), np.abs(right))
    order = np.argsort(-np.abs(generators).sum((-1, -2)), axis=1, kind="stable")
    lost = np.argsort(order, axis=1)[:, :n] >= MAX_VERTICES
    moves = generators[:, :n]
    inside_remainder = _along(np.abs(left), np.abs(moves), np.abs(right))
    at_vertex = np.abs(_along(left, moves, right))
    scores[:, : moves.shape[1]] += np.where(lost, inside_remainder - at_vertex, 0.0)
    floor = np.zeros(len(centre))
    for corner in (False, True, True, True):
        signs = np.where(_along(left, moves, right) < 0, -1.0, 1.0)
        matrix = centre + corner * np.einsum("bk,bkij->bij", signs, moves)
        u, values, v = np.linalg.svd(metric.reduced(matrix))
        right, left = metric.framed_vectors(v[:, 0, :]), metric.framed_vectors(u[:, :, 0])
        least = values[:, 0] - _along(np.abs(left), loose[:, None], np.abs(right))[:, 0]
        floor = np.maximum(floor, least)
    return np.where(np.asarray(family.finite), floor, 0.0), scores


def _along(left: np.ndarray, matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns `u' X_k v` for each matrix of each cell."""
    return np.einsum("bi,bkij,bj->bk", left, matrices, right)
