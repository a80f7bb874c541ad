"""What newer methods and fields cost under `dgames.solve`, beside loops by hand."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from jaxtyping import Array

import dgames as dg
from benchmarks.peers import competitive_gradients, dynamics, fields_by_hand, methods_by_hand
from benchmarks.peers.dynamics import Method, Problem
from benchmarks.peers.table import Row
from benchmarks.peers.timing import compared, in_turns, timed

TITLE = "Running cost of methods and fields"

ABOUT = """\
Seconds per step of `dgames.solve` on the two games of the first table, for accelerated and
adaptive methods, and for simultaneous steps along adjusted fields. *loop, same work* is the jitted
loop by hand of the first table: the same arithmetic, the same tests of the residual of the field
that is followed, every residual recorded. It is written for the one game, without sets and without
a choice of methods. Seconds are those of the processor in this process, but for first calls, so
that other programs on the machine do not lengthen them.

Some fields solve a linear system in every step. In *loop, lineax* the loop calls the same solver,
to the same tolerance relative to the right-hand side; in *loop, JAX's solver* it is
`jax.scipy.sparse.linalg`, to the same tolerance in the Euclidean norm. lineax asks more: of every
coordinate, that the solution no longer moves, and it says whether it succeeded, without which a
field could not be NaN where there is no solution. That is one iteration more per system, which is
half of them where one would do, as on the quadratic game. Two fields solve systems for which GMRES
finds no solution where players are networks: they are compared on the quadratic game only.

Where ratios of steps below a microsecond are above one, compiled steps were compared: ours are as
many operations of XLA as by hand (stable opponent shaping), or one more, since the method has a
count of its own beside that of the run (Halpern). What remains, 30 to 140 ns, is that
hyper-parameters are arrays rather than constants, so that new values do not recompile; the units of
players; and a history that is thinned when it is full.

The last rows compare the competitive gradient on the estimation of covariances with the same
algorithm in PyTorch: Hessian-vector products by automatic differentiation, conjugate gradients to
the same tolerance, from the solution of the step before (ours start from zero). It is what public
implementations do, written again for this table, with one thread. PyTorch's loops test no residual.
"""

STEP = methods_by_hand.STEP


@dataclass(frozen=True)
class Case:
    """A method on a field, ours and by hand.

    Attributes:
        name: What the row is called.
        peer: What the loop by hand is called.
        problem: The game; its `game` is what `dgames.solve` is given.
        method: How to step.
        field: The field by hand.
    """

    name: str
    peer: str
    problem: Problem
    method: Method
    field: Callable[[list], list]

    def ours(self) -> Callable[..., list[Array]]:
        """`dgames.solve`, given a number of steps."""
        return dynamics.by_us(self.problem, self.method)

    def taken(self, steps: int) -> int:
        """How many of so many steps are taken: both sides stop where the residual is zero."""
        game, start = self.problem.game
        return int(dg.solve(game, self.method.ours, start, max_steps=steps, tol=0).steps)

    def theirs(self) -> Callable[..., list[Array]]:
        """The loop by hand, given a number of steps."""
        return dynamics.by_hand(self.problem, self.method, "same work", self.field)


def cases(problem: Problem) -> Iterator[Case]:
    """All methods on the pseudo-gradient, and simultaneous steps on all fields."""
    game, start = problem.game
    loop = "loop, same work"
    for name, method in methods_by_hand.METHODS.items():
        yield Case(name, loop, problem, method(problem), problem.field)
    average = replace(problem, game=(methods_by_hand.finite_sum(problem), start))
    field = methods_by_hand.shifted(problem, methods_by_hand.shifts())
    name = f"variance-reduced Halpern, {methods_by_hand.DATA} data"
    yield Case(name, loop, average, methods_by_hand.variance_reduced(problem), field)
    for name, (adjust, by_hand) in fields_by_hand.FIELDS.items():
        adjusted = replace(problem, game=(adjust(game), start))
        yield Case(name, loop, adjusted, SIMULTANEOUS, by_hand(problem))


def solving_cases(problem: Problem, general: bool = True) -> Iterator[Case]:
    """The method and the fields that solve a linear system in every step, with two solvers.

    Args:
        problem: The game.
        general: Whether to include systems that need not be definite.
    """
    fields = fields_by_hand.DEFINITE | (fields_by_hand.GENERAL if general else {})
    game, start = problem.game
    for solvers in (fields_by_hand.LINEAX, fields_by_hand.JAX):
        peer = f"loop, {solvers.name}"
        adam = methods_by_hand.competitive_adam(problem, solvers)
        yield Case("competitive Adam", peer, problem, adam, problem.field)
        for name, (adjust, by_hand) in fields.items():
            adjusted = replace(problem, game=(adjust(game), start))
            yield Case(name, peer, adjusted, SIMULTANEOUS, by_hand(problem, solvers))


def _simultaneous(field: Callable, x: list, force: list, state: tuple) -> tuple[list, tuple]:
    return dynamics.moved(x, force, STEP), state


SIMULTANEOUS = Method(dg.Simultaneous(STEP), _simultaneous)


def enough(run: Callable[[int], object], seconds: float, most: int) -> int:
    """A number of steps that takes about so many seconds, once compiled, and at most `most`."""

    def taken(steps: int) -> float:
        return timed(lambda: run(steps), time.process_time)[1]

    steps = 10
    while steps < most and taken(steps) < seconds:
        steps = min(2 * steps, most)
    return steps


def rows(quick: bool = False) -> Iterator[Row]:
    """All rows."""
    turns, seconds = (3, 1e-4) if quick else (7, 0.2)
    large = [] if quick else [(dynamics.networks(steps=(4000, 50)), False)]
    for problem, general in [(dynamics.quadratic(4 if quick else 32), True), *large]:
        compiled = set()
        for case in itertools.chain(cases(problem), solving_cases(problem, general)):
            yield row(case, turns, seconds, case.name in compiled)
            compiled.add(case.name)
    yield from competitive_gradients.rows(quick)


def row(case: Case, turns: int, seconds: float, compiled: bool) -> Row:
    """One row: agreement after at most a hundred steps, then time per step.

    Args:
        case: What is compared.
        turns: How often both are run.
        seconds: How long the loop by hand takes in each turn, about.
        compiled: Whether ours was compiled for an earlier row.
    """
    ours, theirs = case.ours(), case.theirs()
    (_, first), (_, their_cold) = timed(lambda: ours(1)), timed(lambda: theirs(1))
    steps = case.taken(enough(theirs, seconds, case.problem.steps[0]))
    few = min(100, steps)
    apart = dynamics.distance(ours(few), theirs(few))
    both = (lambda: ours(steps), lambda: theirs(steps))
    taken = in_turns(both, turns, (steps, steps), time.process_time)
    cold = None if compiled else first
    what, results = f"{case.problem.name}: {case.name}", f"after {few} steps {apart:.0e} apart"
    return Row(what, case.peer, compared(*taken), "step", (cold, their_cold), results)
