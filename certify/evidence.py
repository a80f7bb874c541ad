"""Cells and constants as exact integers: the evidence of a certificate."""

import itertools
from typing import Any

import numpy as np
from jaxtyping import Int

from certify.enclosure.affine import AffineFamily
from certify.metric.modes import Modes
from certify.tree import Leaf, Split, Tree, stack


def quantized(tree: Tree) -> tuple[int, list[AffineFamily]]:
    """Rounds the families of all cells to integer multiples of one power of two, outward.

    Centres and generators are rounded to nearest and the remainders grow by what that loses.

    Returns:
        The exponent of the unit (at most 0), and the families in units, as integer-valued floats.
    """
    families = tree.families()
    largest = max(float(np.abs(family.centre).max()) for family in families)
    remainder = float(np.median([family.remainder.max() for family in families]))
    top = int(np.ceil(np.log2(max(largest, 2.0**-900))))
    # About 2^-8 of a typical remainder, so that rounding costs nothing, within 20 to 50 bits.
    bits = np.log2(max(largest, 2.0**-900) / max(remainder, 2.0**-1000)) + 8
    unit = min(top - int(np.clip(np.ceil(bits), 20, 50)), 0)
    return unit, [_rounded(family, unit) for family in families]


def _rounded(family: AffineFamily, unit: int) -> AffineFamily:
    scale = -unit
    generators = np.rint(np.ldexp(family.generators, scale))
    kept = np.abs(generators).max((-1, -2)) > 0
    # Each rounded matrix is off by at most half a unit; a dropped one is at most half a unit large.
    extra = np.ceil((1 + len(kept)) / 2)
    remainder = np.ldexp(family.remainder, scale) + extra
    return AffineFamily(
        np.rint(np.ldexp(family.centre, scale)) + 0.0,
        generators[kept] + 0.0,
        np.ceil(np.nextafter(remainder, np.inf)),
        family.share,
        family.finite,
    )


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
    families: list[AffineFamily],
    margin_scaling: Int[np.ndarray, "cells n"],
    lipschitz_scaling: Int[np.ndarray, "cells m"],
    modes: Modes | None = None,
) -> list[dict[str, Any]]:
    """The tree in preorder, as the file holds it; `families` rounded, in the same order."""
    result: list[dict[str, Any]] = []
    leaves = iter(zip(families, margin_scaling, lipschitz_scaling, strict=True))
    cells = itertools.count()
    for node in tree.preorder():
        if isinstance(node, Split):
            result.append({"split": node.axis, "at": float(node.at).hex()})
        elif isinstance(node, Leaf) and node.family is None:
            result.append({"outside": True})
        else:
            (family, margin, lipschitz), cell = next(leaves), next(cells)
            count = len(family.generators)
            result.append(
                {
                    "centre": _integers(family.centre),
                    "generators": [_integers(g) for g in family.generators],
                    "remainder": _integers(family.remainder),
                    "margin_scaling": margin.tolist(),
                    "lipschitz_scaling": lipschitz.tolist(),
                    **({} if modes is None else {"margin_modes": modes.listed(cell, count)}),
                }
            )
    return result


def _integers(matrix: Any) -> list[int]:
    return [int(x) for x in np.ravel(matrix)]
