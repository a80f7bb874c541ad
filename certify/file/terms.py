"""Terms of rank one, and what proves bounds of them, in the form of the file."""

from typing import Any

from certify.jacobian.rank_one import RankOne


def terms_in_file(terms: RankOne) -> dict[str, Any]:
    """Returns the vectors, and the terms by the numbers of their vectors and their ranges."""
    pairs = zip(terms.left.tolist(), terms.right.tolist(), strict=True)
    ranges = zip(terms.low.tolist(), terms.high.tolist(), strict=True)
    return {
        "vectors": [[[k for k, _ in v], [x for _, x in v]] for v in terms.vectors],
        "terms": [
            [p, q, low.hex(), high.hex()] for (p, q), (low, high) in zip(pairs, ranges, strict=True)
        ],
    }
