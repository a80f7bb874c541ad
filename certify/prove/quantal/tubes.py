"""Tubes in which a system with one equation less than unknowns has exactly one curve of zeros.

The setting: `H: R^(m+1) -> R^m` is twice continuously differentiable, k is one of its coordinates
(the *pivot*), and `z(t) = c + (t - c_k) d`, with `d_k = 1`, is a straight line, `a <= t <= b`. The
tube T with radii rho is the set of all z with `a <= z_k <= b` and `|z_j - z_j(z_k)| <= rho_j` for
all other coordinates j. Its hull is the box `|z_j - c_j| <= h |d_j| + rho_j`, with `h = max(b -
c_k, c_k - a)` and `rho_k = 0`; let `[J]` be a set of matrices, between bounds entry by entry, that
has the Jacobians of H on the hull in it. `A_k` is the k-th column of a matrix A in it, `A_v` are
the others. With any square matrix Y let

    g >= |Y H(c)| + h |Y A d|,      q >= |I - Y A_v|        for all A in [J].

*Theorem.* If `g + q rho < rho` entry by entry, then for each t in [a, b] there is exactly one zero
of H in T with `z_k = t`, and the zeros in T form a smooth curve over [a, b], on which the Jacobian
by the other coordinates is regular. The curve does not branch in T. Its derivative by t has the
other coordinates `d + e` with `|e| <= r rho`, for `r = max_j s_j / rho_j / (1 - max_j (q rho)_j /
rho_j)` and any `s >= |Y A d|`.

*Proof.* For t in [a, b], let `G(v) = H(z(t) + v)` for v with `v_k = 0`, and V the box `|v| <= rho`.
For v, v' in V the segment from `z(t) + v` to `z(t) + v'` is in the hull, so `G(v) - G(v') = A_v (v
- v')` with the mean A of the Jacobians on it, which is in [J]; and `G(0) = H(c) + (t - c_k) A d`,
with another one. So `N(v) = v - Y G(v)` maps V into its interior: `|N(v)| <= |Y G(0)| + |I - Y A_v|
|v| <= g + q rho`. As `q rho < rho`, all `I - Y A_v` have norms below one in `max_j |v_j| / rho_j`:
so all `Y A_v` are regular, with them Y and all `A_v`, and N is a contraction of V. It has exactly
one fixed point in V, which is the one zero of G. By the implicit function theorem the zeros are a
smooth curve over [a, b]: near each of them H has no others. The derivative v' of its other
coordinates fulfils `A_v v' + A_k = 0` with the Jacobian A at the zero; with `v' = d + e` that is `Y
A_v e = -Y A d`, so `e = (I - Y A_v) e - Y A d` and `|e| <= q |e| + s`; in the norm above this is
the bound.

*The second derivative.* With `t = (v', 1)`, differentiating once more gives `A_v v'' + B = 0` for
`B = D^2 H[t, t]` at the zero. So `v'' = (I - Y A_v) v'' - Y B`, and with `w >= |Y B|` it is within
`q |v''|` of `-Y B`, where `|v''| <= max_j w_j / rho_j / (1 - max_j (q rho)_j / rho_j) rho`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.prove.quantal.ball_arrays import BallArray, contracted, exactly, subtracted
from certify.prove.quantal.logit_equations import LogitEquations
from certify.rounding import EPSILON, next_above, next_below, raised

# How often the radii of a tube are tried, and how much they are increased in between.
_TRIES, _INFLATION = 6, 1.2


class Tube(NamedTuple):
    """A tube that was proved to have one curve of zeros in it.

    Attributes:
        pivot: The coordinate k, by which the curve is parametrised.
        ends: a and b.
        centre: A point c of the line in the middle.
        direction: d, the direction of that line, with `d_k = 1`.
        radius: rho, with 0 at k.
        hull: A box with the tube in it.
        slopes: Encloses the derivatives of the curve by its coordinate k, all of it.
        inverse: Y.
        by: q.
    """

    pivot: int
    ends: tuple[float, float]
    centre: Float[np.ndarray, " n"]
    direction: Float[np.ndarray, " n"]
    radius: Float[np.ndarray, " n"]
    hull: BallArray
    slopes: BallArray
    inverse: Float[np.ndarray, "m m"]
    by: Float[np.ndarray, "m m"]

    def curvatures(self, equations: LogitEquations) -> BallArray | None:
        """Encloses the second derivatives of the curve by its coordinate k, all of it."""
        others = np.arange(len(self.direction)) != self.pivot
        bend = equations.bending(self.hull, self.slopes)
        bend = contracted("ij,j->i", exactly(self.inverse), bend, len(self.inverse))
        size = _fixed_bound(bend.magnitude, self.by, self.radius[others])
        if size is None:
            return None
        middle, radius = np.zeros(len(others)), np.zeros(len(others))
        middle[others] = -bend.middle
        radius[others] = raised(bend.radius + raised(self.by @ size, len(size) + 2), 2)
        return BallArray(middle, radius)

    def contains(self, box: BallArray) -> bool:
        """Whether a box is inside."""
        k, d = self.pivot, self.direction
        middle, radius = box.middle[k], box.radius[k]
        lower, upper = (box.lower[k], box.upper[k]) if radius else (middle, middle)
        if not (self.ends[0] <= lower and upper <= self.ends[1]):
            return False
        offset = np.abs(box.middle[k] - self.centre[k]) + box.radius[k]
        away = np.abs(box.middle - (self.centre + (box.middle[k] - self.centre[k]) * d))
        sizes = np.abs(box.middle) + np.abs(self.centre) + 4 * offset * np.abs(d)
        away = raised(away + box.radius + box.radius[k] * np.abs(d) + 8 * EPSILON * sizes, 8)
        others = np.arange(len(d)) != k
        return bool(np.all(away[others] <= self.radius[others]))


def find_tube(
    equations: LogitEquations,
    pivot: int,
    centre: np.ndarray,
    direction: np.ndarray,
    ends: tuple[float, float],
    least: np.ndarray,
) -> Tube | None:
    """Looks for radii with which the theorem holds, and proves it for them; or returns None.

    Args:
        equations: H.
        pivot: The coordinate k.
        centre: c, whose coordinate k is between the ends.
        direction: d, with `d_k = 1`.
        ends: a and b.
        least: The least radii to be tried, positive.
    """
    others = np.arange(len(centre)) != pivot
    half = float(next_above(max(ends[1] - centre[pivot], centre[pivot] - ends[0])))
    radius, inverse = np.zeros(len(centre)), None
    for attempt in range(_TRIES):
        around = raised(half * np.abs(direction) + radius, 4)
        hull = BallArray(centre, np.where(others, around, half))
        at = equations.linearised(hull)
        if inverse is None:
            inverse = _inverse(at.jacobian.middle[:, others])
            if inverse is None:
                return None
        by = preconditioned(inverse, at.jacobian, others)
        drift = _applied(inverse, _along(at.jacobian, direction))
        away = _applied(inverse, at.value)
        needed = raised(away + half * drift, 4)
        if attempt:
            own = radius[others]
            shrunk = raised(by @ own, len(own) + 2)
            if np.all(raised(needed + shrunk, 2) < own):
                error = _fixed_bound(drift, by, own)
                if error is None:
                    return None
                spread = np.zeros(len(centre))
                spread[others] = error
                slopes = BallArray(direction, spread)
                return Tube(pivot, ends, centre, direction, radius, hull, slopes, inverse, by)
            needed = needed + shrunk
        if not np.all(np.isfinite(needed)):
            return None
        radius[others] = np.maximum(_INFLATION * needed, least[others])
    return None


def find_tangent(
    equations: LogitEquations, point: BallArray, pivot: int, direction: np.ndarray
) -> np.ndarray | None:
    """Bounds how far tangents at zeros in a box are from a direction, both with 1 at the pivot.

    As in the theorem, with all radii alike.
    """
    others = np.arange(len(direction)) != pivot
    jacobian = equations.linearised(point).jacobian
    inverse = _inverse(jacobian.middle[:, others])
    if inverse is None:
        return None
    by = preconditioned(inverse, jacobian, others)
    error = _fixed_bound(_applied(inverse, _along(jacobian, direction)), by, np.ones(len(inverse)))
    if error is None:
        return None
    radius = np.zeros(len(direction))
    radius[others] = error
    return radius


def _fixed_bound(size: np.ndarray, by: np.ndarray, radius: np.ndarray) -> np.ndarray | None:
    """Bounds all e with `|e| <= q |e| + size`, in the norm of the radii; None if that is infinite.

    What is a bound is put into the right side once, which may improve it.
    """
    ratios = raised(raised(by @ radius, len(radius) + 2) / radius, 2)
    left = next_below(1 - float(np.max(ratios, initial=0)))
    if not left > 0:
        return None
    most = float(np.max(raised(size / radius, 2), initial=0))
    error = raised(most / left * radius, 6)
    return np.minimum(error, raised(size + by @ error, len(radius) + 4))


def preconditioned(inverse: np.ndarray, jacobian: BallArray, others: np.ndarray) -> np.ndarray:
    """Returns q: a bound on `|I - Y A_v|`."""
    own = BallArray(jacobian.middle[:, others], jacobian.radius[:, others])
    count = len(inverse)
    with_inverse = contracted("ij,jk->ik", exactly(inverse), own, count)
    return subtracted(exactly(np.eye(count)), with_inverse).magnitude


def _along(jacobian: BallArray, direction: np.ndarray) -> BallArray:
    """Encloses `A d`."""
    return contracted("ij,j->i", jacobian, exactly(direction), len(direction))


def _applied(inverse: np.ndarray, vector: BallArray) -> np.ndarray:
    """Bounds `|Y v|`."""
    return contracted("ij,j->i", exactly(inverse), vector, len(inverse)).magnitude


def _inverse(matrix: np.ndarray) -> np.ndarray | None:
    if not np.all(np.isfinite(matrix)):
        return None
    try:
        inverse = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return None
    return inverse if np.all(np.isfinite(inverse)) else None
