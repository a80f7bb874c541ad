"""Computes the factor of a family of Jacobians between two metrics, to be proved exactly.

Everything here is ordinary floating point and proves nothing: it finds the numbers that the checker
then proves with integers.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

from certify.jacobian.family import AffineFamily
from certify.metric.cell_margin import vertices

# Sign vertices are taken of at most so many generators; the others become part of the remainder.
MOST_GENERATORS = 6
_REGULARIZATIONS = (0.003, 0.03, 0.3)
# Scalings are integers up to this size: buffers and strategies may differ widely in size.
_SCALING = 2.0**30


class FactorBound(NamedTuple):
    """A bound on `|T v|_P / |v|_M` over a family.

    Attributes:
        factor: The bound; infinite if there is none.
        centre: The bound for the centre alone.
        scaling: Positive integers that absorb the remainder well, as the checker will use them.
        scores: How much each generator moves the worst member, before they were folded.
        family: The family with few generators, the largest first.
    """

    factor: float
    centre: float
    scaling: list[int]
    scores: Float[np.ndarray, " k"]
    family: AffineFamily


def factor_bound(
    family: AffineFamily,
    inner: Float[np.ndarray, "b b"],
    inverse: Float[np.ndarray, "a a"],
) -> FactorBound:
    """Returns the smallest `r` for which `[[r^2 M, T'], [T, Q]]` is found positive definite.

    By the Schur complement this means `T' Q^-1 T < r^2 M`, and so `|T v|_P <= r |v|_M` for every
    metric `P <= Q^-1`. The Jacobian is not multiplied by `P` there, so its remainder is not
    multiplied by `|P|` either.

    Args:
        family: A family of `a x b` matrices `T`.
        inner: The metric `M` of the argument.
        inverse: The matrix `Q`, about the inverse of the metric of the result.
    """
    whole, generators = np.asarray(family.centre), np.asarray(family.generators)
    a, b = whole.shape
    left = np.linalg.cholesky(inner)  # M = left left'
    right = np.linalg.cholesky(inverse)  # Q = right right'

    def scaled(matrices: np.ndarray) -> np.ndarray:
        """Returns `right^-1 T left'^-1`, in coordinates where both metrics are Euclidean."""
        half = np.linalg.solve(right, matrices)
        return np.swapaxes(np.linalg.solve(left, np.swapaxes(half, -1, -2)), -1, -2)

    sizes = np.abs(scaled(generators)).sum((1, 2))
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] > 1e-14 * max(float(sizes.max(initial=0.0)), 1.0)]
    rest = np.setdiff1d(np.arange(len(sizes)), order[:MOST_GENERATORS])
    remainder = (family.remainder + np.abs(generators[rest]).sum(0)) * (1 + 2.0**-36)
    largest = generators[order[:MOST_GENERATORS]]
    family = AffineFamily(whole, largest, remainder)
    corners = vertices(whole[None], largest[None])[0]
    norms = np.linalg.norm(scaled(corners), 2, axis=(-2, -1))
    centre = float(np.linalg.norm(scaled(whole), 2))
    worst = corners[norms.argmax()]
    u, _, vt = np.linalg.svd(scaled(worst))
    # The vector that the bordered matrix maps to almost zero, in the coordinates of that matrix.
    direction = np.abs(
        np.concatenate(
            [np.linalg.solve(left.T, vt[0]), norms.max() * np.linalg.solve(right.T, u[:, 0])]
        )
    )
    typical = np.concatenate(
        [1 / np.sqrt(np.diag(inner)), norms.max() / np.sqrt(np.diag(inverse))]
    ) / np.sqrt(a + b)
    best, scaling = np.inf, [1] * (a + b)
    for regularization in _REGULARIZATIONS:
        t = direction + regularization * typical + 1e-300
        t = np.maximum(np.rint(t / t.max() * _SCALING), 1.0)
        first, second = remainder.T @ t[b:] / t[:b], remainder @ t[:b] / t[b:]
        factor = _factor(corners, left, inverse, first, second)
        if factor < best:
            best, scaling = factor, [int(x) for x in t]
    moves = np.zeros(len(sizes))
    moves[:] = sizes
    return FactorBound(best, centre, scaling, moves, family)


def _factor(
    corners: np.ndarray,
    left: np.ndarray,
    inverse: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
) -> float:
    try:
        root = np.linalg.cholesky(inverse - np.diag(second))
    except np.linalg.LinAlgError:
        return np.inf
    half = np.linalg.solve(root, corners)
    total = np.swapaxes(half, -1, -2) @ half + np.diag(first)
    inner = np.linalg.solve(left, np.swapaxes(np.linalg.solve(left, total), -1, -2))
    return float(np.sqrt(np.linalg.eigvalsh(inner).max()))


def rounded_metric(matrix: np.ndarray) -> tuple[int, np.ndarray]:
    """Rounds a metric to a power of two, given by its exponent, times symmetric 52-bit integers."""
    unit = int(np.ceil(np.log2(np.abs(matrix).max()))) - 52
    upper = np.triu(np.rint(np.ldexp(matrix, -unit)))
    return unit, upper + np.triu(upper, 1).T


def metric_inverse(metric: np.ndarray) -> np.ndarray:
    """Returns about the inverse of a metric, made a little smaller."""
    scale = 1 / np.sqrt(np.diag(metric))
    inverse = scipy.linalg.inv(metric * scale[:, None] * scale) * scale[:, None] * scale
    return 0.5 * (inverse + inverse.T) * (1 - 2.0**-22)
