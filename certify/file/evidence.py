"""Rounds cells and constants to exact integers, the evidence of a certificate."""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from certify.file.cells import Entry, family_in_file, rounded, scaled, tree_in_file
from certify.jacobian.family import AffineFamily, stack
from certify.metric.modes import Modes
from certify.search.tree import Tree

# Remainders are enlarged by this share, because the bounds of a checker may be a little wider;
# without this room it would have to cut the cell into many pieces.
ROOM = 2.0**-6


class Rounded(NamedTuple):
    """The families of all cells as integers, in order.

    Attributes:
        unit: The exponent of the power of two that is their unit, at most 0.
        families: The families in units, as integer-valued floats.
        along: For each family and each of its generators, the coordinate that it goes along, if its
            symbol is how far from the middle of the cell that coordinate is; -1 for others.
    """

    unit: int
    families: list[AffineFamily]
    along: list[list[int]]


def quantized(tree: Tree[AffineFamily], selectors: int = 0) -> Rounded:
    """Rounds the families of all cells to integer multiples of one power of two, outward.

    Centres and generators are rounded to nearest, and the remainders grow by the rounding errors.

    Args:
        tree: The cells.
        selectors: How many generators after those of the coordinates belong to selectors of kinks.
    """
    families = tree.evidence()
    largest = max(float(np.abs(family.centre).max()) for family in families)
    remainder = float(np.median([family.remainder.max() for family in families]))
    top = int(np.ceil(np.log2(max(largest, 2.0**-900))))
    # The unit is about 2^-8 of a typical remainder, so that rounding costs little; 20 to 50 bits.
    bits = np.log2(max(largest, 2.0**-900) / max(remainder, 2.0**-1000)) + 8
    unit = min(top - int(np.clip(np.ceil(bits), 20, 50)), 0)
    pairs = [_rounded(family, unit, selectors) for family in families]
    return Rounded(unit, [family for family, _ in pairs], [along for _, along in pairs])


def _rounded(family: AffineFamily, unit: int, selectors: int) -> tuple[AffineFamily, list[int]]:
    """Rounds a family without the generators that vanish, and says what the others go along."""
    whole = rounded(family, unit, ROOM)
    kept = np.abs(whole.generators).max((-1, -2)) > 0
    # Generators of the coordinates come first, if all of them were kept.
    dimension = family.centre.shape[-1]
    known = dimension + selectors if len(kept) >= dimension else 0
    along = [int(k) if k < known else -1 for k in np.flatnonzero(kept)]
    return dataclasses.replace(whole, generators=whole.generators[kept]), along


def in_units(families: list[AffineFamily], unit: int) -> AffineFamily:
    """Returns rounded families in ordinary numbers, in one batch (missing generators are zero)."""
    most = max(len(family.generators) for family in families)

    def padded(family: AffineFamily) -> AffineFamily:
        zeros = np.zeros((most - len(family.generators), *family.centre.shape))
        whole = np.concatenate([family.generators, zeros])
        return scaled(dataclasses.replace(family, generators=whole), unit)

    return stack([padded(family) for family in families])


def nodes(
    tree: Tree[AffineFamily],
    families: Rounded,
    margin_scaling: Int[np.ndarray, "cells n"],
    lipschitz_scaling: Int[np.ndarray, "cells m"],
    modes: Modes | None = None,
) -> list[Entry]:
    """Lists the tree in preorder, in the form of the file; its cells have the given families."""
    pairs = zip(families.families, families.along, margin_scaling, lipschitz_scaling, strict=True)
    cells = (
        {
            **family_in_file(family),
            "along": along,
            "margin_scaling": margin.tolist(),
            "lipschitz_scaling": lipschitz.tolist(),
            **(
                {}
                if modes is None
                else {"margin_modes": modes.listed(cell, len(family.generators))}
            ),
        }
        for cell, (family, along, margin, lipschitz) in enumerate(pairs)
    )
    return tree_in_file(tree, cells)
