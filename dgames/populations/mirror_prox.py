"""Equilibria of zero-sum matrix games by mirror prox, up to a tolerance."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dgames.games.matrix import MatrixGame
from dgames.methods import MirrorProx
from dgames.populations.linear_program import as_distribution

# Rows and columns are filled up to multiples of it, so that a growing matrix seldom compiles anew.
_BLOCK = 16


def mirror_prox_equilibrium(
    payoffs: Float[np.ndarray, "rows columns"], tol: float = 1e-6, max_steps: int = 100_000
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " columns"]]:
    """Returns where mirror prox ends from uniform weights, or after so many steps.

    From there, it goes to an equilibrium in the interior of the face of all equilibria.

    Args:
        payoffs: What the row player receives.
        tol: The natural residual at which `dgames.solve` stops, with payoffs of at most one.
        max_steps: The most steps.

    >>> rows, columns = mirror_prox_equilibrium(np.array([[3.0, -1.0], [-1.0, 1.0]]))
    >>> rows.round(4).tolist(), columns.round(4).tolist()
    ([0.3333, 0.6667], [0.3333, 0.6667])
    """
    import dgames as dg

    scale = max(float(np.abs(payoffs).max()), 1e-300)
    filled = [-(-n // _BLOCK) * _BLOCK for n in payoffs.shape]
    # Copies of the first member change nothing; their weights go to it.
    places = [
        np.where(np.arange(most) < n, np.arange(most), 0)
        for most, n in zip(filled, payoffs.shape, strict=True)
    ]
    table = jnp.asarray(payoffs[np.ix_(*places)] / scale)
    start = tuple(
        jnp.asarray(1 / np.bincount(own)[own] / n)
        for own, n in zip(places, payoffs.shape, strict=True)
    )
    run = dg.solve(MatrixGame(table), MirrorProx(0.5), start, tol=tol, max_steps=max_steps)
    rows, columns = (
        as_distribution(np.bincount(own, np.asarray(weights, np.float64)))
        for own, weights in zip(places, jax.device_get(run.strategy), strict=True)
    )
    return rows, columns
