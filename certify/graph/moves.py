"""Moves the entries of arrays about by NumPy, as JAX's primitives do, and compiles nothing."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def move(name: str, params: dict[str, Any], operands: Sequence[np.ndarray]) -> np.ndarray | None:
    """Returns what a primitive makes of arrays, or None if it is not one of these few.

    Example:
        >>> move("transpose", {"permutation": (1, 0)}, [np.array([[1, 2]])]).tolist()
        [[1], [2]]
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
