"""Records a run in bounded memory."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PyTree


class History(eqx.Module):
    """What a run looked like, at an increasing list of steps.

    Attributes:
        steps: The number of steps taken at each record; -1 marks unused records (only seen inside
            `jax.jit` and `jax.vmap`, where the length cannot depend on the run).
        residual: The residual at each record.
        strategy: The strategies at each record, stacked along a new first axis; or None.
        saved: What the `save` of `dgames.solve` returned at each record, stacked likewise; or None.
    """

    steps: Int[Array, "*batch records"]
    residual: Float[Array, "*batch records"]
    strategy: PyTree
    saved: PyTree = None


class Recorder(eqx.Module):
    """Fills a history of fixed capacity inside a loop, with one write per step and array.

    Beside residuals it keeps one pytree of values: strategies, what users save, or None.

    It keeps every step that is a multiple of its stride, and the last one: step k is written to
    record `ceil(k / stride)` whether it is due or not, and is overwritten until the step that is
    due comes. When the last record is full, `thinned` forgets every second one and doubles the
    stride, so that a run of any length leaves between half the capacity and all of it. The capacity
    must be odd, so that the last record is one of those kept.
    """

    residual: Float[Array, " records"]
    values: PyTree
    doublings: Int[Array, ""]
    every: int = eqx.field(static=True)

    @staticmethod
    def start(values: PyTree, residual: Array, capacity: int, every: int) -> "Recorder":
        """A recorder with the stride `every` that holds step 0."""
        return Recorder(
            residual=_stack(residual, capacity),
            values=jax.tree.map(lambda leaf: _stack(leaf, capacity), values),
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

    def due(self, step: Array) -> Bool[Array, ""]:
        """Returns whether the record of a step stays, unless it is the last step anyway."""
        return jax.lax.rem(step, self.stride.astype(step.dtype)) == 0

    def record(self, values: PyTree, residual: Array, step: Array) -> "Recorder":
        """Records a step, which must be the one after the step recorded before."""
        index = self._record(step)

        def write(records: Array, value: Array) -> Array:
            return records.at[index].set(
                value, mode="promise_in_bounds", wrap_negative_indices=False
            )

        kept = jax.tree.map(write, self.values, values)
        return Recorder(write(self.residual, residual), kept, self.doublings, self.every)

    def latest(self, step: Array) -> Array:
        """The residual at the last step recorded."""
        return self.residual.at[self._record(step)].get(
            mode="promise_in_bounds", wrap_negative_indices=False
        )

    def thinned(self) -> "Recorder":
        """A recorder without every second record: room for as many steps again."""
        residual, values = jax.tree.map(_thin, (self.residual, self.values))
        return Recorder(residual, values, self.doublings + 1, self.every)

    def history(self, last: Array, first: Array, saved: bool) -> History:
        """Returns the records as a history.

        Args:
            last: The last step recorded.
            first: The number of the step recorded first, from which steps are counted.
            saved: Whether the values are what users save, and not strategies.
        """
        records = jnp.arange(self.residual.shape[0])
        end = self._record(last)
        steps = jnp.where(records < end, records * self.stride, last)
        steps = jnp.where(records <= end, first + steps, -1)
        strategy, values = (None, self.values) if saved else (self.values, None)
        return History(steps, self.residual, strategy, values)

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
    return jnp.full((capacity, *leaf.shape), _nothing(leaf), leaf.dtype).at[0].set(leaf)


def _thin(records: Array) -> Array:
    kept = records[::2]
    return jnp.concatenate([kept, jnp.full_like(records[len(kept) :], _nothing(records))])


def _nothing(like: Array) -> float | int:
    """Returns what fills records that were not written: NaN, where there is such a number."""
    return jnp.nan if jnp.issubdtype(like.dtype, jnp.inexact) else 0
