"""Runs a method until the residual is small."""

import functools
import operator
import warnings
from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from diffrax import AbstractProgressMeter, NoProgressMeter, TextProgressMeter
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PyTree
from optimistix import ImplicitAdjoint

from dgames.fields import AbstractField, check_field, check_not_costs, not_finite, prepared
from dgames.fields.remembered import Notes, remember
from dgames.game import Game
from dgames.history import History, Recorder, trim
from dgames.implicit import with_implicit_derivative
from dgames.methods import AbstractMethod
from dgames.results import RESULTS
from dgames.safe_steps import Domain, SafeSteps, with_step
from dgames.scale import default_tolerance, epsilon, force_and_gains, scaled_residual, unit_of
from dgames.strategy import Strategy, check_strategy, norm

_IMPLICIT = ImplicitAdjoint()
_CAPACITY = 1023  # odd, so that the last record survives when every second one is forgotten
_BLOW_UP = 1e12


class Solution(eqx.Module):
    """What `solve` returns.

    Attributes:
        strategy: The last strategy.
        state: The method's state that belongs to it: `solve(..., solution.strategy,
            state=solution.state)` continues the run.
        residual: The natural residual of `strategy` in units of the field's own: that of
            `dgames.residual`, with every player's block of the field divided by `unit`.
        steps: The number of steps taken.
        result: How the run ended, a member of `RESULTS`.
        history: Residuals along the way, and strategies if they were asked for.
        left: The number of steps after which the strategy was first outside the region of the
            certificate that gave the step size; -1 if it never was, or if there is none.
        unit: One number per player: exactly one for fields of ordinary size, see `solve`.
    """

    strategy: Strategy
    state: PyTree
    residual: Float[Array, "*batch"]
    steps: Int[Array, "*batch"]
    result: RESULTS
    history: History
    left: Int[Array, "*batch"]
    unit: PyTree


def solve(
    game: Game | AbstractField | Callable,
    method: Any,
    x0: Strategy,
    args: PyTree = None,
    *,
    state: PyTree = None,
    step_size: SafeSteps | PyTree = None,
    max_steps: int = 10_000,
    tol: float | int | Array | None = None,
    progress: bool | AbstractProgressMeter = False,
    save_every: int | None = None,
    throw: bool = False,
    adjoint: ImplicitAdjoint | None = _IMPLICIT,
) -> Solution:
    """Runs a method on a game until the natural residual is at most `tol`.

    The residual that stops the run is that of the strategy returned. It costs one evaluation of the
    field per step; methods that begin a step with the field at the strategy find it evaluated, so
    that for them it costs nothing. New values of arrays (strategies, hyper-parameters, `args`,
    parameters of the game) do not recompile; Python numbers inside `game` or `args` are compiled
    in.

    **Units.** The residual is an absolute number for games of ordinary size. So that a tolerance
    means something in any unit of payoffs, the block of a player is divided by a unit of its own
    where that size is extraordinary. It is measured once, at the start, as the root mean square
    change of the block per unit of all strategies; between 1/10 and 10 the unit is exactly one,
    beyond it brings the size to that range. What was used is `solution.unit`.

    **Derivatives.** Under `jax.grad` and others, `solution.strategy` has the derivatives of the
    equilibrium along `args` and the parameters of the game, by the implicit function theorem,
    whatever the method was; strategies at the boundary of their sets are held to it. They are NaN
    if the run was not successful, or the equilibrium is not isolated. Derivatives along the start
    or the hyper-parameters are those of the steps, in forward mode only. Works under `jax.jit` and
    `jax.vmap`, too.

    Args:
        game: A game, any field, or a function `fn(x, args)` used as one. A function that returns
            costs is not a field: make a game of it with `dgames.game`.
        method: How to step; or, with `step_size`, a class of methods that takes one.
        x0: The joint strategy to start from. Players may be `equinox.Module`s, such as neural
            networks; their floating-point arrays move, the rest of them is kept.
        args: Passed to the costs.
        state: The method's state to start from, that of an earlier `Solution`, to continue its
            run (default: a new one). Steps and history are counted from there.
        step_size: A certificate of this game with these `args`, whose best proved step for the
            class of `method` is taken; there is a warning when the start is outside the proved
            basin, and when a strategy leaves the certified region, where nothing is proved. Or a
            number, or one per player.
        max_steps: The step budget.
        tol: The residual at which to stop (default: 1e-8 in float64, 1e-4 in float32, 1e-2 in
            shorter types). With a tolerance of zero all steps are taken, and derivatives are those
            of the steps.
        progress: True for a text progress meter, or any meter of diffrax. It shows the larger of
            the shares of the step budget used and of the way, in logarithms, to the tolerance.
        save_every: If given, the history holds the strategy and the residual every so many steps,
            and at the first and last. By default it holds residuals only, at up to 1024 evenly
            spaced steps, however long the run.
        throw: Whether to raise an error unless the run was successful.
        adjoint: An `optimistix.ImplicitAdjoint`, whose linear solver is used for derivatives; or
            None for those of the steps.

    Returns:
        A `Solution`; look at its `result` before trusting its `strategy`.

    Raises:
        ValueError: If the game, the strategy or an option is malformed, or the certificate has no
            step for the method or is of another game.
        RuntimeError: If `throw` and the run was not successful.

    >>> from dgames import Extragradient, zero_sum
    >>> game = zero_sum(lambda x, args: (x["a"] - 1) * (x["b"] + 2))
    >>> solution = solve(game, Extragradient(0.7), {"a": 0.0, "b": 0.0})
    >>> solution.result == RESULTS.successful
    Array(True, dtype=bool)
    >>> {name: round(float(value), 6) for name, value in solution.strategy.items()}
    {'a': 1.0, 'b': -2.0}
    """
    _check_options(max_steps, tol, save_every)
    asked = game
    field, x0, rest = prepared(game, x0)
    check_strategy(x0)
    check_not_costs(asked, x0, args)
    method, region = with_step(method, step_size, field, x0, args)
    capacity = None if save_every is None else max_steps // save_every + 2
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((field, method, x0, args)))
    if traced and not isinstance(tol, Tracer) and tol is not None and tol == 0:
        adjoint = None
    solution = _run(
        field,
        method,
        x0,
        args,
        state,
        jnp.asarray(max_steps),
        jnp.asarray(default_tolerance(x0) if tol is None else tol, float),
        _as_meter(progress),
        capacity,
        save_every,
        region,
        traced,
        adjoint,
    )
    if not isinstance(solution.left, Tracer) and (solution.left >= 0).any():
        warnings.warn(
            f"solve: the strategy was outside the certified region after {int(solution.left)} "
            "steps; from there on nothing is proved of this run.",
            stacklevel=2,
        )
    solution = eqx.tree_at(lambda s: s.history, solution, trim(solution.history))
    if jax.tree.leaves(rest):
        solution = _completed(solution, rest)
    if throw:
        _raise_where_not_finite(field, args, solution)
        failed = solution.result != RESULTS.successful
        solution = solution.result.error_if(solution, failed)
    return solution


def _check_options(max_steps: Any, tol: Any, save_every: Any) -> None:
    for name, value, optional in (
        ("max_steps", max_steps, ""),
        ("save_every", save_every, " or None"),
    ):
        if value is None and optional:
            continue
        try:
            whole = operator.index(cast(Any, value)) == value and not isinstance(value, bool)
        except (TypeError, jax.errors.JAXTypeError):
            whole = False
        if not whole:
            raise ValueError(f"solve: {name} must be a whole number{optional}, not {value!r}")
    if max_steps < 0 or (save_every is not None and save_every < 1):
        raise ValueError(
            "solve: max_steps must not be negative and save_every must be at least 1; "
            f"got {max_steps} and {save_every}"
        )
    if tol is None or isinstance(tol, Tracer):
        return
    number = eqx.is_array_like(tol) and np.ndim(tol) == 0 and not np.iscomplexobj(tol)
    if not number or not float(tol) >= 0:
        raise ValueError(f"solve: tol must be a number that is not negative, or None; got {tol!r}")


def _completed(solution: Solution, rest: PyTree) -> Solution:
    """Returns a solution with whole modules in place of their numbers."""

    def strategies(s: Solution) -> tuple:
        return (s.strategy, s.history.strategy)

    strategy = eqx.combine(solution.strategy, rest)
    saved = solution.history.strategy
    saved = saved if saved is None else eqx.combine(saved, rest)
    return eqx.tree_at(strategies, solution, (strategy, saved), is_leaf=lambda leaf: leaf is None)


def _raise_where_not_finite(field: AbstractField, args: PyTree, solution: Solution) -> None:
    """Raises an error that names the player whose field is not finite, if there is one."""
    if isinstance(solution.steps, Tracer) or solution.steps.ndim:
        return
    x, at_fault = eqx.filter(solution.strategy, eqx.is_inexact_array), None
    finite = all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(x))
    if finite and bool(solution.result == RESULTS.field_not_finite):
        at_fault = not_finite(field, x, args)
    if at_fault is not None:
        raise RuntimeError(
            f"solve: after {int(solution.steps)} steps the field of player '{at_fault}' is not "
            "finite at the strategy reached, which is; look at the costs there, for norms and "
            "roots at zero, logarithms or divisions."
        )


@eqx.filter_jit
def _run(
    field: AbstractField,
    method: AbstractMethod,
    x0: Strategy,
    args: PyTree,
    state: PyTree,
    max_steps: Int[Array, ""],
    tol: Float[Array, ""],
    meter: AbstractProgressMeter,
    capacity: int | None,
    save_every: int | None,
    region: Domain | None,
    traced: bool,
    adjoint: ImplicitAdjoint | None,
) -> Solution:
    check_field(
        field, x0, args
    )  # shapes are checked when the run is compiled, and not in every call
    # Every operation in the loop matters, since a step of a small game takes less than a
    # microsecond.
    force, gains = force_and_gains(field, x0, args)
    units = jax.tree.map(unit_of, gains)
    shares = jax.tree.map(jnp.reciprocal, units)
    first = scaled_residual(field, x0, force, shares, args)
    tol = tol.astype(first.dtype)
    limit = _BLOW_UP * jnp.maximum(norm(x0), 1)
    quiet = isinstance(meter, NoProgressMeter)

    def latest(carry: PyTree) -> Array:
        # The residual is read from the history and judged in the loop's condition, which takes
        # fewer operations. Where the run is transformed, say by `jax.vmap`, the carry holds both:
        # then an unused history costs nothing, and the condition, which is evaluated twice, costs
        # little.
        return carry["residual"] if traced else carry["recorder"].latest(carry["steps"])

    def failed(x: Strategy, residual: Array) -> Bool[Array, ""]:
        return ~((residual < jnp.inf) & (norm(x) <= limit))

    def judge(x: Strategy, residual: Array) -> Bool[Array, ""]:
        return (residual <= tol) | failed(x, residual)

    def going(carry: PyTree) -> Bool[Array, ""]:
        return ~(carry["done"] if traced else judge(carry["x"], latest(carry)))

    def outside(x: Strategy, steps: Array, before: Array) -> Array:
        assert region is not None
        return jnp.where((before < 0) & ~region.contains(x), steps, before)

    def step(carry: PyTree) -> PyTree:
        # The residual has evaluated the field at `x`, so the method need not do it again.
        current = remember(field, carry["x"], carry["force"], args) if reuses else field
        x, state = method.step(current, carry["x"], carry["state"], args)
        force = field(x, args)
        residual = scaled_residual(field, x, force, shares, args)
        # The remainder changes no value. XLA would repeat an addition alone wherever the count is
        # used, and copy the old count for that.
        steps = jax.lax.rem(carry["steps"] + 1, max_steps + 1)
        new = dict(
            x=x,
            state=state,
            steps=steps,
            recorder=carry["recorder"].record(x, residual, steps),
        )
        if reuses:
            new |= dict(force=force)
        if traced:
            new |= dict(residual=residual, done=judge(x, residual))
        if region is not None:
            new |= dict(left=outside(x, steps, carry["left"]))
        if not quiet:
            over = ~going(new) | (steps >= max_steps)
            share = _share(carry["share"], first, residual, tol, steps, max_steps, over)
            new |= dict(share=share, meter=meter.step(carry["meter"], share))
        return _strong(new)

    steps = jnp.zeros((), int)
    given = (x0, method, state)
    fresh = method.init(remember(field, x0, force, args), x0, args)
    state = fresh if state is None else _fitting(state, fresh, method)
    reuses = _reuses(field, method, x0, state, force, args)
    start = dict(
        x=x0,
        state=state,
        steps=steps,
        recorder=Recorder.start(
            x0,
            first,
            capacity=_CAPACITY if capacity is None else capacity,
            every=1 if save_every is None else save_every,
            strategies=save_every is not None,
        ),
    )
    if reuses:
        start |= dict(force=force)
    if traced:
        start |= dict(residual=first, done=judge(x0, first))
    if region is not None:
        start |= dict(left=outside(x0, steps, jnp.full((), -1, int)))
    if not quiet:
        start |= dict(share=jnp.zeros((), float), meter=meter.init())
    end = _loop(step, going, _strong(start), max_steps, capacity is None, traced)
    if not quiet:
        meter.close(end["meter"])
    x, residual = end["x"], latest(end)
    result = _result(x, residual, tol, limit, gains, units)
    if adjoint is not None:
        done = result == RESULTS.successful
        x = with_implicit_derivative(field, x, args, given, done, gains, adjoint.linear_solver)
    return Solution(
        strategy=x,
        state=end["state"],
        residual=residual,
        steps=end["steps"],
        result=result,
        history=end["recorder"].history(end["steps"]),
        left=end["left"] if region is not None else jnp.full((), -1, int),
        unit=units,
    )


def _result(
    x: Strategy, residual: Array, tol: Array, limit: Array, gains: Strategy, units: Strategy
) -> RESULTS:
    """Decides how a run ended, from its last strategy and residual."""
    leaves = jax.tree.leaves(x)
    unknown = functools.reduce(jnp.logical_or, [jnp.any(jnp.isnan(leaf)) for leaf in leaves])
    length, finite = norm(x), residual < jnp.inf
    # The change of the field when every coordinate moves by its rounding error.
    scaled = jax.tree.leaves(jax.tree.map(lambda gain, unit: jnp.max(gain / unit), gains, units))
    most = functools.reduce(jnp.maximum, scaled).astype(residual.dtype)
    rounding = epsilon(x) * (1 + length.astype(residual.dtype)) * most
    stuck = (tol > 0) & (tol < rounding) & (residual <= 4 * rounding)
    result = RESULTS.where(stuck, RESULTS.rounding_reached, RESULTS.max_steps_reached)
    result = RESULTS.where(residual <= tol, RESULTS.successful, result)
    result = RESULTS.where(finite, result, RESULTS.field_not_finite)
    result = RESULTS.where(length <= limit, result, RESULTS.diverged)
    return RESULTS.where(unknown, RESULTS.field_not_finite, result)


def _fitting(state: PyTree, fresh: PyTree, method: AbstractMethod) -> PyTree:
    """Returns a given state as arrays; raises an error unless it fits method and strategy."""
    state = jax.tree.map(lambda leaf: jnp.asarray(leaf) if eqx.is_array_like(leaf) else leaf, state)
    same = jax.tree.structure(state) == jax.tree.structure(fresh) and all(
        jnp.shape(a) == jnp.shape(b) and jnp.result_type(a) == jnp.result_type(b)
        for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(fresh), strict=True)
    )
    if not same:
        raise ValueError(
            f"solve: this is not a state of {type(method).__name__} for such a strategy; give the "
            "state of a Solution of the same method and players, or none"
        )
    return state


def _loop(
    step: Callable,
    going: Callable,
    start: PyTree,
    max_steps: Int[Array, ""],
    thinning: bool,
    traced: bool,
) -> PyTree:
    """Runs all steps, and thins the history where it is full if `thinning`."""

    def unfinished(carry: PyTree) -> Bool[Array, ""]:
        return going(carry) & (carry["steps"] < max_steps)

    def thin(carry: PyTree) -> PyTree:
        recorder = carry["recorder"]
        full = unfinished(carry) & (carry["steps"] == recorder.horizon)
        thinned = jax.lax.cond(full, lambda r: r.thinned(), lambda r: r, recorder)
        return carry | dict(recorder=thinned)

    def round(carry: PyTree) -> PyTree:
        horizon = jnp.minimum(carry["recorder"].horizon, max_steps)

        def with_room(carry: PyTree) -> Bool[Array, ""]:
            return going(carry) & (carry["steps"] < horizon)

        return thin(jax.lax.while_loop(with_room, step, carry))

    def step_and_thin(carry: PyTree) -> PyTree:
        return thin(step(carry))

    if not thinning:
        return jax.lax.while_loop(unfinished, step, start)
    # Rounds are quicker, but XLA removes unused values from a single loop only.
    return jax.lax.while_loop(unfinished, step_and_thin if traced else round, start)


def _reuses(
    field: AbstractField,
    method: AbstractMethod,
    x: Strategy,
    state: PyTree,
    force: Strategy,
    args: PyTree,
) -> bool:
    """Returns whether a step evaluates the field where it starts, without computing anything."""
    notes = Notes()

    def step(x: Strategy, state: PyTree, force: Strategy) -> PyTree:
        return method.step(remember(field, x, force, args, notes), x, state, args)

    eqx.filter_eval_shape(step, x, state, force)
    return notes.asked


def _share(
    before: Array,
    first: Array,
    residual: Array,
    tol: Array,
    steps: Array,
    budget: Array,
    done: Array,
) -> Array:
    """Returns the progress of a run from 0 to 1, never decreasing."""
    way = jnp.log(first / residual) / jnp.log(first / tol)
    used = steps.astype(before.dtype) / budget.astype(before.dtype)
    share = jnp.maximum(used, jnp.where(jnp.isnan(way), 0, way).astype(before.dtype))
    return jnp.where(done, 1, jnp.clip(share, before, 1))


def _as_meter(progress: bool | AbstractProgressMeter) -> AbstractProgressMeter:
    if isinstance(progress, AbstractProgressMeter):
        return progress
    return TextProgressMeter() if progress else NoProgressMeter()


def _strong(tree: PyTree) -> PyTree:
    """Drops weak types, because a loop must keep the types that it starts with."""
    return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), tree)
