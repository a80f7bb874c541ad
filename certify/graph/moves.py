"""Moves the numbers of nodes, or the places of entries, about in arrays as JAX's primitives do."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from certify.enclosure.programs.walk import bound
from certify.enclosure.rules.structural import MOVES
from certify.graph.builder import GraphError

# Primitives that move entries about, and how many of their operands, from the first on, hold the
# entries that they move; the others say where to, and have to be known.
MOVED: dict[str, int | None] = {
    **dict.fromkeys(MOVES),
    "dynamic_slice": 1,
    "gather": 1,
    "dynamic_update_slice": 2,
}


def moved(
    equation: core.JaxprEqn, numbers: Sequence[np.ndarray], places: Sequence[Any]
) -> list[np.ndarray]:
    """Returns what a primitive makes of arrays of integers that are not negative.

    Args:
        equation: One of `MOVED`.
        numbers: The arrays whose entries it moves.
        places: Its other operands, which say where to.

    Raises:
        GraphError: If it takes entries outside of an array, which may be filled with anything.
    """
    arrays = [*numbers, *map(np.asarray, places)]
    found = _by_numpy(equation.primitive.name, equation.params, arrays)
    if found is not None:
        return [found]
    if equation.primitive.name == "gather":
        # Outside of its operand it may fill with NaN, which is no such integer; nor is -1.
        equation = equation.replace(params=equation.params | {"fill_value": -1})
    with jax.ensure_compile_time_eval():
        results = [np.asarray(x) for x in bound(equation, map(jnp.asarray, arrays))]
    if any(array.size and array.min() < 0 for array in results):
        raise GraphError("the costs take entries outside of an array")
    return results


def _by_numpy(
    name: str, params: dict[str, Any], operands: Sequence[np.ndarray]
) -> np.ndarray | None:
    """Returns what a primitive makes of arrays, or None if it is not one of these few.

    JAX would compile a program for each shape.
    """
    moved = _MOVES[name](params, *operands) if name in _MOVES else None
    return None if moved is None else np.asarray(moved)


def _slice(params: dict[str, Any], x: np.ndarray) -> np.ndarray:
    strides = params["strides"] or (1,) * x.ndim
    ends = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return x[tuple(slice(*three) for three in ends)]


def _reshape(params: dict[str, Any], x: np.ndarray) -> np.ndarray | None:
    return x.reshape(params["new_sizes"]) if params.get("dimensions") is None else None


def _broadcast(params: dict[str, Any], x: np.ndarray, *sizes: Any) -> np.ndarray | None:
    if sizes:  # of shapes that are not known
        return None
    shape, places = params["shape"], params["broadcast_dimensions"]
    aligned = [1] * len(shape)
    for place, size in zip(places, x.shape, strict=True):
        aligned[place] = size
    return np.broadcast_to(x.reshape(aligned), shape)


_MOVES: dict[str, Callable[..., Any]] = {
    "slice": _slice,
    "reshape": _reshape,
    "broadcast_in_dim": _broadcast,
    "squeeze": lambda params, x: np.squeeze(x, tuple(params["dimensions"])),
    "transpose": lambda params, x: np.transpose(x, params["permutation"]),
    "concatenate": lambda params, *parts: np.concatenate(parts, params["dimension"]),
    "rev": lambda params, x: np.flip(x, tuple(params["dimensions"])),
}
