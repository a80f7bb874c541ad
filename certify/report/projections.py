"""Computes projections onto the strategy sets of a file, in floating point."""

from collections.abc import Callable
from itertools import accumulate, pairwise

import numpy as np

from certify.file.contents import Contents


def projection(sets: list[Contents] | None, sizes: list[int]) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the projection onto the product of the players' sets, or the identity without sets.

    Args:
        sets: `game.sets` of a file that a checker has accepted.
        sizes: The number of coordinates of each player.

    Example:
        >>> projection([{"kind": "simplex", "groups": [2]}], [2])(np.array([3.0, 1.0])).tolist()
        [1.0, 0.0]
    """
    if sets is None:
        return lambda x: x
    parts = [_KINDS[own["kind"]](own) for own in sets]
    ends = np.cumsum(sizes)[:-1]

    def project(x: np.ndarray) -> np.ndarray:
        blocks = zip(parts, np.split(x, ends), strict=True)
        return np.concatenate([part(block) for part, block in blocks])

    return project


def _numbers(values: list[str]) -> np.ndarray:
    return np.array([float.fromhex(value) for value in values])


def _box(own: Contents) -> Callable:
    low, high = _numbers(own["lower"]), _numbers(own["upper"])
    return lambda x: np.clip(x, low, high)


def _ball(own: Contents) -> Callable:
    middle, radius = _numbers(own["center"]), float.fromhex(own["radius"])

    def project(x: np.ndarray) -> np.ndarray:
        distance = float(np.linalg.norm(x - middle))
        return x if distance <= radius else middle + radius / distance * (x - middle)

    return project


def _simplex(own: Contents) -> Callable:
    groups = list(pairwise(accumulate(own["groups"], initial=0)))

    def project(x: np.ndarray) -> np.ndarray:
        return np.concatenate([_onto_simplex(x[low:high]) for low, high in groups])

    return project


def _onto_simplex(x: np.ndarray) -> np.ndarray:
    """Projects onto the simplex: subtracts the level at which the positive parts sum to one."""
    falling = np.sort(x)[::-1]
    levels = (np.cumsum(falling) - 1.0) / np.arange(1, len(x) + 1)
    return np.maximum(x - levels[np.flatnonzero(falling > levels)[-1]], 0.0)


_KINDS: dict[str, Callable[[Contents], Callable]] = {
    "euclidean": lambda own: lambda x: x,
    "box": _box,
    "ball": _ball,
    "simplex": _simplex,
}
