"""Equilibria of nashopt's and nashpy's own example games, by their solvers and by ours."""

import functools
import importlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import dgames as dg
from benchmarks.peers.table import Row, missing, not_run
from benchmarks.peers.timing import compared, in_turns, timed

TITLE = "Equilibria"

ABOUT = """\
Seconds from a game to its equilibrium, on example games of the peers.

nashopt solves generalised problems, with constraints that players share; they have a table of
their own. Its three games here are those of its README and its documentation where the shared
constraint leaves the equilibrium as it is (it is inactive there, or its multiplier is zero), so
that ours is the game without it. nashopt solves the conditions of optimality by Newton-like
methods, to rounding and from far away, and compiles them in every call; its second row is without
that, by its own account. Ours runs `Simultaneous` with the step 2 / (least + largest eigenvalue of
the Jacobian) and stops at a residual of 1e-10.

nashpy enumerates supports or pivots, in exact arithmetic but for rounding: on games as small as
its examples nothing is quicker, and it finds all equilibria where ours finds one. Ours runs
mirror prox on zero-sum games and follows quantal response equilibria otherwise; fictitious play
is given 10,000 rounds.
"""

TOLERANCE = 1e-10
PEERS = ("support enumeration", "Lemke-Howson", "fictitious play")


@dataclass(frozen=True)
class Example:
    """An example game of nashopt.

    Attributes:
        name: Where it is from.
        sizes: How many coordinates each player has.
        costs: Of the vector of all coordinates, each player's.
        low: Lower bounds, the same for all coordinates.
        high: Upper bounds.
        shared: The shared constraint `g(x) <= 0`, or None.
        step: For `Simultaneous`.
    """

    name: str
    sizes: tuple[int, ...]
    costs: tuple[Callable, ...]
    low: float
    high: float
    shared: tuple[Callable, int] | None
    step: float

    @property
    def start(self) -> np.ndarray:
        """The middle of the bounds."""
        return np.full(sum(self.sizes), 0.5 * (self.low + self.high))


def examples() -> list[Example]:
    """The game of nashopt's README, and two of its documentation."""
    target = jnp.array([1.0, -0.5])

    def firm(x: Any, i: int) -> Any:
        return 10 * (1.0 + i / 2.0) * x[i] - x[i] * (600.0 - jnp.sum(x))

    return [
        Example(
            "three agents",
            (2, 1, 1),
            (
                lambda x: jnp.sum((x[:2] - target) ** 2),
                lambda x: (x[2] + 0.3) ** 2,
                lambda x: (x[3] - 0.5 * (x[0] + x[2])) ** 2,
            ),
            0.0,
            1.0,
            (lambda x: jnp.array([x[3] + x[0] + x[2] - 2.0]), 1),
            0.5,  # J is triangular with 2 on its diagonal
        ),
        Example(
            "market of ten firms",
            (1,) * 10,
            tuple(functools.partial(firm, i=i) for i in range(10)),
            7.0,
            100.0,
            None,
            1 / 6,  # J = I + 11^T: eigenvalues 1 and 11
        ),
        Example(
            "two agents of ten coordinates",
            (10, 10),
            (
                lambda x: jnp.sum((x[:10] + x[10:]) ** 2) + jnp.sum(x**2),
                lambda x: jnp.sum((x[:10] + x[10:] - 10.0) ** 2) + jnp.sum(x**2),
            ),
            -3.0,
            3.0,
            (lambda x: jnp.array([jnp.sum(x) - 15.0, -jnp.sum(x) - 15.0]), 2),
            0.25,  # J = [[4, 2], [2, 4]], blockwise: eigenvalues 2 and 6
        ),
    ]


def by_us(example: Example) -> Callable[[], np.ndarray]:
    """Our solver, and the strategies as one vector."""
    ends = list(itertools.accumulate(example.sizes, initial=0))

    def costs(x: Any, args: Any) -> Any:
        return tuple(cost(jnp.concatenate(x)) for cost in example.costs)

    game = dg.game(costs, dg.Box(example.low, example.high))
    start = tuple(jnp.asarray(example.start[a:b]) for a, b in itertools.pairwise(ends))
    method = dg.Simultaneous(example.step)

    def run() -> np.ndarray:
        found = dg.solve(game, method, start, tol=TOLERANCE)
        assert found.result == dg.RESULTS.successful
        return np.concatenate(found.strategy)

    return run


def by_nashopt(
    example: Example, start: np.ndarray | None = None, **options: Any
) -> tuple[Callable[[], np.ndarray], list[float]]:
    """The default solver of nashopt, and a list that collects the seconds it did not compile.

    It starts where the example says, or at `start`; options are those of its problems.
    """
    nashopt = importlib.import_module("nashopt")
    low, high = (np.full(sum(example.sizes), value) for value in (example.low, example.high))
    shared, count = example.shared or (None, None)
    costs = [jax.jit(cost) for cost in example.costs]
    problem = nashopt.GNEP(
        list(example.sizes), f=costs, g=shared, ng=count, lb=low, ub=high, **options
    )
    begin = example.start if start is None else start
    solving: list[float] = []

    def run() -> np.ndarray:
        found = problem.solve(begin, verbose=0)
        solving.append(float(found.stats.elapsed_time - found.stats.jax_jit_time))
        return np.asarray(found.x)

    return run, solving


def nashopt_rows(turns: int) -> Iterator[Row]:
    """Three games of nashopt."""
    for example in examples():
        what = f"{example.name} (nashopt)"
        if missing("nashopt"):
            yield not_run(what, "nashopt", "not installed")
            continue
        ours, (theirs, solving) = by_us(example), by_nashopt(example)
        (mine, cold), (other, their_cold) = timed(ours), timed(theirs)
        apart = f"{np.abs(mine - other).max():.0e} apart"
        solving.clear()
        seconds = in_turns((ours, theirs), turns)
        colds = (cold, their_cold)
        yield Row(what, "nashopt", compared(*seconds), "game", colds, apart)
        alone = compared(seconds[0], np.maximum(solving, 1e-9).tolist())
        yield Row(what, "nashopt, not compiling", alone, "game", (None, None), apart)


def matrix_games() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Games of nashpy's documentation."""
    pennies = np.array([[1.0, -1.0], [-1.0, 1.0]])
    circle = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    readme = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[0.0, 2.0], [3.0, 1.0]])
    return {
        "matching pennies": (pennies, -pennies),
        "rock, paper, scissors": (circle, -circle),
        "README": readme,
    }


def by_mirror(payoffs: tuple[np.ndarray, np.ndarray]) -> Callable[[], tuple]:
    """Mirror prox on a zero-sum game, from an uneven start."""
    game = dg.games.MatrixGame(*payoffs)
    actions = len(payoffs[0])
    start = (jnp.linspace(1.0, 2.0, actions) / (1.5 * actions),) * 2
    method = dg.MirrorProx(0.3)

    def run() -> tuple:
        found = dg.solve(game, method, start, tol=TOLERANCE, max_steps=100_000)
        assert found.result == dg.RESULTS.successful
        return found.strategy

    return run


def by_quantal_responses(payoffs: tuple[np.ndarray, np.ndarray]) -> Callable[[], tuple]:
    """The principal branch of quantal responses, followed to a precision of 10,000."""
    game = dg.games.MatrixGame(*payoffs)
    uniform, precisions = game.uniform(), jnp.array([1e4])

    def run() -> tuple:
        found = dg.quantal_responses(game, precisions, uniform)
        return tuple(block[-1] for block in found.strategies)

    return run


def nashpy_row(name: str, payoffs: tuple[np.ndarray, np.ndarray], peer: str, turns: int) -> Row:
    """One game against one of nashpy's algorithms."""
    what = f"{name} (nashpy)"
    if missing("nashpy"):
        return not_run(what, f"nashpy, {peer}", "not installed")
    theirs = importlib.import_module("nashpy").Game(*payoffs)
    zero_sum = bool((payoffs[0] == -payoffs[1]).all())
    ours = (by_mirror if zero_sum else by_quantal_responses)(payoffs)

    def play() -> list[tuple]:
        np.random.seed(0)  # noqa: NPY002 - nashpy draws from it
        counts = list(theirs.fictitious_play(iterations=10_000))[-1]
        return [tuple(count / count.sum() for count in counts)]

    solve: dict[str, Callable[[], list]] = {
        "support enumeration": lambda: list(theirs.support_enumeration()),
        "Lemke-Howson": lambda: [theirs.lemke_howson(initial_dropped_label=0)],
        "fictitious play": play,
    }
    (mine, first), (all_theirs, their_cold) = timed(ours), timed(solve[peer])
    cold = first if peer == PEERS[0] else None  # compiled for the first peer
    apart = min(
        max(float(np.abs(np.asarray(a) - b).max()) for a, b in zip(mine, other, strict=True))
        for other in all_theirs
    )
    seconds = in_turns((ours, solve[peer]), turns)
    gap = float(dg.nash_gap(dg.games.MatrixGame(*payoffs), mine))
    same = f"{apart:.0e} apart" if apart < 0.1 else "another equilibrium"
    results = f"{same}; theirs {len(all_theirs)}, ours 1; our Nash gap {gap:.0e}"
    colds = (cold, their_cold)
    return Row(what, f"nashpy, {peer}", compared(*seconds), "game", colds, results)


def rows(quick: bool = False) -> Iterator[Row]:
    """All rows."""
    if not quick:
        yield from nashopt_rows(3)
    for name, payoffs in matrix_games().items():
        for peer in PEERS:
            yield nashpy_row(name, payoffs, peer, 3 if quick else 11)
