"""Constants of sums of terms of rank one in a metric, and multipliers that prove them.

The bounds are in floating point: proposals, which the checker confirms in exact arithmetic. Any
positive multipliers are valid, and good ones are looked for here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize

from certify.jacobian.rank_one import RankOne
from certify.metric.metric import Metric
from certify.metric.term_inequality import DENSE, TermSides, least_eigenvalue, sides
from certify.metric.term_multipliers import (
    ROUNDS,
    SMALL,
    MultiplierBound,
    few_bits,
    improved,
    is_large,
    least,
    units_of,
)

# The most rows of a matrix whose multipliers are improved, besides those of the margin.
_MOST_IMPROVED = 600
# What multipliers of a cocoercivity are multiplied by.
_FACTORS = (1.0, 8.0, 64.0, 512.0)
# How precisely the step of the best factor and the largest one are looked for.
_BEST, _LARGEST = 1e-2, 1e-6


class StepBound(NamedTuple):
    """Steps of simultaneous gradient that multipliers prove to contract, up to roundings.

    Attributes:
        largest: The largest one.
        best: The one with the best factor.
        at_largest: The factor of the largest one, nearly 1.
        at_best: The factor of the best one.
    """

    largest: float
    best: float
    at_largest: MultiplierBound
    at_best: MultiplierBound


def margin_bound(terms: RankOne, metric: Metric, rounds: int = ROUNDS) -> MultiplierBound:
    """Bounds the margin from below: `<J x, x>_P >= margin |x|_P^2` for all J of the family.

    Args:
        terms: The family.
        metric: The metric.
        rounds: How often multipliers are improved.
    """
    inequality, units = sides(terms, metric).of_margin(), units_of(metric, 1)
    if units is not None and is_large(inequality.below(terms, inequality.balanced())):
        found = least(terms, inequality, units)
    else:
        found = improved(terms, inequality, rounds)
    return found._replace(value=0.5 * found.value)


def lipschitz_bound(terms: RankOne, metric: Metric) -> MultiplierBound:
    """Bounds the Lipschitz constant from above: `|J x|_P <= constant |x|_P` for all J."""
    inequality = sides(terms, metric).of_lipschitz()
    found = least(terms, inequality, units_of(metric, 2))
    if found.scaling is None and 2 * len(metric.root) <= _MOST_IMPROVED:
        found = max(found, improved(terms, inequality, ROUNDS), key=lambda bound: bound.value)
    return found._replace(value=-found.value)


def curvature_bound(terms: RankOne, plain: TermSides, block: slice) -> MultiplierBound:
    """Bounds the curvature of a player's cost from below, in that player's own coordinates.

    Args:
        terms: The family.
        plain: Its vectors in the Euclidean metric.
        block: The player's coordinates.
    """
    own = plain.of_curvature(block)
    multipliers = few_bits(own.balanced())
    return MultiplierBound(0.5 * least_eigenvalue(own.below(terms, multipliers)), multipliers)


def cocoercivity_bound(
    terms: RankOne, metric: Metric, margin: MultiplierBound
) -> MultiplierBound | None:
    """Bounds c with `<J x, x>_P >= |J x|_P^2 / c` for all J from above.

    Args:
        terms: The family.
        metric: The metric.
        margin: A positive margin.

    Returns:
        The bound, or None where none was found, as of more coordinates than are decomposed at once.
    """
    both = sides(terms, metric)
    n = both.size
    if n > DENSE:
        return None
    inequality = both.of_cocoercivity()
    plain, first = (
        few_bits(inequality.balanced()),
        np.unique(inequality.term, return_index=True)[1],
    )
    best: MultiplierBound | None = None
    # The second and third parts of mirrored terms take from the margin, the less the larger t is.
    for factor in _FACTORS if len(first) < len(plain) else (1.0,):
        multipliers = factor * plain
        multipliers[first] = margin.multipliers
        # [[A, B'], [B, 2 c I + C]] > 0 if A > 0 and 2 c > B A^-1 B' - C.
        lower = np.asarray(inequality.below(terms, multipliers).todense())
        values, vectors = np.linalg.eigh(lower[:n, :n])
        if values[0] <= 0:
            continue
        half = (lower[n:, :n] @ vectors) / np.sqrt(values)
        value = 0.5 * float(np.linalg.eigvalsh(half @ half.T - lower[n:, n:])[-1])
        if best is None or value < best.value:
            best = MultiplierBound(value, multipliers)
    return best


def step_bound(terms: RankOne, metric: Metric, within: float) -> StepBound | None:
    """Bounds steps h with `|I - h J|_P < 1` for all J, and the one with the best bound.

    The bound is the largest eigenvalue of a matrix that is affine in h, at fixed multipliers. So it
    is convex in h, and 1 at zero.

    Args:
        terms: The family.
        metric: The metric.
        within: A step with a factor below 1.

    Returns:
        The steps, or None where no factor is below 1.
    """
    both, units = sides(terms, metric), units_of(metric, 2)

    def balanced(h: float) -> MultiplierBound:
        found = least(terms, both.of_step(h), units, SMALL)
        return found._replace(value=-found.value)

    found = _steps(balanced, within)
    if 2 * both.size > _MOST_IMPROVED or (found and found.at_largest.scaling is not None):
        return found
    there = within if found is None else found.largest
    multipliers = improved(terms, both.of_step(there), ROUNDS).multipliers

    def fixed(h: float) -> MultiplierBound:
        below = both.of_step(h).below(terms, multipliers)
        return MultiplierBound(-least_eigenvalue(below, SMALL), multipliers)

    return _steps(fixed, within) or found


def _steps(at: Callable[[float], MultiplierBound], within: float) -> StepBound | None:
    """Returns the steps with the best factor and with one just below 1, by a scalar search."""
    high = 2 * within
    while at(high).value < 1:
        high *= 2
    found: Any = scipy.optimize.minimize_scalar(
        lambda h: at(h).value, bounds=(0.0, high), method="bounded", options={"xatol": _BEST * high}
    )
    best = _short(float(found.x))
    at_best = at(best)
    if not at_best.value < 1:
        return None
    found = scipy.optimize.brentq(lambda h: at(h).value - 1, best, high, xtol=_LARGEST * best)
    largest = _short((1 - 2 * _LARGEST) * float(found))
    return StepBound(largest, best, at(largest), at_best)


def _short(step: float) -> float:
    """Returns a number of 24 bits that is hardly smaller: products with it remain short."""
    return float(np.nextafter(np.float32(step), np.float32(0)))
