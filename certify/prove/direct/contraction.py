"""The direct route: a step of a method, as it is, is proved to contract over a region."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import dgames as dg
from certify.checker.reader import Reader
from certify.claims.contraction import Contraction, StartBall
from certify.jacobian.family import AffineFamily
from certify.problem.exact_types import is_pseudo_gradient
from certify.problem.field import FlatField, flat_field
from certify.problem.region import Box, Region
from certify.prove.direct.comparison import require_same, starts_in
from certify.prove.direct.contraction_file import MetricBox, assembled
from certify.prove.direct.factor import metric_inverse, rate, rounded_metric
from certify.prove.direct.purity import Surroundings
from certify.prove.direct.state_metric import candidates, factor, robust
from certify.prove.direct.step_map import StepMap
from certify.prove.zeros import find_zero
from certify.search.branch import cover
from certify.search.budget import Budget
from certify.search.measure import Cell, Measured
from certify.search.tree import Tree
from dgames.sets import player_sets
from dgames.strategy import Strategy, blocks, ravel

# A step as users may write it: from the field and a strategy to the next strategy.
StepFunction = Callable[[dg.AbstractField, Strategy], Strategy]


def contraction(
    game: dg.Game | dg.AbstractField,
    method: dg.AbstractMethod | StepFunction,
    region: Region,
    *,
    args: Any = None,
    max_cells: int = 64,
    tightness: float = 0.5,
) -> Contraction:
    """Proves that one step of a method, buffers and all, contracts over a region.

    The Jacobian of the step map on the augmented state is enclosed over the whole region, not
    derived from constants of the game: what is certified is the step itself, of whatever class. So
    any method that combines its strategy, its buffers and values of the field linearly will do, the
    user's own too; calls, loops with a fixed number of rounds, `jax.jit`, `jax.vmap` and branches
    that constants decide may be part of it. The code is traced as `jax.jit` traces it, and what
    does not always give the same code is refused. As a last net, steps are run from some starts
    and compared with the code; that proves nothing. The metric is found from the Jacobian at the
    equilibrium and from samples; then the factor is proved cell by cell in that one metric, in
    exact arithmetic.

    Theorem: if `DT(z)' P DT(z) <= rate^2 P` on a convex set then `T` contracts there by `rate` in
    `|z|_P` (the mean value of `DT` on a segment obeys the same inequality, which is convex in
    `DT`); a ball around a fixed point inside the set is mapped into itself.

    Args:
        game: Costs that are smooth and built from primitives with an enclosure rule; or a field,
            such as one that is adjusted, whose zero is then the equilibrium that is meant.
        method: A method with its step size, or a function `step(field, x)` that returns the next
            strategy and evaluates nothing but the field that it is given. To it, stacked players
            are a tuple of blocks.
        region: Where the strategies are; a ball is replaced by its bounding box. Buffers are in a
            box that the metric suggests.
        args: Passed to the costs, and to methods; fixed. The step must evaluate the field with
            these very arguments: a function writes `field(x, args)` unless they are None.
        max_cells: Cut no further than to this many cells.
        tightness: Cells are cut until the proved `1 - rate` is about this share of what further
            cutting could prove, in (0, 1).

    Returns:
        A `Contraction`; its evidence has been accepted by the independent checker if it is
        "proved". "undecided" says nothing about the step.

    Raises:
        ValueError: If the step depends on the number of steps made before, as that of Adam does, or
            its state is not real; if it is another one each time it is traced; if game, region and
            options do not fit together.
        EnclosureError: If the step is not linear in strategy, buffers and field (in all of R^n: a
            branch, cast or clip is refused wherever it is), looks at numbers in Python, calls
            back into Python, differentiates the field, evaluates it with other arguments, or asks
            it for anything else; if it does not run as it was traced; if the costs use a primitive
            without an enclosure rule.

    Example:
        >>> import certify, dgames as dg
        >>> pull = dg.zero_sum(lambda x, args: x["a"] * x["b"] + 0.1 * x["a"] ** 2)
        >>> box = certify.Box.around({"a": 0.0, "b": 0.0}, 1.0)
        >>> step = contraction(pull, dg.Optimistic(0.3), box)
        >>> step.status, step.dimension, round(step.rate, 2) < 1
        ('proved', 4, True)
    """
    if not 0 < tightness < 1:
        raise ValueError(f"contraction: tightness is {tightness}; it must be between 0 and 1.")
    if max_cells < 1:
        raise ValueError(f"contraction: max_cells is {max_cells}; it must be at least 1.")
    problem = problem_of(game, region, args)
    if isinstance(problem, str):
        return Contraction("undecided", (problem,))
    return proved(problem, method, max_cells, tightness)


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
    hash of the game is that of its costs and of every constant in them, the arguments among these;
    that of the step, of all that it computes from strategy, buffers and values of the field, and of
    the first state, with all constants such as step sizes. Names of classes play no part.

    Args:
        certificate: A proved one.
        game: A game or a field.
        method: A method with its step size, or a step of the user's own.
        like: A joint strategy, for its structure.
        args: Of the costs.

    Raises:
        ValueError: As `contraction`.
        EnclosureError: As `contraction`.
    """
    if certificate.difference(game, like, args) is not None:
        return False
    box, center = Box.around(like, 1.0), certificate.start.center
    problem = _problem(game, flat_field(game, box, args), box, args, center)
    return problem.step_map(method).hash == Reader(certificate.data)["method"]["hash"].text()


class Problem(NamedTuple):
    """What all steps on one game and region have in common.

    Attributes:
        given: The field as the user's steps see it.
        args: Its arguments.
        field: The field as a function of vectors, with its arguments bound.
        strategy_set: Of the game.
        region: Where.
        center: The equilibrium, nearly.
    """

    given: dg.AbstractField
    args: Any
    field: FlatField
    strategy_set: Any
    region: Region
    center: np.ndarray

    def step_map(
        self, method: dg.AbstractMethod | StepFunction, *, rigorous: bool = True
    ) -> StepMap:
        """The step of a method as a map of vectors."""
        plain = is_pseudo_gradient(self.given)

        def inherits(name: str) -> bool:
            written = (inspect.getattr_static(x, name) for x in (self.given, dg.AbstractField))
            return next(written) is next(written)

        return StepMap(
            self.field,
            self.strategy_set,
            as_method(method),
            self.center,
            args=self.args,
            rigorous=rigorous,
            own_blocks=plain or inherits("block"),
            own_projection=plain or inherits("project"),
        )

    def require_what_runs(
        self, method: dg.AbstractMethod | StepFunction, step: StepMap, start: StartBall
    ) -> None:
        """Raises if the method, run by itself from points of a ball, does not do what `step` says.

        Raises:
            EnclosureError: So it is, at the point that the message shows.
        """
        stacked = isinstance(self.region.example, dg.Stacked)
        field, unravel = self.given, ravel(self.region.center)[1]
        if stacked and not isinstance(method, dg.AbstractMethod):
            field, unravel = _of_blocks(self.given, self.strategy_set), self.field.unravel
        stepped = as_method(method)

        def run(x: Strategy, steps: int) -> list[Strategy]:
            state, found = stepped.init(field, x, self.args), []
            for _ in range(steps):
                x, state = stepped.step(field, x, state, self.args)
                found.append(x)
            return found

        require_same(step, run, unravel, starts_in(*start), promoted=bool(self.field.promoted))


def as_method(method: dg.AbstractMethod | StepFunction) -> dg.AbstractMethod:
    """A method, of a step of the user's own too."""
    return method if isinstance(method, dg.AbstractMethod) else _Written(method)


def problem_of(game: dg.Game | dg.AbstractField, region: Region, args: Any) -> Problem | str:
    """The problem, or why there is none."""
    field = flat_field(game, region, args)
    field.constraints.require_inside(region)
    point = find_zero(field, region)
    if point is None:
        return "no equilibrium was found in the region"
    return _problem(game, field, region, args, point)


def _problem(
    game: dg.Game | dg.AbstractField, field: FlatField, region: Region, args: Any, point: np.ndarray
) -> Problem:
    sets = game.strategy_set(region.example)
    if isinstance(region.example, dg.Stacked):
        sets, field = player_sets(sets, region.example), _one_by_one(field)
    return Problem(dg.as_field(game), args, field, sets, region, point)


def _of_blocks(given: dg.AbstractField, sets: Any) -> dg.AbstractField:
    """A field of stacked players as one of a tuple of them."""
    return dg.FunctionField(lambda x, args: blocks(given(dg.stack(x), args)), sets)


def _one_by_one(field: FlatField) -> FlatField:
    """The same field with a tuple of players in place of a stack; their vectors are the same.

    What a step does is followed call by call, which a loop or a map over players would hide.
    """
    stacked, gradient = field.unravel, field.gradient
    return dataclasses.replace(
        field,
        unravel=lambda vector: blocks(stacked(vector)),
        gradient=dg.FunctionField(lambda x, args: blocks(gradient(dg.stack(x), args))),
    )


class _Written(dg.AbstractMethod):
    """A user's own step without a state."""

    function: Callable

    def init(self, field: dg.AbstractField, x: Strategy, args: Any = None) -> None:
        """There is no state."""

    def step(
        self, field: dg.AbstractField, x: Strategy, state: Any, args: Any = None
    ) -> tuple[Strategy, Any]:
        """The function itself."""
        return self.function(field, x), None


def fixed_point(step: StepMap, start: np.ndarray) -> np.ndarray:
    """A float near a fixed point of the step, by Newton's method from a strategy."""
    z, _ = step.start(start)
    for _ in range(4):
        value, jacobian = step.at(z)
        try:
            z = z - np.linalg.solve(jacobian - np.eye(len(z)), value - z)
        except np.linalg.LinAlgError:
            break
    return z


def _setting(problem: Problem, center: np.ndarray, metric: np.ndarray) -> MetricBox:
    """The region times the buffers of the largest ball whose strategies are in the region."""
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


def _settings(
    problem: Problem, step: StepMap, center: np.ndarray, jacobian: np.ndarray
) -> Iterator[MetricBox]:
    """Settings that may do, the most promising first: guesses, by sampling."""
    generator = np.random.default_rng(0)
    found: list[tuple[float, MetricBox, np.ndarray]] = []
    constant = not step.varies
    shares = generator.uniform(-1, 1, (10, step.dimension))
    shares[:6] = np.sign(shares[:6])
    for metric in candidates(jacobian):
        setting = _setting(problem, center, metric)
        # The first look is at the fixed point alone: hopeless metrics are not sampled.
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
            setting = _setting(problem, center, better)
            found.insert(0, (factor(samples, setting.metric), setting, samples))
            found.sort(key=lambda item: item[0])
    for size, setting, _ in found[:3]:
        if size < 1:
            yield setting


def proved(
    problem: Problem,
    method: dg.AbstractMethod | StepFunction,
    max_cells: int,
    tightness: float,
    *,
    compare: bool = True,
) -> Contraction:
    """As `contraction`, for a problem; without the comparison with what runs if so wanted."""
    surroundings = Surroundings(method)
    step = problem.step_map(method)
    center = fixed_point(step, problem.center)
    _, jacobian = step.at(center)
    if not np.isfinite(jacobian).all() or np.abs(np.linalg.eigvals(jacobian)).max() >= 1:
        reason = "at its fixed point the Jacobian of the step has a spectral radius of at least 1"
        return Contraction("undecided", (reason,))
    reason = "no metric was found in which the sampled Jacobians of the step contract"
    for setting in _settings(problem, step, center, jacobian):
        tree = _covered(problem, step, setting, max_cells, tightness)
        contents, reason = assembled(problem.field, step, method, center, setting, tree)
        if contents is not None:
            found = Contraction("proved", contents=contents)
            if compare:
                problem.require_what_runs(method, step, found.start)
            surroundings.require_unchanged()
            return found
    return Contraction("undecided", (reason,))


def _covered(
    problem: Problem, step: StepMap, setting: MetricBox, max_cells: int, tightness: float
) -> Tree:
    """Cells on which the factor is below one, as far as floating point tells."""
    box = Box((jnp.asarray(setting.lower),), (jnp.asarray(setting.upper),))
    m = step.dimension

    def measure(cells: list[Cell]) -> Iterator[Measured]:
        for cell in cells:
            found = step.enclosed(cell.lower, cell.upper)
            shares = np.broadcast_to(np.float64(0.0), (m, m, m))
            if not found.finite:
                nothing = np.zeros((m, m))
                family = AffineFamily(
                    nothing, np.zeros((0, m, m)), nothing, shares, np.asarray(False)
                )
                yield Measured(family, -np.inf, 1.0, cell.upper - cell.lower)
                continue
            known = rate(found.jacobian, setting.metric, setting.inverse)
            small = known.family
            family = AffineFamily(
                small.centre, small.generators, small.remainder, shares, np.asarray(True)
            )
            scores = known.scores if len(known.scores) else np.zeros(m)
            margin = 1 - known.factor if np.isfinite(known.factor) else -1e9
            yield Measured(family, margin, 1 - known.centre, scores)

    return cover(
        problem.field,
        box,
        np.ones(m),
        tightness=tightness,
        budget=Budget(max_cells),
        measure=measure,
    )
