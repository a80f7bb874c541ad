"""A metric in floating point: one weight per coordinate, or a symmetric positive definite matrix.

All matrices of a search are looked at in one frame, `y = D x` with `D = sqrt(diag(P))`, in which
the metric is the matrix `G = D^-1 P D^-1` with ones on its diagonal. For weights `G = I`, and
everything is as in Euclidean space; for a matrix, eigenvalues are those of pairs `(X, G)`.
"""

import functools
from typing import Any

import numpy as np
from jaxtyping import Float, Int

# A metric as the functions of this package take it, and as the file states it.
Weighting = Float[np.ndarray, " n"] | Float[np.ndarray, "n n"]


class Metric:
    """The norm `|x|_P^2 = x' P x`.

    Args:
        weighting: The diagonal of P, shape (n,), or P, shape (n, n).

    Raises:
        ValueError: If P is not symmetric, finite and positive definite in floating point.

    Attributes:
        diagonal: The diagonal of P, shape (n,).
        root: The square roots of the diagonal, shape (n,).

    Example:
        >>> metric = Metric(np.array([[2.0, 1.0], [1.0, 2.0]]))
        >>> metric.condition, metric.smallest
        (3.0, 1.0)
    """

    def __init__(self, weighting: Weighting):
        self.weighting = weighting
        self.is_matrix = weighting.ndim == 2
        diagonal = np.diagonal(weighting) if self.is_matrix else weighting
        symmetric = not self.is_matrix or np.array_equal(weighting, weighting.T)
        if not (np.isfinite(weighting).all() and symmetric and (diagonal > 0).all()):
            raise ValueError("a metric is a finite, symmetric, positive definite matrix")
        self.diagonal, self.root = diagonal, np.sqrt(diagonal)
        if self.is_matrix:
            self._gram = weighting / (self.root[:, None] * self.root)
            try:
                factor = np.linalg.cholesky(self._gram)
            except np.linalg.LinAlgError:
                raise ValueError("a metric is a positive definite matrix") from None
            self._inverse = np.linalg.inv(factor).T

    @property
    def matrix(self) -> Float[np.ndarray, "n n"]:
        """The matrix P."""
        return self.weighting if self.is_matrix else np.diag(self.weighting)

    @functools.cached_property
    def spectrum(self) -> Float[np.ndarray, " n"]:
        """The eigenvalues of P, smallest first."""
        return np.linalg.eigvalsh(self.weighting) if self.is_matrix else np.sort(self.weighting)

    @property
    def smallest(self) -> float:
        """The smallest eigenvalue of P: `|x|_P^2 >= smallest |x|^2`."""
        return float(self.spectrum[0])

    @property
    def condition(self) -> float:
        """The largest eigenvalue of P over the smallest: how far its balls are from round."""
        return float(self.spectrum[-1] / self.spectrum[0])

    @functools.cached_property
    def coordinate(self) -> Float[np.ndarray, " n"]:
        """The largest numbers with `|x|_P^2 >= coordinate_k x_k^2`: inverse diagonal of P^-1."""
        if not self.is_matrix:
            return self.weighting
        return self.root**2 / np.sum(self._inverse**2, axis=1)

    def length_above(self, bounds: Float[np.ndarray, " n"]) -> float:
        """Bounds `|x|_P` from above for all x with `|x| <= bounds` entry by entry."""
        if not np.isfinite(bounds).all():
            return np.inf
        unit = float(np.exp2(np.round(np.log2(max(float(bounds.max()), 2.0**-1000)))))
        bounds = bounds / unit  # so that squares are neither too large nor too small
        if not self.is_matrix:
            return unit * float(np.sqrt(np.sum(self.weighting * bounds**2)))
        return unit * float(np.sqrt(bounds @ np.abs(self.weighting) @ bounds))

    def framed(self, matrices: Any) -> Any:
        """Returns Jacobians in the frame, `D J D^-1`."""
        return matrices * (self.root[:, None] / self.root)

    def product(self, matrices: Any) -> Any:
        """Returns `P J` in the frame."""
        scaled = self.framed(matrices)
        return self._gram @ scaled if self.is_matrix else scaled

    def symmetric(self, matrices: Any) -> Any:
        """Returns half of `P J + J' P` in the frame."""
        product = self.product(matrices)
        return 0.5 * (product + np.swapaxes(product, -1, -2))

    def loose(self, magnitudes: Any, signs: Int[np.ndarray, "n n"]) -> Any:
        """Bounds the entries of `symmetric(E)` for all `|E| <= magnitudes`.

        Where the sign is negative, mirrored entries are opposite numbers `E_ab` and `-E_ab`. They
        leave `(w_a - w_b) / (2 sqrt(w_a w_b)) E_ab`, with w the diagonal of P.
        """
        scaled = self.framed(magnitudes)
        mirror = np.swapaxes(scaled, -1, -2)
        bound = np.abs(0.5 * (scaled + np.where(signs < 0, -mirror, mirror)))
        if self.is_matrix:
            others = np.abs(self._gram - np.eye(len(self.root))) @ scaled
            bound = bound + 0.5 * (others + np.swapaxes(others, -1, -2))
        return bound

    def product_above(self, magnitudes: Any) -> Any:
        """Bounds the entries of `P E` in the frame for all `|E| <= magnitudes`."""
        scaled = self.framed(magnitudes)
        return np.abs(self._gram) @ scaled if self.is_matrix else scaled

    def reduced(self, matrices: Any) -> Any:
        """Returns `N^-T X N^-1` for matrices X in the frame, where `G = N' N`; it turns G into I.

        It turns `P J` into J in coordinates in which the metric is Euclidean, so the norm of the
        result is the norm of J in the metric.
        """
        return self._inverse.T @ matrices @ self._inverse if self.is_matrix else matrices

    def framed_vectors(self, vectors: Any) -> Any:
        """Returns `N^-1 x` in the last axis, from those Euclidean coordinates to the frame."""
        return vectors @ self._inverse.T if self.is_matrix else vectors

    def eigh(self, symmetric: Any) -> tuple[Any, Any]:
        """Returns eigenvalues of pairs `(X, G)` and eigenvectors, as columns, `V' G V = I`."""
        if not self.is_matrix:
            return np.linalg.eigh(symmetric)
        values, vectors = np.linalg.eigh(_mirrored(self.reduced(symmetric)))
        return values, self._inverse @ vectors

    def eigvalsh(self, symmetric: Any) -> Any:
        """Returns the eigenvalues of pairs `(X, G)`."""
        return self.eigh(symmetric)[0] if self.is_matrix else np.linalg.eigvalsh(symmetric)


def _mirrored(matrices: Any) -> Any:
    return 0.5 * (matrices + np.swapaxes(matrices, -1, -2))
