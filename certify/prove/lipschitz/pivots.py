r"""Multipliers of the sector inequality, found by its pivots; all of it is a guess to be verified.

With `g = 1`, the pivots of M (see `sector_inequality`) are `S_0 = I`,

    A_k = S_k + C_(k+1)' P_(k+1) C_(k+1),    S_k = T_k - T_k m_k C_k A_(k-1)^(-1) C_k' m_k T_k,

and `g = |C_L S_(L-1)^(-1) C_L'|` is the square of the constant of these multipliers. In the null
vector of M, which is the network at its worst, its derivative by `T_kr` is the sector product of
unit r times `g^2 / |C_L x_(L-1)|^2`. So multipliers are chosen layer after layer first, as
in ECLipsE-Fast (Xu and Sivaranjani, arXiv:2404.04375), but diagonal, and then all together by a
quasi-Newton method. That needs no semidefinite solver, and one step is a few products of matrices.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Float

from certify.prove.lipschitz.sector_inequality import Multipliers
from certify.prove.lipschitz.unit_slopes import UnitSlopes

Centres = list[Float[np.ndarray, "outputs inputs"]]
# Scales to try for the multipliers of a layer, relative to the largest one for slopes in [0, 1].
_SCALES = np.geomspace(0.05, 4.0, 20)
# The value of multipliers without a constant, in the search.
_NONE = 1e6


class Pivots(NamedTuple):
    """What multipliers prove, in floating point.

    Attributes:
        square: The square of the Lipschitz constant; infinite if there is none.
        gradient: Its derivatives by the logarithms of the multipliers, one array per layer.
    """

    square: float
    gradient: Multipliers


def evaluate(centres: Centres, slopes: list[UnitSlopes], multipliers: Multipliers) -> Pivots:
    """Computes the constant of multipliers, and its derivatives.

    >>> ones = UnitSlopes(np.zeros(1), np.ones(1))
    >>> found = evaluate([np.eye(1), np.eye(1)], [ones], [np.array([2.0])])
    >>> found.square, found.gradient[0].tolist()
    (1.0, [0.0])
    """
    try:
        factors, pivot = [], np.eye(centres[0].shape[1])
        for matrix, slope, weight in zip(centres, slopes, multipliers, strict=False):
            factor = _factor(pivot, matrix, slope, weight)
            factors.append(factor)
            middle = weight * _middle(slope)
            solved = _half(factor, matrix.T * middle)
            pivot = np.diag(weight) - solved.T @ solved
        last = scipy.linalg.cho_factor(pivot, lower=True)
        values, vectors = np.linalg.eigh(centres[-1] @ scipy.linalg.cho_solve(last, centres[-1].T))
        square = float(values[-1])
        if not (np.isfinite(square) and square > 0):
            return Pivots(np.inf, [])
        x = scipy.linalg.cho_solve(last, centres[-1].T @ vectors[:, -1])
        share = square**2 / np.sum((centres[-1] @ x) ** 2)
        gradient = []
        for k in reversed(range(len(slopes))):
            matrix, slope, weight = centres[k], slopes[k], multipliers[k]
            before = _solved(factors[k], matrix.T @ (weight * _middle(slope) * x))
            change = matrix @ before
            products = (x - slope.lower * change) * (slope.upper * change - x)
            gradient.append(weight * share * products)
            x = before
    except (np.linalg.LinAlgError, ValueError):
        return Pivots(np.inf, [])
    return Pivots(square, gradient[::-1])


def _factor(
    pivot: np.ndarray, matrix: np.ndarray, slope: UnitSlopes, weight: np.ndarray
) -> np.ndarray | None:
    """The Cholesky factor of A; None of an identity."""
    curved = weight * slope.lower * slope.upper
    if curved.any():
        pivot = pivot + matrix.T @ (curved[:, None] * matrix)
    elif (pivot == np.eye(len(pivot))).all():
        return None
    return scipy.linalg.cholesky(pivot, lower=True)


def _half(factor: np.ndarray | None, right: np.ndarray) -> np.ndarray:
    if factor is None:
        return right
    return scipy.linalg.solve_triangular(factor, right, lower=True)


def _solved(factor: np.ndarray | None, right: np.ndarray) -> np.ndarray:
    return right if factor is None else scipy.linalg.cho_solve((factor, True), right)


def _middle(slope: UnitSlopes) -> np.ndarray:
    return 0.5 * slope.lower + 0.5 * slope.upper


def by_layers(centres: Centres, slopes: list[UnitSlopes], *, diagonal: bool) -> Multipliers:
    """Chooses multipliers layer after layer: multiples of the identity, or diagonal ones.

    The diagonal ones are those of almost-orthogonal layers (Prach and Lampert, arXiv:2208.03160).
    The scale is that for which the next layer's constant is smallest.
    """
    chosen: Multipliers = []
    pivot = np.eye(centres[0].shape[1])
    for k, slope in enumerate(slopes):
        matrix = centres[k]
        solved = _half(scipy.linalg.cholesky(pivot, lower=True), matrix.T)
        gram = solved.T @ solved
        half = np.maximum(slope.size, 1e-12) / 2
        scaled = half[:, None] * gram * half
        shape = np.ones(len(half))
        if diagonal:
            lengths = np.sqrt(np.maximum(np.diagonal(scaled), 1e-300))
            lengths = np.maximum(lengths, 1e-6 * lengths.max(initial=0.0))
            sums = np.abs(scaled) @ lengths / lengths
            shape = 1 / np.maximum(sums, 1e-9 * sums.max(initial=1e-300))
            shape = shape / shape.max()
        if slope.tied > 1:
            shape = np.repeat(shape.reshape(-1, slope.tied).min(1), slope.tied)
        roots = np.sqrt(shape)
        top = float(np.linalg.eigvalsh(roots[:, None] * scaled * roots)[-1])
        shape = shape / max(top, 1e-300)

        layer = _Layer(pivot, matrix, slope, centres[k + 1])
        place = int(np.argmin([layer.following(scale * shape)[0] for scale in _SCALES]))
        near = np.geomspace(_SCALES[max(place - 1, 0)], _SCALES[min(place + 1, 19)], 9)
        scale = float(near[np.argmin([layer.following(scale * shape)[0] for scale in near])])
        later = layer.following(scale * shape)[1]
        if later is None:
            return []
        chosen.append(scale * shape)
        pivot = later
    return chosen


class _Layer(NamedTuple):
    """A layer whose multipliers are chosen.

    Attributes:
        pivot: The pivot before it.
        matrix: Its matrix.
        slope: Its slopes.
        next: The matrix of the next layer.
    """

    pivot: np.ndarray
    matrix: np.ndarray
    slope: UnitSlopes
    next: np.ndarray

    def following(self, weight: np.ndarray) -> tuple[float, np.ndarray | None]:
        """The constant up to the next layer, and the pivot of this one; or infinity and None."""
        try:
            factor = _factor(self.pivot, self.matrix, self.slope, weight)
            half = _half(factor, self.matrix.T * (weight * _middle(self.slope)))
            pivot = np.diag(weight) - half.T @ half
            root = scipy.linalg.cholesky(pivot, lower=True)
            size = np.linalg.norm(_half(root, self.next.T), 2)
        except (np.linalg.LinAlgError, ValueError):
            return np.inf, None
        return float(size), pivot


def improved(
    centres: Centres, slopes: list[UnitSlopes], multipliers: Multipliers, rounds: int
) -> Multipliers:
    """Improves multipliers of all layers together."""
    sizes = np.cumsum([len(weight) for weight in multipliers])[:-1]
    tied = [slope.tied for slope in slopes]
    best = [evaluate(centres, slopes, multipliers).square, multipliers]

    def value(logs: np.ndarray) -> tuple[float, np.ndarray]:
        parts = [_shared(part, k) for part, k in zip(np.split(logs, sizes), tied, strict=True)]
        weights = [np.exp(np.clip(part, -300, 300)) for part in parts]
        found = evaluate(centres, slopes, weights)
        if not np.isfinite(found.square):
            return _NONE, np.zeros_like(logs)
        if found.square < best[0]:
            best[:] = [found.square, weights]
        slope = [_shared(part, k) for part, k in zip(found.gradient, tied, strict=True)]
        return float(np.log(found.square)), np.concatenate(slope) / found.square

    start = np.log(np.concatenate(multipliers))
    options = {"maxiter": rounds, "maxfun": 2 * rounds, "maxcor": 20, "ftol": 1e-10}
    scipy.optimize.minimize(value, start, jac=True, method="L-BFGS-B", options=options)
    return best[1]


def _shared(values: np.ndarray, tied: int) -> np.ndarray:
    """The means of neighbours that are mixed."""
    if tied == 1:
        return values
    return np.repeat(values.reshape(-1, tied).mean(1), tied)
