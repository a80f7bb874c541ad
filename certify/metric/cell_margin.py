"""The margin of one cell in a given metric, from the affine family of its Jacobians.

Everything here is ordinary floating point and proves nothing: it finds the numbers that the checker
then proves with integers.
"""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from certify.enclosure.affine import AffineFamily

# Generators kept when families are bounded at the vertices of their sign cube; the rest are folded
# into the remainder. The checker accepts at most 10.
MAX_GENERATORS = 8
# Added to the eigenvector of the worst vertex before it scales a remainder: how much the vertices
# and eigenvectors nearby are to count. No single number suits all cells.
_REGULARIZATIONS = (0.01, 0.03, 0.1, 0.3)


class CellBounds(NamedTuple):
    """Bounds for a batch of cells in one metric.

    Attributes:
        margin: Smallest eigenvalue of the symmetric part over the family, remainder included.
        peak: An upper bound from the worst vertex and the centre: no smaller cells reach more.
        scores: How much of the gap splitting each coordinate could close: its share of the
            remainder, each entry weighted by the derivative of the margin with respect to it, which
            for a simple smallest eigenvalue is a product of two entries of its eigenvector (up to
            the regularization of the scaling).
        scaling: Positive integers that absorb the remainder well, as the checker will use them.
    """

    margin: Float[np.ndarray, " cells"]
    peak: Float[np.ndarray, " cells"]
    scores: Float[np.ndarray, "cells n"]
    scaling: Int[np.ndarray, "cells n"]


def reduced(family: AffineFamily) -> AffineFamily:
    """At most `MAX_GENERATORS` generators per cell, largest first; the same set or a larger one."""
    centre, generators, remainder, share, finite = (
        np.asarray(part)
        for part in (
            family.centre,
            family.generators,
            family.remainder,
            family.share,
            family.finite,
        )
    )
    if generators.shape[1]:
        sizes = np.nan_to_num(np.abs(generators).sum((-1, -2)))
        order = np.argsort(-sizes, axis=1, kind="stable")[:, :, None, None]
        generators = np.take_along_axis(generators, order, axis=1)
        rest = np.abs(generators[:, MAX_GENERATORS:]).sum(1)
        remainder = (remainder + rest) * (1 + 2.0**-40)
        generators = generators[:, :MAX_GENERATORS]
    return AffineFamily(centre, generators, remainder, share, finite)


def margin_bounds(family: AffineFamily, weights: Float[np.ndarray, " n"]) -> CellBounds:
    """Margins of a batch of cells in the metric `diag(weights)`, one weight per coordinate."""
    centre, generators, remainder, share = (
        _symmetric(np.nan_to_num(part), weights)
        for part in (family.centre, family.generators, family.remainder, family.share)
    )
    corners = vertices(centre, generators)
    values, vectors = np.linalg.eigh(corners)
    worst = values[:, :, 0].argmin(1)
    cell = np.arange(len(worst))
    eigenvector = np.abs(vectors[cell, worst, :, 0])
    at_vertex = values[cell, worst, 0] + np.einsum(
        "bi,bij,bj->b", eigenvector, remainder, eigenvector
    )
    scaling = _absorbing(corners[cell, worst], eigenvector, remainder, weights)
    direction = scaling * np.sqrt(weights)
    loss = np.einsum("bij,bj->bi", remainder, direction) / direction
    lowered = corners - loss[:, None, :, None] * np.eye(loss.shape[1])
    margin = np.linalg.eigvalsh(lowered)[:, :, 0].min(1)
    finite = np.asarray(family.finite)
    return CellBounds(
        np.where(finite, margin, -np.inf),
        np.where(finite, np.minimum(at_vertex, _at_centre(centre, remainder)), np.inf),
        np.einsum("bi,bkij,bj->bk", direction, share, direction),
        scaling,
    )


def _absorbing(
    worst: np.ndarray, eigenvector: np.ndarray, remainder: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The scalings, of a few candidates, that leave the worst vertices the largest margins."""
    root = np.sqrt(weights)
    candidates = np.stack([_integers((eigenvector + r) / root) for r in _REGULARIZATIONS])
    directions = candidates * root
    losses = np.einsum("bij,cbj->cbi", remainder, directions) / directions
    lowered = worst - losses[..., None] * np.eye(len(root))
    best = np.linalg.eigvalsh(lowered)[..., 0].argmax(0)
    return candidates[best, np.arange(len(best))]


def _at_centre(centre: np.ndarray, remainder: np.ndarray) -> np.ndarray:
    """Smallest eigenvalues at the centres, plus what the remainder could add."""
    values, vectors = np.linalg.eigh(centre)
    eigenvector = np.abs(vectors[:, :, 0])
    return values[:, 0] + np.einsum("bi,bij,bj->b", eigenvector, remainder, eigenvector)


def lipschitz_bounds(
    family: AffineFamily, weights: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " cells"], Int[np.ndarray, "cells m"]]:
    """Largest norms of the Jacobians of a batch of cells in the metric, and scalings (m = 2n)."""
    root = np.sqrt(weights)
    centre, generators, remainder = (
        np.nan_to_num(part) * (root[:, None] / root)
        for part in (family.centre, family.generators, family.remainder)
    )
    left, values, right = np.linalg.svd(vertices(centre, generators))
    worst = values[:, :, 0].argmax(1)
    cell = np.arange(len(worst))
    direction = np.abs(np.concatenate([right[cell, worst, 0, :], left[cell, worst, :, 0]], axis=-1))
    both = np.concatenate([root, root])
    scaling = _integers((direction + 0.01) / both)
    direction = scaling * both
    n = weights.size
    # The symmetric matrix [[0, J'], [J, 0]] has the norm of J as its largest eigenvalue.
    mixed = np.concatenate(
        [
            np.einsum("bji,bj->bi", remainder, direction[:, n:]),
            np.einsum("bij,bj->bi", remainder, direction[:, :n]),
        ],
        axis=-1,
    )
    loss = (mixed / direction).max(1)
    norm = np.where(np.asarray(family.finite), values[cell, worst, 0] + loss, np.inf)
    return norm, scaling


def _symmetric(matrices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Symmetric part of `W^(1/2) J W^(-1/2)`; of magnitudes, a bound on that of its entries."""
    root = np.sqrt(weights)
    scaled = matrices * (root[:, None] / root)
    return 0.5 * (scaled + np.swapaxes(scaled, -1, -2))


def _integers(vectors: np.ndarray) -> np.ndarray:
    """Positive integers of at most three digits in about the same proportions."""
    return np.maximum(np.rint(vectors / vectors.max(-1, keepdims=True) * 999), 1).astype(np.int64)


def vertices(
    centre: Float[np.ndarray, "cells a b"], generators: Float[np.ndarray, "cells m a b"]
) -> Float[np.ndarray, "cells vertices a b"]:
    """The matrices `centre +- g_1 +- ... +- g_m`, all 2^m of them for each cell."""
    count = generators.shape[1]
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=count))).reshape(2**count, count)
    return centre[:, None] + np.einsum("vk,bkij->bvij", signs, generators)
