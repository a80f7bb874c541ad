"""Enclosures of the zero of a system that depends on a parameter, and of its derivative.

Let `Psi(x, z)` be continuously differentiable near a box `X x Z`, with values in R^k, where k is
the number of coordinates of z, and let `J_x`, `J_z` be its partial derivatives, which are known to
be in interval matrices for all points of the box. Let (c, d) be a point of the box with
`|Psi(c, d)| <= residual` entrywise, `|x - c| <= h` for x in X, and S, C any matrices, t any
positive vector. Write `z_0(x) = d + S (x - c)`, the *tube*, and

    V = C (J_x + J_z S),    K = I - C J_z,    b = |C| residual + |V| h,
    q = max_i (|K| t)_i / t_i,    rho = max_i (b_i / t_i) / (1 - q),    error = b + |K| (rho t),

with magnitudes of interval matrices, entry by entry.

**Theorem.** If `q < 1` and the box `d -+ (|S| h + rho t)` lies in Z, then for every x of X there is
exactly one zero z(x) of `Psi(x, .)` in Z, and `|z(x) - z_0(x)| <= error`. It is continuously
differentiable with `z'(x) = -J_z^-1 J_x`, which differs from S by at most, entry by entry,

    slack_ij = |V|_ij + sum_k |K|_ik t_k d_j,    d_j = max_i (|V|_ij / t_i) / (1 - q),

and lies within `radius V_ij + sum_k |K|_ik t_k d_j` of `S - centre V`. At x = c the error is at
most that with b = |C| residual.

*Proof.* Interval matrices are convex and closed: so differences of values of Psi along segments in
the box are products with matrices of the same interval matrices (an integral of derivatives), row
by row and for all rows at once. Let `|v|_t = max_i |v_i| / t_i`. For fixed x the map `N(z) = z - C
Psi(x, z)` has `N(z) - N(z') = (I - C J)(z - z')` with J in the enclosure of J_z, so that it
contracts in Z with the factor q. C is not singular, or `I - C J` would have the eigenvalue 1; so
fixed points of N are the zeros of `Psi(x, .)`, and there is at most one. As z_0(x) is in Z, `Psi(x,
z_0(x)) - Psi(c, d) = (J_x + J_z S)(x - c)` for some matrices of the enclosures, so that `|N(z_0(x))
- z_0(x)| <= b`. So N maps the ball `|z - z_0(x)|_t <= rho`, which lies in Z, into itself: `|N(z) -
z_0(x)|_t <= q rho + (1 - q) rho`. By Banach's theorem it has a fixed point z(x) in it, and `z - z_0
= (N(z_0) - z_0) + (N(z) - N(z_0))` is at most `b + |K| rho t`. J_z is not singular at the zero,
since q < 1: the implicit function theorem gives z'(x). With `D = z' - S`, `D = -V + K D` for one V
and one K of the enclosures, whence `|D_j|_t <= |V_j|_t / (1 - q) = d_j` for each column and the
bounds on its entries. At x = c, `b = |C| residual`. QED
"""

from fractions import Fraction
from typing import NamedTuple

from .interval_matrices import (
    RationalIntervalMatrix,
    Rows,
    absolute,
    column,
    flat,
    identity,
    plus,
    product,
)


class AnswerTube(NamedTuple):
    """What the theorem above proves on one box.

    Attributes:
        error: The bounds on `|z(x) - z_0(x)|`.
        error_at_point: The same at x = c.
        deviation: The bounds on `|z'(x) - S|`, the slack.
        slopes: The enclosure of `z'(x)`.
    """

    error: list[Fraction]
    error_at_point: list[Fraction]
    deviation: Rows
    slopes: RationalIntervalMatrix


def answer_tube(
    along: RationalIntervalMatrix,
    across: RationalIntervalMatrix,
    slope: Rows,
    inverse: Rows,
    scale: list[Fraction],
    reach: list[Fraction],
    residual: list[Fraction],
    room: list[Fraction],
) -> AnswerTube | None:
    """Returns what is proved, or None if the hypotheses do not hold.

    Args:
        along: The enclosure of J_x.
        across: The enclosure of J_z.
        slope: S.
        inverse: C.
        scale: t, positive.
        reach: h.
        residual: The bounds on `|Psi(c, d)|`.
        room: For each coordinate of z how far d is from the faces of Z.
    """
    moved = along.plus(across.times(slope)).after(inverse)
    turned = across.after([[-x for x in row] for row in inverse]).shifted(identity(len(scale)))
    v, k = moved.magnitude(), turned.magnitude()
    loss = flat(product(k, column(scale)))
    q = max(x / t for x, t in zip(loss, scale, strict=True))
    if q >= 1:
        return None

    def largest(vector: list[Fraction]) -> Fraction:
        return max(x / t for x, t in zip(vector, scale, strict=True)) / (1 - q)

    still = flat(product(absolute(inverse), column(residual)))
    start = flat(plus(column(still), product(v, column(reach))))
    rho = largest(start)
    sides = flat(product(absolute(slope), column(reach)))
    if any(s + rho * t > r for s, t, r in zip(sides, scale, room, strict=True)):
        return None
    at_point = largest(still)
    columns = [largest(list(entries)) for entries in zip(*v, strict=True)]
    loose = [[x * d for d in columns] for x in loss]
    return AnswerTube(
        [b + x * rho for b, x in zip(start, loss, strict=True)],
        [b + x * at_point for b, x in zip(still, loss, strict=True)],
        plus(v, loose),
        RationalIntervalMatrix(
            [
                [s - x for s, x in zip(*rows, strict=True)]
                for rows in zip(slope, moved.centre, strict=True)
            ],
            plus(moved.radius, loose),
        ),
    )
