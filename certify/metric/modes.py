"""Bounds on an affine family over all signs at once (the matrix cube problem).

With `S_k = sum_j s_j q_j q_j'` and `X_k = sum_j |s_j| q_j q_j'` (see `checker/exact.py`),
`S + sum_k e_k S_k >= S - sum_k X_k` for all `|e_k| <= 1`: one matrix stands for the `2^m` vertices.
The vectors are a choice. For positive definite `Z`, those with
`X_k = Z^(-1/2) |Z^(1/2) S_k Z^(1/2)| Z^(-1/2)` make `<Z, X_k>` the smallest. The best `Z` gives
more weight to eigenvectors of the lowered matrix with smaller eigenvalues. Here it is found by
iteration, in floating point. Whatever vectors come out are rounded to integers, and the checker
computes with those.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from certify.metric.metric import Metric

# The largest entry of a rounded vector. What is lost by rounding is folded into the remainder.
_LARGEST = 2.0**14
# How often the weights of the directions are adapted, and how sharply.
_ROUNDS = 2
_SHARPNESS = 0.05


class Modes(NamedTuple):
    """Integer modes of the generators of a batch of cells.

    Attributes:
        unit: The exponent of each cell: strengths are in units of `2^unit`.
        strengths: 1, -1, or 0 where there is no mode.
        vectors: Integer vectors `q`, in the last axis, as floats.
    """

    unit: Int[np.ndarray, " cells"]
    strengths: Int[np.ndarray, "cells m n"]
    vectors: Float[np.ndarray, "cells m n n"]

    def summed(self, strengths: np.ndarray) -> Float[np.ndarray, "cells m n n"]:
        """Returns `sum_j strengths_j q_j q_j'` for each generator."""
        scaled = self.vectors * strengths[..., None]
        total = np.swapaxes(scaled, -1, -2) @ self.vectors
        return np.ldexp(total, self.unit[:, None, None, None])

    def kept(self, which: Bool[np.ndarray, "cells m"]) -> "Modes":
        """Returns the modes of some generators only; the others then have none."""
        return self._replace(strengths=np.where(which[..., None], self.strengths, 0))

    def listed(self, cell: int, count: int) -> dict[str, Any]:
        """Returns the modes of the first generators of one cell, as the file holds them."""
        pairs = zip(self.strengths[cell, :count], self.vectors[cell, :count], strict=True)
        return {
            "unit": int(self.unit[cell]),
            "vectors": [
                [[int(s), *map(int, q)] for s, q in zip(strengths, vectors, strict=True) if s]
                for strengths, vectors in pairs
            ],
        }


def choose_modes(
    centre: Float[np.ndarray, "cells n n"],
    generators: Float[np.ndarray, "cells m n n"],
    metric: Metric,
    finest: int = -4000,
) -> Modes:
    """Chooses modes that give `centre - sum_k X_k` a large smallest eigenvalue.

    Args:
        centre: Symmetric matrices, in the frame of the metric.
        generators: The matrices `S_k`, in the frame.
        metric: The metric, whose root is D; the file holds the modes of `2 D S_k D`, which is the
            matrix that the checker tests.
        finest: A lower bound on the exponents `unit`.
    """
    best, smallest = None, np.full(len(centre), -np.inf)
    state = np.broadcast_to(np.eye(centre.shape[-1]), centre.shape)
    for _ in range(_ROUNDS):
        values, vectors = _spectral(generators, state)
        bound = _outer(np.abs(values), vectors).sum(1)
        spectrum, directions = metric.eigh(centre - bound)
        better = spectrum[:, 0] > smallest
        smallest = np.where(better, spectrum[:, 0], smallest)
        best = (
            (values, vectors)
            if best is None
            else tuple(
                np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)
                for new, old in zip((values, vectors), best, strict=True)
            )
        )
        gap = spectrum - spectrum[:, :1]
        share = 1.0 / (gap + _SHARPNESS * gap[:, -1:] + 2.0**-900)
        state = _outer(share / share.sum(-1, keepdims=True), np.swapaxes(directions, -1, -2))
    assert best is not None
    values, vectors = best
    exact = vectors * np.sqrt(2 * np.abs(values)[..., None] * metric.diagonal)
    largest = np.maximum(np.abs(exact).max((1, 2, 3)), 2.0**-500)
    half = np.ceil(np.log2(largest / _LARGEST)).astype(int)
    half = np.maximum(half, -(-finest // 2))
    rounded = np.rint(np.ldexp(exact, -half[:, None, None, None])) + 0.0
    strengths = (np.sign(values) * (np.abs(rounded).max(-1) > 0)).astype(int)
    return Modes(2 * half, strengths, rounded)


def _spectral(matrices: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns s and rows q with `S = sum_j s_j q_j q_j'`, orthonormal in the state."""
    values, vectors = np.linalg.eigh(state)
    root = np.sqrt(np.maximum(values, 1e-12 * values[:, -1:]))
    half = (vectors * root[:, None, :]) @ np.swapaxes(vectors, -1, -2)
    inverse = (vectors / root[:, None, :]) @ np.swapaxes(vectors, -1, -2)
    strengths, directions = np.linalg.eigh(half[:, None] @ matrices @ half[:, None])
    return strengths, np.swapaxes(directions, -1, -2) @ inverse[:, None]


def _outer(numbers: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns `sum_j numbers_j rows_j rows_j'`."""
    return np.swapaxes(rows * numbers[..., None], -1, -2) @ rows
