"""Own curvatures that are zero somewhere and never negative, such as that of `x^4` around zero.

An enclosure of such a curvature reaches below zero by its rounding errors, at least. In ball
arithmetic the range of an even power ends at zero exactly.
"""

import dataclasses
from fractions import Fraction

import numpy as np
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

from certify.checker.jets import Expansions, derivative
from certify.checker.rederive import PRECISION, entries
from certify.graph.builder import GraphError
from certify.graph.trace import graph_of
from certify.jacobian.enclosure_choice import kinks_in
from certify.jacobian.family import AffineFamily
from certify.problem.field import FlatField
from certify.search.measure import Cell


def with_convex_costs(field: FlatField, family: AffineFamily, cell: Cell) -> AffineFamily:
    """Returns a family of the same Jacobians whose diagonal does not reach below zero needlessly.

    An entry that was not shown to be positive, but whose range ends at zero exactly, is between
    zero and twice the centre: its remainder is its centre.
    """
    spread = np.abs(np.asarray(family.generators)).sum(0) + family.remainder
    low = np.diagonal(np.asarray(family.centre) - spread)
    if not family.finite or (low >= 0).all():
        return family
    tops = _tops(field, cell)
    centre, remainder = (np.asarray(part).copy() for part in (family.centre, family.remainder))
    generators = np.asarray(family.generators).copy()
    for k in np.flatnonzero((low < 0) & np.isfinite(tops)):
        generators[:, k, k] = 0.0
        centre[k, k] = remainder[k, k] = tops[k] / 2
    return dataclasses.replace(family, centre=centre, generators=generators, remainder=remainder)


def _tops(field: FlatField, cell: Cell) -> np.ndarray:
    """Returns upper bounds on diagonal entries that are not negative on a cell; else infinity."""
    result = np.full(field.dimension, np.inf)
    try:
        graph = graph_of(field)
    except GraphError:
        return result
    if kinks_in(field) is not None:
        return result
    made = entries([*field.sizes], field.zero_sum, field.is_gradient)
    box = [(Fraction(a), Fraction(b)) for a, b in zip(*map(np.ndarray.tolist, cell), strict=True)]
    middle = [(a + b) / 2 for a, b in box]
    with ctx.workprec(PRECISION):
        found, obliged = Expansions(len(made[0][2]) + 1).of(graph, middle, box)
        if not all(x.is_finite() for pair in (*found, *obliged) for x in pair.box.values()):
            return result
        for k, (output, sign, along) in enumerate(made):
            curvature = derivative(found[output].box, (*along, k), 0).get(())
            if curvature is None:
                continue
            curvature = curvature.times(sign)
            if curvature.low >= 0:
                # A float above, with an even last digit to spare, so that half of it is exact.
                top = float(curvature.high.upper())
                result[k] = np.nextafter(max(top, 2.0**-900) * (1 + 2.0**-30), np.inf)
    return result
