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

from dgames.diagnose import residual as natural_residual
from dgames.fields import AbstractField, as_field, check_field
from dgames.game import Game
from dgames.history import History, Recorder, trim
from dgames.methods import AbstractMethod
from dgames.results import RESULTS
from dgames.safe_steps import Domain, SafeSteps, with_step
from dgames.strategy import Strategy, as_strategy, norm

_CAPACITY = 1024
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
    field per step, on top of the method's own. Works under `jax.jit`, `jax.vmap` and forward-mode
    differentiation; for the derivative of an equilibrium use `as_root_finder`. New values of arrays
    (strategies, hyper-parameters, `args`, parameters of the game) do not recompile; Python numbers
    inside `game` or `args` are compiled in.

    Args:
        game: A game, any field, or a function `fn(x, args)` used as one.
        method: How to step; or, with `step_size`, a class of methods that takes one.
        x0: The joint strategy to start from.
        args: Passed to the costs.
        step_size: A certificate, whose best proved step for the class of `method` is taken; there
            is a warning when a strategy leaves the certified region, where nothing is proved. Or a
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
            step for the method.
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
    method, region = with_step(method, step_size)
    field, x0 = as_field(game), as_strategy(x0)
    check_field(field, x0, args)
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
) -> Solution:
    first = natural_residual(field, x0, args)
    tol = tol.astype(first.dtype)
    limit = _BLOW_UP * jnp.maximum(norm(x0), 1)

    def judge(x: Strategy, residual: Array, steps: Array) -> tuple[Bool[Array, ""], RESULTS]:
        size = norm(x)
        diverged = ~jnp.isfinite(residual) | ~(size <= limit)
        successful = (residual <= tol) & ~diverged
        result = RESULTS.where(successful, RESULTS.successful, RESULTS.max_steps_reached)
        result = RESULTS.where(diverged, RESULTS.diverged, result)
        return diverged | successful | (steps >= max_steps), result

    def outside(x: Strategy, steps: Array, before: Array) -> Array:
        if region is None:
            return before
        return jnp.where((before < 0) & ~region.contains(x), steps, before)

    def running(carry: Any) -> Bool[Array, ""]:
        return ~carry["done"]

    def body(carry: Any) -> Any:
        x, state = method.step(field, carry["x"], carry["state"], args)
        residual = natural_residual(field, x, args)
        steps = carry["steps"] + 1
        done, result = judge(x, residual, steps)
        share = _share(carry["share"], first, residual, tol, steps, max_steps, done)
        return _strong(
            dict(
                x=x,
                state=state,
                residual=residual,
                steps=steps,
                done=done,
                result=result,
                recorder=carry["recorder"].record(x, residual, steps, done),
                share=share,
                left=outside(x, steps, carry["left"]),
                meter=meter.step(carry["meter"], share),
            )
        )

    steps = jnp.zeros((), int)
    done, result = judge(x0, first, steps)
    start = dict(
        x=x0,
        state=method.init(field, x0, args),
        residual=first,
        steps=steps,
        done=done,
        result=result,
        recorder=Recorder.start(
            x0,
            first,
            capacity=_CAPACITY if capacity is None else capacity,
            stride=1 if save_every is None else save_every,
            strategies=save_every is not None,
            thinning=capacity is None,
        ),
        share=jnp.zeros((), float),
        left=outside(x0, steps, jnp.full((), -1, int)),
        meter=meter.init(),
    )
    end = jax.lax.while_loop(running, body, _strong(start))
    meter.close(end["meter"])
    return Solution(
        strategy=end["x"],
        state=end["state"],
        residual=end["residual"],
        steps=end["steps"],
        result=end["result"],
        history=end["recorder"].history,
        left=end["left"],
    )


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
