"""Which entries of a game's Jacobian mirror each other, and families that know it."""

from typing import Any

import numpy as np
from jaxtyping import Int

from certify.enclosure.affine import AffineFamily


def mirror_signs(sizes: tuple[int, ...], zero_sum: bool) -> Int[np.ndarray, "n n"]:
    """What is known of mirrored entries: `J_ba = signs_ab J_ab` wherever the sign is not zero.

    Own-player blocks are Hessians, hence symmetric: 1. In a zero-sum game `F = (grad_1 f, -grad_2
    f)`, so the other two blocks are minus the transposes of each other: -1. Elsewhere nothing is
    known: 0.

    Args:
        sizes: Coordinates of each player.
        zero_sum: Whether the game has two players whose costs sum to zero.
    """
    player = np.repeat(np.arange(len(sizes)), sizes)
    own = player[:, None] == player
    return np.where(own, 1, -1 if zero_sum else 0)


def mirrored(family: AffineFamily, signs: Int[np.ndarray, "n n"]) -> AffineFamily:
    """The same Jacobians, in a family whose mirrored entries agree exactly.

    Two mirrored entries enclose one number up to the sign, with the same `e_k`; so either may stand
    for both, and the one with the smaller remainder does.

    Args:
        family: Encloses `J` over one cell, or over a batch of cells.
        signs: From `mirror_signs`.
    """
    remainder = np.asarray(family.remainder)
    other = np.swapaxes(remainder, -1, -2)
    # On a tie the entry above the diagonal, so that both entries of a pair choose alike.
    above = np.triu(np.ones_like(signs, bool))
    keep = np.where(above, remainder <= other, remainder < other) | (signs == 0)

    def chosen(entries: Any, kept: np.ndarray, sign: np.ndarray) -> np.ndarray:
        entries = np.asarray(entries)
        return np.where(kept, entries, sign * np.swapaxes(entries, -1, -2))

    each = keep[..., None, :, :]  # of the matrices for one coordinate or generator
    return AffineFamily(
        chosen(family.centre, keep, signs),
        chosen(family.generators, each, signs),
        chosen(remainder, keep, np.abs(signs)),
        chosen(family.share, each, np.abs(signs)),
        np.asarray(family.finite),
    )
