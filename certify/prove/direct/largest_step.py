"""Looks for the largest step of a method that is proved to contract, by the direct route."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import dgames as dg
from certify.jacobian.enclosure_choice import AutoEnclosure, Enclosure
from certify.problem.field import compiled_jacobian
from certify.problem.region import Region
from certify.prove.arguments import check_enclosure, check_search
from certify.prove.direct.comparison import starts_in
from certify.prove.direct.contracting_step import Contraction, proved
from certify.prove.direct.step_problem import StepFunction, StepProblem, fixed_point, problem_of
from certify.prove.no_proof import NoProof
from certify.search.search_options import Search

# The first step to be tried, as a share of the spectral limit.
_FIRST = 1 - 2.0**-10
# To find the largest step, cells are cut until the factor is just below one; to find the best one,
# until the factor hardly improves.
_LOOSE, _TIGHT = 0.05, 0.8


class DirectStep(NamedTuple):
    """Steps of a method that are proved to contract, by the direct route.

    If nothing was proved, `max` is zero, and `at_max` and `at_best` say why there is no proof.

    Attributes:
        max: The largest step proved. Smaller steps are proved as well only if `smaller` is true.
        best: The step with the best proved factor, among those tried.
        rate: The factor of `best` per step, in the norm of `at_best.metric`; 1 if nothing was
            proved.
        limit: About the largest step with a spectral radius below 1 at the equilibrium, as found on
            a grid and by bisection in ordinary floating point.
        smaller: Whether every positive step below `max` contracts too, in the norm and on the box
            of `at_max`, with the same fixed point. This holds if the given method is the class
            `dgames.Simultaneous` itself (or `functools.partial` of it without arguments): then
            `T_h = (1 - t) I + t T_H` for `h = t H` and all t in (0, 1). For other methods, and for
            functions that make methods, only the steps that were tried are known; each other step
            is a claim of its own, to be proved with `certify.contraction`.
        at_max: The proof for `max`, with its metric, box and basin.
        at_best: The proof for `best`, with its own metric, box and basin.
        route: "direct".
    """

    max: float
    best: float
    rate: float
    limit: float
    smaller: bool
    at_max: Contraction
    at_best: Contraction
    route: str = "direct"


def largest_step(
    game: dg.Game | dg.AbstractField,
    method: Callable[[float], dg.AbstractMethod | StepFunction],
    region: Region,
    *,
    args: Any = None,
    tolerance: float = 0.01,
    enclosure: Enclosure = AutoEnclosure(),
    search: Search = Search(),
) -> DirectStep:
    """Looks for the largest step size for which a method provably contracts over a region.

    No proof is possible beyond the step from which on the spectral radius of the step's Jacobian at
    the equilibrium is at least 1. From there the search goes down by bisection, and every step that
    it accepts has a proof (see `certify.contraction`): the result is *a* proved step, and no proof
    was found for the step that is larger by the tolerance. Each step has a metric of its own.

    Args:
        game: The game.
        method: A function from a step size to a method: a class such as `dgames.Optimistic`, or
            `functools.partial(dgames.Momentum, momentum=-0.2)`, or any function, which may also
            return a step `(field, x) -> x` of the user's own. The same step size has to give the
            same step each time. Smaller steps are proved too only for the class
            `dgames.Simultaneous` itself, see `DirectStep.smaller`.
        region: The region of the strategies.
        args: Passed to the costs; fixed.
        tolerance: The relative tolerance of the bisection.
        enclosure: How the Jacobian of the field is enclosed.
        search: Its `max_cells` (64 by default) and its `progress` are used for each step tried.

    Returns:
        A `DirectStep`.

    Raises:
        ValueError: If `certify.contraction` raises it, or if the function makes another method when
            it gets the same step size again.
        EnclosureError: If `certify.contraction` raises it.

    Example:
        >>> import certify, dgames as dg
        >>> game = dg.game(lambda x, args: (x[0] ** 2 + x[0] * x[1], x[1] ** 2 - x[0] * x[1]))
        >>> found = largest_step(game, dg.Simultaneous, certify.Box.around((0.0, 0.0), 1.0))
        >>> 0.99 * 0.8 < found.max < 0.8, found.smaller
        (True, True)
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"largest_step: tolerance is {tolerance}; it must be between 0 and 1.")
    check_enclosure("largest_step", enclosure)
    check_search("largest_step", search)
    unused = ("max_seconds", "tightness", "checkpoint", "batch_size", "n_jobs")
    search.require_unused("largest_step", *unused)
    try:
        problem = problem_of(game, region, args, enclosure)
    except NoProof as end:
        nothing = Contraction("undecided", end.reasons)
        return DirectStep(0.0, 0.0, 1.0, 0.0, False, nothing, nothing)
    limit, favourite = _spectral_limit(problem, method)
    if limit <= 0:
        reason = "at the equilibrium no step of the method has a spectral radius below 1"
        nothing = Contraction("undecided", (reason,))
        return DirectStep(0.0, 0.0, 1.0, 0.0, False, nothing, nothing)

    def attempt(step: float, tightness: float) -> Contraction:
        return proved(problem, method(step), search.filled(64, tightness), compare=False)

    def confirm(step: float, found: Contraction) -> None:
        made = method(step)
        again = problem.step_map(made)
        hashes = {again.hash, problem.step_map(method(step)).hash}
        if hashes != {found.data["method"]["hash"]}:
            raise ValueError(
                f"largest_step: for the step size {step:.6g} the function makes another method "
                "each time it is called, so nothing is proved of those that it makes later."
            )
        problem.require_what_runs(made, again, starts_in(*found.start))

    low, high = 0.0, limit
    last = attempt(limit * _FIRST, _LOOSE)
    found: dict[float, Contraction] = {}
    if last.status == "proved":
        low = limit * _FIRST
        found[low] = last
    else:
        high = limit * _FIRST
        for share in (0.9, 0.75, 0.5, 0.25, 0.1, 0.03):
            last = attempt(limit * share, _LOOSE)
            if last.status == "proved":
                low = limit * share
                found[low] = last
                break
            high = limit * share
        while low and high > low * (1 + tolerance):
            middle = 0.5 * (low + high)
            last = attempt(middle, _LOOSE)
            if last.status == "proved":
                low, found[middle] = middle, last
            else:
                high = middle
    if not found:
        return DirectStep(0.0, 0.0, 1.0, limit, False, last, last)
    largest = max(found)
    quick = min(favourite, largest)
    better = attempt(quick, _TIGHT)
    if better.status == "proved" and (quick not in found or better.rate < found[quick].rate):
        found[quick] = better
    best = min(found, key=lambda step: found[step].rate)
    for step in {largest, best}:
        confirm(step, found[step])
    smaller = _is_simultaneous(method)
    return DirectStep(largest, best, found[best].rate, limit, smaller, found[largest], found[best])


def _is_simultaneous(method: Any) -> bool:
    """Says whether a function of the step size is known to make simultaneous steps of that size."""
    if type(method) is functools.partial and not (method.args or method.keywords):
        method = method.func
    return method is dg.Simultaneous


def _spectral_limit(
    problem: StepProblem, method: Callable[[float], dg.AbstractMethod | StepFunction]
) -> tuple[float, float]:
    """Returns the largest step found with spectral radius below 1, and that of least radius."""

    def radius(step: float) -> float:
        stepped = problem.step_map(method(step), rigorous=False)
        _, jacobian = stepped.at(fixed_point(stepped, problem.center))
        finite = np.isfinite(jacobian).all()
        return float(np.abs(np.linalg.eigvals(jacobian)).max()) if finite else np.inf

    scale = np.linalg.norm(np.asarray(compiled_jacobian(problem.field)(problem.center)), 2)
    grid = np.geomspace(0.03, 20.0, 24) / float(scale)
    radii = np.array([radius(float(step)) for step in grid])
    stable = np.flatnonzero(radii < 1)
    if not len(stable):
        return 0.0, 0.0
    low, high = float(grid[stable[-1]]), float(grid[min(stable[-1] + 1, len(grid) - 1)])
    for _ in range(16):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if radius(middle) < 1 else (low, middle)
    return low, float(grid[radii.argmin()])
