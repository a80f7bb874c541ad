"""The shape of a joint strategy as JSON, so that a loaded certificate has the same players."""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from certify.checker.reader import Reader, Unusable
from dgames.stacked import Stacked, stack
from dgames.strategy import Strategy, dimensions, player_names

# No certificate has more players, or arrays and containers: a file must not make its reader build
# a longer list.
_MOST_STACKED = 10_000
_MOST_PARTS = 2**16


def describe(x: Strategy) -> dict[str, Any]:
    """Describes nested tuples, lists and dictionaries of arrays, and stacks of players.

    Other containers are described as the list of their players, each with a flat vector: the order
    of the coordinates is that of the players, which need not be the order of their names.
    """
    try:
        return _describe(x)
    except TypeError:
        sizes = zip(player_names(x), dimensions(x), strict=True)
        return {"kind": "players", "items": [[name, _array((size,))] for name, size in sizes]}


def rebuild(description: Any, vector: np.ndarray) -> Strategy:
    """Builds a joint strategy from a description and its coordinates, player after player.

    Raises:
        Unusable: If the description is malformed or has another number of coordinates.
    """
    value, rest = _rebuild(Reader(description, "game.structure"), np.asarray(vector))
    if rest.size:
        raise Unusable(f'field "game.structure" has {rest.size} coordinates fewer than given')
    return value


def players(description: Any) -> list[tuple[str, int]]:
    """Returns the name and size of each player, in the order of their coordinates.

    Raises:
        Unusable: If the description is malformed.
    """
    whole = Reader(description, "game.structure")
    try:
        if _total(whole, lambda shape: 1, own=1) > _MOST_PARTS:
            raise Unusable(f'field "game.structure" has more than {_MOST_PARTS} parts')
        return [(name, _total(part, math.prod)) for name, part in _parts(whole)]
    except RecursionError:
        raise Unusable('field "game.structure" is nested too deeply') from None


def _describe(x: Any) -> dict[str, Any]:
    if type(x) in (tuple, list):
        return {"kind": type(x).__name__, "items": [_describe(item) for item in x]}
    if isinstance(x, dict) and type(x) is dict and all(isinstance(key, str) for key in x):
        return {"kind": "dict", "items": {key: _describe(x[key]) for key in sorted(x)}}
    if isinstance(x, jax.Array | np.ndarray):
        return _array(x.shape)
    if isinstance(x, Stacked):
        return {"kind": "stacked", "count": len(x), "block": _describe(x[0])}
    raise TypeError(type(x).__name__)


def _array(shape: tuple[int, ...]) -> dict[str, Any]:
    return {"kind": "array", "shape": list(shape)}


def _parts(description: Reader) -> list[tuple[str, Reader]]:
    """Returns the named parts of a container, in the order of their coordinates."""
    kind = description["kind"].text()
    if kind == "stacked":
        count = description["count"].integer()
        if not 1 <= count <= _MOST_STACKED:
            raise Unusable(f'field "{description.where}.count": {count} players cannot be stacked')
        return [(str(i), description["block"]) for i in range(count)]
    items = description["items"]
    if kind == "dict":
        names = items.value if isinstance(items.value, dict) else items.fail("an object")
        return [(name, items[name]) for name in sorted(names)]
    if kind == "players":
        pairs = [pair.items(2) for pair in items.items()]
        return [(name.text(), part) for name, part in pairs]
    if kind in ("tuple", "list"):
        return [(str(i), part) for i, part in enumerate(items.items())]
    raise Unusable(f'field "{description.where}.kind": {kind!r} is no container')


def _shape(description: Reader) -> tuple[int, ...]:
    shape = tuple(length.integer() for length in description["shape"].items())
    if not all(0 <= length < 2**31 for length in shape) or len(shape) > 32:
        raise Unusable(f'field "{description.where}.shape": {shape} is not the shape of an array')
    return shape


def _total(description: Reader, count: Callable[[tuple[int, ...]], int], own: int = 0) -> int:
    """Sums up a count of each array, and `own` for each container.

    A block of a stack is counted once, and the count multiplied.
    """
    kind = description["kind"].text()
    if kind == "array":
        return count(_shape(description))
    parts = _parts(description)
    if kind == "stacked":
        return own + len(parts) * _total(parts[0][1], count, own)
    return own + sum(_total(part, count, own) for _, part in parts)


def _rebuild(description: Reader, vector: np.ndarray) -> tuple[Any, np.ndarray]:
    kind = description["kind"].text()
    if kind == "array":
        shape = _shape(description)
        size = math.prod(shape)
        if vector.size < size:
            raise Unusable('field "game.structure" has more coordinates than given')
        return jax.device_put(vector[:size].reshape(shape)), vector[size:]
    values = {}
    for name, part in _parts(description):
        values[name], vector = _rebuild(part, vector)
    if kind == "stacked":
        return stack(tuple(values.values())), vector
    if kind in ("dict", "players"):
        return values, vector
    return (tuple if kind == "tuple" else list)(values.values()), vector
