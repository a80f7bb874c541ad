"""Vectors with bounds on their errors, and a few operations that pay for every rounding.

With the unit roundoff u, half of `EPSILON`, a sum of n products in any order is off by at most
`n u / (1 - n u)` times the sum of their absolute values, fused operations included, and by a
subnormal number per operation (Higham, *Accuracy and Stability of Numerical Algorithms*, section
3.1). Here twice that is paid, which covers the rounding of the bounds themselves.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.sparse
from jaxtyping import Float

from certify.enclosure.enclose import enclose
from certify.enclosure.interval import Interval
from certify.rounding import EPSILON, TINY, next_above, next_below, raised


class Rounded(NamedTuple):
    """An array of real numbers that is known up to an error.

    Attributes:
        value: The array in float64.
        error: Upper bounds on the distances of the entries from the real numbers; the same shape.
    """

    value: Float[np.ndarray, "..."]
    error: Float[np.ndarray, "..."]


def exact(values: Any) -> Rounded:
    """Takes floating-point numbers for the real numbers that they are."""
    array = np.asarray(values).astype(np.float64)
    return Rounded(array, np.zeros_like(array))


def plus(*terms: Rounded) -> Rounded:
    """Returns the sum of arrays of one shape."""
    value, error, sizes = terms[0].value, terms[0].error, np.abs(terms[0].value)
    for term in terms[1:]:
        value = value + term.value
        error = error + term.error
        sizes = sizes + np.abs(term.value)
    count = len(terms)
    return Rounded(value, raised(error + count * EPSILON * sizes, 2 * count + 2))


def times(left: Rounded, right: Rounded) -> Rounded:
    """Returns the product, entry by entry; shapes may be broadcast."""
    a, b = np.abs(left.value), np.abs(right.value)
    value = left.value * right.value
    error = a * right.error + left.error * (b + right.error) + EPSILON * np.abs(value)
    return Rounded(value, raised(error, 6))


def scaled(factor: float, vector: Rounded) -> Rounded:
    """Returns a multiple; the factor is exact."""
    return times(exact(factor), vector)


def product(matrix: Any, vector: Rounded) -> Rounded:
    """Returns `matrix @ vector` for an exact matrix, dense or sparse, with finite entries."""
    terms = most_terms(matrix)
    value = np.asarray(matrix @ vector.value)
    sizes = (terms + 2) * EPSILON * np.abs(vector.value)
    error = np.asarray(abs(matrix) @ (sizes + vector.error))
    return Rounded(value, raised(error, terms + 4) + 4 * (terms + 2) * TINY)


def multiplied(left: Rounded, right: Rounded) -> Rounded:
    """Returns the matrix product of two arrays, of which the left one has two axes."""
    terms = left.value.shape[1]
    a, b = np.abs(left.value), np.abs(right.value)
    error = a @ (right.error + (terms + 2) * EPSILON * b) + left.error @ (b + right.error)
    return Rounded(left.value @ right.value, raised(error, 2 * terms + 6) + 4 * (terms + 2) * TINY)


def transposed(matrix: Rounded) -> Rounded:
    """Returns the transposed matrix."""
    return Rounded(matrix.value.T, matrix.error.T)


def applied(function: Callable, vector: Rounded) -> Rounded:
    """Returns the values of an elementary function of JAX, enclosed as everywhere in `certify`.

    Args:
        function: Such as `jax.nn.sigmoid`.
        vector: Its arguments.
    """
    ends = next_below(vector.value - vector.error), next_above(vector.value + vector.error)
    found = _enclosed(function)(Interval(*map(jax.numpy.asarray, ends)))
    low, high = np.asarray(found.lower), np.asarray(found.upper)
    middle = low + (high - low) / 2
    return Rounded(middle, next_above(np.maximum(high - middle, middle - low)))


@functools.cache
def _enclosed(function: Callable) -> Callable:
    return jax.jit(enclose(function))


def most_terms(matrix: Any) -> int:
    """Returns the largest number of entries in a row of a matrix."""
    if scipy.sparse.issparse(matrix):
        return int(np.diff(matrix.tocsr().indptr).max(initial=0))
    return matrix.shape[1]


def norm_above(parts: Iterable[Rounded]) -> float:
    """Returns an upper bound on the Euclidean norm of several arrays together."""
    total, count = 0.0, 0
    for part in parts:
        sizes = np.abs(part.value).ravel() + part.error.ravel()
        # A scale keeps the squares of tiny and of huge entries in range.
        total = np.hypot(total, _norm(sizes))
        count += sizes.size
    return float(raised(next_above(total), 2 * count + 8))


def _norm(sizes: np.ndarray) -> float:
    largest = float(sizes.max(initial=0.0))
    if largest == 0.0 or not np.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.sum((sizes / largest) ** 2)))
