"""Shared constraints that are convex functions, in coordinates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

import dgames as dg
from certify.enclosure.programs.plain import plain
from certify.problem.region import Region
from certify.problem.traced_code import code_of
from dgames.strategy import unraveler


@dataclass(frozen=True)
class SharedFunctions:
    """The functions `g(x) <= 0` on vectors, in the order in which they were given.

    Attributes:
        values: From vectors to a list of numbers, traceable, in float64.
        count: How many there are.
        bind_all: Whether each of them binds all players; if not, no variational inequality has
            the equilibria as its solutions.
    """

    values: Callable[[Any], list[Any]]
    count: int
    bind_all: bool = True

    @classmethod
    def of(
        cls, game: dg.Game | dg.AbstractField, region: Region, args: Any
    ) -> "SharedFunctions | None":
        """Returns the constraints of a game that are functions; None if it has none.

        Raises:
            EnclosureError: If the code uses custom derivative rules.
        """
        shared = game.shared_constraints(region.example)
        functions = [each for each in shared if isinstance(each, dg.SharedConstraint)]
        if not functions:
            return None

        def together(x: Any, args: Any) -> Any:
            return jnp.concatenate([each.values(x, args) for each in functions])

        code, _ = code_of(together, region.example, args, "the shared constraints")
        unravel, replay = unraveler(region.center), plain(core.jaxpr_as_fun(code))
        count = int(code.out_avals[0].shape[0])

        def values(x: Any) -> list[Any]:
            (found,) = replay(*jax.tree.leaves(unravel(x)))
            return [found[k] for k in range(count)]

        return cls(values, count, all(each.players is None for each in functions))
