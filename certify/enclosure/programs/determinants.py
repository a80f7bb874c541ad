"""Determinants as polynomials of their entries, and Cholesky factors entry by entry.

JAX computes large determinants by a factorisation with pivots, which intervals cannot decide, and
which singular matrices do not have. The polynomial needs neither: expansion row by row, which keeps
the minors of the rows so far for every choice of columns, takes `n 2^(n-1)` products instead of
`n!`.
"""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np

from certify.enclosure.registry import EnclosureError

# Twice the size needs the square of the number of minors.
LARGEST_DETERMINANT = 10


def determinant(a: Any) -> Any:
    """Returns the determinant of matrices of shape `(..., n, n)` as a polynomial of their entries.

    The minors of the first `k + 1` rows are those of the first `k`, expanded by the last row:
    `M(S) = sum_p (-1)^(k + p) a[k, S_p] M(S without S_p)`.
    """
    n = a.shape[-1]
    if n > LARGEST_DETERMINANT:
        raise EnclosureError(
            f"a determinant of {n} rows has no enclosure; {LARGEST_DETERMINANT} are possible"
        )
    minors = a[..., 0, :]
    for k in range(1, n):
        of_row, of_minors = _expansion(n, k)
        terms = (a[..., k, :] @ of_row) * (minors @ of_minors)
        minors = jnp.sum(terms.reshape((*terms.shape[:-1], -1, k + 1)), -1)
    return minors[..., 0]


def _expansion(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns two matrices that pick the factors of an expansion by row `k`.

    For each choice of `k + 1` columns and each column `p` in it, the first picks the entry, with
    its sign, and the second the minor of the other columns.
    """
    number = {s: i for i, s in enumerate(itertools.combinations(range(n), k))}
    choices = list(itertools.combinations(range(n), k + 1))
    of_row = np.zeros((n, len(choices) * (k + 1)))
    of_minors = np.zeros((len(number), len(choices) * (k + 1)))
    for i, chosen in enumerate(choices):
        for p, column in enumerate(chosen):
            of_row[column, i * (k + 1) + p] = (-1.0) ** (k + p)
            of_minors[number[chosen[:p] + chosen[p + 1 :]], i * (k + 1) + p] = 1.0
    return of_row, of_minors


def cholesky(a: Any) -> Any:
    """Returns the lower triangular `l` with `l l^T = a`; reads the lower triangle, by columns."""
    n = a.shape[-1]
    below = np.arange(n)
    columns = []
    for k in range(n):
        pivot = jnp.sqrt(a[..., k, k])
        column = a[..., :, k] / pivot[..., None]
        keep = jnp.broadcast_to(below > k, column.shape)
        rest = jnp.where(keep, column, 0.0)
        on_diagonal = jnp.broadcast_to(below == k, column.shape)
        columns.append(jnp.where(on_diagonal, pivot[..., None], rest))
        a = a - rest[..., :, None] * rest[..., None, :]
    return jnp.stack(columns, -1)
