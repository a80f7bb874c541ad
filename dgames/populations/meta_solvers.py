"""Meta-solvers: which mixture a population plays, by the payoffs of its members."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from dgames.populations.alpha_rank import alpha_rank
from dgames.populations.checked_payoffs import Payoffs, zero_sum_matrix
from dgames.populations.linear_program import as_distribution, newest_equilibrium
from dgames.populations.nash_averaging import nash_averaging

Mixtures: TypeAlias = tuple[Float[np.ndarray, " _"], ...]
# A name, or a function of the payoffs.
MetaSolver: TypeAlias = str | Callable[[Any], Any]


def mixtures(meta: MetaSolver, payoffs: Payoffs) -> Mixtures:
    """Returns one distribution over members for each side.

    Args:
        meta: A name in `META_SOLVERS`, or a function that maps the payoffs to such distributions.
        payoffs: What each side receives, by the members that all sides play.

    Raises:
        ValueError: If the name is unknown, the solver does not apply to such payoffs, or a function
            returns something else.
    """
    if isinstance(meta, str):
        if meta not in META_SOLVERS:
            raise ValueError(
                f"meta: there is no {meta!r}; take one of {', '.join(META_SOLVERS)}, 'anytime', or "
                "a function of the payoffs"
            )
        return META_SOLVERS[meta](payoffs)
    found = tuple(np.asarray(own, np.float64) for own in meta(payoffs))
    shapes = tuple(own.shape for own in found)
    if shapes != tuple((n,) for n in payoffs.shape[1:]) or not all(map(_is_distribution, found)):
        raise ValueError(
            f"meta: the function must return one distribution per side, with {payoffs.shape[1:]} "
            f"weights; got arrays of shape {shapes}"
        )
    return tuple(as_distribution(own) for own in found)


def _is_distribution(weights: Float[np.ndarray, " n"]) -> bool:
    return bool((weights >= -1e-6).all() and abs(weights.sum() - 1) <= 1e-6)


def _nash(payoffs: Payoffs) -> Mixtures:
    matrix = zero_sum_matrix("meta='nash'", payoffs)
    return newest_equilibrium(matrix)


def _mirror_prox(payoffs: Payoffs) -> Mixtures:
    from dgames.populations.mirror_prox import mirror_prox_equilibrium

    return mirror_prox_equilibrium(zero_sum_matrix("meta='mirror_prox'", payoffs))


def _max_entropy(payoffs: Payoffs) -> Mixtures:
    average = nash_averaging(zero_sum_matrix("meta='max_entropy'", payoffs))
    return average.rows, average.columns


def _uniform(payoffs: Payoffs) -> Mixtures:
    return tuple(np.full(n, 1 / n) for n in payoffs.shape[1:])


def _last(payoffs: Payoffs) -> Mixtures:
    return tuple(np.eye(n)[-1] for n in payoffs.shape[1:])


def _alpha_rank(payoffs: Payoffs) -> Mixtures:
    """Returns the marginals of the ranking, with strong selection on the scale of the payoffs.

    The payoffs of one symmetric population rank its members in one population.
    """
    scale = max(float(np.abs(payoffs).max()), 1e-300)
    if len(payoffs) == 2 and np.array_equal(payoffs[1], payoffs[0].T):
        ranking = alpha_rank(payoffs[0] / scale, alpha=_SELECTION)
        return ranking, ranking
    ranking = alpha_rank(payoffs / scale, alpha=_SELECTION)
    axes = range(ranking.ndim)
    return tuple(ranking.sum(tuple(a for a in axes if a != own)) for own in axes)


# The intensity of selection per largest payoff.
_SELECTION = 10.0

META_SOLVERS: dict[str, Callable[[Payoffs], Mixtures]] = {
    "nash": _nash,
    "mirror_prox": _mirror_prox,
    "max_entropy": _max_entropy,
    "uniform": _uniform,
    "last": _last,
    "alpha_rank": _alpha_rank,
}
