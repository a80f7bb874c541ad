"""What newer methods and fields cost under `dgames.solve`, beside loops by hand."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from jaxtyping import Array

import dgames as dg
from benchmarks.peers import dynamics, fields_by_hand, methods_by_hand
from benchmarks.peers.dynamics import Method, Problem
from benchmarks.peers.table import Row
from benchmarks.peers.timing import compared, in_turns, timed

TITLE = "Running cost of methods and fields"

ABOUT = """\
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


def solving_cases(problem: Problem) -> Iterator[Case]:
    """The method and the fields that solve a linear system in every step, with two solvers."""
    game, start = problem.game
    for solvers in (fields_by_hand.LINEAX, fields_by_hand.JAX):
        peer = f"loop, {solvers.name}"
        adam = methods_by_hand.competitive_adam(problem, solvers)
        yield Case("competitive Adam", peer, problem, adam, problem.field)
        for name, (adjust, by_hand) in fields_by_hand.SOLVED.items():
            adjusted = replace(problem, game=(adjust(game), start))
            yield Case(name, peer, adjusted, SIMULTANEOUS, by_hand(problem, solvers))


def _simultaneous(field: Callable, x: list, force: list, state: tuple) -> tuple[list, tuple]:
    return dynamics.moved(x, force, STEP), state


SIMULTANEOUS = Method(dg.Simultaneous(STEP), _simultaneous)
