"""A field as a system of equations, and a method as a file describes it."""

from typing import Any

import jax
import numpy as np

import dgames as dg
from certify.checker.step_matrices import ALTERNATING, FLOW
from certify.problem.constraints import Constraints
from certify.problem.corners import coordinates
from certify.problem.exact_types import METHODS, is_pseudo_gradient, known_instance, writes
from certify.problem.naming import game_name
from certify.problem.no_shared import require_no_shared
from certify.problem.region import Box
from certify.prove.file_parts import hexadecimal
from certify.prove.zero.posed_system import PosedSystem, posed
from dgames.fields.field import has_constraints
from dgames.methods.method import per_player
from dgames.strategy import Strategy, ravel


def posed_field(
    caller: str, game: dg.Game | dg.AbstractField, example: Strategy, args: Any
) -> PosedSystem:
    """Poses the equations `F(x) = 0` of a game or a field, whose sets play no part.

    Raises:
        NoProof: If the field cannot be spelled out as a graph.
        ValueError: If there are shared constraints.
    """
    if not isinstance(game, dg.Game | dg.AbstractField):
        raise ValueError(f"{caller}: give a game or a field")
    field = dg.as_field(game)
    require_no_shared(caller, field, example)

    def functions(x: Any, args: Any) -> list[Any]:
        return [ravel(field(x, args))[0]]

    description = {"kind": "equations", "conditions": 0, "matrices": []}
    return posed(game_name(game), functions, example, args, description, coordinates(example))


def method_in_file(
    caller: str,
    method: dg.AbstractMethod | None,
    game: dg.Game | dg.AbstractField,
    example: Strategy,
) -> dict[str, Any]:
    """Returns a method with its parameters, or the flow, as data.

    Raises:
        ValueError: If the method is none whose step is known to the checker, or the field projects
            in a way of its own.
    """
    field = dg.as_field(game)
    _refuse_own(caller, field, "project")
    if method is None:
        return {"name": FLOW}
    name = known_instance(method)
    if name is None:
        known = ", ".join(cls.__name__ for cls in METHODS)
        raise ValueError(
            f"{caller}: the method is {type(method).__name__}; it must be None for the flow, or a "
            f"method of dgames with its step size, of one of the classes {known}."
        )
    given: Any = method
    if getattr(given, "alternating", False):
        raise ValueError(f"{caller}: complex momentum is for simultaneous moves here.")
    if name == ALTERNATING:
        _refuse_own(caller, field, "block")
    if getattr(given, "reflected", False):
        name = "reflected_optimistic"
    steps = _numbers(caller, "step size", per_player(given.step_size, example))
    if not (min(steps) > 0 and np.isfinite(steps).all()):
        raise ValueError(f"{caller}: step sizes have to be positive and finite.")
    momentum: list[float] = []
    if hasattr(given, "momentum"):
        leaves = jax.tree.leaves(given.momentum)
        if len({complex(leaf) for leaf in leaves}) != 1 or np.ndim(leaves[0]):
            raise ValueError(f"{caller}: the momentum has to be the same for all players.")
        value = complex(leaves[0])
        momentum = [value.real, value.imag] if name == "complex_momentum" else [value.real]
    return {"name": name, "steps": hexadecimal(steps), "momentum": hexadecimal(momentum)}


def require_free(
    caller: str,
    game: dg.Game | dg.AbstractField,
    lower: np.ndarray,
    upper: np.ndarray,
    posed: PosedSystem,
) -> None:
    """Raises unless a box is inside the strategy sets, where projections change nothing.

    Raises:
        OutsideStrategySet: If it is not, or nothing is known of a set.
    """
    unravel = posed.field.unravel
    box = Box(unravel(jax.numpy.asarray(lower)), unravel(jax.numpy.asarray(upper)))
    constraints = Constraints.of(dg.as_field(game), box)
    constraints.require_known()
    constraints.require_inside(box)


def require_plain_flow(caller: str, game: dg.Game | dg.AbstractField, example: Strategy) -> None:
    """Raises if there are strategy sets, with which `dgames.flow` follows another field.

    That is `x' = P(x - F(x)) - x`, which is `x' = -F(x)` only where `x - F(x)` is in the sets:
    near a zero of F, but not on all of a region inside the sets.

    Raises:
        ValueError: If there are.
    """
    if has_constraints(dg.as_field(game), example):
        raise ValueError(
            f"{caller}: with strategy sets the flow is x' = P(x - F(x)) - x, of which nothing is "
            "proved on a region; leave the sets out, or give a method."
        )


def _refuse_own(caller: str, field: dg.AbstractField, part: str) -> None:
    if not is_pseudo_gradient(field) and writes(field, part):
        raise ValueError(
            f"{caller}: the field has a `{part}` of its own, of which nothing is known."
        )


def _numbers(caller: str, what: str, values: Any) -> list[float]:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(values)]
    if any(np.iscomplexobj(leaf) and np.imag(leaf).any() for leaf in leaves):
        raise ValueError(f"{caller}: the {what} has to be real.")
    return [float(x) for leaf in leaves for x in np.real(leaf).ravel()]
