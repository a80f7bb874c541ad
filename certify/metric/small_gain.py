"""The small-gain test, solved as an eigenvalue problem and proved by two vectors.

Curvature bounds `mu_i` and coupling bounds `L_ij` of a game make the Z-matrix `K = diag(mu) - L`.
The largest margin that any block-weighted metric can get from these numbers is the eigenvalue of K
of smallest real part, which is real; with left and right eigenvectors u, v > 0 it is attained by
the weights `u_i / v_i` (Perron-Frobenius; certification of strong monotonicity by M-matrices). This
needs no semidefinite program and no grid, and two positive vectors prove it.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse
from jaxtyping import Float

from certify.metric.perron import Network, bounding_vectors, inner_vector, joined
from certify.metric.quotients import proved_above, proved_below

# Up to so many players, LAPACK makes the first guess; for more, the matrix is never made dense.
_DENSE = 50
# No further vectors are tried when so little is missing, relative to the curvatures.
_ENOUGH = 1e-14


class SmallGain(NamedTuple):
    """A proved small-gain margin.

    Attributes:
        margin: A lower bound on the strong-monotonicity modulus, proved with integers.
        weights: Weights of the metric in which it holds, one per player: `left / right`, rounded.
        left: `u > 0` with `u' K >= margin u'` componentwise.
        right: `v > 0` with `K v >= margin v` componentwise.
        proved: Always True; an input for which nothing can be proved is an error instead.
        upper: No positive weights have a margin above this one, which is proved as well. So better
            weights can gain at most `upper - margin`.
    """

    margin: float
    weights: Float[np.ndarray, " players"]
    left: Float[np.ndarray, " players"]
    right: Float[np.ndarray, " players"]
    proved: bool = True
    upper: float = np.inf


def small_gain(curvature: Any, coupling: Any) -> SmallGain:
    """Finds the best margin that curvature and coupling bounds can prove, with weights and proof.

    With `K = diag(mu) - L`, `K v >= a v` and `u' K >= a u'` make `C = W K + K' W - 2 a W` positive
    semidefinite for `W = diag(u_i / v_i)`: its off-diagonal entries are not positive, and it maps
    `v > 0` to a non-negative vector. Conversely `x >= 0` with `K x <= b x` has `x' C x <= 2 (b - a)
    x' W x`, so no weights have a margin above b. Both kinds of inequalities are proved with
    integers, with every rounding to the safe side.

    A sparse matrix stays sparse: a million players with four million couplings take about a minute.

    Args:
        curvature: `mu`, shape (N,): lower bounds on the own-player curvatures; may be negative.
        coupling: `L`, shape (N, N), dense or `scipy.sparse`: upper bounds `L_ij >= 0` on the norms
            of the blocks `J_ij`; the diagonal is ignored, duplicates add up.

    Returns:
        The margin, a lower bound that holds exactly for the given floats taken as real numbers:
        `W K + K' W >= 2 margin W` for `W = diag(left / right)`. It is within rounding of the
        optimum for irreducible K, nearly so for others; `upper - margin` bounds what is missing.

    Raises:
        ValueError: For wrong shapes, entries that are not real numbers of at most 64 bits, NaN or
            infinite entries, negative couplings, or entries too unequal in size for float64.

    Example:
        >>> gain = small_gain([1.0, 1.0], [[0.0, 10.0], [0.05, 0.0]])
        >>> round(gain.margin, 12), round(float(gain.weights[1] / gain.weights[0]), 9)
        (0.292893218813, 200.0)
        >>> gain.upper - gain.margin < 1e-14
        True
    """
    mu, L = validated("small_gain", curvature, coupling)
    network = Network.of(mu, L)
    rights = _Proofs(lambda v: proved_below(mu, L, v))
    transposed = L.T.tocsr()
    lefts = _Proofs(lambda u: proved_below(mu, transposed, u))
    upper = np.inf
    for guess in (_dense_vectors if mu.size <= _DENSE else _no_vectors, _network_vectors):
        for left, right in guess(network):
            lefts.add(left)
            rights.add(right)
            if not (lefts.best and rights.best):
                continue
            margin = min(lefts.best[0][0], rights.best[0][0])
            enough = margin + _ENOUGH * (abs(margin) + float(np.abs(mu).max()))
            for x in bounding_vectors(network, lefts.best[0][1], rights.best[0][1]):
                if upper > enough:
                    upper = min(upper, proved_above(mu, L, x))
            if upper <= enough:
                return _assembled(lefts, rights, upper)
    return _assembled(lefts, rights, upper)


def rounder_gain(
    curvature: Float[np.ndarray, " players"],
    coupling: Float[np.ndarray, "players players"],
    gain: SmallGain,
    share: float,
) -> SmallGain | None:
    """Proves about a share of the small-gain margin with weights that differ less.

    Where some players do not act on others in a circle, weights that approach the best margin grow
    apart without end. For `alpha` below that margin, `v = (K - alpha)^-1 1` and
    `u = (K - alpha)^-T 1` are positive, and no larger than they have to be.

    Args:
        curvature: As for `small_gain`.
        coupling: As for `small_gain`; dense.
        gain: The result of `small_gain`.
        share: The share of its margin that is wanted.

    Returns:
        What was proved; None if nothing was, or if the margin of `gain` is not positive.

    Example:
        >>> mu, L = np.array([2.0, 2.0]), np.array([[0.0, 1.0], [0.0, 0.0]])
        >>> rounder = rounder_gain(mu, L, small_gain(mu, L), 0.95)
        >>> round(rounder.margin, 5), round(float(rounder.weights[1] / rounder.weights[0]), 2)
        (1.90909, 121.0)
    """
    mu, L = validated("small_gain", curvature, coupling)
    if gain.margin <= 0 or mu.size > _DENSE:
        return None
    shifted = np.diag(mu - share * gain.margin) - L.toarray()
    try:
        left, right = (np.linalg.solve(K, np.ones(mu.size)) for K in (shifted.T, shifted))
    except np.linalg.LinAlgError:
        return None
    if not ((left > 0).all() and (right > 0).all()):
        return None
    margin = min(proved_below(mu, L, right), proved_below(mu, L.T.tocsr(), left))
    weights = left / right
    if not (margin > 0 and np.isfinite(weights).all() and (weights > 0).all()):
        return None
    return SmallGain(margin, weights, left, right, upper=gain.upper)


class _Proofs:
    """The bounds that vectors have proved, best first."""

    def __init__(self, prove: Callable[[np.ndarray], float]) -> None:
        self.prove = prove
        self.best: list[tuple[float, np.ndarray]] = []

    def add(self, vector: np.ndarray) -> None:
        bound = self.prove(vector)
        if bound > -np.inf:
            self.best = sorted([*self.best, (bound, vector)], key=lambda found: -found[0])


def _assembled(lefts: _Proofs, rights: _Proofs, upper: float) -> SmallGain:
    """Returns the result for the best pair of vectors whose weights are finite."""
    pairs = ((min(a, b), u, v) for a, u in lefts.best for b, v in rights.best)
    for margin, left, right in sorted(pairs, key=lambda pair: -pair[0]):
        with np.errstate(all="ignore"):
            weights = left / right
        if np.isfinite(weights).all() and (weights > 0).all():
            return SmallGain(margin, weights, left, right, upper=upper)
    raise ValueError("small_gain: the entries are too unequal in size for float64 vectors.")


def validated(caller: str, curvature: Any, coupling: Any) -> tuple[np.ndarray, Any]:
    """Returns the curvatures, and the positive couplings off the diagonal as a CSR array.

    Duplicates are kept, as their sum might be rounded down.
    """
    mu = _real(caller, np.asarray(curvature))
    if not scipy.sparse.issparse(coupling):
        coupling = np.asarray(coupling)
    if mu.ndim != 1 or coupling.shape != (mu.size, mu.size) or mu.size == 0:
        raise ValueError(
            f"{caller}: curvature has shape {mu.shape} and coupling {coupling.shape}; "
            "expected (N,) and (N, N)."
        )
    if scipy.sparse.issparse(coupling):
        entries: Any = coupling.tocoo()
        rows, columns, values = entries.row, entries.col, entries.data
    else:
        rows, columns = np.nonzero(coupling != 0)
        values = coupling[rows, columns]
    values = _real(caller, values)
    used = (rows != columns) & (values != 0)
    rows, columns, values = rows[used], columns[used], values[used]
    if not (np.isfinite(mu).all() and np.isfinite(values).all()):
        raise ValueError(f"{caller}: curvature and coupling must be finite.")
    if (values < 0).any():
        raise ValueError(f"{caller}: coupling bounds are norms and cannot be negative.")
    order = np.argsort(rows, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=mu.size))])
    # All indices have one type, the short one, which SciPy's graph routines want.
    parts = (values[order], columns[order].astype(np.int32), starts.astype(np.int32))
    return mu, scipy.sparse.csr_array(parts, shape=coupling.shape)


def _real(caller: str, numbers: np.ndarray) -> np.ndarray:
    """Converts numbers to float64, and refuses where that might round."""
    kind, size = numbers.dtype.kind, numbers.dtype.itemsize
    exact = (kind == "f" and size <= 8) or kind == "b" or (kind in "iu" and size < 8)
    if kind in "iu" and size == 8:
        ends = (int(numbers.min()), int(numbers.max())) if numbers.size else (0,)
        exact = max(map(abs, ends)) <= 2**53
    if not exact and numbers.size:
        raise ValueError(
            f"{caller}: entries of type {numbers.dtype} are not float64 numbers; round curvature "
            "down and coupling up."
        )
    return numbers.astype(np.float64)


def _network_vectors(network: Network) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields pairs of left and right vectors for a network of any size."""
    ones = np.ones(len(network.mu))
    transposed = network.transposed()
    with np.errstate(all="ignore"):  # overflow leaves vectors that prove nothing
        right = inner_vector(network)
        possible = float(network.quotients(right).min())
        left = inner_vector(transposed, near=possible)
        yield from itertools.product(joined(transposed, left), joined(network, right))
    yield ones, ones


def _no_vectors(network: Network) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    yield from ()


def _dense_vectors(network: Network) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields Perron vectors by LAPACK, and then vectors for margins just below the optimum.

    For `alpha` below the optimum, `v = (K - alpha)^-1 1` and `u = (K - alpha)^-T 1` are positive.
    These two linear solves also work where the Perron vectors have zeros (reducible networks).
    """
    K = np.diag(network.mu) - (network.inner + network.cross.tocsr()).toarray()
    scale = max(float(np.abs(K).max()), np.finfo(float).tiny)
    eig: Any = scipy.linalg.eig  # typed as if it might return two arrays
    values, left, right = eig(K, left=True, right=True)
    k = int(np.argmin(np.real(values)))
    optimum = float(np.real(values[k]))
    yield np.abs(np.real(left[:, k])), np.abs(np.real(right[:, k]))
    ones = np.ones(len(K))
    for share in (1e-15, 1e-12, 1e-10):
        shifted = K - (optimum - share * scale) * np.eye(len(K))
        try:
            yield np.linalg.solve(shifted.T, ones), np.linalg.solve(shifted, ones)
        except np.linalg.LinAlgError:
            continue
