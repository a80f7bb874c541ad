"""The constants of a proof by terms, and what proves them in the file."""

from typing import Any, NamedTuple

import numpy as np

from certify.file.terms import terms_in_file
from certify.jacobian.rank_one import RankOne
from certify.metric.elimination import term_proof
from certify.metric.limiting_terms import limiting_terms
from certify.metric.metric import Metric
from certify.metric.rank_one_bounds import (
    cocoercivity_bound,
    curvature_bound,
    lipschitz_bound,
    margin_bound,
)
from certify.metric.term_inequality import sides
from certify.metric.term_multipliers import MultiplierBound
from certify.problem.field import FlatField
from certify.problem.messages import clipped, coordinate_names, listed
from certify.prove.no_proof import NoProof

# How many terms a message names.
_SHOWN = 3
# A cocoercivity is claimed if it is less than this share of what follows from the other constants.
_WORTH = 0.9


class TermsBounds(NamedTuple):
    """What multipliers prove in a metric, up to roundings.

    Attributes:
        margin: The margin.
        lipschitz: The Lipschitz constant.
        cocoercivity: The smallest c found with `<J x, x>_P >= |J x|_P^2 / c`, or None.
        curvatures: In a metric that is a matrix, that each player's cost is convex.
    """

    margin: MultiplierBound
    lipschitz: MultiplierBound
    cocoercivity: MultiplierBound | None
    curvatures: tuple[MultiplierBound, ...]

    def constants(self, backoff: float) -> dict[str, float]:
        """Returns the constants, backed off by a share of the Lipschitz constant.

        Raises:
            NoProof: If no margin is left.
        """
        scale = self.lipschitz.value
        margin = self.margin.value - backoff * scale
        if margin <= 0:
            raise NoProof(f"the margin, some {self.margin.value:.3g}, is lost in roundings")
        found = {"margin": margin, "lipschitz": max(scale * (1 + backoff), margin)}
        if self.cocoercivity is not None:
            cocoercivity = self.cocoercivity.value * (1 + 2 * backoff)
            if cocoercivity < _WORTH * found["lipschitz"] ** 2 / margin:
                found["cocoercivity"] = cocoercivity
        return found

    def evidence(
        self, field: FlatField, terms: RankOne, metric: Metric, constants: dict[str, float]
    ) -> dict[str, Any]:
        """Returns what proves the constants, in the form of the file."""
        both = sides(terms, metric)
        proofs = {
            "margin_proof": term_proof(both.of_margin(), self.margin),
            "lipschitz_proof": term_proof(both.of_lipschitz(), self.lipschitz),
        }
        if "cocoercivity" in constants and self.cocoercivity is not None:
            proofs["cocoercivity_proof"] = term_proof(both.of_cocoercivity(), self.cocoercivity)
        if not self.curvatures:
            return terms_in_file(terms) | proofs
        plain = sides(terms, Metric(np.ones(field.dimension)))
        pairs = zip(field.coordinates, self.curvatures, strict=True)
        convex = [term_proof(plain.of_curvature(own), bound) for own, bound in pairs]
        return terms_in_file(terms) | proofs | {"curvature_proofs": convex}


def bounds_by_terms(field: FlatField, terms: RankOne, metric: Metric) -> TermsBounds:
    """Returns the bounds of a field in a metric.

    Raises:
        NoProof: If there is no positive margin, or a player's cost was not shown to be convex.
    """
    margin = margin_bound(terms, metric)
    if margin.value <= 0:
        raise NoProof(_not_positive(field, terms, margin, metric))
    curvatures = list[MultiplierBound]()
    if metric.is_matrix and field.is_gradient:
        plain = sides(terms, Metric(np.ones(field.dimension)))
        curvatures = [curvature_bound(terms, plain, own) for own in field.coordinates]
    for name, curvature in zip(field.names, curvatures, strict=False):
        if curvature.value <= 0:
            raise NoProof(
                f"the cost of '{clipped(name)}' was not shown to be convex in its own strategy: "
                f"its curvature is at least {curvature.value:.4g}, so that a zero of the field "
                "need not be an equilibrium"
            )
    cocoercivity = cocoercivity_bound(terms, metric, margin)
    return TermsBounds(margin, lipschitz_bound(terms, metric), cocoercivity, tuple(curvatures))


def _not_positive(field: FlatField, terms: RankOne, margin: MultiplierBound, metric: Metric) -> str:
    """Says that there is no margin, and how much of it the ranges of slopes cost."""
    count = int((terms.radius > 0).sum())
    middle = terms._replace(low=terms.middle, high=terms.middle)
    between = margin_bound(middle, metric, rounds=1).value
    names = coordinate_names(field.names, field.sizes)
    costly = ""
    for number, cost in limiting_terms(terms, metric, margin.multipliers, _SHOWN):
        along = [terms.vectors[side[number]] for side in (terms.left, terms.right)]
        row, column = (listed(names[k] for k, _ in vector) for vector in along)
        costly += (
            f"; {cost:.3g} for a slope in [{terms.low[number]:.3g}, {terms.high[number]:.3g}] that "
            + (f"couples {row} with {column}" if row != column else f"belongs to {row}")
        )
    return (
        f"no metric with a positive margin was found: in the best one it is {margin.value:.4g}, of "
        f"{between:.4g} with every slope in the middle of its range; {count} terms have a range"
        + (f", and of them the most costly take {costly[2:]}" if costly else "")
    )
