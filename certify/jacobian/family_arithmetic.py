"""Sums, products and substitution of affine families, with every rounding error accounted for.

A family over a cell is the set of all matrices

    C + sum_k e_k G_k + E,    e_k = (z_k - m_k) / r_k,   |E| <= R entrywise,

with the *same* `e_k` in every family of one evaluation: those of the coordinates of the cell with
centre `m` and half-widths `r`. So parts of two families that are opposite cancel in their sum, and
the product of two Jacobians retains how both move. The arithmetic is NumPy's, in float64; the error
bounds on products of matrices hold for any order of summation, with or without fused multiply-adds.
"""

import numpy as np
from jaxtyping import Array, Float

from certify.jacobian.family import UNDERFLOW, UP, AffineFamily

# Arrays of NumPy or JAX, as in a family.
Matrices = Float[Array | np.ndarray, "_ a b"]
# Twice the unit roundoff; it is charged for each rounded operation.
_UNIT = 2.0**-52


def added(first: AffineFamily, *others: AffineFamily) -> AffineFamily:
    """Encloses the sums of members at the same point of the cell."""
    total = first
    for other in others:
        centre = total.centre + other.centre
        generators = _summed(total.generators, other.generators)
        error = _UNIT * (np.abs(centre) + np.abs(generators).sum(0))
        remainder = (total.remainder + other.remainder + error) * UP
        total = AffineFamily(centre, generators, remainder)
    return total


def product(first: AffineFamily, second: AffineFamily) -> AffineFamily:
    """Encloses the products of members at the same point of the cell.

    The part `d d'` of `(C + d)(C' + d')` is quadratic. As `e_k^2` is in `[0, 1]`, the enclosures of
    the squares are off centre and half as wide; the two products of each pair of coordinates are
    enclosed together.
    """
    c, d = first.centre, second.centre
    centre = c @ d
    generators = _summed(first.generators @ d, c @ second.generators)
    shift, quadratic = np.zeros_like(centre), np.zeros_like(centre)
    if len(first.generators) and len(second.generators):
        pairs = np.einsum("kij,ljp->klip", first.generators, second.generators)
        squares = np.einsum("kkip->kip", pairs)
        both = np.abs(pairs + np.swapaxes(pairs, 0, 1)).sum((0, 1)) - 2 * np.abs(squares).sum(0)
        shift = 0.5 * squares.sum(0)
        quadratic = 0.5 * (np.maximum(both, 0.0) + np.abs(squares).sum(0))
    moves_first, moves_second = (np.abs(x.generators).sum(0) for x in (first, second))
    loose = (np.abs(c) + moves_first) @ second.remainder
    loose = loose + first.remainder @ (np.abs(d) + moves_second + second.remainder)
    size = first.magnitude @ second.magnitude
    terms = c.shape[1] + max(len(first.generators), len(second.generators)) ** 2
    error = _UNIT * (8 * terms + 64) * size + UNDERFLOW
    return AffineFamily(centre + shift, generators, (quadratic + loose + error) * UP)


def substituted(
    jacobian: AffineFamily, point: AffineFamily, middle: np.ndarray, radius: np.ndarray
) -> AffineFamily:
    """Turns a family over a box into one over a cell, on which a point of the box depends.

    Args:
        jacobian: A family over the box `middle -+ radius`, in which `e_k` is
            `(y_k - middle_k) / radius_k`.
        point: `y`, as a family of shape (n, 1) over the cell, inside the box.
        middle: The middle of the box, shape (n,).
        radius: The half-widths of the box, shape (n,), positive.
    """
    if not len(jacobian.generators):
        return jacobian
    scale = (1.0 / radius)[:, None]
    offset = (point.centre[:, 0] - middle)[:, None] * scale
    moves = point.generators[:, :, 0] * scale[:, 0]
    slopes = jacobian.generators
    centre = jacobian.centre + np.einsum("k,kij->ij", offset[:, 0], slopes)
    generators = np.einsum("lk,kij->lij", moves, slopes)
    loose = np.einsum("k,kij->ij", point.remainder[:, 0] * scale[:, 0], np.abs(slopes))
    # Sizes are taken before anything cancels, also in `y - middle`, which is computed from large
    # numbers.
    size = (np.abs(point.centre[:, 0]) + np.abs(middle)) * scale[:, 0] + np.abs(moves).sum(0) + 1
    size = np.abs(jacobian.centre) + np.einsum("k,kij->ij", size, np.abs(slopes))
    error = _UNIT * (8 * len(slopes) + 4 * len(moves) + 64) * size + UNDERFLOW
    return AffineFamily(centre, generators, (jacobian.remainder + loose + error) * UP)


def value(
    at_middle: AffineFamily, jacobian: AffineFamily, point: AffineFamily, middle: np.ndarray
) -> AffineFamily:
    """Encloses `F(y) = F(middle) + J (y - middle)`, `J` an average of Jacobians over the box.

    The `e_k` of such an average are not those of `y`. So the generators become part of the
    remainder; the family that results contains every average of members.
    """
    moved = added(point, AffineFamily.ball(-middle[:, None], np.zeros((len(middle), 1))))
    free = AffineFamily.ball(jacobian.centre, jacobian.spread)
    return added(at_middle, product(free, moved))


def _summed(first: Matrices, second: Matrices) -> Matrices:
    if not len(first) or not len(second):
        return first if len(first) else second
    return first + second
