"""A linear solver for square systems that may be singular, but are consistent."""

from typing import Any

import jax
import jax.numpy as jnp
import lineax as lx
from jaxtyping import Array, Bool, Float, PyTree
from typing_extensions import override

from dgames.strategy import ravel

_DAMPING, _REFINEMENTS = 1e-10, 3


class Damped(lx.AbstractLinearSolver):
    """Solves `M y = v` in the sense of least squares, by damped normal equations, refined.

    Where M is singular and the system has solutions, the result is near the one of least norm.
    Singular values below about 1e-4 of the largest one count as zero.
    """

    @override
    def init(self, operator: lx.AbstractLinearOperator, options: dict[str, Any]) -> PyTree:
        del options
        return operator.as_matrix(), operator.in_structure(), operator.out_structure()

    @override
    def compute(self, state: PyTree, vector: PyTree, options: dict[str, Any]) -> PyTree:
        del options
        matrix, structure, _ = state
        like = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), structure)
        value = _solved(matrix, ravel(vector)[0])
        return ravel(like)[1](value), lx.RESULTS.successful, {}

    @override
    def transpose(self, state: PyTree, options: dict[str, Any]) -> PyTree:
        matrix, inside, outside = state
        return (matrix.T, outside, inside), options

    @override
    def conj(self, state: PyTree, options: dict[str, Any]) -> PyTree:
        return state, options

    @override
    def assume_full_rank(self) -> bool:
        return False


def determines(matrix: Float[Array, "rows columns"], count: int) -> Bool[Array, ""]:
    """Returns whether `M y = v` leaves no freedom in the first coordinates of y.

    A vector without pattern is compared with the solution for its own image: what differs lies in
    the null space of the matrix.
    """
    angle = 2.399963 * jnp.arange(matrix.shape[1], dtype=matrix.dtype)
    probe = 1.3 + jnp.sin(angle)
    lost = probe - _solved(matrix, matrix @ probe)
    return jnp.max(jnp.abs(lost[:count]), initial=0.0) < 1e-4


def _solved(matrix: Array, vector: Array) -> Array:
    gram = matrix.T @ matrix
    unit = jnp.maximum(jnp.max(jnp.diag(gram), initial=0.0), jnp.finfo(gram.dtype).tiny)
    eye = jnp.eye(len(gram), dtype=gram.dtype)
    factor = jax.scipy.linalg.cho_factor(gram + _DAMPING * unit * eye)
    value = jnp.zeros_like(gram[0])
    for _ in range(_REFINEMENTS):
        value = value + jax.scipy.linalg.cho_solve(factor, matrix.T @ (vector - matrix @ value))
    return value
