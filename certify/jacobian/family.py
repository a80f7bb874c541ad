"""Affine families of matrices, which enclose Jacobians over a cell in every certificate.

On a cell with centre `c` and half-widths `r` every Jacobian of `F` is

    J(x) = C + sum_k e_k G_k + E,    |e_k| <= 1,   |E| <= R entrywise,

with `C` near `J(c)` and `G_k` near `r_k dJ/dx_k (c)`. The entries of `J` move *together* with `x`;
an interval matrix forgets that. An affine family keeps it, which is why a proof needs few cells.
"""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

# The bounds themselves are sums and products of fewer than 10^4 non-negative numbers each. UP
# covers the rounding of such a bound, and UNDERFLOW its underflow.
UP, UNDERFLOW = 1.0 + 2.0**-36, 2.0**-960


class AffineFamily(eqx.Module):
    """An enclosure of a matrix that depends on a point of a cell, or a batch of them.

    Attributes:
        centre: `C`, the middle of the family.
        generators: `G_k`. The first belong to the coordinates of the cell, unless there are no
            generators at all; each of the others belongs to a remainder that several entries share.
        remainder: `R >= 0`.
        share: How much of the remainder splitting each coordinate could remove (a score, not a
            bound); None where it is not needed.
        finite: Whether everything is finite and the field smooth over the cell; otherwise the other
            attributes mean nothing.
    """

    centre: Float[Array | np.ndarray, "*batch a b"]
    generators: Float[Array | np.ndarray, "*batch m a b"]
    remainder: Float[Array | np.ndarray, "*batch a b"]
    share: Float[Array | np.ndarray, "*batch n a b"] | None = None
    finite: Bool[Array | np.ndarray, "*batch"] = eqx.field(default_factory=lambda: np.asarray(True))

    @property
    def spread(self) -> Float[np.ndarray, "a b"]:
        """Bounds how far a member can be from the centre, entrywise."""
        return (np.abs(self.generators).sum(0) + self.remainder) * UP + UNDERFLOW

    @property
    def magnitude(self) -> Float[np.ndarray, "a b"]:
        """Bounds the sizes of all entries of members, and of the terms they are computed from."""
        return (np.abs(self.centre) + self.spread) * UP

    @classmethod
    def ball(
        cls, middle: Float[Array | np.ndarray, "a b"], radius: Float[Array | np.ndarray, "a b"]
    ) -> "AffineFamily":
        """Returns a family without generators, which does not move with the cell."""
        return cls(middle, np.zeros((0, *middle.shape)), radius)

    @classmethod
    def between(cls, lower: np.ndarray, upper: np.ndarray) -> "AffineFamily":
        """Returns a family that contains all matrices in an interval matrix."""
        middle = 0.5 * lower + 0.5 * upper
        radius = np.maximum(upper - middle, middle - lower) * UP
        exact = lower == upper
        return cls.ball(np.where(exact, lower, middle), np.where(exact, 0.0, radius + UNDERFLOW))


def mirrored(family: AffineFamily, signs: Int[np.ndarray, "n n"]) -> AffineFamily:
    """Returns a family of the same Jacobians whose mirrored entries agree exactly.

    Two mirrored entries enclose one number up to the sign, with the same `e_k`; so either may stand
    for both. The one with the smaller remainder is taken.

    Args:
        family: An enclosure of `J` over one cell, or over a batch of cells.
        signs: The result of `certify.problem.symmetry.mirror_signs`.
    """
    remainder = np.asarray(family.remainder)
    other = np.swapaxes(remainder, -1, -2)
    # On a tie the entry above the diagonal is kept, so that both entries of a pair choose alike.
    above = np.triu(np.ones_like(signs, bool))
    keep = np.where(above, remainder <= other, remainder < other) | (signs == 0)

    def chosen(entries: Any, kept: np.ndarray, sign: np.ndarray) -> np.ndarray:
        entries = np.asarray(entries)
        with np.errstate(invalid="ignore"):  # zero times an infinite number, which is not taken
            return np.where(kept, entries, sign * np.swapaxes(entries, -1, -2))

    each = keep[..., None, :, :]  # for the matrices of each coordinate or generator
    return AffineFamily(
        chosen(family.centre, keep, signs),
        chosen(family.generators, each, signs),
        chosen(remainder, keep, np.abs(signs)),
        chosen(family.share, each, np.abs(signs)),
        np.asarray(family.finite),
    )


def stack(families: list[AffineFamily]) -> AffineFamily:
    """Stacks families of one shape into a batch."""
    return jax.tree.map(lambda *parts: np.stack(parts), *families)


def unstacked(batch: AffineFamily) -> Iterator[AffineFamily]:
    """Yields the families of a batch, as views of it."""
    parts, structure = jax.tree.flatten(batch)
    for k in range(len(parts[0])):
        yield structure.unflatten([part[k, ...] for part in parts])
