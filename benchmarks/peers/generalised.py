"""Variational equilibria with shared constraints, by nashopt and by ours."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import certify
import dgames as dg
from benchmarks.peers.equilibria import Example, by_nashopt, examples
from benchmarks.peers.table import Row, missing, not_run
from benchmarks.peers.timing import compared, in_turns, timed

TITLE = "Shared constraints"

ABOUT = """\
Seconds from a game with shared constraints to its variational equilibrium, at which all players
have the same multipliers: nashopt's own examples that have such constraints, and the river basin of
Krawczyk and Uryasev, for which nashopt is told to look for that equilibrium. Both solve the
conditions of optimality, from the same start. nashopt compiles them in every call, and its second
row is without that, by its own account; ours compiles once for each game. All of these games are
proved, on a box of radius one around the solution: exactly one variational equilibrium, and steps
that lead to it.
"""


class Problem(NamedTuple):
    """A game with shared constraints, for both sides.

    Attributes:
        example: The game in nashopt's terms.
        start: Where both start.
    """

    example: Example
    start: np.ndarray


def problems() -> list[Problem]:
    """The games."""
    linear, own = np.array([0.1, 0.12, 0.15]), np.array([0.01, 0.05, 0.01])
    load = np.array([[3.25, 1.25, 4.125], [2.2915, 1.5625, 2.8125]])

    def mill(i: int) -> Callable:
        return lambda x: x[i] * (linear[i] + own[i] * x[i] - 3.0 + 0.01 * jnp.sum(x))

    river = Example(
        "river basin",
        (1, 1, 1),
        tuple(map(mill, range(3))),
        0.0,
        1e3,
        (lambda x: load @ x - 100.0, 2),
        1.0,
    )
    shared = [example for example in examples() if example.shared is not None]
    return [*(Problem(example, example.start) for example in shared), Problem(river, np.ones(3))]


def posed(problem: Problem) -> tuple[dg.Game, tuple[Array, ...]]:
    """The game in our terms, and the start."""
    example = problem.example
    ends = list(itertools.accumulate(example.sizes, initial=0))
    assert example.shared is not None
    function, _ = example.shared

    def costs(x: Any, args: Any) -> Any:
        return tuple(cost(jnp.concatenate(x)) for cost in example.costs)

    shared = dg.SharedConstraint(lambda x, args: function(jnp.concatenate(x)))
    game = dg.game(costs, dg.Box(example.low, example.high), shared)
    return game, tuple(jnp.asarray(problem.start[a:b]) for a, b in itertools.pairwise(ends))


def by_us(problem: Problem) -> Callable[[], np.ndarray]:
    """Our solver, and the strategies as one vector."""
    game, start = posed(problem)
    return lambda: np.concatenate(dg.solve_kkt(game, start).strategy)


def proof(problem: Problem) -> certify.Convergence:
    """What we prove on a box of radius one around the solution, which is not timed."""
    game, start = posed(problem)
    region = certify.Box.around(dg.solve_kkt(game, start).strategy, 1.0)
    return certify.certify(game, region, [dg.Simultaneous, dg.Extragradient])


def variational_by_nashopt(problem: Problem) -> tuple[Callable[[], np.ndarray], list[float]]:
    """The default solver of nashopt, told to look for the variational equilibrium."""
    return by_nashopt(problem.example, problem.start, variational=True)


def rows(quick: bool) -> Iterator[Row]:
    """All rows."""
    for problem in problems():
        what = problem.example.name
        if missing("nashopt"):
            yield not_run(what, "nashopt", "not installed")
            continue
        ours, (theirs, solving) = by_us(problem), variational_by_nashopt(problem)
        (mine, cold), (other, their_cold) = timed(ours), timed(theirs)
        apart = f"{np.abs(mine - other).max():.0e} apart"
        solving.clear()
        seconds = in_turns((ours, theirs), 1 if quick else 5)
        yield Row(what, "nashopt", compared(*seconds), "game", (cold, their_cold), apart)
        alone = compared(seconds[0], np.maximum(solving, 1e-9).tolist())
        yield Row(what, "nashopt, not compiling", alone, "game", (None, None), apart)
