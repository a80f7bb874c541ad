"""The shape of a joint strategy as JSON, so that a loaded certificate has the same players."""

import math
from typing import Any

import jax
import numpy as np

from certify.checker.claims import MAX_DIMENSION
from certify.checker.reader import Reader, Unusable
from dgames.stacked import Stacked
from dgames.strategy import Strategy, dimensions, player_names

# No certificate has more players in stacks, or arrays and containers: a file must not make its
# reader build a longer list.
_MOST_STACKED = MAX_DIMENSION
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
        if _count(whole) > _MOST_PARTS:
            raise Unusable(f'field "game.structure" has more than {_MOST_PARTS} parts')
        if whole["kind"].text() == "stacked":
            count, block = _stacked(whole)
            size = _size(block)
            return [(str(i), size) for i in range(count)]
        return [(name, _size(part)) for name, part in _parts(whole)]
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


def _stacked(description: Reader) -> tuple[int, Reader]:
    """Returns how many players are stacked, and the block of each."""
    count = description["count"].integer()
    if not 1 <= count <= _MOST_STACKED:
        raise Unusable(f'field "{description.where}.count": {count} players cannot be stacked')
    return count, description["block"]


def _parts(description: Reader) -> list[tuple[str, Reader]]:
    """Returns the named parts of a container but a stack, in the order of their coordinates."""
    kind = description["kind"].text()
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


def _size(description: Reader) -> int:
    """Returns the number of coordinates."""
    kind = description["kind"].text()
    if kind == "array":
        return math.prod(_shape(description))
    if kind == "stacked":
        count, block = _stacked(description)
        return count * _size(block)
    return sum(_size(part) for _, part in _parts(description))


def _count(description: Reader) -> int:
    """Returns the number of arrays and containers, of a stack those of its block and itself."""
    kind = description["kind"].text()
    if kind == "array":
        return 1
    parts = [_stacked(description)] if kind == "stacked" else _parts(description)
    return 1 + sum(_count(part) for _, part in parts)


def _rebuild(description: Reader, rows: np.ndarray) -> tuple[Any, np.ndarray]:
    """Builds a part from the first coordinates along the last axis; returns what is left of them.

    The axes before are those of the stacks that the part is in.
    """
    kind, stacks = description["kind"].text(), rows.shape[:-1]
    if kind in ("array", "stacked"):
        size = _size(description)
        if rows.shape[-1] < size:
            raise Unusable('field "game.structure" has more coordinates than given')
        own, rest = rows[..., :size], rows[..., size:]
        if kind == "array":
            return jax.device_put(own.reshape((*stacks, *_shape(description)))), rest
        count, block = _stacked(description)
        if count * math.prod(stacks) > _MOST_STACKED:
            raise Unusable('field "game.structure" has too many players in stacks')
        return Stacked(_rebuild(block, own.reshape(*stacks, count, size // count))[0]), rest
    values = {}
    for name, part in _parts(description):
        values[name], rows = _rebuild(part, rows)
    if kind in ("dict", "players"):
        return values, rows
    return (tuple if kind == "tuple" else list)(values.values()), rows
