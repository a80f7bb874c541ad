"""What a run of `dgames.solve` keeps and tells along the way."""

import functools
from collections.abc import Callable
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from dgames.history import Recorder
from dgames.strategy import Strategy


def _hashable(callback: Any) -> Any:
    # An `equinox.Module` with arrays has no hash; a partial function is known by its identity.
    return functools.partial(cast(Any, callback)) if isinstance(callback, eqx.Module) else callback


class Hooks(eqx.Module):
    """The functions of users that a run calls, and how often.

    Attributes:
        rest: What is left of players that are modules, besides their numbers.
        save: Makes what the history keeps of `(x, state, args)`; or None.
        callback: Is called on the host with step, strategy and residual; or None.
        save_every: How many steps apart; None if that is up to the history.
    """

    rest: PyTree
    save: Callable | None = None
    callback: Callable | None = eqx.field(default=None, static=True, converter=_hashable)
    save_every: int | None = eqx.field(default=None, static=True)

    def values(self, x: Strategy, state: PyTree, args: PyTree) -> PyTree:
        """Returns what the history keeps: what users save, strategies, or nothing."""
        if self.save is None:
            return None if self.save_every is None else x
        saved = self.save(eqx.combine(x, self.rest), state, args)
        return jax.tree.map(lambda leaf: jnp.array(leaf, jnp.asarray(leaf).dtype), saved)

    def kept(
        self, recorder: Recorder, x: Strategy, state: PyTree, args: Callable, steps: Array
    ) -> PyTree:
        """Returns the values for the record of a step; users' functions are called if it stays.

        Args:
            recorder: The records so far.
            x: The strategy after the step.
            state: The state after the step.
            args: Called for the arguments of the costs, if they are needed.
            steps: The number of steps taken.
        """
        if self.save is None:
            return self.values(x, state, None)

        def values() -> PyTree:
            return self.values(x, state, args())

        shapes = eqx.filter_eval_shape(values)
        nothing = lambda: jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)  # noqa: E731
        return jax.lax.cond(recorder.due(steps), values, nothing)

    def tell(self, step: Int[Array, ""], x: Strategy, residual: Float[Array, ""]) -> None:
        """Calls the callback."""
        if self.callback is None:
            return
        call = self.callback
        arrays, others = eqx.partition(self.rest, eqx.is_array)

        def on_host(step: Array, x: Strategy, arrays: PyTree, residual: Array) -> None:
            whole = eqx.combine(jax.tree.map(np.asarray, x), arrays, others)
            call(int(step), whole, float(residual))

        jax.debug.callback(on_host, step, x, arrays, residual, ordered=True)

    def tell_if(
        self, due: bool, steps: Array, first: Array, x: Strategy, residual: Float[Array, ""]
    ) -> None:
        """Calls the callback after steps that are due, or after all others.

        Args:
            due: Whether the steps that are due are meant.
            steps: The number of steps taken.
            first: The number of the first step.
            x: The strategy.
            residual: Its residual.
        """
        if self.callback is None:
            return
        every = 1 if self.save_every is None else self.save_every
        wanted = (jax.lax.rem(steps, jnp.full_like(steps, every)) == 0) == due
        jax.lax.cond(wanted, lambda: self.tell(first + steps, x, residual), lambda: None)
