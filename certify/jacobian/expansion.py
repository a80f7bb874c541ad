"""The affine family of a cell from derivatives of the Jacobian, by Taylor's theorem.

    J(x) = J(c) + sum_k dJ/dx_k (c) d_k + 1/2 sum_kl H_kl d_k d_l,     d = x - c,   |d_k| <= r_k,

with second derivatives H of J at some points of the cell (Lagrange's form of the remainder). The
functions work on arrays of NumPy or of JAX, and round outward.
"""

from typing import Any, NamedTuple

from certify.rounding import EPSILON, TINY, raised


class Ends(NamedTuple):
    """Lower and upper bounds: two arrays of one kind."""

    lower: Any
    upper: Any


class Expansion(NamedTuple):
    """Parts of an `AffineFamily`, for one cell or, along leading axes, for many."""

    centre: Any
    generators: Any
    remainder: Any
    share: Any


def middle_of(lower: Any, upper: Any) -> tuple[Any, Any]:
    """Returns a point of a cell, normal or zero, and the reach of the cell from it, rounded up."""
    xp = lower.__array_namespace__()
    middle = xp.clip(0.5 * lower + 0.5 * upper, lower, upper)
    middle = xp.where(xp.abs(middle) < TINY, 0.0, middle)
    return middle, raised(xp.maximum(upper - middle, middle - lower), 1)


def expand(jacobian: Ends, slope: Ends, curvature: Ends, radius: Any) -> Expansion:
    """Encloses the Jacobian over a cell.

    Args:
        jacobian: Bounds on the Jacobian at the middle, shape (..., n, n).
        slope: Bounds on its first derivatives there, shape (..., n, n, n), the last axis for `x_k`.
        curvature: Bounds on its second derivatives over the cell, shape (..., n, n, n, n).
        radius: How far the cell reaches from its middle, shape (..., n).
    """
    xp = radius.__array_namespace__()
    n = radius.shape[-1]
    centre, remainder = ball(jacobian)
    slope_middle, slope_radius = ball(slope)
    reach = radius[..., :, None, None]
    generators = xp.moveaxis(slope_middle, -1, -3) * reach
    # The uncertainty of the slope and the rounding of the product with the radius.
    loose = xp.moveaxis(slope_radius, -1, -3) * reach
    loose = loose + EPSILON * xp.abs(generators) + TINY
    shift, mixed = _second_order(curvature, radius)
    moved = centre + shift
    share = xp.moveaxis(mixed, -1, -3)
    remainder = remainder + xp.sum(loose, axis=-3) + xp.sum(share, axis=-3)
    remainder = raised(remainder + EPSILON * xp.abs(moved) + TINY, 4 * n + 16)
    return Expansion(moved, generators, remainder, share)


def _second_order(curvature: Ends, radius: Any) -> tuple[Any, Any]:
    """Encloses `1/2 sum_kl H_kl d_k d_l`, `|d| <= radius`, by a shift and a radius for each `k`.

    Squares have a sign, `d_k^2` in `[0, r_k^2]`, so the enclosures of the diagonal terms are off
    centre and half as wide.
    """
    xp = radius.__array_namespace__()
    n = radius.shape[-1]
    # Weights are rounded up before they are multiplied by the curvature, which would magnify an
    # underflow.
    weights = raised(0.5 * radius[..., :, None] * radius[..., None, :], 2)
    off_diagonal = (weights * (1.0 - xp.eye(n)))[..., None, None, :, :]
    magnitude = xp.maximum(xp.abs(curvature.lower), xp.abs(curvature.upper))
    mixed = xp.sum(magnitude * off_diagonal, axis=-1)
    square = xp.diagonal(weights, axis1=-2, axis2=-1)[..., None, None, :]
    least, most = (xp.diagonal(end, axis1=-2, axis2=-1) for end in curvature)
    low, high = xp.minimum(least, 0.0) * square, xp.maximum(most, 0.0) * square
    shift = 0.5 * (low + high)
    half = (
        xp.maximum(high - shift, shift - low)
        + 4.0 * EPSILON * (xp.abs(low) + xp.abs(high))
        + 4.0 * TINY
    )
    total = xp.sum(shift, axis=-1)
    half = half + (n + 4) * EPSILON * xp.abs(shift)
    return total, raised(mixed + half, n + 8)


def ball(ends: Ends) -> tuple[Any, Any]:
    """Returns a number between two ends, and its distance from the farther one, rounded up."""
    xp = ends.lower.__array_namespace__()
    middle = 0.5 * ends.lower + 0.5 * ends.upper
    return middle, raised(xp.maximum(ends.upper - middle, middle - ends.lower), 2)
