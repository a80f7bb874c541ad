"""Metrics that are matrices, found by semidefinite programs over sampled Jacobians.

Everything here is a guess. A solver's own report of success is not believed: each matrix that it
returns is judged by its sampled margin, and a proof comes later or not at all.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import scipy.linalg
from jaxtyping import Float

from certify.metric.metric import Metric
from certify.metric.weights import sampled_margin

Kind = Literal["weights", "block", "full"]

# The largest condition number of a metric, relative to the frame in which it is looked for.
CONDITION = 1e4
# The bisection ends when this share of the margin in question is decided.
_PRECISION = 0.02
# The most rounds in which Jacobians enter the program, and how many of the worst enter in each.
_ROUNDS = 4
_ADDED = 4


def abscissa(jacobians: Float[np.ndarray, "samples n n"]) -> float:
    """Returns the smallest real part of all eigenvalues of the samples.

    No constant metric has a larger sampled margin, as `P J + J' P >= 2 a P` implies
    `Re(lambda) >= a` for every eigenvalue.
    """
    return float(np.linalg.eigvals(jacobians).real.min())


def best_matrix(
    jacobians: Float[np.ndarray, "samples n n"],
    sizes: tuple[int, ...],
    kind: Kind,
    frame: Float[np.ndarray, " n"],
    share: float = 0.95,
) -> Float[np.ndarray, "n n"] | None:
    """Finds a matrix P with a nearly largest sampled margin, and nearly the roundest of those.

    For fixed `a`, `P J + J' P >= 2 a P` is linear in P. So `a` is found by bisection, in which each
    solution is evaluated by its own margin. Only the worst Jacobians enter the program; those that
    turn out to be worse in its solution are added.

    Args:
        jacobians: Sampled Jacobians, finite.
        sizes: Coordinates of each player, n in all.
        kind: "weights" (`P = diag(w_i I)`), "block" (one block per player), or "full".
        frame: A metric of weights, one per coordinate, relative to which P is at most
            `CONDITION` times longer in one direction than in another.
        share: The share of the margin found that the roundest P is to have.

    Returns:
        P, symmetric and positive definite, in short binary numbers; None if there is none. Without
        cvxpy there is none, except for "full", where Lyapunov's equation gives one as well.

    Example:
        >>> rotation = np.array([[[1.0, 3.0], [-2.0, 0.2]]])
        >>> matrix = best_matrix(rotation, (1, 1), "full", np.ones(2))
        >>> sampled_margin(rotation, np.ones(2)) < 0.3 < 0.55 < sampled_margin(rotation, matrix)
        True
    """
    root = np.sqrt(frame)
    scaled = jacobians * (root[:, None] / root)
    scaled = scaled / max(float(np.abs(scaled).max()), 2.0**-1000)
    candidates = [np.eye(len(root)), *(_lyapunov(scaled.mean(0)) if kind == "full" else [])]
    best = max(candidates, key=functools.partial(margin_in, scaled))
    try:
        best = _improved(scaled, sizes, kind, best, share)
    except ImportError:
        if kind != "full":
            return None
    best = best * (root[:, None] * root)
    matrix = rounded(best / np.linalg.eigvalsh(best)[-1])
    return matrix if np.isfinite(margin_in(jacobians, matrix)) else None


def margin_in(jacobians: Float[np.ndarray, "samples n n"], matrix: Any) -> float:
    """Returns the sampled margin in what may be a metric, or minus infinity if it is none."""
    matrix = np.asarray(matrix)
    if matrix.dtype != np.float64 or matrix.shape != jacobians.shape[1:]:
        return -np.inf
    try:
        found = sampled_margin(jacobians, matrix)
    except (ValueError, np.linalg.LinAlgError):
        return -np.inf
    return found if np.isfinite(found) else -np.inf


def _improved(
    jacobians: np.ndarray, sizes: tuple[int, ...], kind: Kind, best: Any, share: float
) -> Any:
    active: list[int] = []
    guess = best
    for _ in range(_ROUNDS):
        metric = Metric(guess)
        margins = metric.eigvalsh(metric.symmetric(jacobians))[:, 0]
        if active and margins.min() >= margins[active].min() - 0.05 * abs(margins[active].min()):
            break
        for k in np.argsort(margins)[:_ADDED].tolist():
            if not any(np.array_equal(jacobians[k], jacobians[j]) for j in active):
                active.append(k)
        guess = bisected(
            functools.partial(margin_in, jacobians[active]),
            abscissa(jacobians[active]),
            program(jacobians[active], sizes, kind),
            best,
            share,
        )
        # The guess may be worse at other Jacobians; then the next round adds those.
        best = _preferred(jacobians, best, guess, share)
    return best


def _preferred(jacobians: np.ndarray, known: Any, found: Any, share: float) -> Any:
    """Returns the metric of the larger margin, or the new one if rounder and almost as good."""
    before, after = margin_in(jacobians, known), margin_in(jacobians, found)
    rounder = after > -np.inf and Metric(found).condition < Metric(known).condition
    enough = before - (1 - share) * abs(before) * (1.01 if rounder else 0.0)
    return found if after >= enough else known


def bisected(
    margin_of: Callable[[Any], float],
    high: float,
    solve: Callable[[float], Any],
    start: Any,
    share: float = 0.95,
    least: float = -np.inf,
) -> Any:
    """Returns the best solution by bisection, or a rounder one if that is almost as good.

    Args:
        margin_of: Returns the margin of what may be a solution, minus infinity if it is none.
        high: A bound that no margin exceeds.
        solve: Returns the roundest solution with a given margin, or None; it may fail and return
            anything.
        start: A solution.
        share: The share of the best margin that the rounder one is to have.
        least: Margins up to this one are of no use: if none above it is found at once, the start is
            returned.
    """
    best, low = start, margin_of(start)
    if np.isfinite(least) and low <= least:
        found = solve(least + _PRECISION * (high - least)) if high > least else start
        if margin_of(found) <= least:
            return start
        best, low = found, margin_of(found)
    while high - low > _PRECISION * max(abs(low), abs(high)):
        wanted = 0.5 * (low + high)
        found = solve(wanted)
        margin = margin_of(found)
        # The roundest P with a margin hardly exceeds it, and in floating point may fall a little
        # short of it.
        if margin < wanted - 0.01 * (high - low):
            high = wanted
        if margin > low:
            best, low = found, margin
    enough = low - (1 - share) * abs(low)
    if not np.isfinite(low):  # nothing found is a solution
        return best
    rounder = solve(enough)
    return rounder if margin_of(rounder) >= enough - 1e-6 * abs(enough) else best


def program(
    jacobians: Float[np.ndarray, "samples n n"], sizes: tuple[int, ...], kind: Kind
) -> Callable[[float], Any]:
    """Builds the semidefinite program that finds the roundest P with a given margin, or None.

    It minimises `c` subject to `I <= P <= c I` and `P J + J' P >= 2 a P`, and is built once for all
    margins `a`.

    Raises:
        ImportError: If cvxpy is missing.
    """
    import cvxpy as cp

    n, wanted, condition = sum(sizes), cp.Parameter(), cp.Variable()
    P = variable(cp, sizes, kind)
    constraints = [P >> np.eye(n), P << condition * np.eye(n), condition <= CONDITION]
    for J in jacobians:
        constraints.append(P @ J + J.T @ P - 2 * (wanted * P) >> 0)
    problem = cp.Problem(cp.Minimize(condition), constraints)

    def solve(margin: float) -> Any:
        wanted.value = margin
        found = guess(cp, problem, P)
        return None if found is None else 0.5 * (found + found.T)

    return solve


def guess(cp: Any, problem: Any, unknown: Any) -> np.ndarray | None:
    """Returns what the solver leaves in an unknown, good or bad, or None if it leaves nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "the solution may be inaccurate"
            problem.solve(solver="CLARABEL")
    except (cp.SolverError, ValueError, ArithmeticError):
        return None
    return unknown.value


def variable(cp: Any, sizes: tuple[int, ...], kind: Kind) -> Any:
    """Returns an unknown metric of a kind: a full matrix, a block per player, or weights."""
    if kind == "full":
        return cp.Variable((sum(sizes), sum(sizes)), symmetric=True)
    total, starts = 0, np.concatenate([[0], np.cumsum(sizes)])
    for start, size in zip(starts[:-1], sizes, strict=True):
        place = np.eye(sum(sizes))[:, start : start + size]
        if kind == "weights" or size == 1:
            total += cp.Variable() * (place @ place.T)
        else:
            total += place @ cp.Variable((size, size), symmetric=True) @ place.T
    return total


def _lyapunov(jacobian: np.ndarray) -> list[np.ndarray]:
    """Solves `P (J - a I) + (J - a I)' P = I` for some P, which have a margin of more than `a`."""
    smallest, found = abscissa(jacobian[None]), []
    for share in (0.5, 0.8, 0.9, 0.95, 0.98):
        shifted = jacobian - (smallest - (1 - share) * abs(smallest)) * np.eye(len(jacobian))
        try:
            matrix = scipy.linalg.solve_continuous_lyapunov(shifted.T, np.eye(len(jacobian)))
        except (ValueError, np.linalg.LinAlgError):
            continue
        matrix = 0.5 * (matrix + matrix.T)
        if np.isfinite(margin_in(jacobian[None], matrix)):
            found += [matrix] if Metric(matrix).condition <= CONDITION else []
    return found


def rounded(matrix: np.ndarray) -> np.ndarray:
    """Rounds a metric to about 24 bits relative to its diagonal; margins are flat at their best."""
    unit = np.exp2(np.floor(0.5 * np.log2(np.diagonal(matrix))))
    unit = 2.0**-24 * unit[:, None] * unit
    return np.rint(0.5 * (matrix + matrix.T) / unit) * unit + 0.0
