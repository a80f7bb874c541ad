"""Derivatives of the small-gain margin, which say which coupling to reduce first."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from jaxtyping import Float

from certify.metric.small_gain import SmallGain, small_gain, validated


class Sensitivities(NamedTuple):
    """Derivatives of the best margin: estimates in floating point, which prove nothing.

    Attributes:
        curvature: The derivatives with respect to `mu_i`, shape (N,); not negative, with sum one.
        coupling: The derivatives with respect to `L_ij`, shape (N, N); not positive, zero on the
            diagonal. They are sparse if the couplings are, and then only for nonzero couplings.
    """

    curvature: Float[np.ndarray, " players"]
    coupling: Any


def sensitivities(curvature: Any, coupling: Any, gain: SmallGain | None = None) -> Sensitivities:
    """Estimates how fast the best margin `a` changes with each bound.

    With the vectors of `small_gain`, `da / dmu_i = u_i v_i / (u . v)` and
    `da / dL_ij = -u_i v_j / (u . v)`, as for the perturbation of a simple eigenvalue. The most
    negative entries are the couplings to reduce, or to bound more tightly, first. Where several
    components of a reducible network have the same eigenvalue the margin has no derivative, and
    these numbers are slopes at nearby constants.

    Args:
        curvature: `mu`, shape (N,).
        coupling: `L`, shape (N, N), dense or `scipy.sparse`.
        gain: The result of `small_gain` for these bounds, if it is known already.

    Returns:
        The derivatives; those with respect to the couplings are sparse (CSR) if the couplings are.

    Raises:
        ValueError: As for `small_gain`, and if the gain is for another number of players.

    Example:
        >>> found = sensitivities([1.0, 1.0], [[0.0, 10.0], [0.05, 0.0]])
        >>> found.curvature.round(6).tolist(), found.coupling.round(6).tolist()
        ([0.5, 0.5], [[0.0, -0.035355], [-7.071068, 0.0]])
    """
    mu, L = validated("sensitivities", curvature, coupling)
    gain = small_gain(mu, L) if gain is None else gain
    if gain.left.shape != mu.shape:
        raise ValueError(
            f"sensitivities: a gain for {gain.left.size} players and bounds for {mu.size} of them."
        )
    # Logarithms are used as products of the vectors can leave the range of float64; the results do
    # not.
    left, right = np.log(gain.left), np.log(gain.right)
    total = _log_sum(left + right)
    own = np.exp(left + right - total)
    if scipy.sparse.issparse(coupling):
        L.sum_duplicates()
        rows = np.repeat(np.arange(mu.size), np.diff(L.indptr))
        values = -np.exp(left[rows] + right[L.indices] - total)
        return Sensitivities(own, scipy.sparse.csr_array((values, L.indices, L.indptr), L.shape))
    values = -np.exp(left[:, None] + right - total)
    np.fill_diagonal(values, 0.0)
    return Sensitivities(own, values)


def _log_sum(x: np.ndarray) -> float:
    return float(x.max() + np.log(np.exp(x - x.max()).sum()))
