"""Nash averaging: the equilibrium of largest entropy, and the skills against it."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog, minimize

from dgames.populations.linear_program import as_distribution, value_of

# In units of the largest payoff: how far below the value a reply may be.
_SLACK = 1e-9


class NashAverage(NamedTuple):
    """The equilibrium of largest entropy of a zero-sum game among agents.

    Attributes:
        rows: The weights of the row player.
        columns: The weights of the column player; for antisymmetric payoffs, the same.
        value: What the row player receives.
        skills: What each row receives against the weights of the columns.
    """

    rows: Float[np.ndarray, " rows"]
    columns: Float[np.ndarray, " columns"]
    value: float
    skills: Float[np.ndarray, " rows"]


def nash_averaging(matrix: Any) -> NashAverage:
    """Rates agents by the equilibrium of largest entropy of the game in which one picks an agent.

    All equilibria of a zero-sum game form a polytope, so that the one of largest entropy is unique.
    It does not change when an agent is entered twice, but for the weight that the copies share,
    and no agent gains from losing to those that others beat.

    The face of the polytope is found by one linear program: the agents that some equilibrium
    plays. On it, the logarithms of the weights are combinations of the columns of the matrix, with
    multipliers that maximise the dual, a smooth concave function.

    Args:
        matrix: What the row's agent receives from the column's: antisymmetric for agents against
            each other, any matrix for agents against tasks.

    Returns:
        The weights, the value, and the skills.

    Raises:
        ValueError: If it is not a matrix of finite numbers.

    References:
        Balduzzi and others, Re-evaluating evaluation (2018), arXiv:1806.02643.

    >>> nash_averaging([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]).rows.round(6).tolist()
    [0.333333, 0.333333, 0.333333]
    >>> nash_averaging([[0, 1, 1], [-1, 0, 0], [-1, 0, 0]]).rows.round(6).tolist()
    [1.0, 0.0, 0.0]
    """
    payoffs = np.asarray(matrix, np.float64)
    if payoffs.ndim != 2 or payoffs.size == 0 or not np.isfinite(payoffs).all():
        raise ValueError(
            f"nash_averaging: give a matrix of finite numbers, not an array of shape "
            f"{payoffs.shape}"
        )
    rows = most_even_maximin(payoffs)
    same = payoffs.shape[0] == payoffs.shape[1] and np.array_equal(payoffs, -payoffs.T)
    columns = rows if same else most_even_maximin(-payoffs.T)
    return NashAverage(rows, columns, float(rows @ payoffs @ columns), payoffs @ columns)


def most_even_maximin(payoffs: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, " rows"]:
    """Returns the optimal weights of the rows with the largest entropy."""
    scale = max(float(np.abs(payoffs).max()), 1e-300)
    excess = payoffs / scale - value_of(payoffs / scale)
    played = _played(excess)
    weights = np.zeros(len(payoffs))
    weights[played] = _most_even(excess[played])
    return weights


def _played(excess: Float[np.ndarray, "rows columns"]) -> np.ndarray:
    """Returns which rows have a positive weight in some optimal mixture.

    On the cone of the optimal mixtures, `sum_i t_i` is maximised with `t_i <= 1, t_i <= q_i`: where
    some mixture has a positive weight, a multiple of it has one that is at least 1.
    """
    rows, columns = excess.shape
    # Variables: q, then t. Mixtures are as good as the slack allows.
    found: Any = linprog(
        np.append(np.zeros(rows), -np.ones(rows)),
        A_ub=np.block(
            [
                [-excess.T - _SLACK, np.zeros((columns, rows))],
                [-np.eye(rows), np.eye(rows)],
            ]
        ),
        b_ub=np.zeros(columns + rows),
        bounds=[(0, 1 / np.sqrt(_SLACK))] * rows + [(0, 1)] * rows,
    )
    counted = found.x[rows:] if found.x is not None else np.ones(rows)
    return counted > 0.5


def _most_even(excess: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, " rows"]:
    """Returns the weights p of largest entropy with `p' excess >= 0`.

    The dual of it minimises `log sum_i exp(sum_j y_j excess_ij)` over `y >= 0`, and p is the
    softmax of these sums.
    """

    def dual(y: np.ndarray) -> tuple[float, np.ndarray]:
        sums = excess @ y
        top = sums.max()
        shares = np.exp(sums - top)
        return float(top + np.log(shares.sum())), excess.T @ (shares / shares.sum())

    y = np.zeros(excess.shape[1])
    for _ in range(5):  # a new start forgets the past of the quasi-Newton method
        found: Any = minimize(
            dual,
            y,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * len(y),
            options={"ftol": 0.0, "gtol": 1e-13, "maxiter": 10_000, "maxcor": 40},
        )
        y = found.x
    sums = excess @ y
    return as_distribution(np.exp(sums - sums.max()))
