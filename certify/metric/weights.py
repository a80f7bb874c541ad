"""Choosing the weights of a metric from sampled Jacobians.

A choice needs no proof: whatever weights come out, the margin in them is proved afterwards.
"""

import itertools

import numpy as np
import scipy.optimize
from jaxtyping import Float

from certify.metric.cuts import Cuts, spread
from certify.metric.metric import Metric, Weighting
from certify.metric.objective import LIMIT, LIPSCHITZ_POWER, ROUNDER, SHARE, Aim, units
from certify.metric.small_gain import small_gain

# Weights of one are kept when they have this share of the best margin: they are simpler numbers,
# and the basin is rounder.
_PREFER_ONES = 0.995
# How much of the margin may be left unfound, unless there are no more than so many players.
_PRECISION = 1e-3
_FEW = 6
# How many samples are used, and rounds of trials made, for steps and rates.
_SOME = 32
_TRIALS = 8
# About the most numbers in the largest array of equally shaped blocks.
_NUMBERS = 2**22


def sampled_margin(jacobians: Float[np.ndarray, "samples n n"], weights: Weighting) -> float:
    """Returns the smallest eigenvalue of the symmetric part in a metric over the samples."""
    metric = Metric(weights)
    return float(metric.eigvalsh(metric.symmetric(jacobians))[:, 0].min())


def sampled_lipschitz(jacobians: Float[np.ndarray, "samples n n"], weights: Weighting) -> float:
    """Returns the largest norm of the Jacobian in a metric over the samples."""
    metric = Metric(weights)
    norms = np.linalg.norm(metric.reduced(metric.product(jacobians)), ord=2, axis=(-2, -1))
    return float(norms.max())


def choose_weights(
    jacobians: Float[np.ndarray, "samples n n"], sizes: tuple[int, ...], aim: Aim | None = None
) -> Float[np.ndarray, " players"]:
    """Chooses weights, one per player, that serve an aim, judged by sampled margins.

    It tries ones, the inverse squares of the region's widths and the small-gain weights of the
    sampled constants, and improves on the best of them by cutting planes; then the aim decides. For
    a zero-sum game ones have the largest margin: in no weights is the margin larger than that of
    the own blocks, and with ones the coupling cancels.

    Args:
        jacobians: Sampled Jacobians, finite.
        sizes: The number of coordinates of each player.
        aim: What the weights are chosen for; a basin in a region of one width when not given.

    Example:
        >>> triangular = np.array([[[2.0, 1.0], [0.0, 2.0]]])
        >>> weights = choose_weights(triangular, (1, 1))
        >>> bool(1.89 < sampled_margin(triangular, weights) < 1.91)
        True
    """
    aim = aim or Aim.usual(sum(sizes))
    if (jacobians == jacobians[0]).all():  # in a quadratic game; one says it all
        jacobians = jacobians[:1]
    base, ones = units(aim.half_widths, sizes), np.ones(len(sizes))
    cuts = Cuts(jacobians, sizes, base, aim.spent)
    for multiples in (within_limit(ones / base), ones):
        cuts.look(multiples)
    small = small_gain_weights(jacobians, sizes)
    if small is not None:
        cuts.look(within_limit(small / base))
    cuts.improve(_PRECISION)
    if cuts.margin <= 0:
        if small is not None and sampled_margin(jacobians, np.repeat(small, sizes)) > 0:
            return _rounded(small)  # no positive margin was found within the limit
        return _rounded(cuts.best * base)
    chosen = cuts.best
    if aim.objective != "margin":
        rounder = cuts.roundest(SHARE[aim.objective] * cuts.margin)
        if spread(rounder) * ROUNDER**2 <= spread(chosen):
            chosen = rounder
    if aim.objective in ("step", "rate"):
        return _rounded(_faster(jacobians, sizes, base, [cuts.best, chosen], aim) * base)
    if chosen is cuts.best and 1 < len(sizes) <= _FEW and not aim.spent():
        _polish(cuts)
        chosen = cuts.best
    # Ones are simpler numbers.
    share = 1 - 1e-9 if aim.objective == "margin" else _PREFER_ONES
    least = cuts.margin * (share if chosen is cuts.best else SHARE[aim.objective])
    round_enough = spread(within_limit(ones / base)) <= ROUNDER**2 * spread(chosen)
    if round_enough and sampled_margin(jacobians, np.ones(sum(sizes))) >= least:
        return ones
    return _rounded(chosen * base)


def _polish(cuts: Cuts) -> None:
    """Finds the last digits of the best weights of few players, by a simplex search."""
    start = np.log(cuts.best)
    scipy.optimize.minimize(
        lambda free: -cuts.look(np.exp(_at_least_zero(np.append(free, 0.0)))),
        (start - start[-1])[:-1],
        method="Nelder-Mead",
        options={"maxfev": 60 * len(start), "xatol": 1e-5, "fatol": 1e-9},
    )


def _at_least_zero(logs: np.ndarray) -> np.ndarray:
    return np.minimum(logs - logs.min(), np.log(LIMIT))


def _faster(
    jacobians: np.ndarray,
    sizes: tuple[int, ...],
    base: np.ndarray,
    starts: list[np.ndarray],
    aim: Aim,
) -> np.ndarray:
    """Finds multiples of large step `2 a / b^2` or good rate `sqrt(1 - a^2 / b^2)`, by trial."""
    power = LIPSCHITZ_POWER[aim.objective]
    some = jacobians[:_SOME]

    def score(logs: np.ndarray) -> float:
        spread = np.repeat(np.exp(logs) * base, sizes)
        margin = sampled_margin(some, spread)
        if margin <= 0:
            return -np.inf
        return margin / max(sampled_lipschitz(some, spread), 1e-300) ** power

    first, second = (np.log(start) for start in starts)
    shares = np.linspace(0.0, 1.0, 9)
    pairs = ((first, second), (second, 0.0 * first))
    candidates = [(1 - t) * a + t * b for a, b in pairs for t in shares]
    best = max(candidates, key=score)
    value, length = score(best), 0.5
    for _ in range(_TRIALS):  # along one player's weight after another, with shrinking steps
        before = value
        for player, sign in itertools.product(range(len(sizes)), (1.0, -1.0)):
            if aim.spent():
                return np.exp(best - best.min())
            tried = best.copy()
            tried[player] += sign * length
            if np.ptp(tried) <= np.log(LIMIT) and (found := score(tried)) > value:
                best, value = tried, found
        length *= 1.0 if value > before * (1 + 1e-3) else 0.5
    return np.exp(best - best.min())


def small_gain_weights(
    jacobians: Float[np.ndarray, "samples n n"], sizes: tuple[int, ...]
) -> Float[np.ndarray, " players"] | None:
    """Returns the small-gain weights of the sampled constants; None if those are too unequal."""
    mu, _, coupling = sampled_constants(jacobians, sizes)
    try:
        return small_gain(mu, coupling).weights
    except ValueError:  # constants too unequal for float64 vectors
        return None


def sampled_constants(
    jacobians: Float[np.ndarray, "samples n n"], sizes: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates the provable curvature, smoothness and coupling by those of the samples."""
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


def within_limit(multiples: Float[np.ndarray, " players"]) -> Float[np.ndarray, " players"]:
    """Scales multiples so that the smallest is 1, and draws them together to within `LIMIT`."""
    logs = np.log(multiples / multiples.min())
    return np.exp(logs * min(1.0, np.log(LIMIT) / max(float(logs.max()), 1e-300)))


def _rounded(weights: np.ndarray) -> np.ndarray:
    """Scales weights to a largest of 1, in short binary numbers; margins are flat at their best."""
    mantissa, exponent = np.frexp(weights / weights.max())
    return np.ldexp(np.rint(mantissa * 2**24), exponent - 24)
