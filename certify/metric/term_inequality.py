"""Matrix inequalities that are linear in a Jacobian, for a whole family of terms of rank one.

A claim about all `J = sum_k s_k p_k q_k'` is that some `constant + scale sum_k s_k (a_k b_k' + b_k
a_k')` is positive definite, with vectors a and b made of p and q; the lemma of
`certify.checker.terms` bounds each term from below by a matrix with a multiplier of its own.

Everything here is in floating point, in coordinates in which the metric is the identity. Bounds are
guesses, which the checker confirms in exact arithmetic.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.linalg
from jaxtyping import Float

from certify.jacobian.rank_one import RankOne
from certify.metric.metric import Metric

# The most rows of which all eigenvalues are computed.
DENSE = 1500


class TermInequality(NamedTuple):
    """`constant + scale sum_k s_k (a_k b_k' + b_k a_k')`, to be positive for all slopes s_k.

    Attributes:
        a: The vectors a_k, as rows.
        b: The vectors b_k.
        constant: A symmetric matrix.
        scale: A number.
    """

    a: sp.csr_array
    b: sp.csr_array
    constant: sp.csr_array
    scale: float = 1.0

    def below(self, terms: RankOne, multipliers: Float[np.ndarray, " terms"]) -> sp.csr_array:
        """Returns the matrix that all matrices of the family are above of."""
        middle, radius = self.scale * terms.middle, abs(self.scale) * terms.radius
        mixed = _product(self.a, middle, self.b)
        own = _product(self.a, radius * multipliers, self.a)
        other = _product(self.b, radius / multipliers, self.b)
        return sp.csr_array(self.constant + mixed + mixed.T - own - other)

    def worst(self, terms: RankOne) -> sp.csr_array:
        """Returns a matrix with the worst entries of the family, each by itself.

        If all terms pull in one direction, its Perron vector is one at which the family is worst.
        """
        a, b, products = abs(self.a), abs(self.b), self.a * self.b
        largest = abs(self.scale) * np.maximum(np.abs(terms.low), np.abs(terms.high))
        sizes = _product(a, largest, b) + abs(self.constant)
        own = self.constant.diagonal() + 2 * (products.T @ (self.scale * terms.middle))
        own = own - 2 * (abs(products).T @ (abs(self.scale) * terms.radius))
        sizes = sizes + _product(b, largest, a)
        return sp.csr_array(sp.diags_array(own + sizes.diagonal()) - sizes)

    def pattern(self) -> sp.csr_array:
        """Returns a matrix that is not zero where the one of `below` may not be."""
        a, b = abs(self.a), abs(self.b)
        mixed = a.T @ b
        return sp.csr_array(abs(self.constant) + mixed + mixed.T + a.T @ a + b.T @ b)


class TermSides(NamedTuple):
    """The vectors `P p_k` and q_k of all terms, as rows, in coordinates in which P is the identity.

    Attributes:
        left: Of the former.
        right: Of the latter.
    """

    left: sp.csr_array
    right: sp.csr_array

    @property
    def size(self) -> int:
        """The number of coordinates."""
        left: Any = self.left
        return left.shape[1]

    def balanced(self) -> Float[np.ndarray, " terms"]:
        """Returns the multipliers that make both squares of a term equally large."""
        left, right = (np.sqrt(np.asarray((side * side).sum(1)).ravel()) for side in self)
        there = (left > 0) & (right > 0)  # a term without one of them is nothing
        return np.divide(right, left, out=np.ones_like(left), where=there)

    def parallel(self) -> np.ndarray:
        """Returns which terms have parallel vectors."""
        inner = np.asarray((self.left * self.right).sum(1)).ravel()
        sizes = [np.asarray((side * side).sum(1)).ravel() for side in self]
        return inner**2 >= (1 - 1e-12) * sizes[0] * sizes[1]

    def of_margin(self) -> TermInequality:
        """Returns `P J + J' P`, of which half the smallest eigenvalue is the margin."""
        return TermInequality(self.left, self.right, _zero(self.size))

    def of_lipschitz(self) -> TermInequality:
        """Returns `[[0, (P J)'], [P J, 0]]`: minus its least eigenvalue is the constant."""
        return TermInequality(*self._apart(), _zero(2 * self.size))

    def of_step(self, step: float) -> TermInequality:
        """Returns `[[0, (P (I - h J))'], [., 0]]`: minus its least eigenvalue is the factor."""
        one = sp.eye_array(self.size, format="csr")
        return TermInequality(*self._apart(), sp.csr_array(_blocks(None, one.T, one, None)), -step)

    def of_cocoercivity(self) -> TermInequality:
        """Returns `[[P J + J' P, 2 J' P], [2 P J, 0]]`, to which `2 c P` is added below."""
        empty = sp.csr_array(self.left.shape)
        a = sp.csr_array(sp.hstack([self.left, 2 * self.left]))
        return TermInequality(a, sp.csr_array(sp.hstack([self.right, empty])), _zero(2 * self.size))

    def of_curvature(self, block: slice) -> TermInequality:
        """Returns `J_ii + J_ii'` for the coordinates of one player, where P is the identity."""
        left, right = self.left[:, block], self.right[:, block]
        there = sp.diags_array(((left != 0).sum(1) * (right != 0).sum(1) > 0).astype(float))
        a, b = (sp.csr_array(there @ side) for side in (left, right))
        return TermInequality(a, b, _zero(block.stop - block.start))

    def _apart(self) -> tuple[sp.csr_array, sp.csr_array]:
        empty = sp.csr_array(self.left.shape)
        return (
            sp.csr_array(sp.hstack([empty, self.left])),
            sp.csr_array(sp.hstack([self.right, empty])),
        )


def sides(terms: RankOne, metric: Metric) -> TermSides:
    """Returns the vectors of terms in a metric."""
    left, right = terms.rows()
    if not metric.is_matrix:
        return TermSides(sp.csr_array(left * metric.root), sp.csr_array(right / metric.root))
    factor = np.linalg.cholesky(metric.weighting)  # P = N' N for the transpose N of it
    solved = scipy.linalg.solve_triangular(factor, np.asarray(right.todense()).T, lower=True)
    return TermSides(sp.csr_array(np.asarray(left @ factor)), sp.csr_array(solved.T))


def least_eigenvalue(matrix: sp.csr_array, dense: int = DENSE) -> float:
    """Returns the smallest eigenvalue of a symmetric matrix, nearly and from below if it is large.

    Of one with more than `dense` rows, it is looked for from below all disks of Gershgorin, by
    inverse iteration: the spectrum there is sparse, and no eigenvalue is missed.
    """
    size = len(matrix.indptr) - 1
    if size <= dense:
        full = np.asarray(matrix.todense())
        return float(scipy.linalg.eigh(full, eigvals_only=True, subset_by_index=[0, 0])[0])
    diagonal = matrix.diagonal()
    others = np.asarray(abs(matrix).sum(1)).ravel() - np.abs(diagonal)
    below = float((diagonal - others).min())
    largest = float((np.abs(diagonal) + others).max())
    shift = below - 1e-3 * largest
    solve = factored(matrix - shift * sp.eye_array(size)).solve
    inverse = operator(size, solve)
    found: Any = scipy.sparse.linalg.eigsh(
        inverse, k=1, which="LA", return_eigenvectors=False, v0=np.ones(size)
    )
    return shift + float(1 / found[0]) - 1e-7 * largest


def operator(size: int, matvec: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Returns a square matrix that is known by its products with vectors, as SciPy takes it."""
    made: Any = scipy.sparse.linalg.LinearOperator
    return made((size, size), matvec=matvec, dtype=np.float64)


def factored(matrix: Any) -> Any:
    """Returns the factors of a sparse positive definite matrix, in an order of minimum degree."""
    return scipy.sparse.linalg.splu(
        sp.csc_array(matrix),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )


def _product(left: sp.csr_array, factors: np.ndarray, right: sp.csr_array) -> sp.csr_array:
    """Returns `sum_k factors_k a_k b_k'`, with its entries that are not zero."""
    return sp.csr_array(left.T @ (sp.diags_array(factors) @ right))


def _zero(size: int) -> sp.csr_array:
    return sp.csr_array((size, size))


def _blocks(*blocks: Any) -> Any:
    return sp.block_array([[blocks[0], blocks[1]], [blocks[2], blocks[3]]])
