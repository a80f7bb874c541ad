"""The interface of a search to what measures cells: how good each is, and what proves it."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

# Whatever proves something about one cell; a search keeps it and never looks into it.
Evidence = TypeVar("Evidence")

Arrays = dict[str, np.ndarray]


class Cell(NamedTuple):
    """A box, given by its lower and its upper corner."""

    lower: np.ndarray
    upper: np.ndarray


@runtime_checkable
class Domain(Protocol):
    """A set with a bounding box, to be covered by cells."""

    @property
    def dimension(self) -> int:
        """The number of coordinates."""
        ...

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the lower and the upper corner of the bounding box."""
        ...

    def misses(self, lower: np.ndarray, upper: np.ndarray) -> bool:
        """Returns whether a cell of the bounding box is known to lie outside the set."""
        ...


class Merit(NamedTuple):
    """A figure of merit of one cell: a float that only guides the search.

    Attributes:
        value: How good the cell is.
        peak: An upper bound on what smaller cells could reach.
        scores: What a cut of each coordinate could gain.
    """

    value: float
    peak: float
    scores: np.ndarray


@dataclasses.dataclass(frozen=True)
class Measured(Generic[Evidence]):
    """What is known of one cell.

    Attributes:
        evidence: What proves that the cell is so good, once it has been checked.
        merits: Its figures of merit, the same ones for every cell of a search. In each of them a
            region is as good as its worst cell, and their product is what the search makes large.
            The first may be negative, and all others are positive and finite.
    """

    evidence: Evidence
    merits: tuple[Merit, ...]


@runtime_checkable
class Measure(Protocol[Evidence]):
    """A measure of cells, which has to give the same numbers for the same cell every time."""

    def __call__(self, cells: list[Cell]) -> Iterable[Measured[Evidence]]:
        """Returns what is known of each cell, in the same order."""
        ...

    def most_cells(self, first: Evidence) -> int:
        """Returns how many cells with evidence like that of the first one fit into a file."""
        ...

    def to_arrays(self, evidence: list[Evidence]) -> Arrays:
        """Returns the evidence of some cells as arrays, without rounding, for a checkpoint."""
        ...

    def from_arrays(self, arrays: Arrays) -> Iterator[Evidence]:
        """Returns the evidence that `to_arrays` wrote."""
        ...
