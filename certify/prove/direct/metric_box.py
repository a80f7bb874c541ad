"""Proposes metrics in which a step may contract, each with its box of augmented states."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from certify.prove.direct.factor import metric_inverse, rounded_metric
from certify.prove.direct.state_metric import candidates, factor, robust
from certify.prove.direct.step_map import StepMap
from certify.prove.direct.step_problem import StepProblem


class MetricBox(NamedTuple):
    """A metric for a step, and the box in which the step is to contract."""

    metric: np.ndarray
    inverse: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    reach: float


def _metric_box(problem: StepProblem, center: np.ndarray, metric: np.ndarray) -> MetricBox:
    """Returns the region times the buffers of the largest ball with strategies in the region."""
    lower, upper = problem.region.bounds()
    n = len(lower)
    unit, integers = rounded_metric(metric)
    metric = np.ldexp(integers, unit)
    inverse = metric_inverse(metric)
    widths = np.sqrt(np.diag(inverse) * (1 + 2.0**-15))
    gaps = np.minimum(center[:n] - lower, upper - center[:n])
    reach = float((gaps / widths[:n]).min())
    buffers = widths[n:] * reach * (1 + 2.0**-20)
    return MetricBox(
        metric,
        inverse,
        np.concatenate([lower, center[n:] - buffers]),
        np.concatenate([upper, center[n:] + buffers]),
        reach,
    )


def metric_boxes(
    problem: StepProblem, step: StepMap, center: np.ndarray, jacobian: np.ndarray
) -> Iterator[MetricBox]:
    """Yields metrics and boxes that may work, guessed by sampling, the most promising first."""
    generator = np.random.default_rng(0)
    found: list[tuple[float, MetricBox, np.ndarray]] = []
    constant = not step.varies
    shares = generator.uniform(-1, 1, (10, step.dimension))
    shares[:6] = np.sign(shares[:6])
    for metric in candidates(jacobian):
        setting = _metric_box(problem, center, metric)
        # The first test is at the fixed point alone, so that hopeless metrics are not sampled.
        size = factor(jacobian[None], setting.metric)
        if size >= 1 or not setting.reach > 0:
            continue
        samples = jacobian[None]
        if not constant:
            middle = 0.5 * (setting.lower + setting.upper)
            half = 0.5 * (setting.upper - setting.lower)
            samples = np.stack([jacobian, *(step.at(middle + half * s)[1] for s in shares)])
            if not np.isfinite(samples).all():
                continue
            size = factor(samples, setting.metric)
        found.append((size, setting, samples))
    found.sort(key=lambda item: item[0])
    if found and not constant and step.dimension <= 24 and found[0][0] > 0.9:
        _, setting, samples = found[0]
        better = robust(samples, setting.metric, 0.999)
        if better is not None:
            setting = _metric_box(problem, center, better)
            found.insert(0, (factor(samples, setting.metric), setting, samples))
            found.sort(key=lambda item: item[0])
    for size, setting, _ in found[:3]:
        if size < 1:
            yield setting
