"""Jets of a graph over boxes, sharpened by the jets at a point of each box."""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.checker.graph import Graph
from certify.checker.jets import PRODUCTS
from certify.graph.taylor import Arithmetic, Jet
from certify.rounding import EPSILON, TINY


class Pair(NamedTuple):
    """The jets of a function at a point of each box, and over all of the box."""

    middle: Jet
    box: Jet


def expansions(
    graph: Graph,
    near: Arithmetic,
    wide: Arithmetic,
    middle: Float[np.ndarray, "boxes inputs"],
    lower: Float[np.ndarray, "boxes inputs"],
    upper: Float[np.ndarray, "boxes inputs"],
    radius: Float[np.ndarray, "boxes inputs"],
) -> tuple[list[Pair], list[Pair]]:
    """Returns the outputs of a graph on boxes and its obligations, with every product sharpened.

    Args:
        graph: The graph.
        near: The arithmetic of the jets at points, of one order less than the other.
        wide: The arithmetic of the jets over boxes.
        middle: A point of each box.
        lower: The lower corners.
        upper: The upper corners.
        radius: How far the boxes reach from these points, in each coordinate.
    """

    def both(name: str):
        at, over = near.operations[name], wide.operations[name]

        def applied(*operands):
            first, second = (
                [getattr(x, side) if isinstance(x, Pair) else x for x in operands]
                for side in Pair._fields
            )
            found = Pair(at(*first), over(*second))
            return _sharpened(found, near, wide, radius) if name in PRODUCTS else found

        return applied

    points, boxes = near.variables(middle, middle), wide.variables(lower, upper)
    inputs = [Pair(*pair) for pair in zip(points, boxes, strict=True)]
    return graph.obliged(inputs, {name: both(name) for name in wide.operations})


def _sharpened(pair: Pair, near: Arithmetic, wide: Arithmetic, radius: np.ndarray) -> Pair:
    """Sharpens the jet over a box by the mean value theorem, higher degrees first.

    The derivative of the coefficient of m along coordinate k is `m_k + 1` times the coefficient of
    `m t_k`; so on a box around p its values are within `sum_k |that derivative| r_k` of the one at
    p. Where nothing is known, that remains so.
    """
    middle, box = pair
    if box.monomials == (0,):  # the same everywhere
        return pair
    low, high = (np.array(np.broadcast_to(end, (len(end), len(radius)))) for end in box[1:])
    absent = np.zeros((1, len(radius)))
    at = [
        np.concatenate([np.broadcast_to(end, (len(end), len(radius))), absent])
        for end in middle[1:]
    ]
    for rows, centres, slopes, counts in _rows(near, wide, middle.monomials, box.monomials):
        size = np.concatenate([np.maximum(np.abs(low), np.abs(high)), absent])
        moved = (size[slopes] * counts * radius.T).sum(1)
        below, above = (end[centres] for end in at)
        slack = moved + np.maximum(np.abs(below), np.abs(above))
        slack = moved + (wide.inputs + 8) * (EPSILON * slack + TINY)
        # Comparisons with what is not known are false, and leave everything as it is.
        low[rows] = np.where(below - slack > low[rows], below - slack, low[rows])
        high[rows] = np.where(above + slack < high[rows], above + slack, high[rows])
    return Pair(middle, Jet(box.monomials, low, high))


@functools.lru_cache(maxsize=2**12)
def _rows(
    near: Arithmetic, wide: Arithmetic, middle: tuple[int, ...], box: tuple[int, ...]
) -> list[tuple[np.ndarray, ...]]:
    """Returns, for each degree but the highest, from high to low, what bounds which coefficients.

    Returns:
        For each degree, rows of the jet over boxes; those of the same monomials at points; those of
        their derivatives, shape (rows, inputs), and the factors of these. A coefficient that is not
        there is zero, and its row is the last.
    """
    place = {monomial: row for row, monomial in enumerate(box)}
    at = {near.exponents(monomial): row for row, monomial in enumerate(middle)}
    variables, result = range(wide.inputs), []
    for degree in reversed(range(wide.order)):
        own = [monomial for monomial in box if wide.degree(monomial) == degree]
        if not own:
            continue
        powers = [wide.exponents(monomial) for monomial in own]
        slopes = [[place.get(m + wide.monomial(k), len(box)) for k in variables] for m in own]
        counts = [[[p.count(k) + 1.0] for k in variables] for p in powers]
        rows, centres = [place[m] for m in own], [at.get(p, len(middle)) for p in powers]
        result.append((*map(np.array, (rows, centres, slopes, counts)),))
    return result
