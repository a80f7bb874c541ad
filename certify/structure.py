"""The shape of a joint strategy as JSON, so that a loaded certificate has the same players."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dgames.strategy import Strategy, dimensions, player_names


def describe(x: Strategy) -> dict[str, Any]:
    """Describes nested tuples, lists and dictionaries of arrays.

    Other containers are described as dictionaries of flat vectors, one for each player.
    """
    try:
        return _describe(x)
    except TypeError:
        sizes = zip(player_names(x), dimensions(x), strict=True)
        return _describe({name: np.zeros(size) for name, size in sizes})


def rebuild(description: dict[str, Any], vector: np.ndarray) -> Strategy:
    """A joint strategy of that description from its coordinates, player after player."""
    value, rest = _rebuild(description, np.asarray(vector, np.float64))
    if rest.size:
        raise ValueError(f"the strategy has {rest.size} coordinates fewer than given")
    return value


def _describe(x: Any) -> dict[str, Any]:
    if type(x) in (tuple, list):
        return {"kind": type(x).__name__, "items": [_describe(item) for item in x]}
    if isinstance(x, dict) and type(x) is dict and all(isinstance(key, str) for key in x):
        return {"kind": "dict", "items": {key: _describe(x[key]) for key in sorted(x)}}
    if isinstance(x, jax.Array | np.ndarray):
        return {"kind": "array", "shape": list(x.shape)}
    raise TypeError(type(x).__name__)


def _rebuild(description: dict[str, Any], vector: np.ndarray) -> tuple[Any, np.ndarray]:
    kind = description["kind"]
    if kind == "array":
        size = int(np.prod(description["shape"]))
        if vector.size < size:
            raise ValueError("the strategy has more coordinates than given")
        return jnp.asarray(vector[:size].reshape(description["shape"])), vector[size:]
    items = description["items"]
    values = []
    for item in (items[key] for key in sorted(items)) if kind == "dict" else items:
        value, vector = _rebuild(item, vector)
        values.append(value)
    if kind == "dict":
        return dict(zip(sorted(items), values, strict=True)), vector
    return (tuple(values) if kind == "tuple" else values), vector
