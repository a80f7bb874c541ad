"""Orders in which to eliminate a symmetric matrix, and proofs of terms in the form of the file."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from certify.checker.outer_products import MAX_FULL
from certify.metric.term_inequality import TermInequality, factored
from certify.metric.term_multipliers import MultiplierBound

# The share of entries from which on a matrix is taken for full, before and after elimination.
_FULL, _FILLED = 0.5, 0.3


def term_proof(inequality: TermInequality, bound: MultiplierBound) -> dict[str, Any]:
    """Returns what proves an inequality of terms, as the file holds it."""
    found: dict[str, Any] = {"multipliers": [float(x).hex() for x in bound.multipliers]}
    if bound.scaling is not None:
        return found | {"scaling": bound.scaling}
    order = elimination_order(inequality.pattern())
    return found if order is None else found | {"order": order}


def elimination_order(pattern: sp.csr_array) -> list[int] | None:
    """Returns an order in which few entries fill in, or None if nearly all do, as of a full matrix.

    It is that of minimum degree.
    """
    n = len(pattern.indptr) - 1
    if pattern.nnz > _FULL * n**2 and n <= MAX_FULL:
        return None
    others = np.asarray(abs(pattern).sum(1)).ravel()
    factors = factored(pattern + sp.diags_array(1.0 + others))
    if factors.L.nnz > _FILLED * n**2 and n <= MAX_FULL:
        return None
    return np.argsort(factors.perm_c).tolist()
