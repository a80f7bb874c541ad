"""Checks of payoff tables that users give."""

from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

# What each player receives, by what all of them choose.
Payoffs: TypeAlias = Float[np.ndarray, "players *actions"]  # noqa: F821 (a shape)
# How far from zero sums of payoffs may be, in units of the largest payoff.
TOLERANCE = 1e-6


def as_payoffs(who: str, payoffs: Any) -> Payoffs:
    """Returns payoffs of shape `(players, *actions)` in float64.

    Args:
        who: The function that was called.
        payoffs: What it was given.

    Raises:
        ValueError: If the shape is another one, or a number is not finite.
    """
    table = np.asarray(payoffs, np.float64)
    if table.ndim < 2 or table.shape[0] != table.ndim - 1 or table.size == 0:
        raise ValueError(
            f"{who}: payoffs have the shape (players, *actions), with as many axes of actions as "
            f"players, not {table.shape}"
        )
    if not np.isfinite(table).all():
        raise ValueError(f"{who}: the payoffs must be finite")
    return table


def zero_sum_matrix(who: str, payoffs: Payoffs) -> Float[np.ndarray, "rows columns"]:
    """Returns the payoffs of the first of two players whose payoffs sum to a constant.

    Args:
        who: The function that was called.
        payoffs: The payoffs of both.

    Raises:
        ValueError: If there are not two players, or the sum is not constant.
    """
    if len(payoffs) != 2:
        raise ValueError(
            f"{who}: Nash equilibria are computed for two sides only, not {len(payoffs)}; take "
            "meta='alpha_rank', 'uniform' or 'last', or a function of the payoffs"
        )
    total = payoffs[0] + payoffs[1]
    if np.ptp(total) > TOLERANCE * max(np.abs(payoffs).max(), 1e-300):
        raise ValueError(
            f"{who}: Nash equilibria are computed for zero-sum payoffs only, and here the sums lie "
            f"between {total.min():.6g} and {total.max():.6g}; take meta='alpha_rank', 'uniform' "
            "or 'last', or a function of the payoffs"
        )
    return payoffs[0]
