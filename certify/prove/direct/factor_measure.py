"""Measures cells by the factor of a step on them."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from certify.jacobian.family import AffineFamily
from certify.prove.direct.factor import factor_bound
from certify.prove.direct.metric_box import MetricBox
from certify.prove.direct.step_map import StepMap
from certify.prove.family_measure import FamilyMeasure
from certify.search.measure import Cell, Measured, Merit


def factor_measure(step: StepMap, box: MetricBox) -> FamilyMeasure:
    """Measures how far below one the factor of a step is on cells, in floating point."""
    m = step.dimension

    def run(cells: list[Cell]) -> Iterator[Measured[AffineFamily]]:
        for cell in cells:
            found = step.enclosed(cell.lower, cell.upper)
            if not found.finite:
                nothing = AffineFamily.ball(np.zeros((m, m)), np.zeros((m, m)))
                unknown = dataclasses.replace(nothing, finite=np.asarray(False))
                yield Measured(unknown, (Merit(-np.inf, 1.0, cell.upper - cell.lower),))
                continue
            known = factor_bound(found.jacobian, box.metric, box.inverse)
            scores = known.scores if len(known.scores) else np.zeros(m)
            margin = 1 - known.factor if np.isfinite(known.factor) else -1e9
            yield Measured(known.family, (Merit(margin, 1 - known.centre, scores),))

    return FamilyMeasure(run)
