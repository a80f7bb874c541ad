"""Margin and Lipschitz constant of sums of terms of rank one, in a metric of weights.

The bounds are in floating point: proposals, which the checker confirms in exact arithmetic. The
lemma in `certify.checker.terms` bounds each term from below by a matrix with a multiplier t of its
own; any positive multipliers are valid, and good ones are looked for here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.linalg
from jaxtyping import Float

from certify.jacobian.rank_one import RankOne
from certify.metric.comparison import dominance, loses_little, signs

# Rounds of improvement of multipliers, and the share of the spread of the eigenvalues that counts
# as near the lowest in the first one.
_ROUNDS, _NEAR = 30, 0.1
# The share of the longest vector below which the part of one along the lowest ones counts as none.
_TINY = 1e-9
# The most coordinates of which all eigenvalues are computed, and of which they always are.
_DENSE, _SMALL = 1500, 200
# Of larger ones the smallest is bounded this nearly, as a share of the size of the entries, in at
# most so many rounds.
_NARROW, _SHIFTS = 1e-7, 30
# The share of entries below which scaled dominance is tried, and the bits of its multipliers.
_SPARSE, _FEW = 0.1, 10


class MultiplierBound(NamedTuple):
    """A bound that multipliers prove, up to roundings.

    Attributes:
        value: The margin, or the Lipschitz constant.
        multipliers: The numbers t of the lemma, one per term.
        scaling: Integers by which scaled diagonal dominance proves it, if it does.
    """

    value: float
    multipliers: Float[np.ndarray, " terms"]
    scaling: list[int] | None = None


class _Inverse(NamedTuple):
    """The inverse of a matrix, as SciPy takes operators.

    Attributes:
        shape: Of the matrix.
        matvec: Solves a system.
    """

    shape: tuple[int, int]
    matvec: Callable[[np.ndarray], np.ndarray]


class _Sides(NamedTuple):
    """The vectors a_k and b_k of all terms, as rows, in coordinates in which the metric is I."""

    left: sp.csr_array
    right: sp.csr_array


def margin_bound(
    terms: RankOne, weights: Float[np.ndarray, " n"], rounds: int = _ROUNDS
) -> MultiplierBound:
    """Bounds the margin from below: `<J x, x>_W >= margin |x|_W^2` for all J of the family.

    Args:
        terms: The family.
        weights: The metric, one weight per coordinate.
        rounds: How often multipliers are improved.
    """
    sides = _sides(terms, weights)
    if _is_large(terms, sides, len(weights)):
        root = np.sqrt(weights)
        whole = slice(None)
        products, sizes = sp.csr_array(sides.left * sides.right), _largest(terms, sides)
        own = products.T @ terms.middle - abs(products).T @ terms.radius
        worst = sp.diags_array(own + sizes.diagonal()) - 0.5 * (sizes + sizes.T)
        return _large(
            lambda t: _lower_rows(terms, sides, t),
            sp.csr_array(worst),
            sides,
            (whole, whole),
            root,
        )
    wide = terms.radius > 0
    multipliers = _balanced(sides)
    best = MultiplierBound(-np.inf, multipliers)
    parallel = _parallel(sides)
    temperature = None
    for _ in range(max(rounds, 1)):
        values, vectors = np.linalg.eigh(_lower(terms, sides, multipliers))
        if values[0] > best.value:
            best = MultiplierBound(float(values[0]), multipliers)
        if not (wide & ~parallel).any():
            break  # of parallel vectors the balanced multipliers are the best ones
        spread = max(values[-1] - values[0], 1e-300)
        temperature = _NEAR * spread if temperature is None else 0.7 * temperature
        shares = np.exp(-(values - values[0]) / temperature)
        shares /= shares.sum()
        near = vectors * np.sqrt(shares)
        along = [np.sqrt(((side @ near) ** 2).sum(1)) for side in sides]
        wanted = (along[1] + _TINY * along[1].max()) / (along[0] + _TINY * along[0].max())
        ratio = np.clip(wanted / multipliers, 1e-6, 1e6)
        multipliers = np.where(parallel, multipliers, multipliers * np.sqrt(ratio))
    return best


def lipschitz_bound(terms: RankOne, weights: Float[np.ndarray, " n"]) -> MultiplierBound:
    """Bounds the Lipschitz constant from above: `|J x|_W <= constant |x|_W` for all J."""
    left, right = _sides(terms, weights)
    multipliers = _balanced(_Sides(left, right))
    middle, radius = terms.middle, terms.radius
    if _is_large(terms, _Sides(left, right), len(weights)):

        def above(t: np.ndarray) -> sp.csr_array:
            across = _rows(left, middle, right)
            own = _rows(left, radius * t, left)
            other = _rows(right, radius / t, right)
            return sp.csr_array(sp.block_array([[-other, across.T], [across, -own]]))

        root, n = np.sqrt(weights), len(weights)
        sides, parts = _Sides(left, right), (slice(n, None), slice(n))
        sizes = _largest(terms, sides)
        worst = sp.csr_array(-sp.block_array([[None, sizes.T], [sizes, None]]))
        found = _large(above, worst, sides, parts, np.tile(root, 2))
        return found._replace(value=-found.value)
    across = _dense(left, middle, right)
    own = _dense(left, radius * multipliers, left)
    other = _dense(right, radius / multipliers, right)
    both = np.block([[other, -across.T], [-across, own]])
    last = len(both) - 1
    value = scipy.linalg.eigh(both, eigvals_only=True, subset_by_index=[last, last])[0]
    return MultiplierBound(float(value), multipliers)


def _is_large(terms: RankOne, sides: _Sides, n: int) -> bool:
    """Says whether to do without all eigenvalues: they take long, or dominance loses nothing."""
    if not _SMALL < n <= _DENSE:
        return n > _DENSE
    matrix = _lower_rows(terms, sides, _balanced(sides))
    return matrix.nnz < _SPARSE * n**2 and signs(matrix) is not None


def _large(
    matrix: Callable[[np.ndarray], sp.csr_array],
    worst: sp.csr_array,
    sides: _Sides,
    parts: tuple[slice, slice],
    units: Float[np.ndarray, " rows"],
) -> MultiplierBound:
    """Returns nearly the smallest eigenvalue of a large matrix that multipliers make.

    It comes from scaled dominance where that loses little. With a vector v at which the family is
    worst, terms with `t |a'v| = |b'v|` lose nothing there; so they are tried besides balanced ones.

    Args:
        matrix: Makes the matrix of multipliers.
        worst: One whose Perron vector is v if all terms pull in one direction.
        sides: The vectors a and b of the terms, in the rows of the matrix that `parts` says.
        parts: See `sides`.
        units: The metric's for each row.
    """
    balanced, parallel = _short(_balanced(sides)), _parallel(sides)
    tried = matrix(balanced)
    first = dominance(tried, units) if tried.nnz < _SPARSE * len(units) ** 2 else None
    if first is None or not loses_little(tried, first.value):
        return MultiplierBound(_least(tried), balanced)
    best = MultiplierBound(first.value, balanced, first.scaling)
    if (guess := dominance(worst, units)) is not None:
        along = [abs(side) @ guess.vector[part] for side, part in zip(sides, parts, strict=True)]
        multipliers = np.where(parallel, balanced, _short(along[1] / along[0]))
        second = dominance(matrix(multipliers), units)
        if second is not None and second.value > best.value:
            best = MultiplierBound(second.value, multipliers, second.scaling)
    return best


def _largest(terms: RankOne, sides: _Sides) -> sp.csr_array:
    """Returns the largest sizes of the entries of the terms, added up."""
    left, right = (abs(side) for side in sides)
    return _rows(left, np.maximum(np.abs(terms.low), np.abs(terms.high)), right)


def _short(multipliers: np.ndarray) -> np.ndarray:
    """Rounds numbers to a few bits, of which the checker has less to read."""
    fractions, exponents = np.frexp(multipliers)
    return np.ldexp(np.rint(fractions * 2.0**_FEW) / 2.0**_FEW, exponents)


def _sides(terms: RankOne, weights: np.ndarray) -> _Sides:
    root = np.sqrt(weights)
    left, right = terms.rows()
    return _Sides(sp.csr_array(left * root), sp.csr_array(right / root))


def _balanced(sides: _Sides) -> np.ndarray:
    """Returns the multipliers that make both squares equally large."""
    left, right = (np.sqrt(np.asarray((side * side).sum(1)).ravel()) for side in sides)
    return right / left


def _parallel(sides: _Sides) -> np.ndarray:
    """Returns which terms have parallel vectors."""
    left, right = sides
    inner = np.asarray((left * right).sum(1)).ravel()
    sizes = [np.asarray((side * side).sum(1)).ravel() for side in sides]
    return inner**2 >= (1 - 1e-12) * sizes[0] * sizes[1]


def _rows(left: sp.csr_array, factors: np.ndarray, right: sp.csr_array) -> sp.csr_array:
    """Returns `sum_k factors_k a_k b_k'`, with its entries that are not zero."""
    return sp.csr_array(left.T @ (sp.diags_array(factors) @ right))


def _dense(left: sp.csr_array, factors: np.ndarray, right: sp.csr_array) -> np.ndarray:
    return np.asarray(_rows(left, factors, right).todense())


def _least(matrix: sp.csr_array) -> float:
    """Returns nearly the smallest eigenvalue of a large symmetric matrix, from below.

    It starts below all disks of Gershgorin, and comes nearer by inverse iteration, up to numbers
    below which, as the pivots there are positive, there is no eigenvalue.
    """
    diagonal = matrix.diagonal()
    others = np.asarray(abs(matrix).sum(1)).ravel() - np.abs(diagonal)
    size = float((np.abs(diagonal) + others).max())
    shift = float((diagonal - others).min()) - 1e-3 * size
    below, vector = shift, np.ones(len(diagonal))
    shape = (len(diagonal), len(diagonal))
    options: Any = {"k": 1, "which": "LA", "tol": 1e-2}
    for _ in range(_SHIFTS):
        factors = scipy.sparse.linalg.splu(
            sp.csc_array(matrix - shift * sp.eye_array(len(diagonal))),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        if not (factors.U.diagonal() > 0).all():
            shift = 0.5 * (below + shift)
            continue
        below = shift
        inverse: Any = scipy.sparse.linalg.aslinearoperator(_Inverse(shape, factors.solve))
        largest, vectors = scipy.sparse.linalg.eigsh(inverse, v0=vector, **options)
        gap, vector = float(1 / largest[0]), vectors[:, 0]
        if gap <= _NARROW * size:
            break
        shift += 0.95 * gap
    return below


def _lower(terms: RankOne, sides: _Sides, multipliers: np.ndarray) -> np.ndarray:
    """Returns the matrix that all symmetric parts of the family are above of."""
    return np.asarray(_lower_rows(terms, sides, multipliers).todense())


def _lower_rows(terms: RankOne, sides: _Sides, multipliers: np.ndarray) -> sp.csr_array:
    left, right = sides
    across = _rows(left, terms.middle, right)
    own = _rows(left, terms.radius * multipliers, left)
    other = _rows(right, terms.radius / multipliers, right)
    return sp.csr_array(0.5 * (across + across.T) - 0.5 * (own + other))
