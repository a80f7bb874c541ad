"""The functions that a file about all stationary points has: costs, or entries of a field."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

import dgames as dg
from dgames.strategy import blocks, ravel


def costs_in_list(game: dg.Game) -> Callable[[Any, Any], list[Any]]:
    """Returns a function of a joint strategy and `args` that lists the costs of a game.

    Example:
        >>> costs = costs_in_list(dg.game(lambda x, args: (x[0] * x[1], x[1])))
        >>> [float(cost) for cost in costs((2.0, 3.0), None)]
        [6.0, 3.0]
    """

    def costs(x: Any, args: Any) -> list[Any]:
        found = game.costs(x, args)
        if isinstance(found, dg.Stacked):
            return [found.blocks]
        return [jnp.asarray(cost) for cost in blocks(found)]

    return costs


def values_in_list(system: Callable[[Any, Any], Any]) -> Callable[[Any, Any], list[Any]]:
    """Returns a function of a joint strategy and `args` with the entries of a field, as a vector.

    Example:
        >>> values_in_list(lambda x, args: {"a": x, "b": -x})(2.0, None)[0].tolist()
        [2.0, -2.0]
    """

    def values(z: Any, args: Any) -> list[Any]:
        return [ravel(system(z, args))[0]]

    return values
