"""Measures of cells one at a time, for searches without a checkpoint."""

from collections.abc import Callable, Iterator
from typing import Generic

from certify.search.measure import Arrays, Cell, Evidence, Measured


class CellMeasure(Generic[Evidence]):
    """A `certify.search.measure.Measure` that calls a function of one cell.

    Args:
        run: Measures one cell.
        most: How many cells a file may hold.
    """

    def __init__(self, run: Callable[[Cell], Measured[Evidence]], most: int) -> None:
        self._run, self._most = run, most

    def __call__(self, cells: list[Cell]) -> Iterator[Measured[Evidence]]:
        """Yields what is known of each cell, in the order of the cells."""
        return map(self._run, cells)

    def most_cells(self, first: Evidence) -> int:
        """Returns how many cells a file may hold."""
        return self._most

    def to_arrays(self, evidence: list[Evidence]) -> Arrays:
        """Raises an error: these searches are not written to a checkpoint."""
        raise ValueError("this search has no checkpoint")

    def from_arrays(self, arrays: Arrays) -> Iterator[Evidence]:
        """Raises an error: these searches are not read from a checkpoint."""
        raise ValueError("this search has no checkpoint")
