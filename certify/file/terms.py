"""Terms of rank one in the form of the file, and how their two matrices are proved definite."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg
from jaxtyping import Float

from certify.jacobian.rank_one import RankOne

# The share of entries from which on a matrix is taken for full.
_FULL = 0.5


def terms_in_file(
    terms: RankOne,
    margin: Float[np.ndarray, " terms"],
    lipschitz: Float[np.ndarray, " terms"],
    scalings: Sequence[list[int] | None] = (None, None),
) -> dict[str, Any]:
    """Returns the evidence of a proof by terms.

    Args:
        terms: The terms.
        margin: The multipliers of the proof of the margin.
        lipschitz: Those of the proof of the Lipschitz constant.
        scalings: Of each of the two proofs, the numbers of scaled diagonal dominance, or None if it
            is by elimination.
    """
    pairs = zip(terms.left.tolist(), terms.right.tolist(), strict=True)
    ranges = zip(terms.low.tolist(), terms.high.tolist(), strict=True)
    return {
        "vectors": [[[k for k, _ in v], [x for _, x in v]] for v in terms.vectors],
        "terms": [
            [p, q, low.hex(), high.hex()] for (p, q), (low, high) in zip(pairs, ranges, strict=True)
        ],
        "margin_proof": _proof(margin, scalings[0], lambda: _symmetric(terms)),
        "lipschitz_proof": _proof(lipschitz, scalings[1], lambda: _bordered(terms)),
    }


def _symmetric(terms: RankOne) -> Any:
    """Returns a matrix with the entries of the proof of the margin, all of them positive."""
    left, right = (abs(side) for side in terms.rows())
    across = left.T @ right
    return left.T @ left + right.T @ right + across + across.T


def _bordered(terms: RankOne) -> Any:
    """Returns such a matrix for the Lipschitz constant."""
    left, right = (abs(side) for side in terms.rows())
    across = left.T @ right
    return sp.block_array([[right.T @ right, across.T], [across, left.T @ left]])


def _proof(
    multipliers: Float[np.ndarray, " terms"],
    scaling: list[int] | None,
    pattern: Callable[[], Any],
) -> dict[str, Any]:
    found = {"multipliers": [float(x).hex() for x in multipliers]}
    if scaling is not None:
        return {**found, "scaling": scaling}
    return {**found, "order": elimination_order(pattern())}


def elimination_order(pattern: Any) -> list[int]:
    """Returns an order in which few entries fill in: by minimum degree, or any of a full matrix."""
    rows = sp.csr_array(pattern)
    n = len(rows.indptr) - 1
    if rows.nnz > _FULL * n**2:
        return list(range(n))
    others = np.asarray(abs(rows).sum(1)).ravel()
    dominant = sp.csc_array(rows + sp.diags_array(1.0 + others))
    factors = scipy.sparse.linalg.splu(
        dominant, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    return np.argsort(factors.perm_c).tolist()
