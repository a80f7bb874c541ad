"""Terms of rank one in the form of the file, with the order in which to eliminate."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from certify.jacobian.rank_one import RankOne


def terms_in_file(
    terms: RankOne,
    margin: Float[np.ndarray, " terms"],
    lipschitz: Float[np.ndarray, " terms"],
) -> dict[str, Any]:
    """Returns the evidence of a proof by terms.

    Args:
        terms: The terms.
        margin: The multipliers of the proof of the margin.
        lipschitz: Those of the proof of the Lipschitz constant.
    """
    left, right = (abs(side) for side in terms.rows())
    across = left.T @ right
    symmetric = left.T @ left + right.T @ right + across + across.T
    bordered = sp.block_array([[right.T @ right, across.T], [across, left.T @ left]])
    pairs = zip(terms.left.tolist(), terms.right.tolist(), strict=True)
    ranges = zip(terms.low.tolist(), terms.high.tolist(), strict=True)
    return {
        "vectors": [[[k for k, _ in v], [x for _, x in v]] for v in terms.vectors],
        "terms": [
            [p, q, low.hex(), high.hex()] for (p, q), (low, high) in zip(pairs, ranges, strict=True)
        ],
        "margin_proof": _proof(margin, symmetric),
        "lipschitz_proof": _proof(lipschitz, bordered),
    }


def _proof(multipliers: Float[np.ndarray, " terms"], pattern: Any) -> dict[str, Any]:
    return {
        "multipliers": [float(x).hex() for x in multipliers],
        "order": elimination_order(pattern),
    }


def elimination_order(pattern: Any) -> list[int]:
    """Returns an order in which few entries fill in: rows of few entries come first."""
    counts = np.diff(sp.csr_array(pattern).indptr)
    return np.argsort(counts, kind="stable").tolist()
