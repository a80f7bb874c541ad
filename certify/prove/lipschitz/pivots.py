r"""Multipliers of the sector inequality, found by its pivots; all of it is a guess to be verified.

With `g = 1`, the pivots of M (see `sector_inequality`) are `S_0 = I`,

    A_k = S_k + C_(k+1)' P_(k+1) C_(k+1),    S_k = T_k - T_k m_k C_k A_(k-1)^(-1) C_k' m_k T_k,

and `g = |C_L S_(L-1)^(-1) C_L'|` is the square of the constant of these multipliers. They are
chosen layer after layer first, as in ECLipsE-Fast (Xu and Sivaranjani, arXiv:2404.04375), but
diagonal, and then all together by an interior-point method of first order, `log g - mu log det M`
with smaller and smaller mu. Its derivatives are sector products in the mean over the normal
distribution with covariance `M^(-1)`, whose blocks follow from the pivots backward, as in a Kalman
smoother. So a step takes a few products of matrices per layer, and no semidefinite solver.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

from certify.prove.lipschitz.quasi_newton import descent
from certify.prove.lipschitz.sector_inequality import Multipliers
from certify.prove.lipschitz.unit_slopes import UnitSlopes

Centres = list[Float[np.ndarray, "_ _"]]
# Scales to try for the multipliers of a layer, relative to the largest one for slopes in [0, 1].
_SCALES = np.geomspace(0.05, 4.0, 20)
# The weights of the logarithm of the determinant, in all rows.
_BARRIERS = (10.0, 1.0, 0.1, 0.01, 1e-4)
# The fewest and the most steps for each of them.
_ROUNDS = (40, 100)


def squared_constant(centres: Centres, slopes: list[UnitSlopes], multipliers: Multipliers) -> float:
    """Computes the square of the constant of multipliers; infinite if they have none.

    >>> ones = UnitSlopes(np.zeros(1), np.ones(1))
    >>> squared_constant([np.eye(1), np.eye(1)], [ones], [np.array([2.0])])
    1.0
    """
    try:
        pivot = _pivots(centres, slopes, multipliers)[0]
        root = scipy.linalg.cholesky(pivot, lower=True)
        square = float(np.linalg.norm(_half(root, centres[-1].T), 2)) ** 2
    except (np.linalg.LinAlgError, ValueError):
        return np.inf
    return square if np.isfinite(square) and square > 0 else np.inf


def _pivots(
    centres: Centres, slopes: list[UnitSlopes], multipliers: Multipliers
) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """The last pivot S, and the Cholesky factors of the pivots A before it."""
    pivot, factors = np.eye(centres[0].shape[1]), []
    for matrix, slope, weight in zip(centres, slopes, multipliers, strict=False):
        factors.append(_factor(pivot, matrix, slope, weight))
        solved = _half(factors[-1], matrix.T * (weight * _middle(slope)))
        pivot = np.diag(weight) - solved.T @ solved
    return pivot, factors


class _Barrier(NamedTuple):
    """The function that is minimised.

    Attributes:
        centres: The matrices.
        slopes: The slopes.
        weight: The number mu.
    """

    centres: Centres
    slopes: list[UnitSlopes]
    weight: float

    def value(self, square: float, multipliers: Multipliers) -> tuple[float, np.ndarray]:
        """The value, infinite where M is not definite, and derivatives by all logarithms.

        The determinant is relative to the multipliers, as they have no scale.
        """
        last = self.centres[-1]
        try:
            pivot, factors = _pivots(self.centres, self.slopes, multipliers)
            root = scipy.linalg.cholesky(pivot - last.T @ last / square, lower=True)
        except (np.linalg.LinAlgError, ValueError):
            return np.inf, np.zeros(0)
        roots = [*(factor for factor in factors if factor is not None), root]
        logs = 2 * sum(np.sum(np.log(np.diagonal(each))) for each in roots)
        logs -= sum(np.sum(np.log(weight)) for weight in multipliers)
        spread = scipy.linalg.cho_solve((root, True), np.eye(len(root)))
        first = np.sum((last @ spread) * last) / square
        parts = []
        for k in reversed(range(len(self.slopes))):
            matrix, own, weight = self.centres[k], self.slopes[k], multipliers[k]
            back = _solved(factors[k], matrix.T * (weight * _middle(own)))
            joint = back @ spread
            before = joint @ back.T + _solved(factors[k], np.eye(len(back)))
            mixed = np.sum(matrix * joint.T, 1)
            curved = np.sum((matrix @ before) * matrix, 1)
            means = np.diagonal(spread) - 2 * _middle(own) * mixed
            parts.append(weight * (means + own.lower * own.upper * curved) - 1.0)
            spread = before
        found = np.log(square) - self.weight * logs
        slope = np.concatenate([[first], *parts[::-1]]) * -self.weight
        slope[0] += 1.0
        return float(found), slope


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


def improved(centres: Centres, slopes: list[UnitSlopes], multipliers: Multipliers) -> Multipliers:
    """Improves multipliers of all layers together, with fewer steps for wide networks."""
    lengths = [len(weight) for weight in multipliers]
    rounds = max(_ROUNDS[0], min(_ROUNDS[1], 20_000 // sum(lengths)))
    places = np.cumsum([1, *lengths])[:-1]
    tied = [slope.tied for slope in slopes]

    def unpacked(logs: np.ndarray) -> tuple[float, Multipliers]:
        logs = np.clip(logs, -300, 300)
        parts = zip(np.split(logs, places)[1:], tied, strict=True)
        return float(np.exp(logs[0])), [np.exp(_shared(part, k)) for part, k in parts]

    def value(logs: np.ndarray) -> tuple[float, np.ndarray]:
        found, slope = barrier.value(*unpacked(logs))
        if not np.isfinite(found):
            return np.inf, logs
        parts = np.split(slope, places)
        shared = [_shared(part, k) for part, k in zip(parts[1:], tied, strict=True)]
        return found, np.concatenate([parts[0], *shared])

    best = (squared_constant(centres, slopes, multipliers), multipliers)
    logs = np.log(np.concatenate([[2.0 * best[0]], *multipliers]))
    for share in _BARRIERS:
        barrier = _Barrier(centres, slopes, share / (centres[0].shape[1] + sum(lengths)))
        logs = descent(value, logs, rounds)
        found = unpacked(logs)[1]
        square = squared_constant(centres, slopes, found)
        if square < best[0]:
            best = (square, found)
    return best[1]


def _shared(values: np.ndarray, tied: int) -> np.ndarray:
    """The means of neighbours that are mixed."""
    if tied == 1:
        return values
    return np.repeat(values.reshape(-1, tied).mean(1), tied)
