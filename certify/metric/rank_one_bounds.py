"""Constants of sums of terms of rank one in a metric, and multipliers that prove them.

The bounds are in floating point: proposals, which the checker confirms in exact arithmetic. Any
positive multipliers are valid, and good ones are looked for here.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
import scipy.sparse.linalg
from jaxtyping import Float

from certify.jacobian.rank_one import RankOne
from certify.metric.metric import Metric
from certify.metric.term_inequality import (
    DENSE,
    TermSides,
    factored,
    least_eigenvalue,
    operator,
    sides,
)

# Rounds of improvement of multipliers, and the share of the spread of the eigenvalues that counts
# as near the lowest in the first one.
_ROUNDS, _NEAR = 30, 0.1
# The share of the longest vector below which the part of one along the lowest ones counts as none.
_TINY = 1e-9
# After so many rounds without a gain of that share of the spread, the search ends.
_PATIENCE, _GAIN = 8, 1e-4
# Ranges as narrow as that have roundings in them, and nothing else.
_NARROW = 1e-9
# The most rows of which all eigenvalues are computed while a step is looked for.
_SMALL = 200
# How precisely the step of the best factor and the largest one are looked for.
_BEST, _LARGEST = 1e-2, 1e-6


class MultiplierBound(NamedTuple):
    """A bound that multipliers prove, up to roundings.

    Attributes:
        value: The number that is bounded.
        multipliers: The numbers t of the lemma, one per term.
    """

    value: float
    multipliers: Float[np.ndarray, " terms"]


class StepBound(NamedTuple):
    """Steps of simultaneous gradient that multipliers prove to contract, up to roundings.

    Attributes:
        largest: The largest one.
        best: The one with the best factor.
        rate: That factor.
        multipliers: The numbers t of the lemma, one per term.
    """

    largest: float
    best: float
    rate: float
    multipliers: Float[np.ndarray, " terms"]


def margin_bound(terms: RankOne, metric: Metric, rounds: int = _ROUNDS) -> MultiplierBound:
    """Bounds the margin from below: `<J x, x>_P >= margin |x|_P^2` for all J of the family.

    Args:
        terms: The family.
        metric: The metric.
        rounds: How often multipliers are improved.
    """
    both = sides(terms, metric)
    multipliers, inequality = both.balanced(), both.of_margin()
    if both.size > DENSE:
        value = 0.5 * least_eigenvalue(inequality.below(terms, multipliers))
        return MultiplierBound(value, multipliers)
    wide, parallel = terms.radius > _NARROW * np.abs(terms.middle), both.parallel()
    best, temperature, idle = MultiplierBound(-np.inf, multipliers), None, 0
    for _ in range(max(rounds, 1)):
        lower = 0.5 * np.asarray(inequality.below(terms, multipliers).todense())
        values, vectors = np.linalg.eigh(lower)
        spread = max(values[-1] - values[0], 1e-300)
        idle = 0 if values[0] > best.value + _GAIN * spread else idle + 1
        if values[0] > best.value:
            best = MultiplierBound(float(values[0]), multipliers)
        if not (wide & ~parallel).any() or idle >= _PATIENCE:
            break  # of parallel vectors the balanced multipliers are the best ones
        temperature = _NEAR * spread if temperature is None else 0.7 * temperature
        shares = np.exp(-(values - values[0]) / temperature)
        shares /= shares.sum()
        near = vectors * np.sqrt(shares)
        along = [np.sqrt(((side @ near) ** 2).sum(1)) for side in both]
        wanted = (along[1] + _TINY * along[1].max()) / (along[0] + _TINY * along[0].max())
        ratio = np.clip(wanted / multipliers, 1e-6, 1e6)
        multipliers = np.where(parallel, multipliers, multipliers * np.sqrt(ratio))
    return best


def lipschitz_bound(terms: RankOne, metric: Metric) -> MultiplierBound:
    """Bounds the Lipschitz constant from above: `|J x|_P <= constant |x|_P` for all J."""
    both = sides(terms, metric)
    multipliers = both.balanced()
    lower = both.of_lipschitz().below(terms, multipliers)
    return MultiplierBound(-least_eigenvalue(lower), multipliers)


def curvature_bound(terms: RankOne, plain: TermSides, block: slice) -> MultiplierBound:
    """Bounds the curvature of a player's cost from below, in that player's own coordinates.

    Args:
        terms: The family.
        plain: Its vectors in the Euclidean metric.
        block: The player's coordinates.
    """
    own = plain.of_curvature(block)
    multipliers = TermSides(own.a, own.b).balanced()
    return MultiplierBound(0.5 * least_eigenvalue(own.below(terms, multipliers)), multipliers)


def cocoercivity_bound(
    terms: RankOne, metric: Metric, multipliers: Float[np.ndarray, " terms"]
) -> MultiplierBound:
    """Bounds c with `<J x, x>_P >= |J x|_P^2 / c` for all J from above.

    Args:
        terms: The family.
        metric: The metric.
        multipliers: Those of a positive margin.

    Returns:
        The bound, infinite if it was not found.
    """
    both = sides(terms, metric)
    lower, n = both.of_cocoercivity().below(terms, multipliers), both.size
    # [[A, B'], [B, 2 c I + C]] > 0 if 2 c > B A^-1 B' - C.
    first, across, last = lower[:n, :n], lower[n:, :n], lower[n:, n:]
    solve = factored(first).solve
    needed = operator(n, lambda x: across @ solve(across.T @ x) - last @ x)
    if n <= DENSE:
        full = needed @ np.eye(n)
        largest = float(np.linalg.eigvalsh(0.5 * (full + full.T))[-1])
    else:
        found: Any = scipy.sparse.linalg.eigsh(
            needed, k=1, which="LA", return_eigenvectors=False, v0=np.ones(n)
        )
        largest = float(found[0]) * (1 + 1e-6)
    return MultiplierBound(0.5 * largest, multipliers)


def step_bound(terms: RankOne, metric: Metric, within: float) -> StepBound | None:
    """Bounds steps h with `|I - h J|_P < 1` for all J, and the one with the best bound.

    The bound is the largest eigenvalue of a matrix that is affine in h. So it is convex in h, and 1
    at zero.

    Args:
        terms: The family.
        metric: The metric.
        within: A step with a factor below 1.

    Returns:
        The steps, or None where no factor is below 1.
    """
    both = sides(terms, metric)
    multipliers = both.balanced()

    def factor(h: float) -> float:
        return -least_eigenvalue(both.of_step(h).below(terms, multipliers), _SMALL)

    high = 2 * within
    while factor(high) < 1:
        high *= 2
    found: Any = scipy.optimize.minimize_scalar(
        factor, bounds=(0.0, high), method="bounded", options={"xatol": _BEST * high}
    )
    best = _short(float(found.x))
    rate = factor(best)
    if not rate < 1:
        return None
    largest: Any = scipy.optimize.brentq(lambda h: factor(h) - 1, best, high, xtol=_LARGEST * best)
    return StepBound(_short((1 - 2 * _LARGEST) * float(largest)), best, rate, multipliers)


def _short(step: float) -> float:
    """Returns a number of 24 bits that is hardly smaller: products with it remain short."""
    return float(np.nextafter(np.float32(step), np.float32(0)))
