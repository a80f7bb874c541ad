"""Reverse mode through the steps of a run: an error, or the run once more in a loop for it."""

import dataclasses
import math
from typing import Any

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree
from optimistix import RecursiveCheckpointAdjoint

from dgames.run import Run, strong
from dgames.scale import scaled_residual
from dgames.solution import Solution

_BACKWARD = (
    "solve: reverse mode reaches the steps of a run, along the start, the method's state or "
    "hyper-parameters, or because derivatives of the steps were asked for. Take "
    "adjoint=optimistix.RecursiveCheckpointAdjoint(), or stop_gradient of what the equilibrium "
    "does not depend on, or forward mode."
)


def with_checkpoints(adjoint: Any, max_steps: int) -> Any:
    """Returns an adjoint whose number of checkpoints is known, if it has such a number.

    The default, about the square root of twice the number of steps, lets every step be repeated
    once.
    """
    if not isinstance(adjoint, RecursiveCheckpointAdjoint) or adjoint.checkpoints is not None:
        return adjoint
    return RecursiveCheckpointAdjoint(math.isqrt(2 * max_steps) + 1)


def without_derivatives(task: PyTree) -> PyTree:
    """Returns a pytree whose floating-point arrays have no derivatives."""
    moving, fixed = eqx.partition(task, eqx.is_inexact_array)
    return eqx.combine(jax.lax.stop_gradient(moving), fixed)


def forward_only(values: PyTree) -> PyTree:
    """Returns values of a run; reverse mode ends here in an error that says what would be right."""
    return eqxi.nondifferentiable_backward(values, msg=_BACKWARD)


def replayed(solution: Solution, task: Run, checkpoints: int | None) -> Solution:
    """Returns the solution of a run with the derivatives of its steps, in reverse mode.

    The steps are taken again, as many as there were, without the history, of which each checkpoint
    would hold a copy.

    Args:
        solution: What the run came to.
        task: What it started from, and along what derivatives are taken.
        checkpoints: How many augmented states are kept at a time.
    """
    taken = solution.steps - task.first
    begin = jnp.zeros((), int)

    def unfinished(carry: PyTree) -> Bool[Array, ""]:
        return carry[2] < taken

    def step(carry: PyTree) -> PyTree:
        x, state, steps = carry
        x, state = task.method.step(task.field, x, state, task.drawn(steps))
        return strong((x, state, steps + 1))

    state = task.begun(task.field, task.drawn(begin))
    x, state, _ = eqxi.while_loop(
        unfinished,
        step,
        strong((task.x0, state, begin)),
        kind="checkpointed",
        checkpoints=checkpoints,
    )
    args = task.judged(taken)
    shares = jax.tree.map(jnp.reciprocal, solution.unit)
    residual = scaled_residual(task.field, x, task.field(x, args), shares, args)
    return dataclasses.replace(solution, strategy=x, state=state, residual=residual)
