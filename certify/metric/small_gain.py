"""The small-gain test in closed form.

Curvature bounds `mu_i` and coupling bounds `L_ij` of a game make the Z-matrix `K = diag(mu) - L`.
The largest margin that any block-weighted metric can get from these numbers is the eigenvalue of K
of smallest real part, which is real; with left and right eigenvectors u, v > 0 it is attained by
the weights `u_i / v_i` (Perron-Frobenius; certification of strong monotonicity by M-matrices). No
semidefinite program, no grid: and two positive vectors prove it.
"""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from jaxtyping import Float


class SmallGain(NamedTuple):
    """A proved small-gain margin.

    Attributes:
        margin: A lower bound on the strong-monotonicity modulus, verified with exact rationals.
        weights: Weights of the metric in which it holds, one per player, `left / right`.
        left: `u > 0` with `u' K >= margin u'` componentwise.
        right: `v > 0` with `K v >= margin v` componentwise.
        proved: Always True; an input for which nothing can be proved is an error instead.
    """

    margin: float
    weights: Float[np.ndarray, " players"]
    left: Float[np.ndarray, " players"]
    right: Float[np.ndarray, " players"]
    proved: bool = True


def small_gain(curvature: Any, coupling: Any) -> SmallGain:
    """The best margin that curvature and coupling bounds can prove, with its weights and its proof.

    Args:
        curvature: `mu`, shape (N,): lower bounds on the own-player curvatures; may be negative.
        coupling: `L`, shape (N, N), dense or `scipy.sparse`: upper bounds `L_ij >= 0` on the norms
            of the blocks `J_ij`; the diagonal is ignored.

    Returns:
        The margin, a lower bound that holds exactly for the given floats taken as real numbers:
        `W K + K' W >= 2 margin W` for `W = diag(weights)`; within rounding of the optimum when K is
        irreducible, and within one part in 10^9 otherwise.

    Raises:
        ValueError: For wrong shapes, NaN or infinite entries, or negative couplings.

    Example:
        >>> gain = small_gain([1.0, 1.0], [[0.0, 10.0], [0.05, 0.0]])
        >>> round(gain.margin, 12), round(float(gain.weights[1] / gain.weights[0]), 9)
        (0.292893218813, 200.0)
    """
    mu, L = _validated(curvature, coupling)
    K = np.diag(mu) - L
    best: SmallGain | None = None
    for left, right in _candidates(K):
        found = _proved(mu, L, left, right)
        if found is not None and (best is None or found.margin > best.margin):
            best = found
    if best is None:
        raise ValueError("small_gain: the entries are too unequal in size for float64 vectors")
    return best


def _validated(curvature: Any, coupling: Any) -> tuple[np.ndarray, np.ndarray]:
    if scipy.sparse.issparse(coupling):
        coupling = coupling.toarray()
    mu, L = np.array(curvature, np.float64), np.array(coupling, np.float64)
    if mu.ndim != 1 or L.shape != (mu.size, mu.size) or mu.size == 0:
        raise ValueError(
            f"small_gain: curvature has shape {mu.shape} and coupling {L.shape}; "
            "expected (N,) and (N, N)."
        )
    np.fill_diagonal(L, 0.0)
    if not (np.isfinite(mu).all() and np.isfinite(L).all()):
        raise ValueError("small_gain: curvature and coupling must be finite.")
    if (L < 0).any():
        raise ValueError("small_gain: coupling bounds are norms and cannot be negative.")
    return mu, L


def _candidates(K: np.ndarray):
    """Positive vectors that may prove a margin: Perron vectors, and those of the strict case.

    For `alpha` below the optimum, `v = (K - alpha)^-1 1` and `u = (K - alpha)^-T 1` are positive:
    two linear solves that also work where the Perron vectors have zeros (reducible networks).
    """
    optimum, right = _perron(K)
    _, left = _perron(K.T)
    scale = max(np.abs(K).max(), np.finfo(float).tiny)
    yield left, right
    ones = np.ones(len(K))
    for share in (1e-15, 1e-12, 1e-10):
        shifted = K - (optimum - share * scale) * np.eye(len(K))
        try:
            yield np.linalg.solve(shifted.T, ones), np.linalg.solve(shifted, ones)
        except np.linalg.LinAlgError:
            continue
    yield ones, ones


def _perron(K: np.ndarray) -> tuple[float, np.ndarray]:
    """The eigenvalue of smallest real part, and its eigenvector scaled to a maximum of one."""
    values, vectors = np.linalg.eig(K)
    k = int(np.argmin(np.real(values)))
    vector = np.abs(np.real(vectors[:, k]))
    return float(np.real(values[k])), vector / max(vector.max(), np.finfo(float).tiny)


def _proved(mu: np.ndarray, L: np.ndarray, left: np.ndarray, right: np.ndarray) -> SmallGain | None:
    with np.errstate(all="ignore"):
        weights = left / right
    for vector in (left, right, weights):
        if not (np.isfinite(vector).all() and (vector > 0).all()):
            return None
    rows = _quotients(mu, L, right) + _quotients(mu, L.T, left)
    return SmallGain(float_below(min(rows)), weights, left, right)


def _quotients(mu: np.ndarray, L: np.ndarray, vector: np.ndarray) -> list[Fraction]:
    """`(K v)_i / v_i`, exactly."""
    v = [Fraction(x) for x in vector.tolist()]
    return [
        Fraction(float(mu[i]))
        - sum((Fraction(float(L[i, j])) * v[j] for j in np.flatnonzero(L[i])), Fraction(0)) / v[i]
        for i in range(len(v))
    ]


def float_below(x: Fraction) -> float:
    """The largest float64 that is at most `x`."""
    value = float(x)
    return value if Fraction(value) <= x else float(np.nextafter(value, -np.inf))


def float_above(x: Fraction) -> float:
    """The smallest float64 that is at least `x`."""
    return -float_below(-x)


def root_above(square: Fraction) -> float:
    """A float64 whose square is at least `square`, and hardly more."""
    root = float(square) ** 0.5
    while Fraction(root) ** 2 < square:
        root = float(np.nextafter(root, np.inf))
    return root


def timescale_band(curvature: Any, coupling: Any, margin: float = 0.0) -> tuple[float, float]:
    """For two players: the weight ratios `w_2 / w_1` that give at least a margin.

    With `a = mu_1 - margin`, `b = mu_2 - margin` and `p = L_12 L_21`, the ratios r with
    `4 a b r >= (L_12 + r L_21)^2` fill `(2ab - p -+ 2 sqrt(ab (ab - p))) / L_21^2`. Both ends are
    rounded inward until that inequality holds exactly.

    Args:
        curvature: `mu`, shape (2,).
        coupling: `L`, shape (2, 2).
        margin: The margin asked for.

    Returns:
        `(lowest, highest)`; `highest` is infinite when `L_21 = 0`, `lowest` zero when `L_12 = 0`
        (that end itself is excluded).

    Raises:
        ValueError: For other than two players, or when no ratio works: a curvature is not above the
            margin, or the coupling is too strong.

    Example:
        >>> low, high = timescale_band([1.0, 1.0], [[0.0, 10.0], [0.05, 0.0]])
        >>> round(low, 6), round(high, 4)
        (34.314575, 1165.6854)
    """
    mu, L = _validated(curvature, coupling)
    if mu.size != 2:
        raise ValueError(f"timescale_band: {mu.size} players given; the band is defined for two.")
    a, b = (Fraction(float(x)) - Fraction(margin) for x in mu)
    l12, l21 = Fraction(float(L[0, 1])), Fraction(float(L[1, 0]))
    if min(a, b) <= 0:
        raise ValueError(
            f"timescale_band: a curvature is not above the margin {margin}: {mu.tolist()}."
        )
    if a * b < l12 * l21:
        raise ValueError(
            "timescale_band: the coupling is too strong; no weight ratio has that margin."
        )

    def works(ratio: float) -> bool:
        r = Fraction(ratio)
        return 4 * a * b * r >= (l12 + r * l21) ** 2

    ab, p = a * b, l12 * l21
    if l21 == 0:
        return _inward(float(l12**2 / (4 * ab)), works, np.inf), np.inf
    if l12 == 0:
        return 0.0, _inward(float(4 * ab / l21**2), works, 0.0)
    root = 2 * float(ab * (ab - p)) ** 0.5
    high = float((2 * ab - p + Fraction(root)) / l21**2)
    # The product of the ends is (L_12 / L_21)^2; dividing avoids the cancellation.
    low = float((l12 / l21) ** 2 / Fraction(high))
    best = float(l12 / l21)
    return _inward(low, works, best), _inward(high, works, best)


def _inward(end: float, works: Any, towards: float) -> float:
    for _ in range(1000):
        if works(end):
            return end
        end = float(np.nextafter(end, towards))
    raise ValueError("timescale_band: the band is narrower than float64 can resolve.")
