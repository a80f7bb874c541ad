r"""The matrix inequality that proves a Lipschitz constant from multipliers.

*Theorem* (Fazlyab, Robey, Hassani, Morari and Pappas, arXiv:1906.04893, with diagonal multipliers
only). Let all slopes of unit r of layer k lie between `lo_kr` and `hi_kr`, let `T_k >= 0` be
diagonal, and `m_k = (lo_k + hi_k) / 2`. If, with `x_0, ..., x_(L-1)` as coordinates,

    M = [ g + C_1' P_1 C_1   -C_1' m_1 T_1                              ]
        [ -T_1 m_1 C_1       T_1 + C_2' P_2 C_2      -C_2' m_2 T_2      ]
        [                    -T_2 m_2 C_2            T_2 + ...          ]
        [                                            ...  T_(L-1) - C_L' C_L ]

is positive semidefinite, where `P_k = T_k lo_k hi_k`, then `sqrt(g)` is a Lipschitz constant of the
network in the 2-norm.

*Proof.* For two inputs let `x_k` be the difference of the values of layer k, and `a_k = C_k
x_(k-1)` that of the pre-activations. The mean slope of a unit between the two lies in its range, so
`(x_kr - lo a_kr) (hi a_kr - x_kr) >= 0`. Now `x' M x` is `g |x_0|^2 - |C_L x_(L-1)|^2` minus the
sum of these products with the weights `T_kr`. ∎

The ranges may be those on a convex set of inputs, for then the segment between two of them stays in
it. For units that are mixed in pairs by a map with a symmetric Jacobian whose eigenvalues lie in
`[lo, hi]`, the sum of the products over the pair is non-negative, so both have the same weight.
"""

import numpy as np
from jaxtyping import Float

from certify.prove.lipschitz.ball_products import BallMatrix, product
from certify.prove.lipschitz.unit_slopes import UnitSlopes
from certify.rounding import EPSILON, TINY, raised

Multipliers = list[Float[np.ndarray, " _"]]


def sector_matrix(
    matrices: list[BallMatrix], slopes: list[UnitSlopes], multipliers: Multipliers, square: float
) -> BallMatrix:
    """Encloses the matrix M for `g = square`."""
    sizes = [matrix.centre.shape[1] for matrix in matrices]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    centre, radius = np.zeros((2, starts[-1], starts[-1]))
    own = [slice(starts[k], starts[k + 1]) for k in range(len(sizes))]
    centre[own[0], own[0]] = square * np.eye(sizes[0])
    for k, (matrix, slope, weight) in enumerate(
        zip(matrices[:-1], slopes, multipliers, strict=True)
    ):
        middle = weight * (0.5 * slope.lower + 0.5 * slope.upper)
        coupling = -middle[:, None] * matrix.centre
        # The middle is off by the rounding of a sum and of a product, whose terms may cancel.
        off = raised(weight * slope.size, 4) * 2 * EPSILON
        error = raised(off[:, None] * matrix.size, 4) + np.abs(coupling) * EPSILON
        error = raised(error + raised(np.abs(middle)[:, None] * matrix.radius, 4) + TINY, 8)
        centre[own[k + 1], own[k]], radius[own[k + 1], own[k]] = coupling, error
        centre[own[k], own[k + 1]], radius[own[k], own[k + 1]] = coupling.T, error.T
        curved = weight * slope.lower * slope.upper
        if curved.any():
            gram = _gram(matrix, BallMatrix(curved, np.abs(curved) * 4 * EPSILON + TINY))
            _add(centre, radius, own[k], gram)
        _add(centre, radius, own[k + 1], BallMatrix.exact(np.diag(weight)))
    last = matrices[-1]
    _add(centre, radius, own[-1], _gram(last, BallMatrix.exact(-np.ones(len(last.centre)))))
    return BallMatrix(centre, radius)


def _gram(matrix: BallMatrix, weights: BallMatrix) -> BallMatrix:
    """Encloses `C' diag(weights) C`."""
    centre = weights.centre[:, None] * matrix.centre
    radius = raised(weights.radius[:, None] * matrix.size, 4) + np.abs(centre) * EPSILON
    radius = radius + raised(np.abs(weights.centre)[:, None] * matrix.radius, 4) + TINY
    return product(matrix.transposed, BallMatrix(centre, raised(radius, 8)))


def _add(centre: np.ndarray, radius: np.ndarray, own: slice, block: BallMatrix) -> None:
    """Adds a block to the diagonal; its centre is made symmetric, the radius pays for it."""
    skew = np.abs(block.centre - block.centre.T)
    symmetric = 0.5 * block.centre + 0.5 * block.centre.T
    centre[own, own] += symmetric
    extra = block.radius + block.radius.T + skew + 2 * EPSILON * np.abs(symmetric)
    radius[own, own] += raised(extra + EPSILON * np.abs(centre[own, own]), 8)
