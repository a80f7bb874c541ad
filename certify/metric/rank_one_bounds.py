"""Constants of sums of terms of rank one in a metric, and multipliers that prove them.

The bounds are in floating point: proposals, which the checker confirms in exact arithmetic. Any
positive multipliers are valid, and good ones are looked for here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from jaxtyping import Float

from certify.jacobian.rank_one import RankOne
from certify.metric.comparison_matrix import dominance, loses_little, signs
from certify.metric.metric import Metric
from certify.metric.term_inequality import (
    DENSE,
    TermInequality,
    TermSides,
    least_eigenvalue,
    sides,
)

# Evaluations while multipliers are improved, and the temperatures of the soft minimum, as shares of
# the spread of the eigenvalues.
_ROUNDS, _TEMPERATURES = 45, (0.1, 0.01, 0.001)
# The most rows of a matrix whose multipliers are improved, besides those of the margin.
_MOST_IMPROVED = 600
# Ranges as narrow as that have roundings in them, and nothing else.
_NARROW = 1e-9
# The bits of multipliers: near the best ones, a relative error of e costs some e^2 only.
_FEW = 20
# The most rows of which all eigenvalues are computed in any case.
_SMALL = 200
# Of larger ones, the share of entries below which scaled dominance is tried, and the bits of
# multipliers.
_SPARSE, _FEWER = 0.1, 10
# What multipliers of a cocoercivity are multiplied by.
_FACTORS = (1.0, 8.0, 64.0, 512.0)
# How precisely the step of the best factor and the largest one are looked for.
_BEST, _LARGEST = 1e-2, 1e-6


class MultiplierBound(NamedTuple):
    """A bound that multipliers prove, up to roundings.

    Attributes:
        value: The number that is bounded.
        multipliers: The numbers t of the lemma, one for each row of the inequality.
        scaling: Integers by which scaled diagonal dominance proves it, if it does.
    """

    value: float
    multipliers: Float[np.ndarray, " terms"]
    scaling: list[int] | None = None


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


def margin_bound(terms: RankOne, metric: Metric, rounds: int = _ROUNDS) -> MultiplierBound:
    """Bounds the margin from below: `<J x, x>_P >= margin |x|_P^2` for all J of the family.

    Args:
        terms: The family.
        metric: The metric.
        rounds: How often multipliers are improved.
    """
    inequality, units = sides(terms, metric).of_margin(), _units(metric, 1)
    if units is not None and _is_large(inequality.below(terms, inequality.balanced())):
        found = _least(terms, inequality, units)
    else:
        found = _improved(terms, inequality, rounds)
    return found._replace(value=0.5 * found.value)


def lipschitz_bound(terms: RankOne, metric: Metric) -> MultiplierBound:
    """Bounds the Lipschitz constant from above: `|J x|_P <= constant |x|_P` for all J."""
    inequality = sides(terms, metric).of_lipschitz()
    found = _least(terms, inequality, _units(metric, 2))
    if found.scaling is None and 2 * len(metric.root) <= _MOST_IMPROVED:
        found = max(found, _improved(terms, inequality, _ROUNDS), key=lambda bound: bound.value)
    return found._replace(value=-found.value)


def curvature_bound(terms: RankOne, plain: TermSides, block: slice) -> MultiplierBound:
    """Bounds the curvature of a player's cost from below, in that player's own coordinates.

    Args:
        terms: The family.
        plain: Its vectors in the Euclidean metric.
        block: The player's coordinates.
    """
    own = plain.of_curvature(block)
    multipliers = _few_bits(own.balanced())
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
        _few_bits(inequality.balanced()),
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
    both, units = sides(terms, metric), _units(metric, 2)

    def balanced(h: float) -> MultiplierBound:
        found = _least(terms, both.of_step(h), units, _SMALL)
        return found._replace(value=-found.value)

    found = _steps(balanced, within)
    if found is None or found.at_largest.scaling is not None or 2 * both.size > _MOST_IMPROVED:
        return found
    multipliers = _improved(terms, both.of_step(found.largest), _ROUNDS).multipliers

    def improved(h: float) -> MultiplierBound:
        below = both.of_step(h).below(terms, multipliers)
        return MultiplierBound(-least_eigenvalue(below, _SMALL), multipliers)

    return _steps(improved, within) or found


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


def _units(metric: Metric, copies: int) -> Float[np.ndarray, " rows"] | None:
    """Returns the units of a metric of weights, for as many copies of its coordinates."""
    return None if metric.is_matrix else np.tile(metric.root, copies)


def _is_large(matrix: sp.csr_array) -> bool:
    """Says whether to do without all eigenvalues: they take long, or dominance loses nothing."""
    size = len(matrix.indptr) - 1
    if not _SMALL < size <= DENSE:
        return size > DENSE
    return matrix.nnz < _SPARSE * size**2 and signs(matrix) is not None


def _least(
    terms: RankOne,
    inequality: TermInequality,
    units: Float[np.ndarray, " rows"] | None,
    dense: int = DENSE,
) -> MultiplierBound:
    """Returns nearly the smallest eigenvalue of the matrix that good multipliers make.

    Of a large one it comes from scaled dominance where that loses little. With a vector v at which
    the family is worst, terms with `t |a'v| = |b'v|` lose nothing there; so these multipliers are
    tried besides balanced ones.

    Args:
        terms: The family.
        inequality: The matrices.
        units: The metric's, for each row; None of a metric that is a matrix.
        dense: The most rows of which all eigenvalues are computed.
    """
    balanced = _few_bits(inequality.balanced())
    if units is None or not _is_large(inequality.below(terms, balanced)):
        value = least_eigenvalue(inequality.below(terms, balanced), dense)
        return MultiplierBound(value, balanced)
    balanced = _few_bits(balanced, _FEWER)
    tried = inequality.below(terms, balanced)
    first = dominance(tried, units) if tried.nnz < _SPARSE * len(units) ** 2 else None
    if first is None or not loses_little(tried, first.value):
        return MultiplierBound(least_eigenvalue(tried, dense), balanced)
    best = MultiplierBound(first.value, balanced, first.scaling)
    if (guess := dominance(inequality.worst(terms), units)) is not None:
        along = [abs(side) @ guess.vector for side in (inequality.a, inequality.b)]
        multipliers = np.where(
            inequality.parallel(), balanced, _few_bits(along[1] / along[0], _FEWER)
        )
        second = dominance(inequality.below(terms, multipliers), units)
        if second is not None and second.value > best.value:
            best = MultiplierBound(second.value, multipliers, second.scaling)
    return best


def _improved(terms: RankOne, inequality: TermInequality, rounds: int) -> MultiplierBound:
    """Returns nearly the largest least eigenvalue that multipliers make, of a matrix that is small.

    The matrix is a concave function of the logarithms of the multipliers. So is the soft minimum of
    its eigenvalues, which is maximised while it gets harder.
    """
    multipliers, radius = _few_bits(inequality.balanced()), inequality.radius(terms)
    # Of parallel vectors the balanced multipliers are the best ones.
    moving = (radius > _NARROW * np.abs(inequality.middle(terms))) & ~inequality.parallel()
    free = np.flatnonzero(moving)
    a, b = (side[free] for side in (inequality.a, inequality.b))
    best = MultiplierBound(-np.inf, multipliers)
    spread = 0.0

    def soft(logs: np.ndarray, temperature: float) -> tuple[float, np.ndarray]:
        """Returns the soft minimum and its slopes, both negated, in units of the spread."""
        nonlocal best, spread
        now = multipliers.copy()
        now[free] = _few_bits(np.exp(logs))
        values, vectors = np.linalg.eigh(np.asarray(inequality.below(terms, now).todense()))
        if values[0] > best.value:
            best = MultiplierBound(float(values[0]), now)
        spread = spread or float(values[-1] - values[0]) or 1.0
        shares = np.exp(-(values - values[0]) / (temperature * spread))
        near = vectors * np.sqrt(shares / shares.sum())
        first, second = (((side @ near) ** 2).sum(1) for side in (a, b))
        slopes = radius[free] * (now[free] * first - second / now[free])
        value = values[0] / spread - temperature * np.log(shares.sum())
        return -float(value), slopes / spread

    start = np.log(multipliers[free])
    if not len(free):
        soft(start, 1.0)
        return best
    for temperature in _TEMPERATURES:
        options = {"maxfun": max(rounds // len(_TEMPERATURES), 1)}
        found: Any = scipy.optimize.minimize(
            soft, start, args=(temperature,), jac=True, method="L-BFGS-B", options=options
        )
        start = found.x
    return best


def _few_bits(multipliers: np.ndarray, bits: int = _FEW) -> np.ndarray:
    """Rounds numbers to a few bits: products with them are shorter."""
    fractions, exponents = np.frexp(multipliers)
    return np.ldexp(np.rint(fractions * 2.0**bits) / 2.0**bits, exponents)
