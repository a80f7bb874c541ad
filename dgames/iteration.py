"""Steps of a method and nothing else: no residual, no stopping."""

import operator
from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Int, PyTree

from dgames.complex_strategy import has_complex
from dgames.fields import AbstractField, check_field, check_not_costs, prepared
from dgames.game import Game
from dgames.methods import AbstractMethod
from dgames.run import fitting, strong
from dgames.stepwise import Stepwise
from dgames.strategy import Strategy, check_strategy


class Iterates(eqx.Module):
    """What `iterate` returns.

    Attributes:
        strategy: The last strategy.
        state: The method's state that belongs to it.
        steps: The number of steps taken.
        saved: What was saved every so many steps, along a new first axis; or None.
    """

    strategy: Strategy
    state: PyTree
    steps: Int[Array, ""]
    saved: PyTree


def iterate(
    game: Game | AbstractField | Callable,
    method: AbstractMethod,
    x0: Strategy,
    args: PyTree = None,
    *,
    steps: int,
    state: PyTree = None,
    save: Callable[[Strategy, PyTree], PyTree] | None = None,
    every: int | None = None,
) -> Iterates:
    """Takes a given number of steps of a method, in one compiled loop.

    It is what remains of `dgames.solve` if nothing is measured, for steps that take less time than
    a residual does, such as those of `CounterfactualRegret`, whose residual needs projections onto
    treeplexes. The number of steps does not recompile; neither do new values of arrays.

    Args:
        game: A game, any field, or a function `fn(x, args)` used as one.
        method: How to step.
        x0: The joint strategy to start from.
        args: Passed to the costs.
        steps: How many steps to take.
        state: The method's state to start from, that of an earlier run, to continue it
            (default: a new one). N steps and then M are N + M steps to the last bit.
        save: A function `save(x, state)` whose value, a pytree of arrays, is saved every `every`
            steps. It is compiled in, so reuse one function.
        every: How many steps there are from one record to the next; it divides `steps`.

    Raises:
        ValueError: If the game, the strategy or a number is malformed.

    Example:
        >>> import dgames as dg
        >>> game = dg.games.MatrixGame.rock_paper_scissors()
        >>> start = (jnp.array([0.5, 0.3, 0.2]),) * 2
        >>> run = iterate(game, dg.methods.cfr_plus(), start, steps=1000)
        >>> bool(dg.nash_gap(game, run.strategy) < 1e-2), int(run.steps)
        (True, 1000)
    """
    if has_complex(x0) or isinstance(args, Stepwise):
        raise ValueError(
            "iterate: complex strategies and Stepwise arguments are for dgames.solve; strategies "
            "here are real, and arguments the same in every step"
        )
    if not isinstance(method, AbstractMethod):
        raise ValueError(f"iterate: {method!r:.60} is no method")
    counts = _whole("steps", steps, 0), None if every is None else _whole("every", every, 1)
    if (save is None) != (every is None) or (every is not None and steps % every):
        raise ValueError(
            "iterate: save and every go together, and every divides the number of steps; got "
            f"steps={steps}, every={every}, save={save!r:.60}"
        )
    asked = game
    field, x, rest = prepared(game, x0)
    check_strategy(x)
    check_not_costs(asked, x, args)
    fresh = _begun(field, method, x, args)
    state = fresh if state is None else fitting(state, fresh, method, "iterate")
    records = None if every is None else steps // every
    start = (x, state)
    x, state, saved = _run(field, method, start, args, counts[0], counts[1], records, save, rest)
    return Iterates(eqx.combine(x, rest), state, jnp.asarray(steps, int), saved)


@eqx.filter_jit
def _begun(field: AbstractField, method: AbstractMethod, x: Strategy, args: PyTree) -> PyTree:
    check_field(field, x, args)  # shapes, when this is compiled
    return strong(method.init(field, x, args))


@eqx.filter_jit
def _run(
    field: AbstractField,
    method: AbstractMethod,
    start: tuple[Strategy, PyTree],
    args: PyTree,
    steps: Array,
    every: Array | None,
    records: int | None,
    save: Callable | None,
    rest: PyTree,
) -> tuple[Strategy, PyTree, PyTree]:
    def step(_: Array, carry: tuple) -> tuple:
        x, state = carry
        return strong(method.step(field, x, state, args))

    def stretch(carry: tuple, _: None) -> tuple:
        assert every is not None and save is not None
        carry = jax.lax.fori_loop(0, every, step, carry)
        return carry, save(eqx.combine(carry[0], rest), carry[1])

    if records is None:
        return *jax.lax.fori_loop(0, steps, step, start), None
    carry, saved = jax.lax.scan(stretch, start, None, records)
    return *carry, saved


def _whole(name: str, value: Any, least: int) -> Array:
    if isinstance(value, Tracer):
        return value
    try:
        whole = not isinstance(value, bool) and operator.index(cast(Any, value)) >= least
    except TypeError:
        whole = False
    if not whole:
        raise ValueError(f"iterate: {name} must be a whole number, at least {least}; got {value!r}")
    return jnp.asarray(value, int)
