"""Running a method until the residual is small."""

import warnings
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from diffrax import AbstractProgressMeter, NoProgressMeter, TextProgressMeter
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PyTree

from dgames.diagnose import natural_map
from dgames.fields import AbstractField, as_field, check_field
from dgames.fields.remembered import Notes, RememberedField, remember
from dgames.game import Game
from dgames.history import History, Recorder, trim
from dgames.methods import AbstractMethod
from dgames.results import RESULTS
from dgames.safe_steps import Domain, SafeSteps, with_step
from dgames.strategy import Strategy, as_strategy, check_strategy, norm

_CAPACITY = 1023  # odd, so that the last record survives when every second one is forgotten
_BLOW_UP = 1e12


class Solution(eqx.Module):
    """What `solve` returns.

    Attributes:
        strategy: The last strategy.
        state: The method's state that belongs to it: `(strategy, state)` continues the run.
        residual: The natural residual of `strategy`, see `dgames.residual`.
        steps: The number of steps taken.
        result: How the run ended, a member of `RESULTS`.
        history: Residuals along the way, and strategies if they were asked for.
        left: The number of steps after which the strategy was first outside the region of the
            certificate that gave the step size; -1 if it never was, or if there is none.
    """

    strategy: Strategy
    state: PyTree
    residual: Float[Array, "*batch"]
    steps: Int[Array, "*batch"]
    result: RESULTS
    history: History
    left: Int[Array, "*batch"]


def solve(
    game: Game | AbstractField | Callable,
    method: AbstractMethod | Callable[[Any], AbstractMethod],
    x0: Strategy,
    args: PyTree = None,
    *,
    step_size: SafeSteps | PyTree = None,
    max_steps: int = 10_000,
    tol: float | int | Array = 1e-8,
    progress: bool | AbstractProgressMeter = False,
    save_every: int | None = None,
    throw: bool = False,
) -> Solution:
    """Runs a method on a game until the natural residual is at most `tol`.

    The residual that stops the run is that of the strategy returned. It costs one evaluation of the
    field per step; methods that begin a step with the field at the strategy find it evaluated, so
    that for them it costs nothing. Works under `jax.jit`, `jax.vmap` and forward-mode
    differentiation; for the derivative of an equilibrium use `as_root_finder`. New values of arrays
    (strategies, hyper-parameters, `args`, parameters of the game) do not recompile; Python numbers
    inside `game` or `args` are compiled in.

    Args:
        game: A game, any field, or a function `fn(x, args)` used as one.
        method: How to step; or, with `step_size`, a class of methods that takes one.
        x0: The joint strategy to start from.
        args: Passed to the costs.
        step_size: A certificate of this game with these `args`, whose best proved step for the
            class of `method` is taken; there is a warning when the start is outside the proved
            basin, and when a strategy leaves the certified region, where nothing is proved. Or a
            number, or one per player.
        max_steps: The step budget.
        tol: The residual at which to stop, an absolute number.
        progress: True for a text progress meter, or any meter of diffrax. It shows the larger of
            the shares of the step budget used and of the way, in logarithms, to the tolerance.
        save_every: If given, the history holds the strategy and the residual every so many steps,
            and at the first and last. By default it holds residuals only, at up to 1024 evenly
            spaced steps, however long the run.
        throw: Whether to raise an error unless the run was successful.

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
    if max_steps < 0 or (save_every is not None and save_every < 1):
        raise ValueError(
            "max_steps must not be negative and save_every must be at least 1; "
            f"got {max_steps} and {save_every}"
        )
    field, x0 = as_field(game), as_strategy(x0)
    check_strategy(x0)
    method, region = with_step(method, step_size, field, x0, args)
    capacity = None if save_every is None else max_steps // save_every + 2
    solution = _run(
        field,
        method,
        x0,
        args,
        jnp.asarray(max_steps),
        jnp.asarray(tol, float),
        _as_meter(progress),
        capacity,
        save_every,
        region,
        any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((field, method, x0, args))),
    )
    if not isinstance(solution.left, Tracer) and (solution.left >= 0).any():
        warnings.warn(
            f"solve: the strategy was outside the certified region after {int(solution.left)} "
            "steps; from there on nothing is proved of this run.",
            stacklevel=2,
        )
    solution = eqx.tree_at(lambda s: s.history, solution, trim(solution.history))
    if throw:
        failed = solution.result != RESULTS.successful
        solution = solution.result.error_if(solution, failed)
    return solution


@eqx.filter_jit
def _run(
    field: AbstractField,
    method: AbstractMethod,
    x0: Strategy,
    args: PyTree,
    max_steps: Int[Array, ""],
    tol: Float[Array, ""],
    meter: AbstractProgressMeter,
    capacity: int | None,
    save_every: int | None,
    region: Domain | None,
    traced: bool,
) -> Solution:
    check_field(field, x0, args)  # of shapes: once, as long as nothing is compiled anew
    # Every operation in the loop counts: a step of a small game takes less than a microsecond.
    force = field(x0, args)
    first = _residual(field, x0, force, args)
    tol = tol.astype(first.dtype)
    limit = _BLOW_UP * jnp.maximum(norm(x0), 1)
    quiet = isinstance(meter, NoProgressMeter)

    def latest(carry: Any) -> Array:
        # Read from the history and judged in the loop's condition: fewer operations. Where others
        # transform the run, say with `jax.vmap`, both are carried: then a history that nobody asks
        # for costs nothing, and the condition, which is evaluated twice, little.
        return carry["residual"] if traced else carry["recorder"].latest(carry["steps"])

    def failed(x: Strategy, residual: Array) -> Bool[Array, ""]:
        return ~((residual < jnp.inf) & (norm(x) <= limit))

    def judge(x: Strategy, residual: Array) -> Bool[Array, ""]:
        return (residual <= tol) | failed(x, residual)

    def going(carry: Any) -> Bool[Array, ""]:
        return ~(carry["done"] if traced else judge(carry["x"], latest(carry)))

    def outside(x: Strategy, steps: Array, before: Array) -> Array:
        assert region is not None
        return jnp.where((before < 0) & ~region.contains(x), steps, before)

    def step(carry: Any) -> Any:
        # What the residual cost is not paid again: methods find the field at `x` evaluated.
        known = remember(field, carry["x"], carry["force"], args) if reuses else field
        x, state = method.step(known, carry["x"], carry["state"], args)
        force = field(x, args)
        residual = _residual(field, x, force, args)
        # The remainder changes nothing. An addition alone would be done again wherever the count is
        # used, and the old count copied for that.
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
    state = method.init(remember(field, x0, force, args), x0, args)
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
    success = RESULTS.where(residual <= tol, RESULTS.successful, RESULTS.max_steps_reached)
    return Solution(
        strategy=x,
        state=end["state"],
        residual=residual,
        steps=end["steps"],
        result=RESULTS.where(failed(x, residual), RESULTS.diverged, success),
        history=end["recorder"].history(end["steps"]),
        left=end["left"] if region is not None else jnp.full((), -1, int),
    )


def _loop(
    step: Callable,
    going: Callable,
    start: Any,
    max_steps: Int[Array, ""],
    thinning: bool,
    traced: bool,
) -> Any:
    """Steps to the end, and thins the history where it is full, if it is to be thinned."""

    def unfinished(carry: Any) -> Bool[Array, ""]:
        return going(carry) & (carry["steps"] < max_steps)

    def thin(carry: Any) -> Any:
        recorder = carry["recorder"]
        full = unfinished(carry) & (carry["steps"] == recorder.horizon)
        thinned = jax.lax.cond(full, lambda r: r.thinned(), lambda r: r, recorder)
        return carry | dict(recorder=thinned)

    def round(carry: Any) -> Any:
        horizon = jnp.minimum(carry["recorder"].horizon, max_steps)

        def with_room(carry: Any) -> Bool[Array, ""]:
            return going(carry) & (carry["steps"] < horizon)

        return thin(jax.lax.while_loop(with_room, step, carry))

    def step_and_thin(carry: Any) -> Any:
        return thin(step(carry))

    if not thinning:
        return jax.lax.while_loop(unfinished, step, start)
    # Rounds are quicker; but XLA drops what nobody asks for from a single loop only.
    return jax.lax.while_loop(unfinished, step_and_thin if traced else round, start)


def _reuses(
    field: AbstractField, method: AbstractMethod, x: Strategy, state: Any, force: Any, args: PyTree
) -> bool:
    """Whether a step asks for the field at the strategy it starts from. Nothing is computed."""
    notes = Notes()

    def step(x: Strategy, state: Any, force: Strategy) -> Any:
        return method.step(remember(field, x, force, args, notes), x, state, args)

    eqx.filter_eval_shape(step, x, state, force)
    return notes.asked


def _residual(field: AbstractField, x: Strategy, force: Strategy, args: PyTree) -> Array:
    """The natural residual, where the field is known."""
    return norm(natural_map(RememberedField(field, x, force, args), x, args))


def _share(
    before: Array,
    first: Array,
    residual: Array,
    tol: Array,
    steps: Array,
    budget: Array,
    done: Array,
) -> Array:
    """How far along a run is, from 0 to 1, never decreasing."""
    way = jnp.log(first / residual) / jnp.log(first / tol)
    used = steps.astype(before.dtype) / budget.astype(before.dtype)
    share = jnp.maximum(used, jnp.where(jnp.isnan(way), 0, way).astype(before.dtype))
    return jnp.where(done, 1, jnp.clip(share, before, 1))


def _as_meter(progress: bool | AbstractProgressMeter) -> AbstractProgressMeter:
    if isinstance(progress, AbstractProgressMeter):
        return progress
    return TextProgressMeter() if progress else NoProgressMeter()


def _strong(tree: PyTree) -> PyTree:
    """Drops weak types: a loop must keep the types it starts with."""
    return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), tree)
