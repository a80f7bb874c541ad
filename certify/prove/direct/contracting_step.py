"""Proves by the direct route that a step of a method, as it is, contracts over a region."""

from typing import Any

import jax.numpy as jnp
import numpy as np

import dgames as dg
from certify.checker.reader import Reader
from certify.claims.contraction import Contraction
from certify.jacobian.enclosure_choice import AutoEnclosure, Enclosure
from certify.jacobian.family import AffineFamily
from certify.problem.field import flat_field
from certify.problem.region import Box, Region
from certify.prove.arguments import check_enclosure, check_search
from certify.prove.direct.comparison import starts_in
from certify.prove.direct.contraction_file import assembled
from certify.prove.direct.factor_measure import factor_measure
from certify.prove.direct.metric_box import MetricBox, metric_boxes
from certify.prove.direct.purity import Surroundings
from certify.prove.direct.step_map import StepMap
from certify.prove.direct.step_problem import (
    StepFunction,
    StepProblem,
    fixed_point,
    problem_at,
    problem_of,
)
from certify.prove.no_proof import NoProof
from certify.search.cover import cover
from certify.search.search_options import Search
from certify.search.tree import Tree
from dgames.strategy import Strategy


def contraction(
    game: dg.Game | dg.AbstractField,
    method: dg.AbstractMethod | StepFunction,
    region: Region,
    *,
    args: Any = None,
    enclosure: Enclosure = AutoEnclosure(),
    search: Search = Search(),
) -> Contraction:
    """Proves that one step of a method, with its buffers, contracts over a region.

    The Jacobian of the step map on the augmented state is enclosed over the whole region, not
    derived from constants of the game: the step itself is certified, whatever its class. So any
    method is accepted that combines its strategy, its buffers and values of the field linearly, the
    user's own too; calls, loops with a fixed number of rounds, `jax.jit`, `jax.vmap` and branches
    that constants decide may be part of it. The code is traced as `jax.jit` traces it, and a step
    that does not always give the same code is refused. As a last check, steps are run from some
    starts and compared with the code; that proves nothing. The metric is found from the Jacobian at
    the equilibrium and from samples; then the factor is proved cell by cell in that one metric, in
    exact arithmetic.

    Theorem: if `DT(z)' P DT(z) <= rate^2 P` on a convex set then `T` contracts there by `rate` in
    `|z|_P` (the mean value of `DT` on a segment obeys the same inequality, which is convex in
    `DT`); a ball around a fixed point inside the set is mapped into itself.

    Args:
        game: Costs that are smooth and built from primitives with an enclosure rule; or a field,
            such as an adjusted one, whose zero is then meant by the equilibrium.
        method: A method with its step size, or a function `step(field, x)` that returns the next
            strategy and evaluates nothing but the field that it is given. Such a function gets
            stacked players as a tuple of blocks.
        region: The region of the strategies; a ball is replaced by its bounding box. Buffers are in
            a box that the metric suggests.
        args: Passed to the costs, and to methods; fixed. The step must evaluate the field with
            these very arguments: a function writes `field(x, args)` unless they are None.
        enclosure: How the Jacobian of the field is enclosed.
        search: How long and how finely to search. By default: up to 64 cells, until the proved
            `1 - rate` is about half of what further cutting could prove. The search runs in this
            process, without a checkpoint.

    Returns:
        A `Contraction`; its evidence has been accepted by the independent checker if it is
        "proved". "undecided" says nothing about the step.

    Raises:
        ValueError: If the step depends on the number of steps made before, as those of Adam and of
            anchored methods do (a count that no step depends on is left out), or its state is not
            real; if its code differs each time it is traced; if game, region and options do not fit
            together.
        EnclosureError: If the step is not linear in strategy, buffers and field (in all of R^n: a
            branch, cast or clip is refused wherever it is), looks at numbers in Python, calls
            back into Python, differentiates the field, evaluates it with other arguments, or asks
            it for anything else; if it does not run as it was traced; or if the costs use a
            primitive without an enclosure rule.

    Example:
        >>> import certify, dgames as dg
        >>> pull = dg.zero_sum(lambda x, args: x["a"] * x["b"] + 0.1 * x["a"] ** 2)
        >>> box = certify.Box.around({"a": 0.0, "b": 0.0}, 1.0)
        >>> step = contraction(pull, dg.Optimistic(0.3), box)
        >>> step.status, step.dimension, round(step.rate, 2) < 1
        ('proved', 4, True)
    """
    check_enclosure("contraction", enclosure)
    check_search("contraction", search)
    search.require_unused("contraction", "checkpoint", "batch_size", "n_jobs")
    search = search.filled(64, 0.5)
    try:
        return proved(problem_of(game, region, args, enclosure), method, search)
    except NoProof as end:
        return Contraction("undecided", end.reasons)


def is_same_step(
    certificate: Contraction,
    game: dg.Game | dg.AbstractField,
    method: dg.AbstractMethod | StepFunction,
    like: Strategy,
    *,
    args: Any = None,
) -> bool:
    """Says whether a certificate of contraction is about this game, these arguments and this step.

    The code of game and step is traced anew and its hashes are compared with those in the file. The
    hash of the game is that of its costs and of every constant in them, including the arguments.
    The hash of the step is that of all that it computes from strategy, buffers and values of the
    field, and of the first state, with all constants such as step sizes. Names of classes play no
    part.

    Args:
        certificate: A proved certificate.
        game: A game or a field.
        method: A method with its step size, or a step of the user's own.
        like: A joint strategy, for its structure.
        args: The arguments of the costs.

    Raises:
        ValueError: If `contraction` would raise it.
        EnclosureError: If `contraction` would raise it.
    """
    if certificate.difference(game, like, args) is not None:
        return False
    box, center = Box.around(like, 1.0), certificate.start.center
    problem = problem_at(game, flat_field(game, box, args), box, args, center, AutoEnclosure())
    return problem.step_map(method).hash == Reader(certificate.data)["method"]["hash"].text()


def proved(
    problem: StepProblem,
    method: dg.AbstractMethod | StepFunction,
    search: Search,
    *,
    compare: bool = True,
) -> Contraction:
    """Proves contraction for a problem; `compare` asks for the comparison with what runs."""
    surroundings = Surroundings(method)
    step = problem.step_map(method)
    center = fixed_point(step, problem.center)
    _, jacobian = step.at(center)
    if not np.isfinite(jacobian).all() or np.abs(np.linalg.eigvals(jacobian)).max() >= 1:
        reason = "at its fixed point the Jacobian of the step has a spectral radius of at least 1"
        return Contraction("undecided", (reason,))
    reason = "no metric was found in which the sampled Jacobians of the step contract"
    for setting in metric_boxes(problem, step, center, jacobian):
        tree = _covered(step, setting, search)
        contents, reason = assembled(problem.field, step, method, center, setting, tree)
        if contents is not None:
            found = Contraction("proved", contents=contents)
            if compare:
                problem.require_what_runs(method, step, starts_in(*found.start))
            surroundings.require_unchanged()
            return found
    return Contraction("undecided", (reason,))


def _covered(step: StepMap, setting: MetricBox, search: Search) -> Tree[AffineFamily]:
    """Searches for cells on which the factor is below one, as far as floating point tells."""
    return cover(
        Box((jnp.asarray(setting.lower),), (jnp.asarray(setting.upper),)),
        factor_measure(step, setting),
        tightness=search.share,
        budget=search.budget,
        progress=search.progress,
    )
