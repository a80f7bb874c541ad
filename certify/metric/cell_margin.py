"""The margin of one cell in a given metric, from the affine family of its Jacobians.

Everything here is ordinary floating point and proves nothing. It finds the numbers that the checker
then proves with integers.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from certify.jacobian.by_jaxpr import most_generators
from certify.jacobian.family import AffineFamily
from certify.metric.metric import Metric, Weighting
from certify.metric.modes import Modes, choose_modes

# For blocks, and for the Lipschitz constant, all sign vertices of so many generators are looked at,
# and the other generators are folded into the remainder.
MAX_VERTICES = 8
# For the margin, vertices are made of at most so many generators, the largest; of none where there
# are more coordinates than that. The others are bounded by modes, or folded into the remainder.
MARGIN_VERTICES = 6
# What is added to the eigenvector of the worst vertex before it scales a remainder, so that the
# vertices and eigenvectors nearby count. No single number suits all cells.
REGULARIZATIONS = (0.01, 0.03, 0.1, 0.3)


class CellBounds(NamedTuple):
    """Bounds for a batch of cells in one metric.

    Attributes:
        margin: The smallest eigenvalue of the symmetric part over the family, remainder included.
        peak: An upper bound, from the worst vertex and the centre, on the margin that smaller cells
            can reach.
        scores: How much of the gap splitting each coordinate could close. This is the share of the
            coordinate in the remainder, with each entry weighted by the derivative of the margin
            with respect to it. For a simple smallest eigenvalue that is a product of two entries of
            its eigenvector (up to the regularization of the scaling).
        scaling: Positive integers that absorb the remainder well, as the checker will use them.
    """

    margin: Float[np.ndarray, " cells"]
    peak: Float[np.ndarray, " cells"]
    scores: Float[np.ndarray, "cells n"]
    scaling: Int[np.ndarray, "cells n"]


def reduced(family: AffineFamily, most: int | None = None) -> AffineFamily:
    """Returns families with at most so many generators per cell, which contain the given ones.

    The generators of the coordinates come first, in their order unless there are too many.
    """
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
    n = centre.shape[-1]
    most = most or most_generators(n)
    moves, remainder = folded(generators[:, :n], remainder, most)
    others, remainder = folded(generators[:, n:], remainder, most - moves.shape[1])
    generators = np.concatenate([moves, others], axis=1)
    return AffineFamily(centre, generators, remainder, share, finite)


def folded(
    generators: np.ndarray, remainder: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the generators, or the largest of them where there are too many, and the remainder.

    The others become part of the remainder.
    """
    if generators.shape[1] <= most:
        return generators, remainder
    order = np.argsort(-_sizes(generators), axis=1, kind="stable")[:, :, None, None]
    generators = np.take_along_axis(generators, order, axis=1)
    rest = np.abs(generators[:, most:]).sum(1)
    return generators[:, :most], (remainder + rest) * (1 + 2.0**-40)


def _sizes(generators: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.abs(generators).sum((-1, -2)))


def margin_modes(
    family: AffineFamily,
    weights: Weighting,
    signs: Int[np.ndarray, "n n"],
    unit: int = -2000,
) -> Modes | None:
    """Chooses modes for the margin of a batch of cells, or None where vertices are enough.

    In the direction `v` of the smallest eigenvalue the modes of a generator cost `v' X v`; folding
    the generator into the remainder costs `|v|' |S| |v|`. In each cell the best of three choices is
    taken: all modes, none, or those that cost less than folding.

    Args:
        family: The affine families of the cells.
        weights: The metric: one weight per coordinate, or a matrix.
        signs: As for `margin_bounds`.
        unit: The exponent of the unit of the numbers in the file, which limits how fine the modes
            can be.
    """
    metric, finite = Metric(weights), np.asarray(family.finite)[:, None, None]
    generators = np.where(finite[:, None], family.generators, 0.0)
    if np.count_nonzero(np.abs(generators).max((0, 2, 3), initial=0.0)) <= MARGIN_VERTICES:
        return None
    centre = metric.symmetric(np.where(finite, family.centre, 0.0))
    generators = metric.symmetric(generators)
    at_vertices, generators = _largest(generators)
    modes = choose_modes(centre, generators, metric, 2 * unit)
    if not at_vertices.shape[1]:
        return modes
    remainder = metric.loose(numbers(family.remainder), signs)
    corners = vertices(centre, at_vertices)
    values, vectors = metric.eigh(corners)
    cell, worst = np.arange(len(centre)), values[:, :, 0].argmin(1)
    direction = vectors[cell, worst, :, 0]
    size = np.abs(direction)
    bound, _ = _of_modes(modes, generators, metric)
    cost = np.einsum("bi,bkij,bj->bk", direction, bound, direction)
    folded = np.einsum("bi,bkij,bj->bk", size, np.abs(generators), size)
    every = np.ones_like(cost, bool)
    choices = [modes.kept(keep) for keep in (every, ~every, cost < folded)]
    margins = np.stack(
        [
            _margin_at(centre, at_vertices, generators, remainder, metric, choice)[0]
            for choice in choices
        ]
    )
    best = margins.argmax(0)
    strengths = np.stack([choice.strengths for choice in choices])[best, cell]
    return modes._replace(strengths=strengths)


def _largest(generators: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the largest generators, which span vertices, and all others, with zeros for those."""
    if generators.shape[-1] > MARGIN_VERTICES:
        return generators[:, :0], generators
    order = np.argsort(-_sizes(generators), axis=1, kind="stable")[:, :MARGIN_VERTICES]
    largest = np.take_along_axis(generators, order[:, :, None, None], axis=1)
    others = generators.copy()
    np.put_along_axis(others, order[:, :, None, None], 0.0, axis=1)
    return largest, others


def margin_bounds(
    family: AffineFamily,
    weights: Weighting,
    signs: Int[np.ndarray, "n n"],
    modes: Modes | None = None,
) -> CellBounds:
    """Computes the margins of a batch of cells in a metric.

    Args:
        family: The affine families of the cells, mirrored by `certify.jacobian.family.mirrored`.
        weights: The metric: one weight per coordinate, or a matrix.
        signs: The result of `certify.problem.symmetry.mirror_signs`: entries of the remainder that
            are opposite numbers cancel in the symmetric part as far as their weights are equal.
        modes: The result of `margin_modes`, which is called when they are not given.
    """
    metric, modes = Metric(weights), modes or margin_modes(family, weights, signs)
    centre, generators = (
        metric.symmetric(numbers(part)) for part in (family.centre, family.generators)
    )
    remainder, share = (
        metric.loose(numbers(part), signs) for part in (family.remainder, family.share)
    )
    n = centre.shape[-1]
    if modes is None:
        at_vertices, loose = folded(generators, remainder, MARGIN_VERTICES)
        others = generators[:, :0]
    else:
        (at_vertices, others), loose = _largest(generators), remainder
    margin, eigenvector, scaling = _margin_at(centre, at_vertices, others, loose, metric, modes)
    # Smaller cells have smaller remainders, and generators that belong to a remainder are part of
    # it.
    loose = remainder + np.abs(generators[:, n:]).sum(1)
    at_vertex = _at_some_vertex(centre, generators[:, :n], loose, eigenvector, metric)
    direction = scaling * metric.root
    finite = np.asarray(family.finite)
    return CellBounds(
        np.where(finite, margin, -np.inf),
        np.where(finite, np.minimum(at_vertex, _at_centre(centre, loose, metric)), np.inf),
        np.einsum("bi,bkij,bj->bk", direction, share, direction),
        scaling,
    )


def _margin_at(
    centre: np.ndarray,
    at_vertices: np.ndarray,
    others: np.ndarray,
    remainder: np.ndarray,
    metric: Metric,
    modes: Modes | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns margins, eigenvectors of worst vertices, and scalings; all matrices in the frame."""
    if modes is not None:
        bound, rest = _of_modes(modes, others, metric)
        centre, remainder = centre - bound.sum(1), remainder + np.abs(rest).sum(1)
    corners = vertices(centre, at_vertices)
    values, vectors = metric.eigh(corners)
    cell, worst = np.arange(len(centre)), values[:, :, 0].argmin(1)
    eigenvector = vectors[cell, worst, :, 0]
    scaling = _absorbing(corners[cell, worst], np.abs(eigenvector), remainder, metric)
    direction = scaling * metric.root
    loss = np.einsum("bij,bj->bi", remainder, direction) / direction
    lowered = corners - loss[:, None, :, None] * np.eye(loss.shape[1])
    return metric.eigvalsh(lowered)[:, :, 0].min(1), eigenvector, scaling


def _absorbing(
    worst: np.ndarray, eigenvector: np.ndarray, remainder: np.ndarray, metric: Metric
) -> np.ndarray:
    """Returns the candidate scalings that leave the worst vertices the largest margins."""
    root = metric.root
    candidates = np.stack([integers((eigenvector + r) / root) for r in REGULARIZATIONS])
    directions = candidates * root
    losses = np.einsum("bij,cbj->cbi", remainder, directions) / directions
    lowered = worst - losses[..., None] * np.eye(len(root))
    best = metric.eigvalsh(lowered)[..., 0].argmax(0)
    return candidates[best, np.arange(len(best))]


def _of_modes(
    modes: Modes, generators: np.ndarray, metric: Metric
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the bounds and the rests of generators in the frame, as the checker computes them."""
    scale = 2 * metric.root[:, None] * metric.root
    bound = modes.summed(np.abs(modes.strengths)) / scale
    return bound, generators - modes.summed(modes.strengths) / scale


def _at_some_vertex(
    centre: np.ndarray,
    generators: np.ndarray,
    remainder: np.ndarray,
    eigenvector: np.ndarray,
    metric: Metric,
) -> np.ndarray:
    """Returns the smallest eigenvalues at bad vertices, plus what the remainder could add.

    The vertices are found by iteration.
    """
    lowest = np.full(len(centre), np.inf)
    for _ in range(3):
        along = np.einsum("bi,bkij,bj->bk", eigenvector, generators, eigenvector)
        vertex = centre - np.einsum("bk,bkij->bij", np.where(along < 0, -1.0, 1.0), generators)
        values, vectors = metric.eigh(vertex)
        eigenvector = vectors[:, :, 0]
        size = np.abs(eigenvector)
        loose = np.einsum("bi,bij,bj->b", size, remainder, size)
        lowest = np.minimum(lowest, values[:, 0] + loose)
    return lowest


def _at_centre(centre: np.ndarray, remainder: np.ndarray, metric: Metric) -> np.ndarray:
    """Returns the smallest eigenvalues at the centres, plus what the remainder could add."""
    values, vectors = metric.eigh(centre)
    eigenvector = np.abs(vectors[:, :, 0])
    return values[:, 0] + np.einsum("bi,bij,bj->b", eigenvector, remainder, eigenvector)


def numbers(part: Any) -> np.ndarray:
    """Replaces numbers that are not finite by finite ones, which mean nothing."""
    return np.nan_to_num(part, nan=0.0, posinf=1e280, neginf=-1e280)


def integers(vectors: np.ndarray) -> np.ndarray:
    """Returns positive integers of at most three digits in about the same proportions."""
    return np.maximum(np.rint(vectors / vectors.max(-1, keepdims=True) * 999), 1).astype(np.int64)


def block_vertices(
    centre: Float[np.ndarray, "cells a b"],
    generators: Float[np.ndarray, "cells m a b"],
    remainder: Float[np.ndarray, "cells a b"],
) -> tuple[Float[np.ndarray, "cells vertices a b"], Float[np.ndarray, "cells a b"]]:
    """Returns the vertices that the largest generators of a block span, and a remainder."""
    most = 0 if centre.shape[1:] == (1, 1) else MAX_VERTICES  # numbers lose nothing by folding
    generators, remainder = folded(generators, remainder, most)
    return vertices(centre, generators), remainder


def vertices(
    centre: Float[np.ndarray, "cells a b"], generators: Float[np.ndarray, "cells m a b"]
) -> Float[np.ndarray, "cells vertices a b"]:
    """Returns all `2^m` matrices `centre +- g_1 +- ... +- g_m` for each cell."""
    count = generators.shape[1]
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=count))).reshape(2**count, count)
    return centre[:, None] + np.einsum("vk,bkij->bvij", signs, generators)
