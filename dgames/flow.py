"""Follows a field in continuous time."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, PyTree

from dgames.complex_strategy import as_pairs, from_pairs, has_complex
from dgames.diagnose import natural_map
from dgames.fields import AbstractField, check_field, check_not_costs, prepared
from dgames.fields.complex_field import field_of_pairs
from dgames.game import Game
from dgames.scale import default_tolerance, force_and_gains, scaled_residual, unit_of
from dgames.strategy import Strategy


class Trajectory(eqx.Module):
    """What `flow` returns.

    Attributes:
        times: The times at which strategies were saved.
        strategies: The strategies at those times, stacked along a new first axis.
        strategy: The last strategy.
        time: Its time: `t1`, or earlier if the flow stopped at an equilibrium.
        residual: Its natural residual in units of the field's own, see `dgames.solve`.
        converged: Whether that residual is at most the tolerance. A flow can reach `t1` without
            having converged: a cycle does.
        result: How diffrax ended the integration; `diffrax.is_okay(result)` says whether well.
    """

    times: Float[Array, "*batch times"]
    strategies: Strategy
    strategy: Strategy
    time: Float[Array, "*batch"]
    residual: Float[Array, "*batch"]
    converged: Bool[Array, "*batch"]
    result: diffrax.RESULTS


def flow(
    game: Game | AbstractField | Callable,
    x0: Strategy,
    t1: float | int | Array,
    *,
    t0: float | int | Array = 0.0,
    args: PyTree = None,
    solver: diffrax.AbstractSolver | None = None,
    rtol: float = 1e-7,
    atol: float = 1e-9,
    dt0: float | None = None,
    stepsize_controller: diffrax.AbstractStepSizeController | None = None,
    saveat: diffrax.SaveAt | None = None,
    tol: float | int | Array | None = None,
    stop: bool = False,
    max_steps: int = 100_000,
    progress: bool | diffrax.AbstractProgressMeter = False,
    throw: bool = True,
) -> Trajectory:
    """Follows `dx/dt = -F(x)` from `t0` to `t1`.

    With strategy sets it follows the projected system `dx/dt = P(x - F(x)) - x` instead, which
    stays in the sets, is as smooth as `P`, and rests exactly at the solutions of the variational
    inequality (Friesz, Bernstein, Mehta, Tobin and Ganjalizadeh, 1994).

    That is not the projected gradient flow, which is `dx/dt = -F(x)` inside the sets and which
    certificates of games with strategy sets are about: inside the sets too, it differs from that
    one wherever `x - F(x)` is outside, so that it may leave a basin that is proved for that one.

    Args:
        game: A game, any field, or a function `fn(x, args)` used as one.
        x0: The joint strategy to start from.
        t1: The last time.
        t0: The first time.
        args: Passed to the costs.
        solver: A diffrax solver (default: `diffrax.Tsit5()`).
        rtol: Relative tolerance of the step size controller.
        atol: Absolute tolerance of the step size controller.
        dt0: The first step (default: chosen by the controller).
        stepsize_controller: A diffrax controller, used instead of `rtol` and `atol`.
        saveat: What to save (default: 101 evenly spaced times from `t0` to `t1`, or every step if
            `stop`).
        tol: The residual at which a strategy counts as an equilibrium (default: 1e-6 in float64,
            1e-2 in shorter types, a hundred times that of `dgames.solve`). Keep it well above the
            integration error: below the noise of the integrator it is never reached.
        stop: Whether to stop at such a strategy, before `t1`.
        max_steps: The budget of integration steps.
        progress: True for a text progress meter, or any meter of diffrax.
        throw: Whether to raise an error if the integration fails.

    Returns:
        A `Trajectory`; `converged` speaks of equilibria, `result` of the integration.

    Raises:
        ValueError: If the game or the strategy is malformed.

    >>> from dgames import game
    >>> bowl = game(lambda x, args: (x[0] ** 2 / 2, x[1] ** 2))
    >>> trajectory = flow(bowl, (1.0, 1.0), t1=1.0)
    >>> [round(float(block), 6) for block in trajectory.strategy]
    [0.367879, 0.135335]
    """
    if has_complex(x0):
        game, x0 = field_of_pairs(game), as_pairs(x0)
    asked = game
    field, x0, rest = prepared(game, x0)
    check_field(field, x0, args)
    check_not_costs(asked, x0, args)
    dtype = _time_dtype(x0)
    start, stop_time = jnp.asarray(t0, dtype), jnp.asarray(t1, dtype)
    if saveat is None and stop:
        saveat = diffrax.SaveAt(t0=True, steps=True)
    elif saveat is None:
        saveat = diffrax.SaveAt(ts=jnp.linspace(start, stop_time, 101))
    if stepsize_controller is None:
        stepsize_controller = diffrax.PIDController(rtol=rtol, atol=atol)
    if not isinstance(progress, diffrax.AbstractProgressMeter):
        progress = diffrax.TextProgressMeter() if progress else diffrax.NoProgressMeter()
    trajectory = _integrate(
        field,
        x0,
        start,
        stop_time,
        args,
        jnp.asarray(100 * default_tolerance(x0) if tol is None else tol, float),
        dict(
            solver=diffrax.Tsit5() if solver is None else solver,
            dt0=dt0,
            stepsize_controller=stepsize_controller,
            max_steps=max_steps,
            progress_meter=progress,
            throw=throw,
        ),
        saveat,
        stop,
    )
    trajectory = from_pairs(_trim(trajectory))
    if not jax.tree.leaves(rest):
        return trajectory
    return eqx.tree_at(
        lambda t: (t.strategies, t.strategy),
        trajectory,
        (eqx.combine(trajectory.strategies, rest), eqx.combine(trajectory.strategy, rest)),
    )


@eqx.filter_jit
def _integrate(
    field: AbstractField,
    x0: Strategy,
    t0: Array,
    t1: Array,
    args: PyTree,
    tol: Array,
    options: dict[str, Any],
    saveat: diffrax.SaveAt,
    stop: bool,
) -> Trajectory:
    def velocity(t: Any, x: Strategy, args: PyTree) -> Strategy:
        return jax.tree.map(jnp.negative, natural_map(field, x, args))

    _, gains = force_and_gains(field, x0, args)
    shares = jax.tree.map(lambda gain: 1 / unit_of(gain), gains)

    def residual(x: Strategy) -> Array:
        return scaled_residual(field, x, field(x, args), shares, args)

    def at_rest(t: Any, x: Strategy, args: PyTree, **kwargs: Any) -> Bool[Array, ""]:
        value = residual(x)
        return value <= tol.astype(value.dtype)

    subs = {"asked": saveat.subs, "end": diffrax.SubSaveAt(t1=True)}
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(velocity),
        t0=t0,
        t1=t1,
        y0=x0,
        args=args,
        saveat=eqx.tree_at(lambda s: s.subs, saveat, subs),
        event=diffrax.Event(at_rest) if stop else None,
        **options,
    )
    assert solution.ts is not None and solution.ys is not None
    asked, end = (
        jax.tree.map(lambda leaf, x: leaf.astype(x.dtype), solution.ys[name], x0)
        for name in ("asked", "end")
    )
    strategy = jax.tree.map(lambda leaf: leaf[0], end)
    final = residual(strategy)
    return Trajectory(
        times=solution.ts["asked"],
        strategies=asked,
        strategy=strategy,
        time=solution.ts["end"][0],
        residual=final,
        converged=final <= tol.astype(final.dtype),
        result=solution.result,
    )


def _time_dtype(x: Strategy) -> Any:
    # diffrax promotes times and strategies to one dtype, which should be that of the strategies.
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(jnp.float32, *jax.tree.leaves(x))


def _trim(trajectory: Trajectory) -> Trajectory:
    """Drops the infinite padding that diffrax leaves, unless the times are traced or batched."""
    times = trajectory.times
    if isinstance(times, Tracer) or times.ndim != 1:
        return trajectory
    used = int(np.sum(np.isfinite(np.asarray(times))))
    return eqx.tree_at(
        lambda t: (t.times, t.strategies),
        trajectory,
        (times[:used], jax.tree.map(lambda leaf: leaf[:used], trajectory.strategies)),
    )
