"""Different solutions of one game, by branching where runs separate."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from dgames.diagnose.augmented_step import checked, counted
from dgames.diagnose.exponent_ascent import Ascent, ascend_exponent
from dgames.diagnose.lyapunov import check_few
from dgames.diagnose.run_derivative import RunDerivative
from dgames.fields import AbstractField
from dgames.game import Game
from dgames.methods import AbstractMethod
from dgames.solution import Solution
from dgames.solve import solve
from dgames.strategy import Strategy, ravel, split


class Branches(eqx.Module):
    """What `branch` returns.

    Attributes:
        start: Where the runs branch.
        objective: What was ascended, at each start of the ascent.
        directions: Displacements of the start, of norm one and orthogonal, stacked along a new
            first axis; those that grow most come first.
        solutions: The runs, along a new first axis of everything: forward along each direction,
            then backward along each.
        descriptors: What tells solutions apart, one row per run.
        distinct: The numbers of the runs whose solutions differ from those of all runs before.
        archive: Their solutions.
    """

    start: Strategy
    objective: Float[Array, " times"]
    directions: Strategy
    solutions: Solution
    descriptors: Float[Array, "runs features"]
    distinct: tuple[int, ...] = eqx.field(static=True)
    archive: tuple[Strategy, ...]


def branch(
    game: Game | AbstractField | Callable,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree = None,
    *,
    steps: int,
    count: int = 1,
    ascent: Ascent | None = None,
    distance: float = 0.1,
    run_method: AbstractMethod | None = None,
    max_steps: int = 10_000,
    tol: float | None = None,
    descriptor: Callable[[Strategy], PyTree] | None = None,
    tolerance: float = 1e-2,
    iterations: int = 200,
) -> Branches:
    r"""Looks for different solutions by branching where runs separate: Generalised Ridge Rider.

    1. The start is moved to where Lyapunov exponents over the next `steps` steps are large: to a
       saddle, or to any other place where a small change decides where runs end.
    2. The branching directions are the displacements of the start after which the strategy has
       moved most: the leading right singular vectors v of the derivative of the run.
    3. From `start + distance v` and `start - distance v` for each v, the game is solved.
    4. Solutions are archived that differ from those before.

    Nothing is proved of what is found, nor that all solutions are: it is a search. What it finds
    can be certified with `certify.certify` around each.

    Args:
        game: A game, or any field.
        method: The method whose exponents are meant.
        x: The first start, a joint strategy.
        args: Passed to the field.
        steps: The number of steps that exponents look ahead.
        count: The number of directions.
        ascent: How to look for the start (default: `Ascent()`); `Ascent(steps=0)` branches at `x`.
        distance: How far to step along directions, in the Euclidean norm.
        run_method: The method that runs from the branches (default: `method`).
        max_steps: As for `dgames.solve`.
        tol: As for `dgames.solve`.
        descriptor: Says what tells solutions apart: a function of a strategy that returns arrays,
            such as costs or policies. By default it is the strategy itself, which does not do for
            equilibria at infinity, say in logits.
        tolerance: Descriptors that are at most so far apart, in the Euclidean norm, are the same.
        iterations: As for `lyapunov_exponents`.

    Returns:
        A `Branches`. Runs whose strategies are not finite are in its `solutions`, but not in its
        archive; those that ran out of steps are in both, so look at `solutions.result`.

    Raises:
        ValueError: If the game, the strategy or an option is malformed.

    References:
        Lorraine et al., *Lyapunov Exponents for Diversity in Differentiable Games*, AAMAS 2022,
        arXiv:2112.14570. Parker-Holder et al., *Ridge Rider*, NeurIPS 2020, arXiv:2011.06505.

    >>> from dgames.game import game
    >>> from dgames.methods import Simultaneous
    >>> wells = game(lambda x, args: (x[0] ** 4 / 4 - x[0] ** 2 / 2 + x[1] ** 2, x[1] ** 2))
    >>> found = branch(wells, Simultaneous(0.2), (0.3, 0.2), steps=5)
    >>> sorted(round(float(x[0]), 4) for x in found.archive)
    [-1.0, 1.0]
    """
    steps, count = counted("branch", steps=steps), counted("branch", count=count)
    for name, value in (("distance", distance), ("tolerance", tolerance)):
        if not value > 0:
            raise ValueError(f"branch: the {name} must be positive; got {value}")
    field, x0 = checked(game, x, args)
    _, rest = split(x)
    check_few("branch", count, ravel(x0)[0].size)
    start, values = ascend_exponent(
        field, method, x0, args, steps=steps, count=count, ascent=ascent, iterations=iterations
    )
    directions, starts = _branches(
        field, method, start, args, steps, count, jnp.asarray(distance, float), iterations
    )

    def run(x: Strategy) -> Solution:
        chosen = method if run_method is None else run_method
        return solve(field, chosen, x, args, max_steps=max_steps, tol=tol, adjoint=None)

    solutions = eqx.filter_vmap(run)(starts)
    strategies = solutions.strategy

    def described(x: Strategy) -> Array:
        return ravel(x if descriptor is None else descriptor(eqx.combine(x, rest)))[0]

    descriptors = jax.vmap(described)(strategies)
    rows = np.concatenate(
        [np.asarray(descriptors), np.asarray(jax.vmap(lambda x: ravel(x)[0])(strategies))], axis=1
    )
    distinct = _distinct(np.asarray(descriptors), np.all(np.isfinite(rows), axis=1), tolerance)
    archive = tuple(
        eqx.combine(jax.tree.map(lambda leaf, run=run: leaf[run], strategies), rest)
        for run in distinct
    )
    if jax.tree.leaves(rest):
        whole = eqx.combine(strategies, rest)
        solutions = eqx.tree_at(lambda s: s.strategy, solutions, whole)
        start, directions = eqx.combine(start, rest), eqx.combine(directions, rest)
    return Branches(start, values, directions, solutions, descriptors, distinct, archive)


@eqx.filter_jit
def _branches(
    field: AbstractField,
    method: AbstractMethod,
    x: Strategy,
    args: PyTree,
    steps: int,
    count: int,
    distance: Float[Array, ""],
    iterations: int,
) -> tuple[Strategy, Strategy]:
    """Returns the directions, and the starts on both sides along them."""
    vector, unravel = ravel(x)
    run = RunDerivative(field, method, x, args, None, steps)
    directions = run.directions_of_start(count, iterations)[0].T
    moves = distance.astype(vector.dtype) * jnp.concatenate([directions, -directions])
    starts = jax.vmap(lambda move: field.project(unravel(vector + move)))(moves)
    return jax.vmap(unravel)(directions), starts


def _distinct(rows: np.ndarray, usable: np.ndarray, tolerance: float) -> tuple[int, ...]:
    """Returns the numbers of rows that are farther from all rows before than the tolerance."""
    kept: list[int] = []
    for number in np.flatnonzero(usable):
        if all(np.linalg.norm(rows[number] - rows[other]) > tolerance for other in kept):
            kept.append(int(number))
    return tuple(kept)
