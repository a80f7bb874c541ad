"""The loop of `dgames.solve`: steps, residuals, records and the end of a run, in one program."""

import functools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from diffrax import AbstractProgressMeter, NoProgressMeter
from jaxtyping import Array, Bool, Float, Int, PyTree
from optimistix import ImplicitAdjoint, RecursiveCheckpointAdjoint

from dgames.fields import AbstractField, check_field
from dgames.fields.remembered import Notes, remember
from dgames.history import Recorder
from dgames.hooks import Hooks
from dgames.implicit import with_implicit_derivative
from dgames.methods import AbstractMethod
from dgames.replay import forward_only, replayed, without_derivatives
from dgames.results import RESULTS
from dgames.run import Run, strong
from dgames.safe_steps import Domain
from dgames.scale import epsilon, force_and_gains, scaled_residual, unit_of
from dgames.solution import Solution
from dgames.stepwise import Stepwise, is_noisy
from dgames.strategy import Strategy, norm

_CAPACITY = 1023  # odd, so that the last record survives when every second one is forgotten
_BLOW_UP = 1e12


@eqx.filter_jit
def run(
    task: Run,
    max_steps: Int[Array, ""],
    tol: Float[Array, ""],
    meter: AbstractProgressMeter,
    capacity: int | None,
    hooks: Hooks,
    region: Domain | None,
    traced: bool,
    adjoint: ImplicitAdjoint | RecursiveCheckpointAdjoint | None,
) -> Solution:
    """Steps until the residual is small, as `dgames.solve` says; compiled as one program."""
    through = isinstance(adjoint, RecursiveCheckpointAdjoint)
    solution = _forward(
        without_derivatives(task) if through else task,
        max_steps,
        tol,
        meter,
        capacity,
        hooks,
        region,
        traced,
        None if through else adjoint,
    )
    return replayed(solution, task, adjoint.checkpoints) if through else solution


def _forward(
    task: Run,
    max_steps: Int[Array, ""],
    tol: Float[Array, ""],
    meter: AbstractProgressMeter,
    capacity: int | None,
    hooks: Hooks,
    region: Domain | None,
    traced: bool,
    adjoint: ImplicitAdjoint | None,
) -> Solution:
    field, method, x0, args = task.field, task.method, task.x0, task.args
    steps = jnp.zeros((), int)
    now = task.drawn(steps)
    judging = now if is_noisy(args) else task.judged(steps)
    check_field(field, x0, judging)  # shapes: when the run is compiled, and not in every call
    # Every operation in the loop matters, since a step of a small game takes less than a
    # microsecond.
    force, gains = force_and_gains(field, x0, judging)
    units = jax.tree.map(unit_of, gains)
    if task.unit is not None:
        units = jax.tree.map(lambda unit, gain: unit.astype(gain.dtype), task.unit, gains)
    shares = jax.tree.map(jnp.reciprocal, units)
    first = scaled_residual(field, x0, force, shares, judging)
    tol = tol.astype(first.dtype)
    limit = _BLOW_UP * jnp.maximum(norm(x0), 1)
    quiet = isinstance(meter, NoProgressMeter)
    often = args.every if isinstance(args, Stepwise) else 1
    # What is drawn for a noisy residual is what the next step sees, so it is drawn once.
    holds = is_noisy(args) and often == 1
    held, fixed = eqx.partition(now, eqx.is_array)

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

    def residual_of(x: Strategy, steps: Array) -> Array:
        then = task.judged(steps)
        return scaled_residual(field, x, field(x, then), shares, then)

    def step(carry: PyTree) -> PyTree:
        now = eqx.combine(carry["drawn"], fixed) if holds else task.drawn(carry["steps"])
        # The residual has evaluated the field at `x`, so the method need not do it again.
        current = remember(field, carry["x"], carry["force"], now) if reuses else field
        x, state = method.step(current, carry["x"], carry["state"], now)
        # The remainder changes no value. XLA would repeat an addition alone wherever the count is
        # used, and copy the old count for that.
        steps = jax.lax.rem(carry["steps"] + 1, max_steps + 1)
        new = dict(x=x, state=state, steps=steps)
        if often == 1:
            then = task.judged(steps)
            force = field(x, then)
            residual = scaled_residual(field, x, force, shares, then)
            if reuses:
                new |= dict(force=force)
            if holds:
                new |= dict(drawn=eqx.filter(then, eqx.is_array))
        else:
            due = jax.lax.rem(steps, jnp.full_like(steps, often)) == 0
            before = latest(carry)
            residual = jax.lax.cond(due, lambda: residual_of(x, steps), lambda: before)
        values = hooks.kept(carry["recorder"], x, state, lambda: task.judged(steps), steps)
        new |= dict(recorder=carry["recorder"].record(values, residual, steps))
        hooks.tell_if(True, steps, task.first, x, residual)
        if traced:
            new |= dict(residual=residual, done=judge(x, residual))
        if region is not None:
            new |= dict(left=outside(x, steps, carry["left"]))
        if not quiet:
            over = ~going(new) | (steps >= max_steps)
            share = _share(carry["share"], first, residual, tol, steps, max_steps, over)
            new |= dict(share=share, meter=meter.step(carry["meter"], share))
        return strong(new)

    given = (x0, method, task.state)
    state = task.begun(remember(field, x0, force, judging), now)
    same = not isinstance(args, Stepwise) or holds
    reuses = same and _reuses(field, method, x0, state, force, now)
    start = dict(
        x=x0,
        state=state,
        steps=steps,
        recorder=Recorder.start(
            hooks.values(x0, state, judging),
            first,
            capacity=_CAPACITY if capacity is None else capacity,
            every=1 if hooks.save_every is None else hooks.save_every,
        ),
    )
    if reuses:
        start |= dict(force=force)
    if holds:
        start |= dict(drawn=held)
    if traced:
        start |= dict(residual=first, done=judge(x0, first))
    if region is not None:
        start |= dict(left=outside(x0, steps, jnp.full((), -1, int)))
    if not quiet:
        start |= dict(share=jnp.zeros((), float), meter=meter.init())
    hooks.tell(task.first, x0, first)
    end = _loop(step, going, strong(start), max_steps, capacity is None, traced)
    if traced:
        end = forward_only(end)
    if not quiet:
        meter.close(end["meter"])
    x, steps, recorder = end["x"], end["steps"], end["recorder"]
    residual = latest(end) if often == 1 else residual_of(x, steps)
    if often > 1 or hooks.save is not None:
        values = hooks.values(x, end["state"], task.judged(steps))
        recorder = recorder.record(values, residual, steps)
    hooks.tell_if(False, steps, task.first, x, residual)
    result = _result(x, residual, tol, limit, gains, units)
    if adjoint is not None:
        done = result == RESULTS.successful
        x = with_implicit_derivative(field, x, judging, given, done, gains, adjoint.linear_solver)
    left = end["left"] if region is not None else jnp.full((), -1, int)
    return Solution(
        strategy=x,
        state=end["state"],
        residual=residual,
        steps=task.first + steps,
        result=result,
        history=recorder.history(steps, task.first, hooks.save is not None),
        left=jnp.where(left < 0, left, task.first + left),
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
