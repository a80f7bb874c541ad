"""Chooses the metric of a proof by terms of rank one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize

from certify.jacobian.rank_one import RankOne
from certify.metric.best_matrix import abscissa
from certify.metric.ladder import climb
from certify.metric.metric import Metric
from certify.metric.metric_options import AutoMetric
from certify.metric.objective import SHARE, Aim, Objective
from certify.metric.rank_one_bounds import lipschitz_bound, margin_bound
from certify.problem.region import half_widths
from certify.prove.no_proof import NoProof
from certify.prove.proof_task import ProofTask
from certify.prove.question import onto_metric

# Weights are between these powers of e, and this many are tried for each player but the first.
_RANGE, _TRIALS = 12.0, 30
# Rounds of improvement of multipliers for each of these, and halvings on the way to rounder ones.
_QUICK, _HALVINGS = 15, 8
# The most players whose weights are looked for one by one, and the most coordinates for a matrix.
_MOST_PLAYERS, _MOST_OF_MATRIX = 16, 48
# The share of the largest entry below which an eigenvalue counts as zero.
_TINY = 1e-9
# Jacobians with random slopes at the ends of their ranges, from which a matrix is chosen.
_CORNERS = 64


class ChosenMetric(NamedTuple):
    """A metric, and how it was chosen, in words."""

    metric: Metric
    words: str


def metric_of_terms(task: ProofTask, terms: RankOne) -> ChosenMetric:
    """Returns the metric of a proof: the one that was given, weights, or a matrix.

    A matrix is looked for where it is asked for, and where no weights have a positive margin.

    Raises:
        NoProof: If a matrix was given, of a game whose strategy sets bind.
    """
    field, option = task.field, task.metric
    given = option.given(field.names, field.sizes) or onto_metric(field)
    if given is not None:
        metric = Metric(given.chosen.weighting)
        if metric.is_matrix and field.constraints.bind:
            raise NoProof("with strategy sets, a proof by terms needs a metric of weights")
        return ChosenMetric(metric, given.chosen.name)
    assert isinstance(option, AutoMetric)
    asked = option.generality in ("block", "full")
    possible = field.dimension <= _MOST_OF_MATRIX and not field.constraints.bind
    chosen = _weights(task, terms, option.objective)
    if option.generality == "weights" or not possible:
        return chosen
    if not asked and margin_bound(terms, chosen.metric).value > 0:
        return chosen
    corners = _corners(terms)
    # No metric has a larger margin than that at the corners, and none is looked for near zero.
    if not asked and abscissa(corners) <= _TINY * np.abs(corners).max():
        return chosen
    aim = Aim(option.objective, half_widths(task.region), field.is_gradient, lambda: _left(task))
    ladder = climb(corners, field.sizes, option.generality, aim)
    matrix = Metric(ladder.chosen.weighting)
    looked = terms.apart() if matrix.is_matrix else terms
    better = margin_bound(looked, matrix).value > margin_bound(terms, chosen.metric).value
    if not (asked or better):
        return chosen
    return ChosenMetric(matrix, f"{ladder.chosen.name}, chosen at ends of the ranges of slopes")


def _left(task: ProofTask) -> float:
    return task.budget.left


def _corners(terms: RankOne) -> np.ndarray:
    """Returns Jacobians with slopes in the middle, and at random ends of their ranges."""
    signs = np.random.default_rng(0).choice((-1.0, 1.0), (_CORNERS, len(terms.low)))
    signs[0] = 0.0
    return terms.jacobians(terms.middle + signs * terms.radius)


def _weights(task: ProofTask, terms: RankOne, objective: Objective) -> ChosenMetric:
    field, players = task.field, len(task.field.sizes)
    # In a zero-sum game couplings cancel in equal weights, and own curvatures bound every metric.
    zero_sum = field.zero_sum and field.is_gradient
    if players == 1 or players > _MOST_PLAYERS or (zero_sum and objective in ("basin", "margin")):
        return ChosenMetric(Metric(np.ones(field.dimension)), "equal weights")

    def spread(logs: np.ndarray) -> Metric:
        return Metric(np.repeat(np.exp([0.0, *logs]), field.sizes))

    def margin(logs: np.ndarray) -> float:
        return margin_bound(terms, spread(logs), rounds=_QUICK).value

    def value(logs: np.ndarray) -> float:
        if objective not in ("step", "rate"):
            return margin(logs)
        steepness = lipschitz_bound(terms, spread(logs)).value
        return margin(logs) / steepness ** (2 if objective == "step" else 1)

    logs = np.zeros(players - 1)
    for _ in range(1 if players == 2 else 2):
        for k in range(players - 1):
            logs = _along(value, logs, k)
    if objective == "basin":
        logs = _rounder(margin, logs, task)
    return ChosenMetric(spread(logs), f"weights for the {objective}")


def _along(value: Callable[[np.ndarray], float], logs: np.ndarray, k: int) -> np.ndarray:
    """Returns logarithms of weights of which the k-th is the best one that was found."""

    def at(x: float) -> np.ndarray:
        return np.array([*logs[:k], x, *logs[k + 1 :]])

    found: Any = scipy.optimize.minimize_scalar(
        lambda x: -value(at(x)),
        bounds=(-_RANGE, _RANGE),
        method="bounded",
        options={"maxiter": _TRIALS, "xatol": 1e-2},
    )
    return at(float(found.x)) if -float(found.fun) > value(logs) else logs


def _rounder(
    margin: Callable[[np.ndarray], float], logs: np.ndarray, task: ProofTask
) -> np.ndarray:
    """Returns weights nearer to those of round balls, which keep most of the margin.

    In the units of the region balls are round if weights go with the inverse squares of the
    half-widths. On the way from there the margin is the smaller the farther it is from its best.
    """
    sizes, widths = task.field.sizes, np.log(half_widths(task.region))
    starts = np.cumsum([0, *sizes[:-1]])
    units = -2 * np.add.reduceat(widths, starts) / np.array(sizes)
    even = np.clip((units - units[0])[1:], -_RANGE, _RANGE)
    target, far, near = SHARE["basin"] * margin(logs), 1.0, 0.0
    if margin(even) >= target:
        return even
    for _ in range(_HALVINGS):
        middle = 0.5 * (near + far)
        if margin(even + middle * (logs - even)) >= target:
            far = middle
        else:
            near = middle
    return even + far * (logs - even)
