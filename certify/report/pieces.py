"""The cells of a proof, as they stand in the evidence of a file."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from certify.file.contents import Contents

# The most cells that are drawn, and the most coordinates with which their matrices are looked at.
MOST_DRAWN = 2000
MOST_COORDINATES = 64
# The most numbers in the matrices of all cells that are looked at; they take some seconds.
MOST_NUMBERS = 20_000_000


class FileCell(NamedTuple):
    """A node of the tree of cells in a file, with its box.

    Attributes:
        lower: The lower corner of the box, shape (n,).
        upper: The upper corner of the box, shape (n,).
        depth: How many cuts made the box.
        node: What the file says of the node: a cell has a "centre".
    """

    lower: np.ndarray
    upper: np.ndarray
    depth: int
    node: Contents

    @property
    def is_leaf(self) -> bool:
        """Whether the node is a cell of the proof, and not a cut or outside of the region."""
        return "centre" in self.node


def tree(nodes: Sequence[Contents], lower: np.ndarray, upper: np.ndarray) -> list[FileCell]:
    """Returns all nodes with their boxes, from the preorder of a file that a checker accepted.

    Args:
        nodes: `evidence.cells` of the file.
        lower: The lower corner of the bounding box of the region, shape (n,).
        upper: The upper corner of that box, shape (n,).

    Example:
        >>> cuts = [{"split": 0, "at": "0x1.0p-1"}, {"centre": []}, {"centre": []}]
        >>> [c.upper.tolist() for c in tree(cuts, np.zeros(1), np.ones(1))]
        [[1.0], [0.5], [1.0]]
    """
    pending, found = [(lower, upper, 0)], []
    for node in nodes:
        low, high, depth = pending.pop()
        found.append(FileCell(low, high, depth, node))
        if "split" in node:
            below, above = high.copy(), low.copy()
            below[node["split"]] = above[node["split"]] = float.fromhex(node["at"])
            pending += [(above, high, depth + 1), (low, below, depth + 1)]
    return found


def drawable(cells: Sequence[FileCell]) -> tuple[list[FileCell], bool]:
    """Returns at most `MOST_DRAWN` nodes that cover the region, and whether these are all cells.

    Where there are more cells, the tree is cut off at some depth: nodes that are cut further stand
    for the cells in them.
    """
    depths = np.array([cell.depth for cell in cells])
    ends = np.array(["split" not in cell.node for cell in cells])
    deepest = int(depths.max())
    for depth in range(deepest, -1, -1):
        chosen = (ends & (depths <= depth)) | (depths == depth)
        if chosen.sum() <= MOST_DRAWN:
            kept = [cell for cell, keep in zip(cells, chosen, strict=True) if keep]
            return kept, depth == deepest
    return [cells[0]], False


class Difficulty(NamedTuple):
    """Three measures of how hard a cell is, in floating point; they bound nothing.

    Attributes:
        modulus: The strong-monotonicity modulus of the matrix at the middle, in the metric.
        variation: How much the affine part of the Jacobian changes the modulus, at most.
        remainder: How much the remainder changes the modulus, at most.
    """

    modulus: float
    variation: float
    remainder: float


def measures(leaves: Sequence[FileCell], unit: int, metric: np.ndarray) -> list[Difficulty] | None:
    """Measures how hard each cell is; None where that would take long, or where floats overflow.

    With `P = S S'` and the field's Jacobian `C + sum_k e_k G_k + E`, the modulus is the smallest
    eigenvalue of the symmetric part of `S^-1 P C S^-T`; the others are the norms of the same matrix
    made of `G_k`, and of the entrywise bound on E, in place of C.

    Args:
        leaves: The cells, as nodes of the tree.
        unit: `evidence.unit` of the file.
        metric: The matrix P, shape (n, n).
    """
    size = len(metric)
    total = sum(2 + len(cell.node["generators"]) for cell in leaves) * size**2
    if size > MOST_COORDINATES or total > MOST_NUMBERS:
        return None
    try:
        factor = np.linalg.inv(np.linalg.cholesky(metric))
    except np.linalg.LinAlgError:  # positive definite, but not for floats
        return None

    def form(entries: list[int], weight: np.ndarray) -> np.ndarray:
        matrix = np.ldexp(np.array(entries, np.float64).reshape(size, size), unit)
        product = weight @ matrix
        return 0.5 * (product + product.T)

    def norm(matrix: np.ndarray) -> float:
        return float(np.abs(np.linalg.eigvalsh(factor @ matrix @ factor.T)).max())

    def measure(node: Contents) -> Difficulty:
        middle = factor @ form(node["centre"], metric) @ factor.T
        return Difficulty(
            float(np.linalg.eigvalsh(middle)[0]),
            math.fsum(norm(form(g, metric)) for g in node["generators"]),
            norm(form(node["remainder"], np.abs(metric))),
        )

    try:
        with np.errstate(over="ignore", invalid="ignore"):  # eigenvalues of infinities are refused
            return [measure(cell.node) for cell in leaves]
    except (OverflowError, np.linalg.LinAlgError):
        return None
