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
from jaxtyping import Float, Int

from certify.jacobian.rank_one import RankOne
from certify.metric.metric import Metric

# The most rows of which all eigenvalues are computed.
DENSE = 1500
# How near the smallest one of larger matrices is bounded, as a share of the size of their entries,
# and in how many shifts at most.
_NEAR, _SHIFTS = 1e-7, 30


class TermInequality(NamedTuple):
    """`constant + scale sum_r f_r s_r (a_r b_r' + b_r a_r')`, to be positive for all slopes.

    Each row r is a part of a term, whose slope it has up to a sign; most terms have one part.

    Attributes:
        a: The vectors a_r, as rows.
        b: The vectors b_r.
        term: The number of the term of each row.
        sign: The sign f_r.
        constant: A symmetric matrix.
        scale: A number.
    """

    a: sp.csr_array
    b: sp.csr_array
    term: Int[np.ndarray, " rows"]
    sign: Float[np.ndarray, " rows"]
    constant: sp.csr_array
    scale: float = 1.0

    def middle(self, terms: RankOne) -> Float[np.ndarray, " rows"]:
        """Returns the middles of the ranges of what the products are multiplied by."""
        return self.scale * self.sign * terms.middle[self.term]

    def radius(self, terms: RankOne) -> Float[np.ndarray, " rows"]:
        """Returns half the widths of these ranges."""
        return abs(self.scale) * terms.radius[self.term]

    def below(self, terms: RankOne, multipliers: Float[np.ndarray, " rows"]) -> sp.csr_array:
        """Returns the matrix that all matrices of the family are above of."""
        radius = self.radius(terms)
        mixed = _product(self.a, self.middle(terms), self.b)
        own = _product(self.a, radius * multipliers, self.a)
        other = _product(self.b, radius / multipliers, self.b)
        return sp.csr_array(self.constant + mixed + mixed.T - own - other)

    def worst(self, terms: RankOne) -> sp.csr_array:
        """Returns a matrix with the worst entries of the family, each by itself.

        If all terms pull in one direction, its Perron vector is one at which the family is worst.
        """
        a, b, products = abs(self.a), abs(self.b), self.a * self.b
        middle, radius = self.middle(terms), self.radius(terms)
        largest = np.abs(middle) + radius
        own = self.constant.diagonal() + 2 * (products.T @ middle)
        own = own - 2 * (abs(products).T @ radius)
        sizes = _product(a, largest, b) + _product(b, largest, a) + abs(self.constant)
        return sp.csr_array(sp.diags_array(own + sizes.diagonal()) - sizes)

    def pattern(self) -> sp.csr_array:
        """Returns a matrix that is not zero where the one of `below` may not be."""
        a, b = abs(self.a), abs(self.b)
        mixed = a.T @ b
        return sp.csr_array(abs(self.constant) + mixed + mixed.T + a.T @ a + b.T @ b)

    def balanced(self) -> Float[np.ndarray, " rows"]:
        """Returns the multipliers that make both squares of a row equally large."""
        a, b = (np.sqrt(np.asarray((side * side).sum(1)).ravel()) for side in (self.a, self.b))
        there = (a > 0) & (b > 0)  # a row without one of them is nothing
        return np.divide(b, a, out=np.ones_like(a), where=there)

    def parallel(self) -> np.ndarray:
        """Returns which rows have parallel vectors."""
        inner = np.asarray((self.a * self.b).sum(1)).ravel()
        sizes = [np.asarray((side * side).sum(1)).ravel() for side in (self.a, self.b)]
        return inner**2 >= (1 - 1e-12) * sizes[0] * sizes[1]


class _Part(NamedTuple):
    """Rows of an inequality: vectors a and b, the numbers of their terms, and signs."""

    a: Any
    b: Any
    term: Int[np.ndarray, " rows"]
    sign: Float[np.ndarray, " rows"]


class TermSides(NamedTuple):
    """The vectors `P p_k` and q_k of all terms, as rows, in coordinates in which P is the identity.

    Attributes:
        left: `P p_k`.
        right: `q_k`.
        mirrored: The numbers of the terms that are mirrored; the others are about these alone.
        other: `P q_k`.
        another: `p_k`.
        sign: 1 or -1.
        ratio: The weight of q_k's player divided by that of p_k's.
    """

    left: sp.csr_array
    right: sp.csr_array
    mirrored: Int[np.ndarray, " mirrored"]
    other: sp.csr_array
    another: sp.csr_array
    sign: Float[np.ndarray, " mirrored"]
    ratio: Float[np.ndarray, " mirrored"]

    @property
    def size(self) -> int:
        """The number of coordinates."""
        left: Any = self.left
        return left.shape[1]

    def of_margin(self) -> TermInequality:
        """Returns `P J + J' P`, of which half the smallest eigenvalue is the margin.

        A mirrored term adds `s (1 + sign ratio) (P p q' + q p' P)` to it, perhaps nothing.
        """
        return _inequality([self._symmetric()], _zero(self.size))

    def of_lipschitz(self) -> TermInequality:
        """Returns `[[0, (P J)'], [P J, 0]]`: minus its least eigenvalue is the constant."""
        return _inequality(self._bordered(self._all()), _zero(2 * self.size))

    def of_step(self, step: float) -> TermInequality:
        """Returns `[[0, (P (I - h J))'], [., 0]]`: minus its least eigenvalue is the factor."""
        one = sp.eye_array(self.size, format="csr")
        constant = sp.csr_array(sp.block_array([[None, one.T], [one, None]]))
        return _inequality(self._bordered(self._all()), constant)._replace(scale=-step)

    def of_cocoercivity(self) -> TermInequality:
        """Returns `[[P J + J' P, 2 J' P], [2 P J, 0]]`, to which `2 c P` is added below."""
        margin, plain = self._symmetric(), np.full(len(self._all()), 2.0)
        plain[self.mirrored] = 0.0
        below = sp.diags_array(plain) @ self.left
        a, b = sp.hstack([margin.a, below]), sp.hstack([margin.b, 0 * below])
        rest = [part._replace(a=2 * part.a) for part in self._bordered(self.mirrored)]
        return _inequality([margin._replace(a=a, b=b), *rest], _zero(2 * self.size))

    def of_curvature(self, block: slice) -> TermInequality:
        """Returns `J_ii + J_ii'` for the coordinates of one player; no term is mirrored."""
        left, right = self.left[:, block], self.right[:, block]
        there = sp.diags_array(((left != 0).sum(1) * (right != 0).sum(1) > 0).astype(float))
        every = self._all()
        part = _Part(there @ left, there @ right, every, np.ones(len(every)))
        return _inequality([part], _zero(block.stop - block.start))

    def _all(self) -> Int[np.ndarray, " terms"]:
        return np.arange(len(self.left.indptr) - 1)

    def _symmetric(self) -> _Part:
        every = self._all()
        factor = np.ones(len(every))
        factor[self.mirrored] += self.sign * self.ratio
        a = sp.diags_array(factor) @ self.left
        b = sp.diags_array((factor != 0).astype(float)) @ self.right
        return _Part(a, b, every, np.ones(len(every)))

    def _bordered(self, terms: Int[np.ndarray, " chosen"]) -> list[_Part]:
        left, right = self.left[terms], self.right[terms]
        return [
            _Part(
                sp.hstack([0 * right, left]),
                sp.hstack([right, 0 * left]),
                terms,
                np.ones(len(terms)),
            ),
            _Part(
                sp.hstack([0 * self.another, self.other]),
                sp.hstack([self.another, 0 * self.other]),
                self.mirrored,
                self.sign,
            ),
        ]


def _inequality(parts: list[_Part], constant: sp.csr_array) -> TermInequality:
    """Returns the inequality with the parts of each term side by side, in the order of terms."""
    term = np.concatenate([part.term for part in parts])
    order = np.argsort(term, kind="stable")
    a, b = (sp.csr_array(sp.vstack([part[k] for part in parts]))[order] for k in (0, 1))
    sign = np.concatenate([part.sign for part in parts])
    for side in (a, b):
        side.eliminate_zeros()
    return TermInequality(a, b, term[order], sign[order], constant)


def sides(terms: RankOne, metric: Metric) -> TermSides:
    """Returns the vectors of terms in a metric; a matrix is for terms that are not mirrored."""
    left, right = terms.rows()
    mirrored = np.flatnonzero(terms.mirror)
    if metric.is_matrix:
        factor = np.linalg.cholesky(metric.weighting)  # P = N' N for the transpose N of it
        solved = scipy.linalg.solve_triangular(factor, np.asarray(right.todense()).T, lower=True)
        first, second = sp.csr_array(np.asarray(left @ factor)), sp.csr_array(solved.T)
        return TermSides(first, second, mirrored, first[:0], second[:0], np.ones(0), np.ones(0))
    p, q = left[mirrored], right[mirrored]
    weights = [metric.weighting[side.indices[side.indptr[:-1]]] for side in (p, q)]
    return TermSides(
        sp.csr_array(left * metric.root),
        sp.csr_array(right / metric.root),
        mirrored,
        sp.csr_array(q * metric.root),
        sp.csr_array(p / metric.root),
        terms.mirror[mirrored].astype(float),
        weights[1] / weights[0],
    )


def least_eigenvalue(matrix: sp.csr_array, dense: int = DENSE) -> float:
    """Returns the smallest eigenvalue of a symmetric matrix, nearly and from below if it is large.

    Of one with more than `dense` rows, it is looked for from below all disks of Gershgorin, by
    inverse iteration: the spectrum there is sparse, and no eigenvalue is missed. Where that does
    not converge, shifts come nearer to it, at which all pivots are positive.
    """
    size = len(matrix.indptr) - 1
    if size <= dense:
        full = np.asarray(matrix.todense())
        return float(scipy.linalg.eigh(full, eigvals_only=True, subset_by_index=[0, 0])[0])
    diagonal = matrix.diagonal()
    others = np.asarray(abs(matrix).sum(1)).ravel() - np.abs(diagonal)
    largest = float((np.abs(diagonal) + others).max())
    shift = float((diagonal - others).min()) - 1e-3 * largest
    try:
        gap, _ = _gap(factored(_shifted(matrix, shift)), np.ones(size), 0.0)
    except scipy.sparse.linalg.ArpackNoConvergence:
        return _approached(matrix, shift, _NEAR * largest)
    return shift + gap - _NEAR * largest


def _approached(matrix: sp.csr_array, shift: float, near: float) -> float:
    """Returns a number that is nearly the smallest eigenvalue, from one that is below it."""
    below, vector = shift, np.ones(len(matrix.indptr) - 1)
    for _ in range(_SHIFTS):
        factors = factored(_shifted(matrix, shift))
        if not (factors.U.diagonal() > 0).all():
            shift = 0.5 * (below + shift)
            continue
        below = shift
        gap, vector = _gap(factors, vector, 1e-2)
        if gap <= near:
            break
        shift += 0.95 * gap
    return below


def _shifted(matrix: sp.csr_array, shift: float) -> Any:
    return matrix - shift * sp.eye_array(len(matrix.indptr) - 1)


def _gap(factors: Any, start: np.ndarray, tolerance: float) -> tuple[float, np.ndarray]:
    """Returns the smallest eigenvalue of a positive definite matrix, and its vector."""
    find: Any = scipy.sparse.linalg.eigsh
    values, vectors = find(
        operator(len(start), factors.solve), k=1, which="LA", v0=start, tol=tolerance
    )
    return float(1 / values[0]), vectors[:, 0]


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
