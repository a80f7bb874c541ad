"""Quadratic sums along linear systems, proved non-negative by Riccati inequalities.

**Lemma.** Let `x_{t+1} = A x_t + B u_t`, `x_0 = 0`, and let symmetric `P_T <= Q_T`, ..., `P_1` have

    M_t = [[Q + A' P_{t+1} A - P_t,  A' P_{t+1} B], [B' P_{t+1} A,  R + B' P_{t+1} B]] >= 0

for t = 1 ... T-1, and `R + B' P_1 B >= 0`. Then for every u

    s(u) = sum_{0<t<T} x_t' Q x_t + x_T' Q_T x_T + sum_{t<T} u_t' R u_t >= 0.

*Proof.* The form of `M_t` at `(x_t, u_t)` is `x_t' Q x_t + u_t' R u_t + x_{t+1}' P_{t+1} x_{t+1} -
x_t' P_t x_t`. The sum of these over `0 < t < T`, and `u_0' (R + B' P_1 B) u_0 = u_0' R u_0 + x_1'
P_1 x_1`, is `s(u) - x_T' (Q_T - P_T) x_T`. QED

A matrix that serves as `P_t` and as `P_{t+1}` serves for as many times as one likes, so horizons of
a million steps cost no more than what it takes the recursion to settle. The inequalities are proved
in floating point: `M = L L' + S` with a Cholesky factor L, where what is computed of S, less all
rounding errors, is diagonally dominant (theorem 2 of the mathematics).
"""

from collections.abc import Callable

import numpy as np
import scipy.linalg
from jaxtyping import Float

from certify.rounding import EPSILON, TINY, next_below, raised

# After so many steps without settling, the recursion is given up, except for short horizons.
_MOST_STEPS = 5_000
# The share of the scale by which P is lowered in every step, to have room for rounding errors.
_ROOM = 1e-12
# What counts as settled; and by how much settled matrices are lowered, one after the other.
_SETTLED, _LOWERED = 1e-12, (1e-10, 1e-8, 1e-6)

Matrix = Float[np.ndarray, "_ _"]


def proves_nonnegative(
    A: Matrix, B: Matrix, Q: Matrix, R: Matrix, last: Matrix, horizon: int
) -> bool:
    """Says whether `s(u) >= 0` is proved, see the module.

    Args:
        A: Shape (n, n).
        B: Shape (n, m).
        Q: Shape (n, n), symmetric.
        R: Shape (m, m), symmetric.
        last: The weight `Q_T` of the last state, shape (n, n), symmetric.
        horizon: T.

    Example:
        >>> one = np.eye(1)
        >>> [proves_nonnegative(one, one, -one, r * one, -one, 2) for r in (2.6, 2.7)]
        [False, True]
    """
    found, P = [last], last
    scale = max(float(np.abs(each).max(initial=0.0)) for each in (Q, R, last))
    for _ in range(1, min(horizon, _MOST_STEPS)):
        step = _riccati(A, B, Q, R, P)
        if step is None:
            return False
        new, gain = step
        size = max(scale, float(np.abs(new).max()))
        # Large gains, which there are near the largest number that holds, cost more digits.
        room = _ROOM * (1 + gain**2) * size
        new = new - room * np.eye(len(A))
        settled = float(np.abs(new - P).max()) <= _SETTLED * size + 2 * room
        found.append(new)
        P = new
        if settled:
            break
    else:
        if horizon > _MOST_STEPS:
            return False
    if len(found) == horizon:
        return _chain_holds(A, B, Q, R, found)
    for share in _LOWERED:
        lower = _lowered(A, B, R, P, share * max(scale, float(np.abs(P).max())))
        if lower is not None:
            below = positive(P - lower, 4 * EPSILON * (np.abs(P) + np.abs(lower)))
            if below and _chain_holds(A, B, Q, R, found):
                # From here on the lowered matrix serves for all remaining times.
                return _chain_holds(A, B, Q, R, [lower, lower])
    return False


def _riccati(A: Matrix, B: Matrix, Q: Matrix, R: Matrix, P: Matrix) -> tuple[Matrix, float] | None:
    """Returns one step of the recursion and the norm of its gain, or None where it ends."""
    with np.errstate(over="ignore", invalid="ignore"):
        pivot = R + B.T @ P @ B
        cross = B.T @ P @ A
        try:
            factor = np.linalg.cholesky(pivot)
        except np.linalg.LinAlgError:
            return None
        half = scipy.linalg.solve_triangular(factor, cross, lower=True, check_finite=False)
        new = Q + A.T @ P @ A - half.T @ half
        gain = scipy.linalg.solve_triangular(factor.T, half, check_finite=False)
        size = float(np.sqrt(np.sum(gain**2)))
    if not (np.isfinite(new).all() and size < 1e5):
        return None
    return (new + new.T) / 2, size


def _lowered(A: Matrix, B: Matrix, R: Matrix, P: Matrix, by: float) -> Matrix | None:
    """Returns `P - by Y` with `Y - G' Y G = I` for the closed loop G, if that is stable."""
    gain = np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)
    loop = A - B @ gain
    if not np.abs(np.linalg.eigvals(loop)).max(initial=0.0) < 1 - 1e-9:
        return None
    Y = scipy.linalg.solve_discrete_lyapunov(loop.T, np.eye(len(A)))
    lower = P - by * (Y + Y.T) / 2
    return (lower + lower.T) / 2


def _chain_holds(A: Matrix, B: Matrix, Q: Matrix, R: Matrix, found: list[Matrix]) -> bool:
    """Verifies `M_t >= 0` for a list `P_T, ..., P_1`, and `R + B' P_1 B >= 0`."""
    P, n = np.stack(found), len(A)
    both = np.concatenate([A, B], axis=1)
    sizes = np.abs(both)
    forms = both.T @ P @ both
    forms = (forms + np.swapaxes(forms, 1, 2)) / 2
    errors = (2 * n + 8) * EPSILON * (sizes.T @ np.abs(P) @ sizes)
    pivots = forms[-1, n:, n:] + R
    slack = errors[-1, n:, n:] + 4 * EPSILON * (np.abs(pivots) + np.abs(R))
    if not positive(pivots, raised(slack, 8)):
        return False
    if len(found) == 1:
        return True
    matrices = forms[:-1].copy()
    matrices[:, :n, :n] += Q - P[1:]
    matrices[:, n:, n:] += R
    slack = errors[:-1].copy()
    slack[:, :n, :n] += 4 * EPSILON * (np.abs(Q) + np.abs(P[1:]))
    slack[:, n:, n:] += 4 * EPSILON * np.abs(R)
    return positive(matrices, raised(slack + 4 * EPSILON * np.abs(matrices), 4 * n + 16))


def positive(matrices: np.ndarray, errors: np.ndarray) -> bool:
    """Says whether symmetric matrices, of a batch or one, are proved positive semidefinite.

    Args:
        matrices: Shape (..., n, n).
        errors: Bounds on the distances of their entries from those that are meant.
    """
    if not np.isfinite(matrices).all():
        return False
    n = matrices.shape[-1]
    diagonal = np.abs(np.diagonal(matrices, axis1=-2, axis2=-1)).max(-1, initial=0.0)
    lost = errors.sum(-1).max(-1, initial=0.0)
    shift = 2 * lost + 8 * (n + 4) ** 2 * EPSILON * diagonal + TINY
    identity = np.eye(n)
    try:
        factor = np.linalg.cholesky(matrices - shift[..., None, None] * identity)
    except np.linalg.LinAlgError:
        return False
    outer = factor @ np.swapaxes(factor, -1, -2)
    rest = matrices - outer
    sizes = np.abs(factor) @ np.swapaxes(np.abs(factor), -1, -2)
    rounding = (2 * n + 8) * EPSILON * (sizes + np.abs(matrices)) + 8 * n * TINY
    off = (np.abs(rest) * (1 - identity) + raised(errors + rounding, n + 8)).sum(-1)
    own = np.diagonal(rest, axis1=-2, axis2=-1)
    return bool((own >= raised(off, 2 * n + 8)).all())


def largest_proved(holds: Callable[[float], bool], upper: float, unit: float) -> float:
    """Returns about the largest number for which something holds that holds for all smaller ones.

    Args:
        holds: What is to hold.
        upper: A number for which it does not, or hardly.
        unit: The size of a first step below it.

    Returns:
        A number for which it does hold, or minus infinity if none was found.
    """
    high, step, low = upper, unit * 1e-9, -np.inf
    for _ in range(70):
        if holds(upper - step):
            low = upper - step
            break
        high, step = upper - step, 4 * step
    if low == -np.inf:
        return low
    for _ in range(40):
        middle = (low + high) / 2
        if high - low <= 1e-9 * max(abs(low), unit * 1e-3):
            break
        low, high = (middle, high) if holds(middle) else (low, middle)
    return float(next_below(low))
