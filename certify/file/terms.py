"""Terms of rank one, and what proves bounds of them, in the form of the file."""

from typing import Any

import numpy as np

from certify.jacobian.rank_one import RankOne, rows_of


def terms_in_file(terms: RankOne) -> dict[str, Any]:
    """Returns the vectors, and the terms by the numbers of their vectors and their ranges."""
    parts = zip(*(part.tolist() for part in terms[1:6]), strict=True)
    return {
        "vectors": [[[k for k, _ in v], [x for _, x in v]] for v in terms.vectors],
        "terms": [
            [p, q, low.hex(), high.hex(), *([mirror] if mirror else [])]
            for p, q, low, high, mirror in parts
        ],
    }


def terms_of_file(evidence: dict[str, Any], dimension: int) -> RankOne:
    """Returns the terms that a file states, which the checker has accepted."""
    vectors = [tuple(zip(*vector, strict=True)) for vector in evidence["vectors"]]
    left, right = np.array([term[:2] for term in evidence["terms"]], int).reshape(-1, 2).T
    low, high = (
        np.array([float.fromhex(term[k]) for term in evidence["terms"]], np.float64) for k in (2, 3)
    )
    mirror = np.array([term[4] if len(term) > 4 else 0 for term in evidence["terms"]], int)
    return RankOne(vectors, left, right, low, high, mirror, rows_of(vectors, dimension))
