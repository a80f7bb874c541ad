"""The search that both counts share: a tree of cells, of which the widest one is judged next."""

import abc
import heapq
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

from certify.search.budget import Budget
from certify.search.progress import Progress

# Cells narrower than this, in all coordinates and as a share of the region, are left open.
NARROWEST = 2.0**-20
# Where |I - Y J| is below this on a cell, a zero that is near can be enclosed.
CONTRACTING = 0.9
Node = dict[str, Any]
Cell = TypeVar("Cell")
Point = TypeVar("Point")


class AbstractWidestFirst(abc.ABC, Generic[Cell, Point]):
    """A search for all points of a kind, the widest cell first.

    Args:
        budget: How many cells there may be, and how long the search.
        progress: Called every few cells.

    Attributes:
        points: The points that were found.
        open: The cells of which nothing was shown.
        reason: Why there are open cells.
    """

    def __init__(self, budget: Budget, progress: Callable[[Progress], None] | None = None):
        self.budget, self.progress = budget, progress
        self.points: list[Point] = []
        self.open: list[Cell] = []
        self.reason = ""
        self._nodes: list[Node] = []
        self._children: list[tuple[int, ...]] = []
        self._queue: list[tuple[float, int, Cell]] = []

    @abc.abstractmethod
    def root(self) -> Cell:
        """Returns the cell that holds everything."""

    @abc.abstractmethod
    def width(self, cell: Cell) -> float:
        """Returns the width of a cell in its widest coordinate."""

    @abc.abstractmethod
    def judged(self, cell: Cell) -> tuple[Node, list[Cell]]:
        """Returns what is said of a cell, and its parts if it has any.

        A cell of which nothing is said is `{"open": True}`; why, is added to `reason`.
        """

    def run(self) -> list[Node]:
        """Returns the nodes of the tree, in preorder."""
        self._add(self.root())
        leaves = 1
        while self._queue:
            _, number, cell = heapq.heappop(self._queue)
            spent = self.budget.spent(leaves)
            if self.progress is not None and number % 64 == 0:
                words = f"{leaves} cells, {len(self._queue)} to go, {len(self.points)} points found"
                self.progress(Progress(leaves, np.nan, np.nan, self.budget.elapsed, words))
            node, parts = ({"open": True}, []) if spent else self.judged(cell)
            self.reason = self.reason or spent
            if "open" in node:
                self.open.append(cell)
            self._nodes[number] = node
            self._children[number] = tuple(self._add(part) for part in parts)
            leaves += len(parts) == 2
        return self._preorder()

    def _add(self, cell: Cell) -> int:
        """Adds a cell that is to be judged; returns its number."""
        number = len(self._nodes)
        self._nodes.append({})
        self._children.append(())
        heapq.heappush(self._queue, (-self.width(cell), number, cell))
        return number

    def _preorder(self) -> list[Node]:
        pending, result = [0], []
        while pending:
            number = pending.pop()
            result.append(self._nodes[number])
            pending += reversed(self._children[number])
        return result
