"""Finds the safe steps of each method for a certificate, by the theorem that serves best."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from certify.checker.steps import BLOCKWISE, SYMMETRIC, UNPROJECTED
from certify.checker.steps import STEP_RULES as THEOREMS
from certify.metric.metric import Weighting
from certify.metric.objective import ROUNDER, Aim
from certify.problem.field import FlatField
from certify.steps import STEP_RULES, Setting, Step, onto_sets


class SafeSteps(NamedTuple):
    """Steps as the file holds them, and the methods without any.

    Attributes:
        steps: The steps, by method.
        without: Why there is no step, by method.
    """

    steps: dict[str, Step]
    without: dict[str, str]


def safe_steps(
    methods: Sequence[str],
    setting: Setting,
    field: FlatField,
    weighting: Weighting,
    basin: float,
    aim: Aim,
    *,
    projected: bool,
) -> SafeSteps:
    """Asks the rules of all methods for steps.

    Args:
        methods: The names of the methods.
        setting: The constants that the rules need.
        field: The pseudo-gradient.
        weighting: The metric.
        basin: Radius of the basin in that metric.
        aim: What steps are chosen for.
        projected: Whether steps are projected onto strategy sets.
    """
    found = SafeSteps({}, {})
    excluded = set(UNPROJECTED) if projected else set()
    if projected and field.constraints.couple:
        excluded |= BLOCKWISE
    if not field.is_gradient or setting.gain is None:
        excluded |= SYMMETRIC
    # The metric of the steps that the small-gain theorem gives, one weight per coordinate.
    small_gain = weighting if setting.gain is None else np.repeat(setting.gain.weights, field.sizes)
    for method in methods:
        proposed = [step for rule in STEP_RULES[method] if (step := rule(setting))]
        candidates = [step for step in proposed if step["theorem"] not in excluded]
        if candidates:
            found.steps[method] = _best(candidates, weighting, small_gain, basin, aim)
        else:
            found.without[method] = _why_none(method, field, projected, setting.gain is None)
    return found


def _why_none(method: str, field: FlatField, projected: bool, blind: bool) -> str:
    if projected and not onto_sets(method, together=field.constraints.couple):
        return "there is no theorem on its steps projected onto strategy sets"
    theorems = {theorem for name, theorem in THEOREMS if name == method}
    if blind and theorems <= SYMMETRIC:
        return "its theorem needs bounds on each block, which a proof by terms does not have"
    if not field.is_gradient and theorems <= SYMMETRIC:
        return "its theorem is one for pseudo-gradients, and this is another field"
    return "no step of it was proved with a basin in the region"


def _best(
    candidates: list[Step], weighting: Weighting, small_gain: np.ndarray, basin: float, aim: Aim
) -> Step:
    """Chooses, from the steps of several theorems, the step that serves the aim best.

    For a basin, it is the largest step whose basin is not much smaller than that of another step;
    for a rate, it is the step with the best rate; for a step or a margin, it is the largest step.
    """
    if aim.objective == "rate":
        return min(candidates, key=lambda step: step["rate"])
    if aim.objective == "basin":

        def reach(step: Step) -> float:
            """Returns about the shortest axis of the basin of a step, in half-widths."""
            metric = small_gain if step["theorem"] == "small_gain" else weighting
            size = np.sqrt(metric if metric.ndim == 1 else np.diagonal(metric))
            return step.get("basin", basin) / float((size * aim.half_widths).max())

        if all("inner" not in step for step in candidates):
            most = max(map(reach, candidates))
            candidates = [step for step in candidates if ROUNDER * reach(step) >= most]
    return max(candidates, key=lambda step: step["max"])
