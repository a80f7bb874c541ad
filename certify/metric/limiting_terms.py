"""Which terms of rank one cost most of the margin: their slopes are known on wide ranges."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from certify.jacobian.rank_one import RankOne
from certify.metric.metric import Metric
from certify.metric.term_inequality import DENSE, sides


class LimitingTerm(NamedTuple):
    """A term whose range costs some of the margin.

    Attributes:
        number: Which one of the terms.
        cost: By how much it lowers the bound where that is lowest. If its slope were in the middle
            of its range everywhere, the margin could be larger by that much at most.
    """

    number: int
    cost: float


def limiting_terms(
    terms: RankOne, metric: Metric, multipliers: Float[np.ndarray, " terms"], most: int
) -> list[LimitingTerm]:
    """Returns the terms that cost most of the margin, the most costly first, in floating point.

    With v the vector at which the bound of the lemma in `certify.checker.terms` is lowest, a term
    takes `r (t (a' v)^2 + (b' v)^2 / t) / 2` of it.

    Args:
        terms: The terms.
        metric: The metric.
        multipliers: The multipliers t of the margin.
        most: The most terms that are returned.

    Returns:
        Terms that cost anything at all; none for more coordinates than are decomposed at once.
    """
    both = sides(terms, metric)
    if both.size > DENSE:
        return []
    inequality = both.of_margin()
    lower = np.asarray(inequality.below(terms, multipliers).todense())
    vector = np.linalg.eigh(lower)[1][:, 0]
    left, right = inequality.a @ vector, inequality.b @ vector
    costs = 0.5 * terms.radius * (multipliers * left**2 + right**2 / multipliers)
    order = np.argsort(-costs, kind="stable")[:most].tolist()
    return [LimitingTerm(k, float(costs[k])) for k in order if costs[k] > 0]
