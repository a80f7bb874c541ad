"""Equilibria of zero-sum matrix games by linear programs."""

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

# As exact as the solver allows: a basis is as good as its tolerances, its solution is exact.
_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def value_of(payoffs: Float[np.ndarray, "rows columns"]) -> float:
    """Returns the value of a matrix game: what the row player can make sure of, up to rounding.

    >>> round(value_of(np.array([[3.0, -1.0], [-1.0, 1.0]])), 12)
    0.333333333333
    """
    return float(_maximin(payoffs)[-1])


def newest_equilibrium(
    payoffs: Float[np.ndarray, "rows columns"],
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " columns"]]:
    """Returns an equilibrium of a zero-sum matrix game.

    Of several, it is the one with the most weight on rows and columns with large numbers, where
    `sum_i i p_i` is largest: populations that prefer their new members move on.

    Args:
        payoffs: What the row player receives.

    Returns:
        The weights of the rows and of the columns.

    >>> rows, columns = newest_equilibrium(np.array([[0.0, -1.0], [1.0, 0.0]]))
    >>> rows.tolist(), columns.tolist()
    ([0.0, 1.0], [0.0, 1.0])
    """
    return newest_maximin(payoffs), newest_maximin(-payoffs.T)


def newest_maximin(payoffs: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, " rows"]:
    """Returns the row player's part of `newest_equilibrium`."""
    rows = len(payoffs)
    best = _maximin(payoffs)
    scale = max(float(np.abs(payoffs).max()), 1e-300)
    found: Any = linprog(
        -np.arange(1.0, rows + 1),
        A_ub=-payoffs.T / scale,
        b_ub=np.full(payoffs.shape[1], 1e-12 - best[-1] / scale),
        A_eq=np.ones((1, rows)),
        b_eq=[1.0],
        bounds=(0, None),
        options=_OPTIONS,
    )
    return as_distribution(best[:-1] if found.x is None else found.x)


def as_distribution(weights: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Returns weights without negative roundings that sum to one up to rounding."""
    positive = np.maximum(np.nan_to_num(weights), 0.0)
    return positive / positive.sum()


def _maximin(payoffs: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, " n"]:
    """Returns weights of the rows that are as good as possible in the worst case, and the value."""
    rows, columns = payoffs.shape
    scale = max(float(np.abs(payoffs).max()), 1e-300)
    found: Any = linprog(
        np.append(np.zeros(rows), -1.0),
        A_ub=np.hstack([-payoffs.T / scale, np.ones((columns, 1))]),
        b_ub=np.zeros(columns),
        A_eq=np.append(np.ones(rows), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * rows + [(None, None)],
        options=_OPTIONS,
    )
    if found.x is None:
        raise ValueError(f"the linear program of a {rows} x {columns} game failed: {found.message}")
    weights = as_distribution(found.x[:-1])
    return np.append(weights, (weights @ payoffs).min())
