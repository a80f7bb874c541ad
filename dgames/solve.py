"""Runs a method until the residual is small."""

import dataclasses
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
from jaxtyping import Array, PyTree
from optimistix import ImplicitAdjoint, RecursiveCheckpointAdjoint

from dgames.complex_strategy import (
    CallbackOfPairs,
    SaveOfPairs,
    as_pairs,
    from_pairs,
    has_complex,
)
from dgames.fields import AbstractField, check_not_costs, not_finite, prepared
from dgames.fields.complex_field import field_of_pairs
from dgames.game import Game
from dgames.history import trim
from dgames.hooks import Hooks
from dgames.methods import AbstractMethod
from dgames.methods.method import per_player, real_hyperparameter
from dgames.replay import with_checkpoints
from dgames.results import RESULTS
from dgames.run import Run
from dgames.safe_steps import SafeSteps, with_step
from dgames.scale import default_tolerance
from dgames.solution import Solution
from dgames.solve_loop import run
from dgames.stepwise import is_noisy, judged_args
from dgames.strategy import Strategy, check_strategy

_IMPLICIT = ImplicitAdjoint()


def solve(
    game: Game | AbstractField | Callable,
    method: Any,
    x0: Strategy,
    args: PyTree = None,
    *,
    state: PyTree = None,
    step_size: SafeSteps | PyTree = None,
    max_steps: int = 10_000,
    first_step: int | Array = 0,
    tol: float | int | Array | None = None,
    unit: PyTree = None,
    progress: bool | AbstractProgressMeter = False,
    save_every: int | None = None,
    save: Callable[[Strategy, PyTree, PyTree], PyTree] | None = None,
    callback: Callable[[int, Strategy, float], Any] | None = None,
    throw: bool = False,
    adjoint: ImplicitAdjoint | RecursiveCheckpointAdjoint | None = _IMPLICIT,
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
    beyond it brings the size to that range. What was used is `solution.unit`; `unit` says what to
    use instead.

    **Derivatives.** Under `jax.grad` and others, `solution.strategy` has the derivatives of the
    equilibrium along `args` and the parameters of the game, by the implicit function theorem,
    whatever the method was; strategies at the boundary of their sets are held to it. They are NaN
    if the run was not successful, or the equilibrium is not isolated. Derivatives along the start
    or the hyper-parameters are those of the steps, in forward mode only; in reverse mode, along
    everything, with `adjoint=optimistix.RecursiveCheckpointAdjoint()`. Works under `jax.jit` and
    `jax.vmap`, too.

    Args:
        game: A game, any field, or a function `fn(x, args)` used as one. A function that returns
            costs is not a field: make a game of it with `dgames.game`.
        method: How to step; or, with `step_size`, a class of methods that takes one.
        x0: The joint strategy to start from. Players may be `equinox.Module`s, such as neural
            networks; their floating-point arrays move, the rest of them is kept. Complex arrays
            move as pairs of real ones, in which the method's state is, too.
        args: Passed to the costs; `dgames.Stepwise` makes new ones in every step, such as batches
            and keys.
        state: The method's state to start from, that of an earlier `Solution`, to continue its
            run (default: a new one). N steps and then M are N + M steps to the last bit, with
            `first_step=run.steps` where arguments are `Stepwise`, and they end at the same
            residual, with `unit=run.unit`.
        step_size: A certificate of this game with these `args`, whose best proved step for the
            class of `method` is taken; there is a warning when the start is outside the proved
            basin, and when a strategy leaves the certified region, where nothing is proved. Or a
            number, or one per player.
        max_steps: The step budget of this call.
        first_step: The number of the first step: `steps` of an earlier `Solution`, to count on from
            there. Steps of the solution, its history, callbacks and `Stepwise` have these numbers.
        tol: The residual at which to stop (default: 1e-8 in float64, 1e-4 in float32, 1e-2 in
            shorter types). With a tolerance of zero all steps are taken, and derivatives are those
            of the steps.
        unit: The unit of residuals, a positive number or one per player (default: it is measured).
        progress: True for a text progress meter, or any meter of diffrax. It shows the larger of
            the shares of the step budget used and of the way, in logarithms, to the tolerance.
        save_every: If given, the history holds the strategy and the residual every so many steps,
            and at the first and last. By default it holds residuals only, at up to 1024 evenly
            spaced steps, however long the run.
        save: A function `save(x, state, args)` whose value, a pytree of arrays, the history holds
            in place of strategies, as `saved`. It is computed only for the records that stay.
        callback: A function `callback(step, x, residual)` that is called on the host, with an
            integer, NumPy arrays and a float, in the order of the steps: every `save_every` steps
            (default: every step), and at the first and last. Under `jax.jit`, too, but not under
            `jax.vmap`, where runs have no order. It is compiled in, so reuse one function.
        throw: Whether to raise an error unless the run was successful.
        adjoint: An `optimistix.ImplicitAdjoint`, whose linear solver is used for derivatives; or
            None for those of the steps, in forward mode; or, for reverse mode, an
            `optimistix.RecursiveCheckpointAdjoint`, with which strategy, state and residual have
            the derivatives of the steps, which are taken once more for that.

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
    _check_first(first_step)
    noisy = is_noisy(args)
    if noisy and tol is not None and (isinstance(tol, Tracer) or tol != 0):
        raise ValueError(
            "solve: a run with noisy residuals does not stop at one; leave tol out, or say by "
            "which arguments to judge: Stepwise(fn, mean=...)"
        )
    has_pairs = has_complex(x0)
    if has_pairs:
        game, x0 = field_of_pairs(game), as_pairs(x0)
        save = None if save is None else SaveOfPairs(save)
        callback = None if callback is None else CallbackOfPairs(callback)
    asked = game
    field, x0, rest = prepared(game, x0)
    check_strategy(x0)
    judging = judged_args(args, jnp.asarray(first_step, int))
    check_not_costs(asked, x0, judging)
    method, region = with_step(method, step_size, field, x0, judging)
    _check_steps(method)
    shared = field.shared_constraints(x0)
    if shared:
        from dgames.constraints.feasible_set import feasible_set
        from dgames.constraints.projection import require_projectable

        check_one_step(method, x0)
        require_projectable(feasible_set(field.strategy_set(x0), shared, x0))
    capacity = None if save_every is None else max_steps // save_every + 2
    everything = (field, method, x0, args, state, _as_unit(unit, x0))
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(everything))
    of_steps = traced and not isinstance(tol, Tracer) and tol is not None and tol == 0
    if isinstance(adjoint, ImplicitAdjoint) and (noisy or of_steps):
        adjoint = None
    reach = -jnp.inf if noisy else default_tolerance(x0) if tol is None else tol
    solution = run(
        Run(*everything, jnp.asarray(first_step, int)),
        jnp.asarray(max_steps),
        jnp.asarray(reach, float),
        _as_meter(progress),
        capacity,
        Hooks(rest, save, callback, save_every),
        region,
        traced,
        with_checkpoints(adjoint, max_steps),
    )
    if callback is not None and not isinstance(solution.steps, Tracer):
        jax.effects_barrier()  # all calls are made before the run is over
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
    return _of_complex(solution) if has_pairs else solution


def check_one_step(method: AbstractMethod, x: Strategy) -> None:
    """Raises an error if the players of a game with shared constraints have steps of their own.

    The fixed points would be those of other weights: another equilibrium.
    """
    while hasattr(method, "method"):
        method = method.method  # pyright: ignore[reportAttributeAccessIssue]
    if not eqx.is_array_like(getattr(method, "step_size", 0.0)):
        raise ValueError(
            "solve: with shared constraints all players take the same step; steps per player "
            "select another equilibrium; choose that one by dgames.Normalised, or use "
            "dgames.PrimalDual, whose steps are free"
        )


def _check_steps(method: AbstractMethod) -> None:
    """Raises an error if a step size is negative or not a number, as far as steps are known."""
    while hasattr(method, "method"):
        method = method.method  # pyright: ignore[reportAttributeAccessIssue]
    for leaf in jax.tree.leaves(getattr(method, "step_size", 0.0)):
        known = eqx.is_array_like(leaf) and not isinstance(leaf, Tracer)
        if known and not np.iscomplexobj(leaf) and not np.all(np.asarray(leaf) >= 0):
            raise ValueError(
                f"solve: step sizes are positive; {type(method).__name__} has one of "
                f"{float(np.min(np.asarray(leaf))):.6g}"
            )


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


def _check_first(first_step: Any) -> None:
    if isinstance(first_step, Tracer):
        return
    array = np.asarray(first_step)
    if array.ndim or not np.issubdtype(array.dtype, np.integer) or array < 0:
        raise ValueError(
            "solve: first_step must be a whole number that is not negative, such as the `steps` "
            f"of an earlier Solution; got {first_step!r:.60}"
        )


def _as_unit(unit: PyTree, x: Strategy) -> PyTree:
    """Returns given units as one number per player, or None."""
    if unit is None:
        return None
    units = per_player(real_hyperparameter(unit), x)
    for leaf in jax.tree.leaves(units):
        if not isinstance(leaf, Tracer) and not bool(jnp.all(leaf > 0)):
            raise ValueError(f"solve: unit must be positive, not {leaf}")
    return units


def _completed(solution: Solution, rest: PyTree) -> Solution:
    """Returns a solution with whole modules in place of their numbers."""

    def strategies(s: Solution) -> tuple:
        return (s.strategy, s.history.strategy)

    strategy = eqx.combine(solution.strategy, rest)
    saved = solution.history.strategy
    saved = saved if saved is None else eqx.combine(saved, rest)
    return eqx.tree_at(strategies, solution, (strategy, saved), is_leaf=lambda leaf: leaf is None)


def _of_complex(solution: Solution) -> Solution:
    """Returns a solution with complex strategies in place of pairs."""
    history = solution.history
    history = dataclasses.replace(history, strategy=from_pairs(history.strategy))
    return dataclasses.replace(solution, strategy=from_pairs(solution.strategy), history=history)


def _raise_where_not_finite(field: AbstractField, args: PyTree, solution: Solution) -> None:
    """Raises an error that names the player whose field is not finite, if there is one."""
    if isinstance(solution.steps, Tracer) or solution.steps.ndim:
        return
    x, at_fault = eqx.filter(solution.strategy, eqx.is_inexact_array), None
    finite = all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(x))
    if finite and bool(solution.result == RESULTS.field_not_finite):
        at_fault = not_finite(field, x, judged_args(args, solution.steps))
    if at_fault is not None:
        raise RuntimeError(
            f"solve: after {int(solution.steps)} steps the field of player '{at_fault}' is not "
            "finite at the strategy reached, which is; look at the costs there, for norms and "
            "roots at zero, logarithms or divisions."
        )


def _as_meter(progress: bool | AbstractProgressMeter) -> AbstractProgressMeter:
    if isinstance(progress, AbstractProgressMeter):
        return progress
    return TextProgressMeter() if progress else NoProgressMeter()
