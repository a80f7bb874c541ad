"""Semidefinite programs, solved in floating point by Clarabel; the results are only guesses.

The programs are tiny (matrices of at most six rows), so they are handed to the solver directly,
without a modelling layer and without compiling. One takes about a millisecond.
"""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import sparse

# Everything is scaled so that sensible multipliers are of order one. Without a bound, they and the
# Lyapunov matrix can escape to infinity along directions in which the method converges anyway.
CAP = 1e4


def minimise(
    objective: Sequence[float],
    blocks: Sequence[tuple[np.ndarray, np.ndarray]],
    signed: Sequence[int],
) -> Float[np.ndarray, " v"] | None:
    """Minimises `objective . z` such that `A_0 + sum_k z_k A_k >= 0` for every block.

    Args:
        objective: The coefficients of the objective, shape (v,).
        blocks: Pairs `A_0` of shape (n, n) and `A` of shape (v, n, n), symmetric; n may differ.
        signed: The variables that must not be negative.

    Returns:
        The solver's guess, whatever its status; None if it gave nothing finite.
    """
    clarabel: Any = importlib.import_module("clarabel")

    count = len(objective)
    rows, sides = [-np.eye(count)[list(signed)]], [np.zeros(len(signed))]
    cones = [clarabel.NonnegativeConeT(len(signed))]
    for constant, coefficients in blocks:
        rows.append(-_triangle(coefficients).T)
        sides.append(_triangle(constant))
        cones.append(clarabel.PSDTriangleConeT(constant.shape[-1]))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    solver = clarabel.DefaultSolver(
        sparse.csc_matrix((count, count)),
        np.asarray(objective, np.float64),
        sparse.csc_matrix(np.vstack(rows)),
        np.concatenate(sides),
        cones,
        settings,
    )
    guess = np.array(solver.solve().x, np.float64)
    return guess if np.isfinite(guess).all() else None


def smallest_bound(
    upper: Float[np.ndarray, "n n"],
    lower: Float[np.ndarray, "n n"],
    inequalities: Float[np.ndarray, "k n n"],
    slack: float,
) -> tuple[float, np.ndarray] | None:
    """Finds the least c, and l_k >= 0, with `c upper - lower - sum_k l_k inequality_k >= slack I`.

    Both are floating-point guesses; None if the solver gives nothing finite.
    """
    count, size = len(inequalities), len(upper)
    coefficients = np.concatenate([upper[None], -inequalities]) if count else upper[None]
    guess = minimise(
        [1.0] + [0.0] * count,
        [(-lower - slack * np.eye(size), coefficients), _budget([0.0] + [1.0] * count)],
        range(1, count + 1),
    )
    return None if guess is None else (float(guess[0]), guess[1:])


def lyapunov_matrix(
    square: float,
    before: Float[np.ndarray, "m n"],
    after: Float[np.ndarray, "m n"],
    inequalities: Float[np.ndarray, "k n n"],
    earlier: Float[np.ndarray, "j n n"],
) -> tuple[float, np.ndarray] | None:
    """Finds a P with which V shrinks by the factor `square` per step, as strictly as possible.

    It maximises t such that `square before' P before - after' P after - sum l M >= t I` and
    `before' P before - x x' - sum l' M' >= 0`.

    Args:
        square: The square of the rate in question.
        before: The state in the basis.
        after: The next state in the basis.
        inequalities: The matrices M.
        earlier: The matrices M' of the points whose values are in the state.

    Returns:
        t, which has to be positive, and P of shape (m, m); None if the solver gives nothing finite.
    """
    m, n = before.shape
    entries = [(i, j) for i in range(m) for j in range(i + 1)]
    units = np.zeros((len(entries), m, m))
    for k, (i, j) in enumerate(entries):
        units[k, i, j] = units[k, j, i] = 1.0
    first, second = before.T @ units @ before, after.T @ units @ after
    k, j = len(inequalities), len(earlier)
    nothing = np.zeros((1, n, n))
    shrinks = [square * first - second, -inequalities, np.zeros((j, n, n)), -np.eye(n)[None]]
    bounds = [first, np.zeros((k, n, n)), -earlier, nothing]
    position = np.zeros((n, n))
    position[0, 0] = 1.0
    traces = [float(i == j) for i, j in entries]
    guess = minimise(
        [0.0] * (len(entries) + k + j) + [-1.0],
        [
            (np.zeros((n, n)), np.concatenate(shrinks)),
            (-position, np.concatenate(bounds)),
            _budget([*traces, *[1.0] * (k + j), 0.0]),
        ],
        range(len(entries), len(entries) + k + j),
    )
    if guess is None:
        return None
    return float(guess[-1]), np.tensordot(guess[: len(entries)], units, 1)


def _budget(weights: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Returns `weights . z <= CAP` as a block of one row."""
    return np.array([[CAP]]), -np.asarray(weights, np.float64)[:, None, None]


def _triangle(matrix: Float[np.ndarray, "*b n n"]) -> Float[np.ndarray, "*b t"]:
    """Returns the upper triangle by columns, with entries off the diagonal times sqrt(2)."""
    columns, rows = np.tril_indices(matrix.shape[-1])
    return matrix[..., rows, columns] * np.where(rows == columns, 1.0, 2.0**0.5)
