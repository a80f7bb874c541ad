"""Poses the question that a certificate answers, and samples the field before any search."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import dgames as dg
from certify.jacobian.enclosure_choice import Enclosure, is_constant
from certify.metric.ladder import Generality, Ladder, Rung
from certify.metric.metric_options import AutoMetric, MetricOption
from certify.problem.corners import coordinates
from certify.problem.draws import first_key
from certify.problem.exact_types import METHODS, described_class, known_method
from certify.problem.field import FlatField, compiled_linearisation
from certify.problem.region import Region, half_widths
from certify.prove.curvature_search import nonconvex_cost
from certify.prove.degeneracy import degenerate
from certify.prove.equilibrium import find_constrained, find_zero
from certify.prove.estimate import sample_jacobians
from certify.prove.no_proof import NoProof
from certify.search.stages import Stages
from certify.steps import onto_sets

_SEED, _SAMPLES = 0, 256
_THERE = "at the equilibrium"
_NOT_ONTO = (
    "the equilibrium may be on the boundary of the strategy sets, and there is no theorem on its "
    "projected steps"
)
_OTHER_BLOCKS = (
    "the field computes the block of a player in a way of its own, so that nothing is known of "
    "methods that ask for blocks"
)
_NO_MATRIX = (
    "the equilibrium may be on the boundary of the strategy sets, where projections need a metric "
    "of weights"
)


class Question(NamedTuple):
    """A field on a region, and what sampling says about it.

    Attributes:
        game: The game or the field, as the user gave it.
        region: The region.
        args: Passed to the costs.
        field: The game as a function of vectors.
        methods: Names of the methods to which a theorem may apply.
        unproved: The other methods that were asked for, and why no theorem applies to each.
        samples: Jacobians at points of the region.
        point: A point near the equilibrium.
        multipliers: About the multipliers of the shared rows there; None if rows have no effect.
        given: A ladder of the metric that the user gave; None if the choice is free.
        generality: How general a chosen metric may be.
    """

    game: dg.Game | dg.AbstractField
    region: Region
    args: Any
    field: FlatField
    methods: list[str]
    unproved: dict[str, str]
    samples: np.ndarray
    point: np.ndarray
    multipliers: np.ndarray | None
    given: Ladder | None
    generality: Generality


def method_names(methods: Sequence[type[dg.AbstractMethod]]) -> list[str]:
    """Returns the names of the rules of methods.

    Raises:
        ValueError: If there is no theorem about one of them.
    """
    return [_method_name(method) for method in methods]


def posed(
    game: dg.Game | dg.AbstractField,
    region: Region,
    args: Any,
    field: FlatField,
    methods: list[str],
    metric: MetricOption,
    enclosure: Enclosure,
    stages: Stages,
) -> Question:
    """Samples Jacobians in the region, looks for the equilibrium, and returns the question.

    Raises:
        NoProof: If these show that there can be no proof.
        OutOfTime: If the time was used up.
        ValueError: If the metric or the enclosure does not fit the field.
    """
    enclosure.select(field, np.inf)
    given = metric.given(field.names, field.sizes)
    generality = metric.generality if isinstance(metric, AutoMetric) else "auto"
    constraints, multipliers = field.constraints, None
    inside = constraints.outside(region) is None
    stages.begin("looking at Jacobians at points of the region")
    constant = field.natural is None and is_constant(field)
    samples = sample_jacobians(field, region, 1 if constant else _SAMPLES, first_key(_SEED))
    if not np.isfinite(samples).all():
        raise NoProof("the Jacobian is not finite everywhere in the region")
    _require_regular(field, samples, "at every point looked at")
    if inside:
        _require_regular_centre(field, region, samples)
    stages.begin("looking for an equilibrium")
    spent = stages.deadline(0.7)
    point = find_zero(field, region, lambda: spent() <= 0) if inside else None
    stages.begin("looking for costs that are not convex")
    bent = nonconvex_cost(field, region, samples) if inside and field.is_gradient else None
    if bent is not None:
        raise NoProof(bent.sentence, refutation=bent.contents)
    if point is not None and field.natural is None:
        _require_regular(field, np.asarray(compiled_linearisation(field)(point)[1])[None], _THERE)
    unproved: dict[str, str] = {}
    if field.other_blocks and "alternating" in methods:
        unproved["alternating"] = _OTHER_BLOCKS
    if constraints.bind and point is None:
        stages.begin("looking for an equilibrium on the boundary of the strategy sets")
        steepness, together = float(np.linalg.norm(samples, 2, (-2, -1)).max()), constraints.couple
        given, generality = given or onto_metric(field), "weights"
        if given is not None and given.chosen.weighting.ndim > 1:
            raise NoProof(_NO_MATRIX)
        weights = given.chosen.weighting if given and together else np.ones(field.dimension)
        found = find_constrained(field, region, steepness, weights)
        point, multipliers = (None, None) if found is None else found
        unproved |= {name: _NOT_ONTO for name in methods if not onto_sets(name, together=together)}
    if point is None:
        if spent() <= 0:
            stages.begin("choosing a metric")  # says what the time was used for
        raise NoProof("no equilibrium was found in the region")
    methods = [name for name in methods if name not in unproved]
    return Question(
        game,
        region,
        args,
        field,
        methods,
        unproved,
        samples,
        point,
        multipliers,
        given,
        generality,
    )


def onto_metric(field: FlatField) -> Ladder | None:
    """Returns the metric of proofs about shared rows that couple players; None if there are none.

    There the metric selects the equilibrium: that of equal weights is the variational one.
    """
    if not field.constraints.couple:
        return None
    ones = Rung("equal weights, of the variational equilibrium", np.ones(field.dimension), np.nan)
    return Ladder((), ones, np.nan)


def _require_regular(field: FlatField, jacobians: np.ndarray, where: str) -> None:
    if singular := degenerate(field, jacobians, where):
        raise NoProof(singular)


def _require_regular_centre(field: FlatField, region: Region, samples: np.ndarray) -> None:
    """Requires a regular Jacobian at the centre of the region, if it is an equilibrium."""
    if field.natural is not None:
        return
    point = coordinates(region.center)
    value, jacobian = map(np.asarray, compiled_linearisation(field)(point))
    usual = np.abs(samples).max(0) @ half_widths(region)
    if (np.abs(value) <= 1e-12 * usual).all():
        _require_regular(field, jacobian[None], _THERE)


def _method_name(method: type[dg.AbstractMethod]) -> str:
    name = known_method(method)
    if name is None:
        raise ValueError(
            f"certify: there is no step-size theorem for {described_class(method)} as a method; "
            f"there is one for the classes {', '.join(known.__name__ for known in METHODS)} of "
            "dgames; steps of others are proved as they are by certify.contraction."
        )
    return name
