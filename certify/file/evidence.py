"""Cells and constants as exact integers: the evidence of a certificate."""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from certify.file.cells import Entry, family_in_file, rounded, scaled, tree_in_file
from certify.jacobian.family import AffineFamily, stack
from certify.metric.modes import Modes
from certify.search.tree import Tree

# Remainders are enlarged by this share: room for a checker whose bounds are a little wider, which
# otherwise would have to cut the cell into many pieces.
ROOM = 2.0**-6


class Rounded(NamedTuple):
    """The families of all cells as integers, in order.

    Attributes:
        unit: The exponent of the power of two that is their unit, at most 0.
        families: In units, as integer-valued floats.
        along: For each family and each of its generators, the coordinate that it goes along: its
            symbol is how far from the middle of the cell that coordinate is. It is -1 for others.
    """

    unit: int
    families: list[AffineFamily]
    along: list[list[int]]


def quantized(tree: Tree[AffineFamily]) -> Rounded:
    """Rounds the families of all cells to integer multiples of one power of two, outward.

    Centres and generators are rounded to nearest and the remainders grow by what that loses.
    """
    families = tree.evidence()
    largest = max(float(np.abs(family.centre).max()) for family in families)
    remainder = float(np.median([family.remainder.max() for family in families]))
    top = int(np.ceil(np.log2(max(largest, 2.0**-900))))
    # About 2^-8 of a typical remainder, so that rounding costs nothing, within 20 to 50 bits.
    bits = np.log2(max(largest, 2.0**-900) / max(remainder, 2.0**-1000)) + 8
    unit = min(top - int(np.clip(np.ceil(bits), 20, 50)), 0)
    pairs = [_rounded(family, unit) for family in families]
    return Rounded(unit, [family for family, _ in pairs], [along for _, along in pairs])


def _rounded(family: AffineFamily, unit: int) -> tuple[AffineFamily, list[int]]:
    """The family without the generators that vanish, and what the others go along."""
    whole = rounded(family, unit, ROOM)
    kept = np.abs(whole.generators).max((-1, -2)) > 0
    # Those of the coordinates come first, if all of them were kept.
    dimension = family.centre.shape[-1] if len(kept) >= family.centre.shape[-1] else 0
    along = [int(k) if k < dimension else -1 for k in np.flatnonzero(kept)]
    return dataclasses.replace(whole, generators=whole.generators[kept]), along


def in_units(families: list[AffineFamily], unit: int) -> AffineFamily:
    """The rounded families as ordinary numbers, in one batch (missing generators are zero)."""
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
    """The tree in preorder, as the file holds it; its cells are those families, in order."""
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
