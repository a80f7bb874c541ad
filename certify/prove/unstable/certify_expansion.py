"""Proves that all runs of a method, or of the flow, leave a region."""

import dataclasses
import time
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from flint import ctx  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Float

import dgames as dg
from certify.checker import Unusable
from certify.checker.exact import Work
from certify.checker.krawczyk import IntervalMatrix
from certify.checker.leaving import REFERENCE_BITS, step_expands
from certify.checker.matrices import Matrix
from certify.checker.reader import EXPANSION, FORMAT, VERSION, Reader
from certify.checker.rederive import PRECISION
from certify.checker.repulsion import flow_grows
from certify.checker.step_matrices import RoundedIntervalMatrix, StepMethod, step_jacobian
from certify.claims.checked import Checked, NotAccepted
from certify.claims.expanding_region import Expansion
from certify.file.provenance import provenance
from certify.problem.region import Box
from certify.prove.direct.factor import rounded_metric
from certify.prove.file_parts import hexadecimal
from certify.prove.no_proof import NoProof
from certify.prove.unstable.growing_form import lyapunov
from certify.prove.unstable.posed_field import (
    method_in_file,
    posed_field,
    require_free,
    require_plain_flow,
)
from certify.prove.zero.certify_zero import cell_budget
from certify.prove.zero.evidence_of_zero import interval_matrix
from certify.prove.zero.newton import bounds_on, linearised
from certify.prove.zero.posed_system import PosedSystem
from certify.prove.zero.zero_file import corners_in_file
from certify.search.budget import Budget
from certify.search.search_options import Search

TRUSTED = (
    "Statement (B) of certify/checker/leaving.py: that the Jacobian of the field is in the stated "
    "interval matrices on the cells. Level 2 of the checker re-derives it from the field in this "
    "file; else it rests on the same code, which found them: on python-flint, and the graph in "
    "this file being that of their code.",
    "The field means the real-valued function that its code spells out, with constants taken "
    "exactly; flow and steps are those of real arithmetic, without projections, which change "
    "nothing as the region was found to be inside the strategy sets.",
    "The checker and the Python interpreter that runs it.",
)

# The share of the growth at sampled points that is claimed where the Jacobian varies, and where it
# does not; how many points are sampled beside the centre and those of the faces; and the relative
# difference of Jacobians up to which they are one.
_SHARE, _OF_CONSTANTS, _POINTS, _SAME = 0.5, 1 - 2.0**-20, 16, 1e-12
# Bits of the integers of Jacobians, below the largest entry.
_BITS = 60
# By how much, in widths of the region, the strategy sets have to extend beyond it.
_BEYOND = 2.0**-20


class _Growth(NamedTuple):
    """A metric and how much distances grow in it at sampled points."""

    metric: Float[np.ndarray, "n n"]
    growth: float


class _Setting(NamedTuple):
    """What is to be proved on each cell."""

    task: PosedSystem
    method: StepMethod
    metric: Matrix
    reference: Matrix
    growth: float
    unit: int


def certify_expansion(
    game: dg.Game | dg.AbstractField,
    method: dg.Simultaneous | None,
    region: Box,
    *,
    args: Any = None,
    search: Search = Search(),
) -> Expansion:
    """Proves that all runs of simultaneous steps, or of the flow, leave a region.

    The region is cut into cells, over each of which the Jacobian of the field is enclosed, until on
    all of them distances are proved to grow in one metric. A certificate with status "proved" says,
    with the step `T(x) = x - h F(x)`, for all x and y in the region,

        |T(x) - T(y)|_P^2 >= growth |x - y|_P^2,    growth > 1,

    or of two solutions of the flow `|x(t) - y(t)|_P >= exp(growth t) |x(0) - y(0)|_P`. So any two
    runs separate until one of them leaves the region; the region has at most one zero of the field,
    and every run that starts in it at any other point leaves it. It may come back, of which nothing
    is said. The theorem and its proof are in `certify/checker/leaving.py`.

    Args:
        game: A game or a field, of smooth primitives that can be spelled out as a graph.
        method: `dgames.Simultaneous` with its step size, one or one per player; None for the flow
            `x' = -F(x)`, without strategy sets.
        region: A box, inside of the strategy sets, if there are any.
        args: Passed to the costs, or to the field; fixed.
        search: How long and how finely the region is cut into cells, and which share of the growth
            at sampled points is to be proved. By default: up to 256 cells, and half of it.

    Returns:
        An `Expansion`; its file has been accepted by the independent checker if it is "proved".
        "undecided" says why there is no proof.

    Raises:
        ValueError: If the arguments do not fit together, or the method is another one.
        EnclosureError: If a function uses derivative rules of its own.

    Example:
        >>> import certify, dgames as dg
        >>> pull = dg.zero_sum(lambda x, args: x[0] * x[1])
        >>> box = certify.Box((-1.0, -1.0), (1.0, 1.0))
        >>> found = certify.certify_expansion(pull, dg.Simultaneous(0.5), box)
        >>> found.status, round(found.growth, 4)
        ('proved', 1.25)
    """
    caller = "certify_expansion"
    share = search.tightness
    budget = cell_budget(caller, dataclasses.replace(search, tightness=None))
    if not isinstance(region, Box):
        raise ValueError(f"{caller}: the region has to be a certify.Box.")
    if method is not None and type(method) is not dg.Simultaneous:
        raise ValueError(
            f"{caller}: the method is {type(method).__name__}; it must be a dgames.Simultaneous, "
            "or None for the flow."
        )
    described = method_in_file(caller, method, game, region.lower)
    if method is None:
        require_plain_flow(caller, game, region.lower)
    try:
        task = posed_field(caller, game, region.center, args)
        lower, upper = region.bounds()
        require_free(caller, game, *_wider(lower, upper), task)
        contents = _proved(task, described, lower, upper, share, budget)
        return Expansion("proved", contents=contents)
    except NoProof as end:
        return Expansion("undecided", end.reasons)
    except Unusable as error:
        return Expansion("undecided", (str(error),))


def _proved(
    task: PosedSystem,
    described: dict[str, Any],
    lower: np.ndarray,
    upper: np.ndarray,
    share: float | None,
    budget: Budget,
) -> Checked:
    began = time.perf_counter()
    method = StepMethod(Reader(described), len(task.field.sizes))
    samples = [linearised(task, point).jacobian for point in _points(lower, upper)]
    steps = np.repeat([float(h) for h in method.steps], task.field.sizes) if method.steps else None
    mean = np.mean(samples, axis=0)
    best = max(
        (_grown(metric, samples, mean, steps) for metric in _metrics(mean, steps)),
        key=lambda found: found.growth,
    )
    least = 0.0 if method.is_flow else 1.0
    size = float(np.abs(samples).max())
    if not best.growth > least + 1e-13 * size:
        raise NoProof(
            f"no metric was found in which distances grow at all points that were looked at: the "
            f"growth is {best.growth:.6g} (an estimate)"
        )
    varies = max(float(np.abs(each - mean).max()) for each in samples) > _SAME * size
    part = share or (_SHARE if varies else _OF_CONSTANTS)
    growth = least + part * (best.growth - least)
    unit, metric = rounded_metric(best.metric)
    whole = [[int(x) for x in row] for row in metric]
    reference = [] if steps is None else _reference(mean, steps)
    exponent = int(np.ceil(np.log2(max(size, 2.0**-900)))) - _BITS
    setting = _Setting(task, method, whole, reference, growth, exponent)
    cells = _covering(setting, lower, upper, budget)
    data = {
        "format": FORMAT,
        "version": VERSION,
        "kind": EXPANSION,
        "game": task.game,
        "claims": {
            "region": corners_in_file(lower, upper),
            "metric": {"unit": unit, "matrix": [x for row in whole for x in row]},
            "method": described,
            "growth": hexadecimal(growth),
        },
        **({"promoted": list(task.field.promoted)} if task.field.promoted else {}),
        "trusted": [*TRUSTED, *task.field.promoted],
        "provenance": {**provenance(), "seconds": f"{time.perf_counter() - began:.2f}"},
        "evidence": {
            "unit": exponent,
            **({"reference": [x for row in reference for x in row]} if reference else {}),
            "cells": cells,
        },
    }
    try:
        contents = Checked(data)
    except NotAccepted as rejection:
        raise NoProof(f"the checker did not accept it: {rejection}") from None
    task.compare(lower, upper)
    return contents


def _wider(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns a box with the region in its interior, even where floats are far apart.

    What is projected from outside of the sets lands on their boundary, which is not to be in the
    region: there a run could stay.
    """
    beyond = _BEYOND * (upper - lower)
    low, high = np.nextafter(lower, -np.inf), np.nextafter(upper, np.inf)
    return np.minimum(lower - beyond, low), np.maximum(upper + beyond, high)


def _points(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Returns the centre, the middles of faces, corners of opposite ends, and random points."""
    n, middle = len(lower), 0.5 * lower + 0.5 * upper
    faces = np.tile(middle, (2 * n, 1))
    faces[np.arange(n), np.arange(n)] = lower
    faces[np.arange(n, 2 * n), np.arange(n)] = upper
    random = np.random.default_rng(0).random((_POINTS, n))
    return np.concatenate([[middle], faces, [lower, upper], lower + random * (upper - lower)])


def _metrics(mean: np.ndarray, steps: np.ndarray | None) -> list[np.ndarray]:
    """Returns metrics to try: the Euclidean one, and one from Lyapunov's equation at the mean."""
    metrics, n = [np.eye(len(mean))], len(mean)
    matrix = -mean if steps is None else np.eye(n) - steps[:, None] * mean
    values = np.linalg.eigvals(matrix)
    least = values.real.min() if steps is None else np.abs(values).min()
    if least > (0 if steps is None else 1):
        for part in (0.5, 0.9, 0.99):
            rate = least * part if steps is None else least**part
            try:
                found = lyapunov(matrix, rate, flow=steps is None)
            except np.linalg.LinAlgError:
                continue
            if np.isfinite(found).all() and np.linalg.eigvalsh(found).min() > 0:
                metrics.append(found / np.abs(found).max())
    return metrics


def _grown(
    metric: np.ndarray, samples: list[np.ndarray], mean: np.ndarray, steps: np.ndarray | None
) -> _Growth:
    """Returns how much distances grow in a metric at sampled points."""
    growth, identity = np.inf, np.eye(len(mean))
    for jacobian in samples:
        if steps is None:
            form = -0.5 * (metric @ jacobian + jacobian.T @ metric)
        else:
            k, a = (identity - steps[:, None] * each for each in (mean, jacobian))
            form = a.T @ metric @ k + k.T @ metric @ a - k.T @ metric @ k
        least = scipy.linalg.eigh(0.5 * (form + form.T), metric, eigvals_only=True)[0]
        growth = min(growth, float(least))
    return _Growth(metric, growth)


def _reference(mean: np.ndarray, steps: np.ndarray) -> Matrix:
    """Returns the matrix K, the step at the mean Jacobian, in integers."""
    step = np.eye(len(mean)) - steps[:, None] * mean
    return [[int(x * 2.0**REFERENCE_BITS) for x in row] for row in step.tolist()]


def _covering(
    setting: _Setting, lower: np.ndarray, upper: np.ndarray, budget: Budget
) -> list[dict[str, Any]]:
    """Returns the cells of a file in their order.

    Raises:
        NoProof: If there would be too many.
    """
    pending, nodes, leaves = [(lower, upper)], [], 0
    while pending:
        low, high = pending.pop()
        jacobian, scores = _enclosed(setting, low, high)
        if jacobian is not None and _holds(setting, jacobian):
            nodes.append({"jacobian": jacobian})
            leaves += 1
            continue
        spent = budget.spent(leaves + len(pending) + 1)
        axis = int(np.argmax(scores))
        at = 0.5 * low[axis] + 0.5 * high[axis]
        if spent or not low[axis] < at < high[axis]:
            reason = "distances were not shown to grow on all of the region"
            raise NoProof(f"{reason}; {spent}" if spent else reason)
        nodes.append({"split": axis, "at": float(at).hex()})
        below, above = high.copy(), low.copy()
        below[axis] = above[axis] = at
        pending += [(above, high), (low, below)]
    return nodes


def _enclosed(
    setting: _Setting, low: np.ndarray, high: np.ndarray
) -> tuple[dict[str, list[int]] | None, np.ndarray]:
    """Returns the Jacobian on a cell, if it exists, and its variation along each coordinate."""
    task, half = setting.task, 0.5 * high - 0.5 * low
    scores, system = np.zeros(len(low)), task.system
    with ctx.workprec(PRECISION):
        found = bounds_on(task, low, high)
        if not found.is_smooth:
            return None, half
        for k in range(len(low)):
            for equation in range(system.unknowns):
                slopes = [found.along(term, k) for term in _entries(system, equation)]
                scores[k] += half[k] * sum(float(x.magnitude().upper()) for x in slopes)
        return interval_matrix(found.jacobian(), setting.unit), scores if scores.any() else half


def _entries(system: Any, equation: int) -> list[list[Any]]:
    """Returns the entries of a row of the Jacobian, as sums of derivatives."""
    return [
        [term._replace(along=(*term.along, k)) for term in system.equation(equation)]
        for k in range(system.unknowns)
    ]


def _holds(setting: _Setting, jacobian: dict[str, list[int]]) -> bool:
    """Says whether the checker would accept a cell."""
    n, work = len(setting.metric), Work()
    stated = IntervalMatrix(Reader(jacobian), n, n)
    matrix, growth = RoundedIntervalMatrix.of(stated, setting.unit), Fraction(setting.growth)
    if setting.method.is_flow:
        return flow_grows(matrix, setting.metric, growth, work)
    sizes = list(setting.task.field.sizes)
    step = step_jacobian(setting.method, matrix, sizes, work).step
    return step_expands(step, setting.reference, setting.metric, growth, work)
