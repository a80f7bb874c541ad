"""Records a run in bounded memory."""

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
    """Fills a history of fixed capacity inside a loop, with one write per step and array.

    It keeps every step that is a multiple of its stride, and the last one: step k is written to
    record `ceil(k / stride)` whether it is due or not, and is overwritten until the step that is
    due comes. When the last record is full, `thinned` forgets every second one and doubles the
    stride, so that a run of any length leaves between half the capacity and all of it. The capacity
    must be odd, so that the last record is one of those kept.
    """

    residual: Float[Array, " records"]
    strategy: PyTree
    doublings: Int[Array, ""]
    every: int = eqx.field(static=True)

    @staticmethod
    def start(
        x: Strategy, residual: Array, capacity: int, every: int, strategies: bool
    ) -> "Recorder":
        """A recorder with the stride `every` that holds step 0."""
        return Recorder(
            residual=_stack(residual, capacity),
            strategy=jax.tree.map(lambda leaf: _stack(leaf, capacity), x) if strategies else None,
            doublings=jnp.zeros((), int),
            every=every,
        )

    @property
    def stride(self) -> Int[Array, ""]:
        """The number of steps that a record stands for."""
        return self.every << self.doublings

    @property
    def horizon(self) -> Int[Array, ""]:
        """The last step for which there is a record."""
        return (self.residual.shape[0] - 1) * self.stride

    def record(self, x: Strategy, residual: Array, step: Array) -> "Recorder":
        """Records a step, which must be the one after the step recorded before."""
        index = self._record(step)

        def write(records: Array, value: Array) -> Array:
            return records.at[index].set(
                value, mode="promise_in_bounds", wrap_negative_indices=False
            )

        strategy = self.strategy
        if strategy is not None:
            strategy = jax.tree.map(write, strategy, x)
        return Recorder(write(self.residual, residual), strategy, self.doublings, self.every)

    def latest(self, step: Array) -> Array:
        """The residual at the last step recorded."""
        return self.residual.at[self._record(step)].get(
            mode="promise_in_bounds", wrap_negative_indices=False
        )

    def thinned(self) -> "Recorder":
        """A recorder without every second record: room for as many steps again."""
        residual, strategy = jax.tree.map(_thin, (self.residual, self.strategy))
        return Recorder(residual, strategy, self.doublings + 1, self.every)

    def history(self, last: Array) -> History:
        """Returns the records as a history.

        Args:
            last: The last step recorded.
        """
        records = jnp.arange(self.residual.shape[0])
        end = self._record(last)
        steps = jnp.where(records < end, records * self.stride, jnp.where(records == end, last, -1))
        return History(steps, self.residual, self.strategy)

    def _record(self, step: Array) -> Array:
        # A division by a constant and a shift are faster in the loop than a division by `stride`.
        multiple = jax.lax.div(step + (self.every - 1), jnp.full_like(step, self.every))
        return (multiple + (1 << self.doublings) - 1) >> self.doublings


def trim(history: History) -> History:
    """Drops unused records, unless the history is traced or batched."""
    if isinstance(history.steps, Tracer) or history.steps.ndim != 1:
        return history
    used = int(np.sum(np.asarray(history.steps) >= 0))
    return jax.tree.map(lambda records: records[:used], history)


def _stack(leaf: Array, capacity: int) -> Array:
    return jnp.full((capacity, *leaf.shape), jnp.nan, leaf.dtype).at[0].set(leaf)


def _thin(records: Array) -> Array:
    kept = records[::2]
    return jnp.concatenate([kept, jnp.full_like(records[len(kept) :], jnp.nan)])
