"""Converts the cells of a proof to the form in the file: a tree of cuts, families in integers."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from certify.jacobian.family import AffineFamily
from certify.search.tree import Split, Tree

Entry = dict[str, Any]


def rounded(family: AffineFamily, unit: int, room: float) -> AffineFamily:
    """Rounds a family to integer multiples of `2^unit`, which makes it a little larger.

    Centre and generators are rounded to nearest, and the remainder grows by the rounding errors.

    Args:
        family: The family of one cell.
        unit: The exponent of the power of two that is the unit.
        room: The share by which the remainder is enlarged.
    """
    generators = np.rint(np.ldexp(family.generators, -unit)) + 0.0
    # Each rounded matrix is off by at most half a unit.
    extra = np.ceil((1 + len(generators)) / 2)
    remainder = np.ldexp(family.remainder, -unit) * (1 + room) + extra
    return AffineFamily(
        np.rint(np.ldexp(family.centre, -unit)) + 0.0,
        generators,
        np.ceil(np.nextafter(remainder, np.inf)),
        family.share,
        family.finite,
    )


def scaled(family: AffineFamily, unit: int) -> AffineFamily:
    """Returns a rounded family in ordinary numbers, without the unit."""
    return AffineFamily(
        np.ldexp(family.centre, unit),
        np.ldexp(family.generators, unit),
        np.ldexp(family.remainder, unit),
        family.share,
        family.finite,
    )


def family_in_file(family: AffineFamily) -> Entry:
    """Returns a rounded family in the form of the file."""
    return {
        "centre": integers(family.centre),
        "generators": [integers(generator) for generator in family.generators],
        "remainder": integers(family.remainder),
    }


def tree_in_file(tree: Tree[AffineFamily], cells: Iterable[Entry]) -> list[Entry]:
    """Lists the tree in preorder, with the given entries for the cells inside the region."""
    entries, result = iter(cells), []
    for node in tree.preorder():
        if isinstance(node, Split):
            result.append({"split": node.axis, "at": float(node.at).hex()})
        else:
            result.append({"outside": True} if node.evidence is None else next(entries))
    return result


def integers(matrix: Any) -> list[int]:
    """Returns the entries of an integer-valued matrix, row after row."""
    return [int(x) for x in np.ravel(matrix)]
