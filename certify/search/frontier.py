"""The frontier of branch and bound: it holds the cells so far and plans the next cuts."""

import dataclasses
import heapq
import math
from typing import Generic, NamedTuple

import numpy as np

from certify.search.measure import Arrays, Cell, Domain, Evidence, Measure, Measured, Merit
from certify.search.tree import Leaf, Split, Tree


@dataclasses.dataclass(frozen=True)
class Open(Generic[Evidence]):
    """A cell that may still be cut."""

    cell: Cell
    known: Measured[Evidence]


class Ranking:
    """The cells by one figure of merit; closed ones leave its heaps later.

    Attributes:
        worst: Pairs of value and number, as a heap.
        peaks: Pairs of peak and number, as a heap.
    """

    def __init__(self) -> None:
        self.worst: list[tuple[float, int]] = []
        self.peaks: list[tuple[float, int]] = []

    def add(self, merit: Merit, number: int) -> None:
        """Adds a cell."""
        heapq.heappush(self.worst, (merit.value, number))
        heapq.heappush(self.peaks, (merit.peak, number))


class Cut(NamedTuple):
    """A planned cut of an open cell: its number, the coordinate, and where."""

    number: int
    axis: int
    at: float


class Frontier(Generic[Evidence]):
    """The cells that cover a region, worst first; equal cells give the same order every time.

    Where there are several figures of merit, the worst cells are those that are the smallest share
    of what can be reached in one of them.

    Attributes:
        region: The set that the cells cover.
        nodes: The nodes of the tree, by number; children have larger numbers than their parents.
        whole: False while a round is being entered: then the frontier must not be saved.
    """

    def __init__(self, region: Domain):
        self.region = region
        self.nodes: list[Leaf[Evidence] | Split] = []
        self.whole = True
        self._open: dict[int, Open[Evidence]] = {}
        self._rankings: list[Ranking] = []  # one for each figure of merit

    def __len__(self) -> int:
        return len(self._open)

    @property
    def worst(self) -> float:
        """What the open cells reach: the product of the smallest figures of merit."""
        return math.prod(self._first(ranking.worst)[0] for ranking in self._rankings)

    @property
    def peak(self) -> float:
        """An estimate of what more cells could reach."""
        return math.prod(self._first(ranking.peaks)[0] for ranking in self._rankings)

    @property
    def example(self) -> Evidence:
        """The evidence of the worst cell."""
        (_, number) = self._first(self._rankings[0].worst)
        return self._open[number].known.evidence

    def tree(self, shortfall: str) -> Tree[Evidence]:
        """Returns the tree of the present cells."""
        return Tree(self.nodes, self.peak, shortfall)

    def root(self) -> list[Cell]:
        """Returns the first cell, the bounding box of the region, as a list."""
        return [Cell(*self.region.bounds())]

    def plan(self, most: int, share: float) -> list[Cut] | None:
        """Plans at most so many cuts of the worst cells; None if one of them is too small.

        Cells are cut that do not reach the same share of what can be reached in each figure of
        merit; the product of these shares is the given one. Nothing is changed.
        """
        cuts: dict[int, Cut | None] = {}
        for number, k in self._failing(most, share):
            leaf = self._open[number]
            cuts.setdefault(number, _cut(number, leaf.cell, leaf.known.merits[k].scores))
        first = list(cuts.values())[:most]
        found = [cut for cut in first if cut is not None]
        return found if len(found) == len(first) else None

    def children(self, cuts: list[Cut]) -> tuple[list[Cell], list[Cell | None]]:
        """Returns the halves inside the region, to be measured; and all, None if outside."""
        halves = [half for cut in cuts for half in _halves(self._open[cut.number].cell, cut)]
        inside = [None if self.region.misses(*half) else half for half in halves]
        return [half for half in inside if half is not None], inside

    def start(self, known: list[Measured[Evidence]]) -> None:
        """Enters the first cell."""
        self._add(self.root()[0], known[0])

    def enter(
        self, cuts: list[Cut], halves: list[Cell | None], known: list[Measured[Evidence]]
    ) -> None:
        """Cuts cells and puts their measured halves in their place."""
        self.whole = False
        measured = iter(known)
        for k, cut in enumerate(cuts):
            del self._open[cut.number]
            below, above = (
                self._add(half, next(measured)) if half is not None else self._outside()
                for half in halves[2 * k : 2 * k + 2]
            )
            self.nodes[cut.number] = Split(cut.axis, cut.at, below, above)
        self.whole = True

    def _add(self, cell: Cell, known: Measured[Evidence]) -> int:
        number = len(self.nodes)
        self.nodes.append(Leaf(known.evidence))
        self._remember(number, Open(cell, known))
        return number

    def _outside(self) -> int:
        self.nodes.append(Leaf(None))
        return len(self.nodes) - 1

    def _remember(self, number: int, leaf: Open[Evidence]) -> None:
        self._open[number] = leaf
        merits = leaf.known.merits
        self._rankings = self._rankings or [Ranking() for _ in merits]
        for ranking, merit in zip(self._rankings, merits, strict=True):
            ranking.add(merit, number)

    def _first(self, heap: list[tuple[float, int]]) -> tuple[float, int]:
        """Returns the smallest pair of an open cell, and takes those of closed cells before it."""
        while heap[0][1] not in self._open:
            heapq.heappop(heap)
        return heap[0]

    def _failing(self, most: int, share: float) -> list[tuple[int, int]]:
        """Returns the numbers of the worst cells, and the figure of merit that each fails in."""
        count = len(self._rankings)
        # With room for rounding errors: where no cell fails, the product has its share, too.
        each = share ** (1 / count) * (1 + (2.0**-40 if count > 1 else 0.0))
        found = []
        for k, ranking in enumerate(self._rankings):
            peak = self._first(ranking.peaks)[0]
            scale = peak if math.isfinite(peak) else 1.0
            for value, number in self._smallest(ranking.worst, most, each * peak):
                found.append((value / scale, number, k))
        # One figure of merit alone is in order, which divisions could change.
        return [(number, k) for _, number, k in (sorted(found) if count > 1 else found)]

    def _smallest(
        self, heap: list[tuple[float, int]], most: int, target: float
    ) -> list[tuple[float, int]]:
        """Returns the smallest pairs of open cells, ties by number, and leaves the heap alone."""
        found, candidates = [], [(heap[0], 0)] if heap else []
        while candidates and len(found) < most and candidates[0][0][0] < target:
            pair, place = heapq.heappop(candidates)
            if pair[1] in self._open:
                found.append(pair)
            for child in (2 * place + 1, 2 * place + 2):
                if child < len(heap):
                    heapq.heappush(candidates, (heap[child], child))
        return found

    def to_arrays(self, measure: Measure[Evidence]) -> Arrays:
        """Returns everything but the region as arrays, without rounding."""
        splits = [node if isinstance(node, Split) else Split(-1, 0.0, 0, 0) for node in self.nodes]
        leaves = [self._open[number].known for number in sorted(self._open)]
        return {
            "axis": np.array([split.axis for split in splits], np.int64),
            "at": np.array([split.at for split in splits], np.float64),
            "below": np.array([split.below for split in splits], np.int64),
            "above": np.array([split.above for split in splits], np.int64),
            "open": np.array(sorted(self._open), np.int64),
            "value": np.array([[m.value for m in leaf.merits] for leaf in leaves], np.float64),
            "peak": np.array([[m.peak for m in leaf.merits] for leaf in leaves], np.float64),
            "scores": np.array([[m.scores for m in leaf.merits] for leaf in leaves]),
            **measure.to_arrays([leaf.evidence for leaf in leaves]),
        }

    @classmethod
    def from_arrays(
        cls, region: Domain, measure: Measure[Evidence], arrays: Arrays
    ) -> "Frontier[Evidence]":
        """Returns the frontier that `to_arrays` wrote; its cells follow from region and cuts.

        Raises:
            ValueError, KeyError, IndexError: If the arrays do not fit together.
        """
        frontier = cls(region)
        cells = _cells(region, arrays)
        frontier.nodes = [
            Leaf(None) if axis < 0 else Split(int(axis), float(at), int(below), int(above))
            for axis, at, below, above in zip(
                *(arrays[name] for name in ("axis", "at", "below", "above")), strict=True
            )
        ]
        columns = (arrays[name].tolist() for name in ("open", "value", "peak"))
        for evidence, number, *merits in zip(
            measure.from_arrays(arrays), *columns, arrays["scores"], strict=True
        ):
            frontier.nodes[number] = Leaf(evidence)
            known = Measured(evidence, tuple(map(Merit, *merits)))
            frontier._remember(number, Open(cells[number], known))
        return frontier


def _cut(number: int, cell: Cell, scores: np.ndarray) -> Cut | None:
    """Returns a cut that halves the coordinate with the largest score, or else the widest one.

    The result is None if there is no float between the ends.
    """
    low, high = cell
    useful = np.isfinite(scores).all() and scores.max() > 0
    axis = int(np.argmax(scores if useful else high - low))
    at = float(0.5 * low[axis] + 0.5 * high[axis])
    return Cut(number, axis, at) if low[axis] < at < high[axis] else None


def _halves(cell: Cell, cut: Cut) -> tuple[Cell, Cell]:
    middle_high, middle_low = cell.upper.copy(), cell.lower.copy()
    middle_high[cut.axis] = middle_low[cut.axis] = cut.at
    return Cell(cell.lower, middle_high), Cell(middle_low, cell.upper)


def _cells(region: Domain, arrays: Arrays) -> dict[int, Cell]:
    """Returns the cell of every node, from the region and the cuts."""
    cells = {0: Cell(*region.bounds())}
    for number, axis in enumerate(arrays["axis"].tolist()):
        if axis >= 0:
            cut = Cut(number, axis, float(arrays["at"][number]))
            below, above = int(arrays["below"][number]), int(arrays["above"][number])
            cells[below], cells[above] = _halves(cells[number], cut)
    return cells
