"""Jacobians over a cell as an affine family of matrices: the form of every bound of a certificate.

On a cell with centre `c` and half-widths `r` every Jacobian of `F` is

    J(x) = C + sum_k e_k G_k + E,    |e_k| <= 1,   |E| <= R entrywise,

with `C` near `J(c)` and `G_k` near `r_k dJ/dx_k (c)`. The entries of `J` move *together* with `x`;
an interval matrix forgets that, this form keeps it, which is what makes a proof need few cells.
"""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

# Bounds themselves are sums and products of non-negative numbers, fewer than 10^4 of them each; and
# what covers underflow in them.
UP, UNDERFLOW = 1.0 + 2.0**-36, 2.0**-960


class AffineFamily(eqx.Module):
    """Encloses a matrix that depends on where in a cell it is taken (or many, over many cells).

    Attributes:
        centre: `C`, the middle of the family.
        generators: `G_k`. The first belong to the coordinates of the cell, unless there are none at
            all; the others are what moves with a remainder that several entries share.
        remainder: `R >= 0`.
        share: How much of the remainder splitting each coordinate could remove (a score, not a
            bound); None where nobody asks.
        finite: Whether everything is finite and the field smooth over the cell; otherwise the rest
            means nothing.
    """

    centre: Float[Array | np.ndarray, "*batch a b"]
    generators: Float[Array | np.ndarray, "*batch m a b"]
    remainder: Float[Array | np.ndarray, "*batch a b"]
    share: Float[Array | np.ndarray, "*batch n a b"] | None = None
    finite: Bool[Array | np.ndarray, "*batch"] = eqx.field(default_factory=lambda: np.asarray(True))

    @property
    def spread(self) -> Float[np.ndarray, "a b"]:
        """How far a member can be from the centre, entrywise."""
        return (np.abs(self.generators).sum(0) + self.remainder) * UP + UNDERFLOW

    @property
    def magnitude(self) -> Float[np.ndarray, "a b"]:
        """An upper bound on the sizes of all entries and of what they are computed from."""
        return (np.abs(self.centre) + self.spread) * UP

    @classmethod
    def ball(
        cls, middle: Float[Array | np.ndarray, "a b"], radius: Float[Array | np.ndarray, "a b"]
    ) -> "AffineFamily":
        """A family that does not move with the cell."""
        return cls(middle, np.zeros((0, *middle.shape)), radius)

    @classmethod
    def between(cls, lower: np.ndarray, upper: np.ndarray) -> "AffineFamily":
        """All matrices in an interval matrix."""
        middle = 0.5 * lower + 0.5 * upper
        radius = np.maximum(upper - middle, middle - lower) * UP
        exact = lower == upper
        return cls.ball(np.where(exact, lower, middle), np.where(exact, 0.0, radius + UNDERFLOW))


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
        with np.errstate(invalid="ignore"):  # zero times what is infinite, which is not taken
            return np.where(kept, entries, sign * np.swapaxes(entries, -1, -2))

    each = keep[..., None, :, :]  # of the matrices for one coordinate or generator
    return AffineFamily(
        chosen(family.centre, keep, signs),
        chosen(family.generators, each, signs),
        chosen(remainder, keep, np.abs(signs)),
        chosen(family.share, each, np.abs(signs)),
        np.asarray(family.finite),
    )


def stack(families: list[AffineFamily]) -> AffineFamily:
    """A batch of families."""
    return jax.tree.map(lambda *parts: np.stack(parts), *families)


def unstacked(batch: AffineFamily) -> Iterator[AffineFamily]:
    """The families of a batch, as views of it."""
    parts, structure = jax.tree.flatten(batch)
    for k in range(len(parts[0])):
        yield structure.unflatten([part[k, ...] for part in parts])
