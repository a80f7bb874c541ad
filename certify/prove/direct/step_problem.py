"""Poses the problem that all steps on one game and region share."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import dgames as dg
from certify.jacobian.enclosure_choice import DefiniteEnclosure, Enclosure
from certify.problem.exact_types import is_pseudo_gradient, writes
from certify.problem.field import FlatField, flat_field
from certify.problem.region import Everywhere, Region
from certify.prove.direct.comparison import require_same
from certify.prove.direct.step_map import StepMap
from certify.prove.equilibrium import find_zero
from certify.prove.no_proof import NoProof
from dgames.sets import player_sets
from dgames.strategy import Strategy, blocks, ravel

# The type of steps that users may write: from the field and a strategy to the next strategy.
StepFunction = Callable[[dg.AbstractField, Strategy], Strategy]


class StepProblem(NamedTuple):
    """The problem that all steps on one game and region share.

    Attributes:
        given: The field as the user's steps see it.
        args: The arguments of the field.
        field: The field as a function of vectors, with its arguments bound.
        strategy_set: The strategy set of the game.
        region: The region of the strategies.
        center: A point near the equilibrium.
        enclosure: How the Jacobian of the field is enclosed.
    """

    given: dg.AbstractField
    args: Any
    field: FlatField
    strategy_set: Any
    region: Region
    center: np.ndarray
    enclosure: DefiniteEnclosure

    def step_map(
        self, method: dg.AbstractMethod | StepFunction, *, rigorous: bool = True
    ) -> StepMap:
        """Returns the step of a method as a map of vectors."""
        plain = is_pseudo_gradient(self.given)

        return StepMap(
            self.field,
            self.strategy_set,
            as_method(method),
            self.center,
            args=self.args,
            enclosure=self.enclosure,
            rigorous=rigorous,
            own_blocks=plain or not writes(self.given, "block"),
            own_projection=plain or not writes(self.given, "project"),
        )

    def require_what_runs(
        self, method: dg.AbstractMethod | StepFunction, step: StepMap, starts: np.ndarray
    ) -> None:
        """Raises an error if the method, run from some starts, does not do what `step` says.

        Raises:
            EnclosureError: If it does not, at the point that the message shows.
        """
        stacked = isinstance(self.region.example, dg.Stacked)
        field, unravel = self.given, ravel(self.region.center)[1]
        if stacked and not isinstance(method, dg.AbstractMethod):
            field, unravel = _of_blocks(self.given, self.strategy_set), self.field.unravel
        stepped = as_method(method)

        def run(x: Strategy, steps: int) -> list[Strategy]:
            state, found = stepped.init(field, x, self.args), []
            for _ in range(steps):
                x, state = stepped.step(field, x, state, self.args)
                found.append(x)
            return found

        require_same(step, run, unravel, starts, promoted=bool(self.field.promoted))


def as_method(method: dg.AbstractMethod | StepFunction) -> dg.AbstractMethod:
    """Returns a method; a user's own step becomes one."""
    return method if isinstance(method, dg.AbstractMethod) else _Written(method)


def problem_of(
    game: dg.Game | dg.AbstractField, region: Region, args: Any, enclosure: Enclosure
) -> StepProblem:
    """Poses the problem of steps on a game and a region.

    Raises:
        NoProof: If no equilibrium is found.
        ValueError: If game, region and enclosure do not fit together.
    """
    if isinstance(region, Everywhere):
        raise ValueError(
            "contraction: steps are proved cell by cell on a bounded region; give a certify.Box or "
            "certify.Ball in place of Everywhere."
        )
    field = flat_field(game, region, args)
    field.constraints.require_inside(region)
    point = find_zero(field, region)
    if point is None:
        raise NoProof("no equilibrium was found in the region")
    return problem_at(game, field, region, args, point, enclosure)


def problem_at(
    game: dg.Game | dg.AbstractField,
    field: FlatField,
    region: Region,
    args: Any,
    point: np.ndarray,
    enclosure: Enclosure,
) -> StepProblem:
    """Returns the problem of a field that was traced, near a point."""
    sets = game.strategy_set(region.example)
    chosen = enclosure.select(field, np.inf).enclosure
    if isinstance(region.example, dg.Stacked):
        sets, field = player_sets(sets, region.example), _one_by_one(field)
    return StepProblem(dg.as_field(game), args, field, sets, region, point, chosen)


def _of_blocks(given: dg.AbstractField, sets: Any) -> dg.AbstractField:
    """Returns a field of stacked players as a field of a tuple of players."""
    return dg.FunctionField(lambda x, args: blocks(given(dg.stack(x), args)), sets)


def _one_by_one(field: FlatField) -> FlatField:
    """Returns the field with a tuple of players in place of a stack; vectors stay the same.

    The calls of a step are followed one by one, which a loop or a map over players would hide.
    """
    stacked, gradient = field.unravel, field.gradient
    return dataclasses.replace(
        field,
        unravel=lambda vector: blocks(stacked(vector)),
        gradient=dg.FunctionField(lambda x, args: blocks(gradient(dg.stack(x), args))),
    )


class _Written(dg.AbstractMethod):
    """A user's own step without a state."""

    function: Callable

    def init(self, field: dg.AbstractField, x: Strategy, args: Any = None) -> None:
        """Returns None, as there is no state."""

    def step(
        self, field: dg.AbstractField, x: Strategy, state: Any, args: Any = None
    ) -> tuple[Strategy, Any]:
        """Applies the user's function."""
        return self.function(field, x), None


def fixed_point(step: StepMap, start: np.ndarray) -> np.ndarray:
    """Finds a point near a fixed point of the step, by Newton's method from a strategy."""
    z, _ = step.start(start)
    for _ in range(4):
        value, jacobian = step.at(z)
        try:
            z = z - np.linalg.solve(jacobian - np.eye(len(z)), value - z)
        except np.linalg.LinAlgError:
            break
    return z
