"""Choosing the weights of a metric from sampled Jacobians.

A choice needs no proof: whatever weights come out, the margin in them is proved afterwards.
"""

import itertools

import numpy as np
import scipy.optimize
from jaxtyping import Float

from .metric import Metric, Weighting
from .small_gain import small_gain

# Weights of one are kept when within this share of the best: simpler numbers, rounder basin.
_PREFER_ONES = 0.995
# Numbers in the largest array of equally shaped blocks, about.
_NUMBERS = 2**22


def sampled_margin(jacobians: Float[np.ndarray, "samples n n"], weights: Weighting) -> float:
    """Smallest eigenvalue of the symmetric part in the metric, over the samples: an estimate."""
    metric = Metric(weights)
    return float(metric.eigvalsh(metric.symmetric(jacobians))[:, 0].min())


def choose_weights(
    jacobians: Float[np.ndarray, "samples n n"], sizes: tuple[int, ...]
) -> Float[np.ndarray, " players"]:
    """Weights, one per player, with a nearly largest sampled margin.

    Tries ones and the small-gain weights of the sampled constants, and improves on the better by a
    simplex search when there are few players. For a zero-sum game ones are the best: no weights
    have a larger margin than the own blocks, and with ones the coupling cancels.
    """
    players = len(sizes)
    if (jacobians == jacobians[0]).all():  # of a quadratic game: one says it all
        jacobians = jacobians[:1]

    def margin(log_weights: np.ndarray) -> float:
        return sampled_margin(jacobians, np.repeat(np.exp(log_weights), sizes))

    ones = np.zeros(players)
    candidates = [ones]
    small = small_gain_weights(jacobians, sizes)
    if small is not None:
        candidates.append(_centred(np.log(small)))
    best = max(candidates, key=margin)
    if 1 < players <= 10:
        search = scipy.optimize.minimize(
            lambda free: -margin(np.append(free, 0.0)),
            (best - best[-1])[:-1],
            method="Nelder-Mead",
            options={"maxfev": 150 * players, "xatol": 1e-4, "fatol": 1e-7},
        )
        best = max(best, _centred(np.append(search.x, 0.0)), key=margin)
    top = margin(best)
    if margin(ones) >= top - (1 - _PREFER_ONES) * abs(top):
        best = ones
    return _rounded(np.exp(best))


def small_gain_weights(
    jacobians: Float[np.ndarray, "samples n n"], sizes: tuple[int, ...]
) -> Float[np.ndarray, " players"] | None:
    """Those of the small-gain test on the sampled constants; None if they are too unequal."""
    mu, _, coupling = sampled_constants(jacobians, sizes)
    try:
        return small_gain(mu, coupling).weights
    except ValueError:  # constants too unequal for float64 vectors
        return None


def sampled_constants(
    jacobians: Float[np.ndarray, "samples n n"], sizes: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Curvature, smoothness and coupling over the samples: estimates of what a proof can give."""
    players, each = len(sizes), np.array(sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    low, high, coupling = np.zeros(players), np.zeros(players), np.zeros((players, players))
    for a, b in itertools.product(np.unique(each), repeat=2):
        pairs = np.argwhere((each[:, None] == a) & (each == b))
        own = pairs[:, 0] == pairs[:, 1]
        most = max(1, _NUMBERS // int(len(jacobians) * a * b))
        for first in range(0, len(pairs), most):
            i, j = pairs[first : first + most].T
            rows = (starts[i][:, None] + np.arange(a))[:, :, None]
            columns = (starts[j][:, None] + np.arange(b))[:, None, :]
            found = jacobians[:, rows, columns]
            norms = np.abs(found[..., 0, 0]) if a * b == 1 else np.linalg.norm(found, 2, (-2, -1))
            coupling[i, j] = norms.max(0)
        i = pairs[own, 0]
        if len(i):
            rows = starts[i][:, None] + np.arange(a)
            blocks = jacobians[:, rows[:, :, None], rows[:, None, :]]
            values = np.linalg.eigvalsh(0.5 * (blocks + np.swapaxes(blocks, -1, -2)))
            low[i], high[i] = values[..., 0].min(0), values[..., -1].max(0)
    np.fill_diagonal(coupling, 0.0)
    return low, high, coupling


def _centred(log_weights: np.ndarray) -> np.ndarray:
    return log_weights - log_weights.mean()


def _rounded(weights: np.ndarray) -> np.ndarray:
    """Short binary numbers, largest one: margins are flat at their best weights."""
    mantissa, exponent = np.frexp(weights / weights.max())
    return np.ldexp(np.rint(mantissa * 2**24), exponent - 24)
