"""Affine families of Jacobians from Taylor polynomials of an expression graph, uncompiled."""

import functools
from collections.abc import Callable, Sequence
from math import comb, factorial, prod

import numpy as np
from jaxtyping import Float

from certify.checker.graph import Graph
from certify.checker.kinks import Kinks
from certify.checker.rederive import ORDER, Entry
from certify.graph.taylor import Arithmetic, Jet, ends_of, larger, size_of, smaller
from certify.graph.taylor_expansion import expansions
from certify.jacobian.expansion import Ends, expand, middle_of
from certify.jacobian.family import AffineFamily
from certify.jacobian.natural_jacobian import natural_curvature, natural_jacobian, natural_slope
from certify.problem.natural_gradient import Natural
from certify.rounding import EPSILON, TINY

# The most products of coefficients for one cell, counted as if none were zero; they take a
# fraction of a second.
_PRODUCTS = 2**21


def is_affordable(graph: Graph) -> bool:
    """Returns whether a graph is small enough for its families to be found quickly, cell by cell.

    The cost of a node depends on how many coordinates it moves with: a hidden unit of a network
    moves with its own weights and its inputs, not with all coordinates of the game.
    """
    products = {"mul": 1, "add": 0, "sub": 0, "neg": 0, "constant": 0}
    moving: list[frozenset[int]] = [frozenset((k,)) for k in range(graph.inputs)]
    count = 0
    for node in graph.nodes:
        moving.append(frozenset().union(*(moving[k] for k in node.operands)))
        pairs = comb(2 * len(moving[-1]) + ORDER, ORDER)
        count += products.get(node.operation, ORDER + 1) * pairs
    return count <= _PRODUCTS


def taylor_family(
    graph: Graph,
    entries: Sequence[Entry],
    natural: Natural | None = None,
    kinks: Kinks | None = None,
) -> Callable[[Float[np.ndarray, "cells n"], Float[np.ndarray, "cells n"]], AffineFamily]:
    """Encloses the Jacobian of a field over cells, rigorously.

    Args:
        graph: The graph of the costs, or of the field itself.
        entries: How the field is made of the outputs of the graph.
        natural: What a natural gradient adds to the slopes of the graph's outputs, if the field is
            one; the graph and the cells are then in terms of policies.
        kinks: The kinks of the graph of a field, if it has any: their selectors are then further
            coordinates, with generators after those of the others.

    Returns:
        A function of the lower and upper corners of a batch of cells. A family is `finite` where
        all Taylor coefficients of the outputs and of the obligations are finite up to degree
        `ORDER`: then the graph is defined on the cell, and its outputs have that many continuous
        derivatives there.
    """
    size, loosened = graph.inputs, graph if kinks is None else kinks.loosened
    near, wide = (Arithmetic(loosened.inputs, order) for order in (ORDER - 1, ORDER))

    def family(lower: np.ndarray, upper: np.ndarray) -> AffineFamily:
        lower, upper = flushed(lower, upper)
        with np.errstate(all="ignore"):
            if kinks is not None:
                ends = zip((lower, upper), selectors(kinks, lower, upper), strict=True)
                lower, upper = (np.concatenate(pair, 1) for pair in ends)
            middle, radius = middle_of(lower, upper)
            pairs, obliged = expansions(loosened, near, wide, middle, lower, upper, radius)
            at, over = ([getattr(pair, side) for pair in pairs] for side in ("middle", "box"))
            value, slope = (_derivatives(near, at, entries, order, size) for order in (1, 2))
            values, slopes, curvature = (
                _derivatives(wide, over, entries, order, size) for order in (1, 2, 3)
            )
            if natural is not None:
                point, cell = Ends(middle, middle), Ends(lower, upper)
                slope = natural_slope(natural, point, value, slope)
                value = natural_jacobian(natural, point, value)
                curvature = natural_curvature(natural, cell, values, slopes, curvature)
            parts = expand(value, slope, curvature, radius)
        finite = [np.isfinite(part).reshape(len(lower), -1).all(-1) for part in parts]
        needed = (*over, *(pair.box for pair in obliged))
        finite += [np.broadcast_to(jet.is_finite(), len(lower)) for jet in (*at, *needed)]
        known = np.all(finite, axis=0)
        blame = _blame(wide, needed, len(lower))
        share = np.where(known[:, None, None, None], parts.share, blame)
        # Selectors are not cut: what they are to blame for is shared by the coordinates.
        share = share[:, :size] + share[:, size:].sum(1, keepdims=True) / size
        return AffineFamily(*parts._replace(share=share), known)

    return family


def selectors(
    kinks: Kinks, lower: Float[np.ndarray, "cells n"], upper: Float[np.ndarray, "cells n"]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the least and the greatest possible values of all selectors, shape (cells, kinks)."""
    arithmetic = Arithmetic(lower.shape[1], 1)
    operations = {**arithmetic.operations, "max": larger, "min": smaller, "abs": size_of}
    found = kinks.switches.evaluate(arithmetic.variables(lower, upper), operations)
    pairs = [ends_of(jet, len(lower)) for jet in found]
    low = np.stack([np.where(low > 0, 1.0, 0.0) for low, _ in pairs], 1)
    high = np.stack([np.where(high < 0, 0.0, 1.0) for _, high in pairs], 1)
    return low, high


def flushed(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Moves subnormal corners outward, so that the cell contains its middle, normal or zero."""
    small = [np.abs(end) < TINY for end in (lower, upper)]
    return (
        np.where(small[0], np.where(lower < 0, -TINY, 0.0), lower),
        np.where(small[1], np.where(upper > 0, TINY, 0.0), upper),
    )


def _blame(arithmetic: Arithmetic, jets: Sequence[Jet], boxes: int) -> np.ndarray:
    """Returns one for each coordinate in the monomial of an unknown coefficient, else zero.

    Splitting other coordinates would not help.
    """
    result = np.zeros((boxes, arithmetic.inputs, 1, 1))
    for jet in jets:
        unknown = ~(np.isfinite(jet.low) & np.isfinite(jet.high))
        for monomial, row in zip(jet.monomials, unknown, strict=True):
            for k in set(arithmetic.exponents(monomial)):
                result[:, k, 0, 0] += row
    return np.minimum(result, 1.0)


def _derivatives(
    arithmetic: Arithmetic, jets: list[Jet], entries: Sequence[Entry], order: int, size: int
) -> Ends:
    """Bounds all derivatives of one order of the field, shape (cells, n, n, ...).

    The first derivative is along one of the first `size` variables, others along any.
    """
    monomials = tuple(jet.monomials for jet in jets)
    rows, factors = _places(arithmetic, monomials, tuple(entries), order, size)
    boxes = max(jet.low.shape[1] for jet in jets)
    ends = []
    for side in ("low", "high"):
        table = [np.broadcast_to(getattr(jet, side), (len(jet.low), boxes)) for jet in jets]
        found = np.concatenate([*table, np.zeros((1, boxes))])[rows] * factors[..., None]
        ends.append(np.moveaxis(found, -1, 0))
    low, high = np.minimum(*ends), np.maximum(*ends)  # a negative sign swaps them
    unknown = ~(np.isfinite(low) & np.isfinite(high))
    return Ends(
        np.where(unknown, -np.inf, low - EPSILON * np.abs(low)),
        np.where(unknown, np.inf, high + EPSILON * np.abs(high)),
    )


@functools.lru_cache(maxsize=256)
def _places(
    arithmetic: Arithmetic,
    monomials: tuple[tuple[int, ...], ...],
    entries: tuple[Entry, ...],
    order: int,
    size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the row of each derivative among the coefficients of all outputs, and its factor.

    A derivative is a Taylor coefficient times the factorials of the exponents of its monomial. A
    coefficient that is not listed is zero; zero stands in the last row.
    """
    starts = np.cumsum([0, *map(len, monomials)])
    known = [
        {monomial: start + k for k, monomial in enumerate(own)}
        for own, start in zip(monomials, starts[:-1], strict=True)
    ]
    shape = (len(entries), size) + (arithmetic.inputs,) * (order - 1)
    rows, factors = np.empty(shape, np.int64), np.empty(shape)
    for place in np.ndindex(shape):
        output, sign, along = entries[place[0]]
        variables = (*along, *place[1:])
        rows[place] = known[output].get(arithmetic.monomial(*variables), starts[-1])
        factors[place] = sign * prod(factorial(variables.count(k)) for k in set(variables))
    return rows, factors
