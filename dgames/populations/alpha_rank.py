"""Alpha-rank: strategies ranked by how long evolution with rare mutations stays at them."""

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import special

from dgames.populations.checked_payoffs import Payoffs, as_payoffs


def alpha_rank(payoffs: Any, m: int = 50, alpha: float = 1.0) -> Float[np.ndarray, "*actions"]:
    r"""The stationary distribution of populations that copy what does well, with rare mutations.

    Each population holds m individuals, all alike but for one rare mutant whose strategy takes over
    with the probability

        rho = 1 / (1 + sum_{l < m} exp(-alpha sum_{k <= l} (f_mutant(k) - f_resident(k))))

    before the next mutation. In one population, k of the m individuals are mutants, and an
    individual meets each of the m - 1 others equally often. In several populations, everyone meets
    the resident strategies of the other populations, so that the fitness does not depend on k. The
    states of the chain are the strategies, or one strategy for each population.

    Both the probabilities and the stationary distribution are computed by their logarithms, the
    latter by elimination without subtractions (Grassmann, Taksar and Heyman, 1985). So large values
    of `alpha m` neither overflow nor lose the small probabilities that decide about the ranking.

    Args:
        payoffs: A square matrix, for one population: what the row's strategy receives from the
            column's. Else an array of shape `(populations, *actions)`, such as the `payoffs` of a
            `MatrixGame` or of a `Population`.
        m: The number of individuals in a population, at least 2.
        alpha: The intensity of selection, at least 0.

    Returns:
        The probabilities of the states, of shape `(actions,)` for one population, else of the shape
        `actions`: sum over the other axes for the marginal of a population.

    Raises:
        ValueError: If the payoffs are neither, or a number is out of its range.

    References:
        Omidshafiei and others, alpha-Rank: multi-agent evaluation by evolution, Scientific Reports
        9 (2019), arXiv:1903.01373.

    >>> rock_paper_scissors = [[0, -1, 1], [1, 0, -1], [-1, 1, 0]]
    >>> alpha_rank(rock_paper_scissors, m=10, alpha=5.0).round(6).tolist()
    [0.333333, 0.333333, 0.333333]
    >>> alpha_rank([[[2, 0], [3, 1]], [[2, 3], [0, 1]]], alpha=100.0).round(6).tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    table = np.asarray(payoffs, np.float64)
    if int(m) != m or m < 2:
        raise ValueError(f"alpha_rank: a population has at least 2 individuals, not m = {m}")
    if not 0 <= alpha < np.inf:
        raise ValueError(f"alpha_rank: the intensity of selection is at least 0, not {alpha}")
    if table.ndim == 2:
        if table.shape[0] != table.shape[1] or table.size == 0 or not np.isfinite(table).all():
            raise ValueError(
                "alpha_rank: the payoffs of one population are a square matrix of finite numbers, "
                f"not one of shape {table.shape}; those of two have the shape (2, rows, columns)"
            )
        return _stationary(_one_population(table, int(m), float(alpha)))
    table = as_payoffs("alpha_rank", table)
    rates = _many_populations(table, int(m), float(alpha))
    return _stationary(rates).reshape(table.shape[1:])


def _one_population(
    payoffs: Float[np.ndarray, "n n"], m: int, alpha: float
) -> Float[np.ndarray, "n n"]:
    """Returns the logarithms of the fixation probabilities from rows to columns."""
    count = np.arange(1, m)[:, None, None]  # of mutants
    mutual, own = payoffs, np.diag(payoffs)
    # Residents are rows: `mutual.T` is what a mutant receives from a resident.
    mutant = (count - 1) * own[None, None, :] + (m - count) * mutual.T[None]
    resident = count * mutual[None] + (m - count - 1) * own[None, :, None]
    gains = np.cumsum((mutant - resident) / (m - 1), axis=0)
    return -_log_sum(np.concatenate([np.zeros((1, *payoffs.shape)), -alpha * gains]), axis=0)


def _many_populations(payoffs: Payoffs, m: int, alpha: float) -> Float[np.ndarray, "states states"]:
    """Returns the logarithms of the rates between joint strategies, up to a common factor."""
    actions = payoffs.shape[1:]
    states = np.arange(np.prod(actions)).reshape(actions)
    rates = np.full((states.size,) * 2, -np.inf)
    for player, own in enumerate(payoffs):
        values = np.moveaxis(own, player, -1).reshape(-1, actions[player])
        places = np.moveaxis(states, player, -1).reshape(-1, actions[player])
        gains = values[:, None, :] - values[:, :, None]  # from the second axis to the third
        steps = -alpha * np.arange(m)[:, None, None, None] * gains
        rates[places[:, :, None], places[:, None, :]] = -_log_sum(steps, axis=0)
    return rates


def _stationary(rates: Float[np.ndarray, "n n"]) -> Float[np.ndarray, " n"]:
    """Returns the stationary distribution of a chain from the logarithms of its rates.

    States are eliminated one by one, the last first: a way over the eliminated one is added to the
    rate of the direct way. Nothing is subtracted, and the diagonal does not count.
    """
    rates, n = rates.copy(), len(rates)
    for last in range(n - 1, 0, -1):
        leaving = _log_sum(rates[last, :last], axis=0)
        rates[:last, last] -= leaving
        over = rates[:last, last, None] + rates[None, last, :last]
        rates[:last, :last] = np.logaddexp(rates[:last, :last], over)
    weights = np.zeros(n)
    for state in range(1, n):
        weights[state] = _log_sum(weights[:state] + rates[:state, state], axis=0)
    weights = np.exp(weights - weights.max())
    return weights / weights.sum()


def _log_sum(logarithms: np.ndarray, axis: int) -> np.ndarray:
    return np.asarray(special.logsumexp(logarithms, axis=axis))
