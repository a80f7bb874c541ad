"""What a certificate file says, read without the checker: floats, arrays, cells."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np


def real(text: str) -> float:
    """A real number of the file."""
    return float.fromhex(text)


def reals(texts: Any) -> np.ndarray:
    """An array of them."""
    if isinstance(texts, list):
        return np.array([reals(x) for x in texts])
    return np.array({"inf": np.inf, "-inf": -np.inf}.get(texts) or real(texts))


class Cell(NamedTuple):
    """A cell, with the family of its Jacobians: `C + sum_k e_k G_k + E`, `|E| <= R`."""

    lower: np.ndarray
    upper: np.ndarray
    centre: np.ndarray
    generators: np.ndarray
    remainder: np.ndarray
    along: tuple[int, ...]


def cells(evidence: dict, lower: np.ndarray, upper: np.ndarray) -> Iterator[Cell]:
    """Those of a tree over a box; of square families with the size of the box."""
    pending, n = [(lower, upper)], len(lower)
    # By `ldexp`, as a unit may be as small as 2^-1200, in two steps.
    unit = int(evidence["unit"])

    def matrix(flat: list[int]) -> np.ndarray:
        return (
            np.array([float(x) for x in flat]).reshape(n, n) * 2.0 ** (unit / 2) * 2.0 ** (unit / 2)
        )

    for node in evidence["cells"]:
        low, high = pending.pop()
        if "split" in node:
            axis, at = node["split"], real(node["at"])
            below, above = high.copy(), low.copy()
            below[axis] = above[axis] = at
            pending += [(above, high), (low, below)]
        elif "outside" not in node:
            generators = [matrix(g) for g in node["generators"]]
            yield Cell(
                low,
                high,
                matrix(node["centre"]),
                np.array(generators).reshape(-1, n, n),
                matrix(node["remainder"]),
                tuple(node.get("along", [-1] * len(generators))),
            )


class Region:
    """A box or a ball."""

    def __init__(self, data: dict[str, Any]):
        self.is_box = data["kind"] == "box"
        if self.is_box:
            self.lower, self.upper = reals(data["lower"]), reals(data["upper"])
        else:
            self.center, self.radius = reals(data["center"]), real(data["radius"])
            self.lower, self.upper = self.center - self.radius, self.center + self.radius

    def beyond(self, points: np.ndarray) -> np.ndarray:
        """How far points are outside, along a coordinate or in distance; not positive inside."""
        if self.is_box:
            return np.maximum(self.lower - points, points - self.upper).max(-1)
        return np.linalg.norm(points - self.center, axis=-1) - self.radius


def set_kinds(data: dict[str, Any], sizes: tuple[int, ...]) -> tuple[tuple, list[np.ndarray]]:
    """The strategy sets as `methods.projected` takes them; none without `game.sets`."""
    kinds, numbers = [], []
    for entry, size in zip(data["game"].get("sets", []), sizes, strict=False):
        kind = entry["kind"]
        kinds.append((kind, *entry["groups"]) if kind == "simplex" else (kind,))
        pair = np.zeros((2, size))
        if kind == "box":
            pair = np.stack([reals(entry["lower"]), reals(entry["upper"])])
        elif kind == "ball":
            pair = np.stack([reals(entry["center"]), np.full(size, real(entry["radius"]))])
        numbers.append(pair)
    return tuple(kinds), numbers


def metric(data: dict[str, Any], sizes: tuple[int, ...]) -> np.ndarray:
    """`P`, shape (n, n)."""
    claims = data["claims"]
    if "weights" in claims:
        return np.diag(np.repeat(reals(claims["weights"]), sizes))
    rows = claims["metric"]["lower"]
    matrix = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        matrix[i, : i + 1] = matrix[: i + 1, i] = reals(row)
    return matrix
