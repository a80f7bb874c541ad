"""The timescale band: how far the weights of two players may drift apart at a given margin.

For `W = diag(w)`, `K = diag(mu) - L` and a margin m let `S(w) = W (K - m) + (K - m)' W`. The margin
holds in the metric `w` if S(w) is positive semidefinite. S is linear in w, so the possible weights
of player j, with all others fixed, form an interval: proofs at its ends prove all between them.
"""

from fractions import Fraction
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from certify.metric.quotients import RowSums
from certify.metric.small_gain import small_gain, validated

# How far the guessed ends are moved inward, relative to themselves, until they are proved.
_STEPS = np.geomspace(1e-15, 1e-2, 40)
_SWEEPS = 30
# Up to so many players, systems are solved by LAPACK; for more, by conjugate gradients.
_DENSE = 1000


def timescale_band(
    curvature: Any,
    coupling: Any,
    margin: float = 0.0,
    players: tuple[int, int] | None = None,
    weights: Any = None,
) -> tuple[float, float]:
    """Returns the range of weight ratios `w_j / w_i` of two players that give at least a margin.

    For two players: with `a = mu_1 - margin`, `b = mu_2 - margin` and `p = L_12 L_21`, the ratios r
    with `4 a b r >= (L_12 + r L_21)^2` fill `(2ab - p -+ 2 sqrt(ab (ab - p))) / L_21^2`. Both ends
    are rounded inward until that inequality holds exactly.

    For more players, with the other weights fixed, the matrix `S_R` of all players but j does not
    depend on `w_j`, and with `c_k = w_k L_kj + w_j L_jk` the margin holds if S_R is positive
    definite and `2 w_j (mu_j - margin) >= c' S_R^-1 c`, a quadratic inequality in `w_j`. Its roots,
    found in floating point, are moved inward until S is proved to be positive semidefinite there:
    its off-diagonal entries are not positive, so `x > 0` with `S x >= 0`, verified with integers,
    is a proof.

    Args:
        curvature: `mu`, shape (N,).
        coupling: `L`, shape (N, N), dense or `scipy.sparse`.
        margin: The margin asked for.
        players: `(i, j)`, numbered from 0. May be left out for two players: (0, 1).
        weights: For more than two players, the weights of the others, positive, shape (N,); entry j
            is ignored. Those of `small_gain` when they are left out.

    Returns:
        `(lowest, highest)`; `highest` is infinite when player j is coupled to nobody, `L_jk = 0`,
        and `lowest` zero when nobody is coupled to j, `L_kj = 0` (that end itself is excluded).

    Raises:
        ValueError: When there are more than two players and none are named, when weights are not
            positive, or when no ratio works: a curvature is not above the margin, or the coupling
            is too strong.

    Example:
        >>> low, high = timescale_band([1.0, 1.0], [[0.0, 10.0], [0.05, 0.0]])
        >>> round(low, 6), round(high, 4)
        (34.314575, 1165.6854)
        >>> ring = [[0.0, 0.2, 0.2], [0.2, 0.0, 0.2], [0.2, 0.2, 0.0]]
        >>> low, high = timescale_band([1.0, 1.0, 1.0], ring, players=(0, 1), weights=[1, 1, 1])
        >>> round(low, 6), round(high, 6)
        (0.026334, 37.973666)
    """
    mu, L = validated("timescale_band", curvature, coupling)
    i, j = _pair(players, mu.size)
    if not np.isfinite(margin):
        raise ValueError(f"timescale_band: the margin {margin} is not finite.")
    if not (mu > margin).all():
        raise ValueError(
            f"timescale_band: a curvature is not above the margin {margin}: "
            f"mu[{mu.argmin()}] = {mu.min()}."
        )
    if mu.size == 2:
        a, b = (Fraction(float(mu[k])) - Fraction(float(margin)) for k in (i, j))
        return _closed_form(a, b, _entry(L, i, j), _entry(L, j, i))
    given = small_gain(mu, L).weights if weights is None else np.array(weights, np.float64)
    if given.shape != mu.shape or not (np.isfinite(given).all() and (given > 0).all()):
        raise ValueError(
            f"timescale_band: weights must be {mu.size} positive numbers, one per player."
        )
    return _Network(mu, L, float(margin), given, i, j).band()


def _pair(players: tuple[int, int] | None, count: int) -> tuple[int, int]:
    if players is None and count == 2:
        return 0, 1
    if players is None:
        raise ValueError(
            f"timescale_band: {count} players given; name two of them as players=(i, j)."
        )
    i, j = players
    if i == j or not (0 <= i < count and 0 <= j < count):
        raise ValueError(
            f"timescale_band: players {players} are not two different ones of 0 to {count - 1}."
        )
    return int(i), int(j)


def _entry(L: Any, i: int, j: int) -> Fraction:
    """Returns one coupling, with duplicates added up exactly."""
    row = slice(int(L.indptr[i]), int(L.indptr[i + 1]))
    return sum(
        (Fraction(float(x)) for k, x in zip(L.indices[row], L.data[row], strict=True) if k == j),
        Fraction(0),
    )


def _closed_form(a: Fraction, b: Fraction, l12: Fraction, l21: Fraction) -> tuple[float, float]:
    """Returns the band of two players."""
    if a * b < l12 * l21:
        raise ValueError(
            "timescale_band: the coupling is too strong; no weight ratio has that margin."
        )

    def works(ratio: float) -> bool:
        r = Fraction(ratio)
        return 4 * a * b * r >= (l12 + r * l21) ** 2

    ab, p = a * b, l12 * l21
    if l21 == 0:
        return _inward(_float(l12**2 / (4 * ab)), works, np.inf), np.inf
    if l12 == 0:
        return 0.0, _inward(_float(4 * ab / l21**2), works, 0.0)
    # ab (ab - p) is scaled by ab^2: float64 cannot hold the square of every float64.
    root = 2 * Fraction(float((ab - p) / ab) ** 0.5) * ab
    high = (2 * ab - p + root) / l21**2
    # The product of the ends is (L_12 / L_21)^2; dividing avoids the cancellation.
    low = (l12 / l21) ** 2 / high
    best = _float(l12 / l21)
    return _inward(_float(low), works, best), _inward(_float(high), works, best)


def _float(x: Fraction) -> float:
    """Returns the nearest finite float64."""
    return float(min(x, Fraction(np.finfo(np.float64).max)))


def _inward(end: float, works: Any, towards: float) -> float:
    for _ in range(1000):
        if works(end):
            return end
        end = float(np.nextafter(end, towards))
    raise ValueError("timescale_band: the band is narrower than float64 can resolve.")


class _Network:
    """The problem of the band of two players among many."""

    def __init__(
        self, mu: np.ndarray, L: Any, margin: float, weights: np.ndarray, i: int, j: int
    ) -> None:
        self.mu, self.L, self.margin, self.weights = mu, L, margin, weights
        self.unit, self.j = float(weights[i]), j
        self.others = np.delete(np.arange(mu.size), j)
        entries = L.tocoo()
        self.rows, self.columns, self.values = entries.row, entries.col, entries.data
        outgoing, incoming = self.rows == j, self.columns == j
        self.pulls, self.pulled = bool(outgoing.any()), bool(incoming.any())
        self.out, self.into = np.zeros(mu.size), np.zeros(mu.size)
        np.add.at(self.out, self.columns[outgoing], self.values[outgoing])
        affected = self.rows[incoming]
        np.add.at(self.into, affected, weights[affected] * self.values[incoming])

    def band(self) -> tuple[float, float]:
        others = self.others
        solve = self._solver()
        out, into = self.out[others], self.into[others]
        by_out, by_into = solve(out), solve(into)
        # For t = w_j: square t^2 - 2 linear t + constant <= 0.
        square, constant = float(out @ by_out), float(into @ by_into)
        linear = float(self.mu[self.j]) - self.margin - float(out @ by_into)
        inside = linear**2 - square * constant
        if not (np.isfinite(inside) and inside >= 0 and linear > 0):
            raise _too_strong()
        high_weight = (linear + inside**0.5) / square if square else np.inf
        low_weight = constant / (linear + inside**0.5)
        low = high = 0.0
        # Whether an end is open is decided by the structure, as numbers may vanish by underflow.
        if self.pulled:
            low = self._proved(low_weight, 1.0, solve, by_out, by_into)
        if self.pulls:
            high = self._proved(high_weight, -1.0, solve, by_out, by_into)
        elif not self.pulled:  # S_R alone decides; one ratio proves it
            self._proved(self.unit, 1.0, solve, by_out, by_into)
        highest = high if self.pulls else np.inf
        if not low <= highest:
            raise _too_strong()
        return low, highest

    def _solver(self) -> Any:
        """Returns a function that solves systems with S_R, approximately."""
        S = (scipy.sparse.diags_array(self.diagonal()) - self.couplings()).tocsr()
        S = S[self.others][:, self.others]
        if S.shape[0] <= _DENSE:
            dense = S.toarray()
            scale = 1 / np.sqrt(np.diag(dense))
            try:
                factor = np.linalg.cholesky(dense * scale[:, None] * scale)
            except np.linalg.LinAlgError:
                raise _too_strong() from None
            inverse = np.linalg.inv(factor)
            return lambda y: scale * (inverse.T @ (inverse @ (scale * y)))
        scale = 1 / np.sqrt(S.diagonal())
        scaling = scipy.sparse.diags_array(scale)
        scaled = (scaling @ S @ scaling).tocsr()
        return lambda y: scale * scipy.sparse.linalg.cg(scaled, scale * y, rtol=1e-14)[0]

    def diagonal(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Returns the diagonal of S, rounded down."""
        weights = self.weights if weights is None else weights
        difference = np.nextafter(self.mu - self.margin, -np.inf)
        return np.nextafter(2 * weights * difference, -np.inf)

    def couplings(self, weights: np.ndarray | None = None) -> Any:
        """Returns the sizes of the other entries of S, rounded up, as two separate terms each."""
        weights = self.weights if weights is None else weights
        values = np.nextafter(weights[self.rows] * self.values, np.inf)
        rows = np.concatenate([self.rows, self.columns])
        columns = np.concatenate([self.columns, self.rows])
        order = np.argsort(rows, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.mu.size))])
        parts = (np.concatenate([values, values])[order], columns[order], starts.astype(np.int32))
        return scipy.sparse.csr_array(parts, shape=self.L.shape)

    def _proved(
        self, weight: float, inward: float, solve: Any, by_out: np.ndarray, by_into: np.ndarray
    ) -> float:
        """Returns the first ratio, inward from a guess, at which S is proved semidefinite."""
        for step in _STEPS:
            ratio = float(weight * (1 + inward * step) / self.unit)
            weights = self.weights.copy()
            # The claim is about the ratio. Its exact product with the unit lies between the two
            # neighbours of the rounded product, so both are tested as the weight of j.
            product = ratio * self.unit
            if not (np.isfinite(product) and product > 0):
                break
            x = np.ones(self.mu.size)
            x[self.others] = self._positive(by_into + product * by_out, product, step, solve)
            sides = (np.nextafter(product, -np.inf), np.nextafter(product, np.inf))
            if all(self._semidefinite(weights, side, x) for side in sides):
                return ratio
        raise ValueError(
            "timescale_band: no weight ratio can be proved to have that margin, given the other "
            "weights; ask for a smaller margin."
        )

    def _positive(self, x: np.ndarray, weight: float, step: float, solve: Any) -> np.ndarray:
        """Solves `S_R x = c`, raised a little, with small errors in small entries, too.

        What is added keeps `S x` above zero in every row, by more than errors of rounding. Jacobi's
        sweeps add only positive numbers, so they mend small entries that are merely the error of
        larger ones.
        """
        others, diagonal = self.others, self.diagonal()[self.others]
        x = np.abs(x) + 1e-30 * (float(np.abs(x).max()) or 1.0)
        goal = self.into[others] + weight * self.out[others] + 0.01 * step * diagonal * x
        x = np.abs(solve(goal))
        couplings = self.couplings()[others][:, others]
        for _ in range(_SWEEPS):
            x = (couplings @ x + goal) / diagonal
        return x

    def _semidefinite(self, weights: np.ndarray, weight: float, x: np.ndarray) -> bool:
        weights[self.j] = weight
        x = np.maximum(x, np.finfo(float).tiny)
        rows = RowSums(self.diagonal(weights), self.couplings(weights), x, upwards=True)
        return bool(rows.prove(0.0).all())


def _too_strong() -> ValueError:
    return ValueError(
        "timescale_band: the coupling is too strong; no weight ratio has that margin, given the "
        "other weights."
    )
