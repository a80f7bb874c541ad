"""Turns cells into the contents of a certificate file."""

from typing import Any, NamedTuple

import numpy as np

from certify.file import evidence
from certify.jacobian.enclosure_choice import Taylor, kinks_in
from certify.jacobian.family import AffineFamily
from certify.metric.block_constants import BlockConstants, block_constants
from certify.metric.cell_lipschitz import lipschitz_bounds
from certify.metric.cell_margin import margin_bounds, margin_modes
from certify.metric.metric import Metric, Weighting
from certify.metric.modes import Modes
from certify.metric.objective import LIMIT, ROUNDER, SHARE, Aim
from certify.metric.small_gain import SmallGain, rounder_gain, small_gain
from certify.problem.constraints import Constraints
from certify.prove.file_parts import (
    OUTSIDE,
    TRUSTED_BY_CELLS,
    convergence_in_file,
    graph_in_file,
    place_of,
)
from certify.prove.question import Question
from certify.prove.reach import Reach, weights_below
from certify.prove.safe_steps import safe_steps
from certify.search.budget import Budget
from certify.search.tree import Tree
from certify.steps import Setting, onto_sets


class Margin(NamedTuple):
    """The margin of all cells in a metric, and what the checker needs to prove it."""

    weighting: Weighting
    margin: float
    scaling: np.ndarray
    modes: Modes | None


class Assembly:
    """Turns a tree of cells into the contents of a file.

    Args:
        question: The question that the certificate is to answer.
        tree: The cells, with their families of Jacobians.
        aim: What metrics and steps are chosen for.
        notes: Words on how the proof was found, for its provenance.
        budget: The budget of the proof, which says how many seconds it took.
    """

    def __init__(
        self,
        question: Question,
        tree: Tree[AffineFamily],
        aim: Aim,
        notes: dict[str, str],
        budget: Budget,
    ):
        self.field, self.tree, self.aim = question.field, tree, aim
        self._question, self._notes, self._budget = question, notes, budget
        kinks = kinks_in(self.field) if notes["enclosure"] == Taylor.name else None
        self._rounded = evidence.quantized(tree, 0 if kinks is None else kinks.selectors)
        self._unit = self._rounded.unit
        self.families: AffineFamily = evidence.in_units(self._rounded.families, self._unit)
        self._graph, self._without_graph = graph_in_file(self.field)
        self._reach = Reach(
            self.field,
            question.region,
            question.point,
            _sets(question),
            multipliers=question.multipliers,
        )

    def margin(self, weighting: Weighting) -> float:
        """Returns the margin of the worst cell in a metric, in floating point and unproved."""
        return self._margin(weighting, 2.0**-42).margin

    def contents(
        self, weighting: Weighting, backoff: float, metric_in_words: str
    ) -> tuple[dict[str, Any] | None, str]:
        """Returns the contents of a file that the checker may accept; or None, and the reason.

        Args:
            weighting: The metric. The metric of the small-gain test may take its place, if the
                question leaves a choice.
            backoff: Floating-point bounds are backed off by this share of the numbers in them.
            metric_in_words: How the metric was chosen.
        """
        constants = self._constants(backoff)
        gain = self._gain(constants)
        found = self._margin(weighting, backoff)
        if self._question.given is None and gain.margin > found.margin:
            in_gain = self._margin(np.repeat(gain.weights, self.field.sizes), backoff)
            found = in_gain if self._prefers(in_gain, found) else found
        if found.margin <= 0:
            return None, "the margin on some cell is not positive"
        return self._file(found, constants, gain, backoff, metric_in_words)

    def _margin(self, weighting: Weighting, backoff: float) -> Margin:
        modes = margin_modes(self.families, weighting, self.field.signs, self._unit)
        bounds = margin_bounds(self.families, weighting, self.field.signs, modes)
        scale = _scale(self.families.centre, Metric(weighting))
        margin = float(bounds.margin.min() - backoff * scale)
        return Margin(weighting, margin, bounds.scaling, modes)

    def _gain(self, constants: BlockConstants) -> SmallGain:
        """Returns the small-gain test of largest margin, or one whose weights differ much less."""
        best = small_gain(constants.curvature, constants.coupling)
        if self.aim.objective != "basin":
            return best
        share = SHARE[self.aim.objective]
        found = rounder_gain(constants.curvature, constants.coupling, best, share)
        return best if found is None or not self._much_rounder(found, best) else found

    def _much_rounder(self, found: SmallGain, best: SmallGain) -> bool:
        new, old = (
            self.aim.roundness(np.repeat(gain.weights, self.field.sizes)) for gain in (found, best)
        )
        return new >= ROUNDER * old

    def _prefers(self, in_gain: Margin, found: Margin) -> bool:
        """Says whether the weights of the small-gain test are to take the place of a metric."""
        if found.margin <= 0:
            return in_gain.margin > 0
        rounder, known = (self.aim.roundness(each.weighting) for each in (in_gain, found))
        share = 1.0 if rounder >= known else SHARE[self.aim.objective]
        return in_gain.margin * share > found.margin and rounder >= min(known, LIMIT**-0.5)

    def _constants(self, backoff: float) -> BlockConstants:
        low, high, coupling = block_constants(self.families, self.field.sizes)
        slack = backoff * float(np.abs(self.families.centre).max())
        off = ~np.eye(len(low), dtype=bool)
        return BlockConstants(low - slack, high + slack, np.where(off, coupling + slack, 0.0))

    def _file(
        self,
        found: Margin,
        constants: BlockConstants,
        gain: SmallGain,
        backoff: float,
        metric_in_words: str,
    ) -> tuple[dict[str, Any] | None, str]:
        weighting, margin, margin_scaling, modes = found
        metric, reach = Metric(weighting), self._reach
        steepness = lipschitz_bounds(self.families, weighting)
        scale = _scale(self.families.centre, metric)
        lipschitz = max(float(steepness.norm.max() + backoff * scale), margin)
        place = place_of(reach, metric, margin, lipschitz)
        if place.basin <= 0:
            return None, OUTSIDE
        convex = constants.curvature.min() > 0 or not metric.is_matrix
        if self.field.is_gradient and not convex:
            return None, (
                "the costs were not shown to be convex in the players' own strategies, without "
                "which a zero of the pseudo-gradient need not be an equilibrium"
            )
        below = weights_below(metric, self.field.sizes)
        others = reach.of_others(metric)
        setting = Setting(
            margin, lipschitz, below, constants, gain, place.radius, place.ball, *others
        )
        methods, projected = self._question.methods, reach.onto(metric) is not None
        safe = safe_steps(
            methods, setting, self.field, weighting, place.basin, self.aim, projected=projected
        )
        without = {**self._question.unproved, **safe.without}
        data = convergence_in_file(
            self.field,
            self._question.region,
            metric,
            reach,
            {
                "margin": margin,
                "lipschitz": lipschitz,
                "small_gain": {
                    "margin": gain.margin,
                    "left": gain.left,
                    "right": gain.right,
                    "curvature": constants.curvature,
                    "smoothness": constants.smoothness,
                    "coupling": constants.coupling,
                },
            },
            place,
            safe.steps,
            self._graph,
            TRUSTED_BY_CELLS,
            {
                **({} if self._graph is not None else {"no_graph": self._without_graph}),
                **({"methods_without_step": without} if without else {}),
                **self._notes,
                "metric": metric_in_words,
                "seconds": f"{self._budget.elapsed:.2f}",
            },
            {
                "unit": self._unit,
                "cells": evidence.nodes(
                    self.tree, self._rounded, margin_scaling, steepness.scaling, modes
                ),
            },
        )
        return data, ""


def _sets(question: Question) -> Constraints | None:
    """Returns the strategy sets if steps in the file are projected, whose basins are larger."""
    constraints = question.field.constraints
    together = constraints.couple
    onto = all(onto_sets(name, together=together) for name in question.methods)
    return constraints if constraints.bind and onto else None


def _scale(matrices: Any, metric: Metric) -> float:
    return float(np.abs(metric.framed(matrices)).max()) * len(metric.root)
