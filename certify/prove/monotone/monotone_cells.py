"""Cells on which a field is monotone, found by cutting, and rounded to integers that keep zeros."""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.file.cells import Entry, family_in_file, scaled, tree_in_file
from certify.jacobian.enclosure_choice import PATIENCE, Enclosure, Taylor, kinks_in
from certify.jacobian.evaluator import evaluator
from certify.jacobian.family import AffineFamily, stack
from certify.metric.cell_lipschitz import lipschitz_bounds
from certify.metric.cell_margin import MARGIN_VERTICES, margin_bounds
from certify.metric.metric import Metric
from certify.problem.field import FlatField
from certify.problem.region import Region
from certify.prove.family_measure import FamilyMeasure
from certify.prove.margin_measure import BLOCKS, batches, measured, rounded_up
from certify.prove.monotone.constant_entries import constant_entries
from certify.prove.monotone.convex_costs import with_convex_costs
from certify.prove.no_proof import NoProof
from certify.search.budget import Budget
from certify.search.cover import cover
from certify.search.measure import Cell, Measured, Merit
from certify.search.search_options import Search
from certify.search.tree import Split, Tree

# A symmetric part whose smallest eigenvalue is above minus this share of its size is taken for
# semidefinite; the checker decides.
_ROUNDING = 2.0**-40
# Remainders are enlarged by this share, as in `certify.file.evidence`.
_ROOM = 2.0**-6
# The most bits of integers below the largest number of a file.
_MOST_BITS = 200


class MonotoneCells(NamedTuple):
    """The cells of a region, with families in integers.

    Attributes:
        tree: The cells.
        unit: The exponent of the power of two that is the unit.
        families: The families of all cells in units, in order.
        along: The coordinate that each generator of each family goes along, or -1.
        enclosure: How they were enclosed.
        corners: The lower and the upper corner of each cell.
    """

    tree: Tree[AffineFamily]
    unit: int
    families: list[AffineFamily]
    along: list[list[int]]
    enclosure: str
    corners: list[tuple[np.ndarray, np.ndarray]]

    @property
    def in_numbers(self) -> AffineFamily:
        """The families in ordinary numbers, in one batch."""
        most = max(len(family.generators) for family in self.families)

        def padded(family: AffineFamily) -> AffineFamily:
            zeros = np.zeros((most - len(family.generators), *family.centre.shape))
            whole = np.concatenate([family.generators, zeros])
            return scaled(dataclasses.replace(family, generators=whole), self.unit)

        return stack([padded(family) for family in self.families])

    def listed(self, monotone: np.ndarray, lipschitz: np.ndarray) -> list[Entry]:
        """Returns the cells in the form of the file, with scalings that absorb remainders."""
        parts = zip(self.families, self.along, monotone, lipschitz, strict=True)
        cells = (
            {
                **family_in_file(family),
                "along": along,
                "monotone_scaling": own.tolist(),
                "lipschitz_scaling": both.tolist(),
            }
            for family, along, own, both in parts
        )
        return tree_in_file(self.tree, cells)


def monotone_cells(
    field: FlatField,
    region: Region,
    weights: Float[np.ndarray, " n"],
    enclosure: Enclosure,
    search: Search,
    budget: Budget,
) -> MonotoneCells:
    """Cuts a region until the field is monotone on each cell, as far as floating point can tell.

    Raises:
        NoProof: If it is not; it says why.
    """
    chosen = enclosure.select(field, PATIENCE if budget.seconds is None else budget.left)
    if chosen.shortfall and budget.seconds is not None:
        raise NoProof(chosen.shortfall)
    program = evaluator(field, chosen.enclosure, compile=chosen.compiled)
    constant = constant_entries(field, region)
    step = program.width * program.devices
    size = rounded_up(search.batch_size or BLOCKS * step, step)

    def run(cells: list[Cell]) -> Iterator[Measured[AffineFamily]]:
        for batch in batches(cells, size):
            for cell, known in zip(batch, measured(program, batch, weights), strict=True):
                family = with_convex_costs(field, constant.put_into(known.evidence), cell)
                yield _measured(_thinned(family), known.merits[0], weights, field)

    tree = cover(
        region,
        FamilyMeasure(run),
        tightness=search.share,
        budget=budget,
        progress=search.progress,
    )
    families = tree.evidence()
    if not all(family.finite for family in families):
        raise NoProof("on some cell the costs were not shown to be smooth")
    worst = min(_least(family, weights, field) for family in families)
    if worst < 0:
        shortfall = [tree.shortfall] if tree.shortfall and "positive" not in tree.shortfall else []
        raise NoProof(
            "on some cell the field was not shown to be monotone: the symmetric part of its "
            f"Jacobian may have an eigenvalue of {worst:.3g}",
            *shortfall,
        )
    kinks = kinks_in(field) if isinstance(chosen.enclosure, Taylor) else None
    unit = _unit(families)
    rounded = [
        _rounded(family, unit, 0 if kinks is None else kinks.selectors) for family in families
    ]
    return MonotoneCells(
        tree,
        unit,
        [pair[0] for pair in rounded],
        [pair[1] for pair in rounded],
        chosen.enclosure.name,
        _corners(tree, *region.bounds()),
    )


def _corners(
    tree: Tree[AffineFamily], lower: np.ndarray, upper: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns the corners of the cells inside the region, in preorder."""
    pending, found = [(lower, upper)], []
    for node in tree.preorder():
        low, high = pending.pop()
        if isinstance(node, Split):
            below, above = high.copy(), low.copy()
            below[node.axis] = above[node.axis] = node.at
            pending += [(above, high), (low, below)]
        elif node.evidence is not None:
            found.append((low, high))
    return found


def _measured(
    family: AffineFamily, merit: Merit, weights: np.ndarray, field: FlatField
) -> Measured[AffineFamily]:
    """Returns a cell whose merit is the inverse of its Lipschitz constant, where F is monotone.

    Elsewhere it is negative: how far from monotone the field may be, and at least is.

    Args:
        family: The Jacobians of the cell.
        merit: That of the margin, whose scores say where to cut.
        weights: The metric, one weight for each coordinate.
        field: The field.
    """
    least = _least(family, weights, field)
    if not family.finite or least < 0:
        bounds = margin_bounds(_lifted(family, weights, field), weights, field.signs)
        peak = min(float(bounds.peak[0]), 1.0) if family.finite else 1.0
        peak = peak if peak < -_ROUNDING * _size(family, weights) else 1e-9
        merit = Merit(least if family.finite else -np.inf, peak, merit.scores)
        return Measured(family, (merit,))
    found = lipschitz_bounds(stack([family]), weights)
    norm, floor = (max(float(end[0]), 1e-100) for end in (found.norm, found.floor))
    return Measured(family, (Merit(1 / norm, 1 / floor, found.scores[0]),))


def _least(family: AffineFamily, weights: np.ndarray, field: FlatField) -> float:
    """Returns the least eigenvalue of a symmetric part; zero if that may be a rounding error."""
    found = margin_bounds(_lifted(family, weights, field), weights, field.signs).margin
    return min(0.0, float(found[0]) + _ROUNDING * _size(family, weights))


def _lifted(family: AffineFamily, weights: np.ndarray, field: FlatField) -> AffineFamily:
    """Returns a batch of one family, with a one where coordinates have no symmetric part at all."""
    metric = Metric(weights)
    parts = [metric.symmetric(part) for part in (family.centre, *family.generators)]
    parts.append(metric.loose(family.remainder, field.signs))
    flat = ~np.any(np.any(np.array(parts), axis=0), axis=1)
    lifted = np.asarray(family.centre) + np.diag(flat * 1.0)
    share = np.zeros((len(weights), *lifted.shape))
    return stack([dataclasses.replace(family, centre=lifted, share=share)])


def _thinned(family: AffineFamily) -> AffineFamily:
    """Returns a family with a few generators that are not zero; the others join the remainder."""
    generators = np.asarray(family.generators).copy()
    order = np.argsort(-np.abs(generators).sum((-1, -2)), kind="stable")[MARGIN_VERTICES:]
    rest = np.abs(generators[order]).sum(0)
    if not rest.any():
        return family
    generators[order] = 0.0
    remainder = (np.asarray(family.remainder) + rest) * (1 + 2.0**-40)
    return dataclasses.replace(family, generators=generators, remainder=remainder)


def _size(family: AffineFamily, weights: np.ndarray) -> float:
    return float(np.abs(Metric(weights).framed(np.asarray(family.centre))).max(initial=1e-300))


def _unit(families: list[AffineFamily]) -> int:
    """Returns the exponent of a unit of which all centres and generators are multiples.

    Unless that takes many bits more than the largest number has.
    """
    parts = [np.ravel(part) for f in families for part in (f.centre, f.generators)]
    numbers = np.abs(np.concatenate(parts))
    numbers = numbers[numbers > 0]
    if not numbers.size:
        return 0
    # A float is a multiple of the 53rd bit from its first one, or of one before.
    _, exponents = np.frexp(numbers)
    whole = np.ldexp(numbers, 53 - exponents).astype(np.int64)
    trailing = np.log2(whole & -whole).astype(int)
    largest = max(float(numbers.max()), *(float(np.max(f.remainder)) for f in families))
    lowest, top = int((exponents - 53 + trailing).min()), int(np.frexp(largest)[1])
    return int(min(max(lowest, top - _MOST_BITS, -1000), 0))


def _rounded(family: AffineFamily, unit: int, selectors: int) -> tuple[AffineFamily, list[int]]:
    """Rounds a family to multiples of a unit: what is a multiple stays, and remainders of zero."""
    parts = np.concatenate([np.asarray(family.centre)[None], np.asarray(family.generators)])
    in_units = np.ldexp(parts, -unit)
    whole = np.rint(in_units) + 0.0
    # A rounded number is off by at most half a unit.
    extra = np.ceil((whole != in_units).sum(0) / 2)
    bound = np.ldexp(np.asarray(family.remainder), -unit)
    # A number between zero and twice the centre stays so, if that is a multiple of the unit.
    ends = (bound == in_units[0]) & (extra == 0) & (in_units[1:] == 0).all(0)
    remainder = np.ceil(np.nextafter(bound * (1 + _ROOM), np.inf)) + extra
    remainder = np.where(ends, bound, np.where(bound > 0, remainder, extra))
    centre, generators = whole[0], whole[1:]
    kept = np.abs(generators).max((-1, -2)) > 0
    dimension = centre.shape[-1]
    known = dimension + selectors if len(kept) >= dimension else 0
    along = [int(k) if k < known else -1 for k in np.flatnonzero(kept)]
    rounded = dataclasses.replace(
        family, centre=centre, generators=generators[kept], remainder=remainder
    )
    return rounded, along
