"""A bounded record of a run."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, PyTree

from dgames.strategy import Strategy


class History(eqx.Module):
    """What a run looked like, at an increasing list of steps.

    Attributes:
        steps: The number of steps taken at each record; -1 marks unused records (only seen inside
            `jax.jit` and `jax.vmap`, where the length cannot depend on the run).
        residual: The residual at each record.
        strategy: The strategies at each record, stacked along a new first axis; or None.
    """

    steps: Int[Array, "*batch records"]
    residual: Float[Array, "*batch records"]
    strategy: PyTree


class Recorder(eqx.Module):
    """Fills a history of fixed capacity inside a loop.

    It records every `stride` steps. When it is full, it forgets every second record and doubles the
    stride, so that a run of any length leaves between half its capacity and all of it.
    """

    history: History
    count: Int[Array, ""]
    stride: Int[Array, ""]
    thinning: bool = eqx.field(static=True)

    @staticmethod
    def start(
        x: Strategy, residual: Array, capacity: int, stride: int, strategies: bool, thinning: bool
    ) -> "Recorder":
        """A recorder that holds step 0."""
        history = History(
            steps=jnp.full(capacity, -1, int).at[0].set(0),
            residual=jnp.full(capacity, jnp.nan, residual.dtype).at[0].set(residual),
            strategy=jax.tree.map(lambda leaf: _stack(leaf, capacity), x) if strategies else None,
        )
        return Recorder(history, jnp.ones((), int), jnp.asarray(stride, int), thinning)

    def record(self, x: Strategy, residual: Array, step: Array, last: Array) -> "Recorder":
        """Records `step` if it is due, or if it is the `last` one."""
        index = self.count
        due = (step % self.stride == 0) | last

        def write(records: Array, value: Any) -> Array:
            value = jnp.where(due, value, records[index])
            return records.at[index].set(value)

        history = History(
            steps=write(self.history.steps, step),
            residual=write(self.history.residual, residual),
            strategy=None
            if self.history.strategy is None
            else jax.tree.map(write, self.history.strategy, x),
        )
        count = jnp.where(due, self.count + 1, self.count)
        if not self.thinning:
            return Recorder(history, count, self.stride, False)
        capacity = self.history.steps.shape[0]
        full = (count == capacity) & ~last
        history = jax.lax.cond(full, _thin, lambda history: history, history)
        return Recorder(
            history,
            jnp.where(full, capacity // 2, count),
            jnp.where(full, 2 * self.stride, self.stride),
            True,
        )


def trim(history: History) -> History:
    """Drops unused records, unless the history is traced or batched."""
    if isinstance(history.steps, Tracer) or history.steps.ndim != 1:
        return history
    used = int(np.sum(np.asarray(history.steps) >= 0))
    return jax.tree.map(lambda records: records[:used], history)


def _stack(leaf: Array, capacity: int) -> Array:
    return jnp.full((capacity, *leaf.shape), jnp.nan, leaf.dtype).at[0].set(leaf)


def _thin(history: History) -> History:
    def halve(records: Array) -> Array:
        kept = records[::2]
        unused = jnp.full_like(kept, -1 if jnp.issubdtype(kept.dtype, jnp.integer) else jnp.nan)
        return jnp.concatenate([kept, unused])

    return jax.tree.map(halve, history)
