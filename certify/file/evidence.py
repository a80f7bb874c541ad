"""Cells and constants as exact integers: the evidence of a certificate."""

import itertools
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from certify.file.contents import Contents
from certify.jacobian.family import AffineFamily, stack
from certify.metric.modes import Modes
from certify.search.tree import Leaf, Split, Tree

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


def quantized(tree: Tree) -> Rounded:
    """Rounds the families of all cells to integer multiples of one power of two, outward.

    Centres and generators are rounded to nearest and the remainders grow by what that loses.
    """
    families = tree.families()
    largest = max(float(np.abs(family.centre).max()) for family in families)
    remainder = float(np.median([family.remainder.max() for family in families]))
    top = int(np.ceil(np.log2(max(largest, 2.0**-900))))
    # About 2^-8 of a typical remainder, so that rounding costs nothing, within 20 to 50 bits.
    bits = np.log2(max(largest, 2.0**-900) / max(remainder, 2.0**-1000)) + 8
    unit = min(top - int(np.clip(np.ceil(bits), 20, 50)), 0)
    pairs = [_rounded(family, unit) for family in families]
    return Rounded(unit, [family for family, _ in pairs], [along for _, along in pairs])


def _rounded(family: AffineFamily, unit: int) -> tuple[AffineFamily, list[int]]:
    scale = -unit
    generators = np.rint(np.ldexp(family.generators, scale))
    kept = np.abs(generators).max((-1, -2)) > 0
    # Each rounded matrix is off by at most half a unit; a dropped one is at most half a unit large.
    extra = np.ceil((1 + len(kept)) / 2)
    remainder = np.ldexp(family.remainder, scale) * (1 + ROOM) + extra
    rounded = AffineFamily(
        np.rint(np.ldexp(family.centre, scale)) + 0.0,
        generators[kept] + 0.0,
        np.ceil(np.nextafter(remainder, np.inf)),
        family.share,
        family.finite,
    )
    # Those of the coordinates come first, if all of them were kept.
    dimension = family.centre.shape[-1] if len(kept) >= family.centre.shape[-1] else 0
    return rounded, [int(k) if k < dimension else -1 for k in np.flatnonzero(kept)]


def in_units(families: list[AffineFamily], unit: int) -> AffineFamily:
    """The rounded families as ordinary numbers, in one batch (missing generators are zero)."""
    most = max(len(family.generators) for family in families)

    def padded(family: AffineFamily) -> AffineFamily:
        missing = most - len(family.generators)
        zeros = np.zeros((missing, *family.centre.shape))
        return AffineFamily(
            np.ldexp(family.centre, unit),
            np.ldexp(np.concatenate([family.generators, zeros]), unit),
            np.ldexp(family.remainder, unit),
            family.share,
            family.finite,
        )

    return stack([padded(family) for family in families])


def nodes(
    tree: Tree,
    rounded: Rounded,
    margin_scaling: Int[np.ndarray, "cells n"],
    lipschitz_scaling: Int[np.ndarray, "cells m"],
    modes: Modes | None = None,
) -> list[Contents]:
    """The tree in preorder, as the file holds it; its cells are those of `rounded`, in order."""
    result: list[Contents] = []
    pairs = zip(rounded.families, rounded.along, strict=True)
    leaves = iter(zip(pairs, margin_scaling, lipschitz_scaling, strict=True))
    cells = itertools.count()
    for node in tree.preorder():
        if isinstance(node, Split):
            result.append({"split": node.axis, "at": float(node.at).hex()})
        elif isinstance(node, Leaf) and node.family is None:
            result.append({"outside": True})
        else:
            ((family, along), margin, lipschitz), cell = next(leaves), next(cells)
            count = len(family.generators)
            result.append(
                {
                    "centre": _integers(family.centre),
                    "generators": [_integers(g) for g in family.generators],
                    "along": along,
                    "remainder": _integers(family.remainder),
                    "margin_scaling": margin.tolist(),
                    "lipschitz_scaling": lipschitz.tolist(),
                    **({} if modes is None else {"margin_modes": modes.listed(cell, count)}),
                }
            )
    return result


def _integers(matrix: Any) -> list[int]:
    return [int(x) for x in np.ravel(matrix)]
