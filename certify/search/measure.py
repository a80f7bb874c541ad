"""What a search asks about cells: how good each is, and what proves it."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

# Whatever proves something about one cell; a search keeps it and never looks into it.
Evidence = TypeVar("Evidence")

Arrays = dict[str, np.ndarray]


class Cell(NamedTuple):
    """A box: its corners, as vectors."""

    lower: np.ndarray
    upper: np.ndarray


@runtime_checkable
class Domain(Protocol):
    """What is to be covered: a set with a bounding box."""

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        ...

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The corners of the bounding box."""
        ...

    def misses(self, lower: np.ndarray, upper: np.ndarray) -> bool:
        """Whether a cell of the bounding box is known to lie outside."""
        ...


@dataclasses.dataclass(frozen=True)
class Measured(Generic[Evidence]):
    """What is known of one cell: the evidence proves, the rest is floating point and guides.

    Attributes:
        evidence: What proves the margin, once it has been checked.
        margin: How good the cell is.
        peak: An upper bound on what smaller cells could reach.
        scores: What a cut of each coordinate could gain.
    """

    evidence: Evidence
    margin: float
    peak: float
    scores: np.ndarray


@runtime_checkable
class Measure(Protocol[Evidence]):
    """Measures cells; the same cell has to give the same numbers whenever it is asked for."""

    def __call__(self, cells: list[Cell]) -> Iterable[Measured[Evidence]]:
        """What is known of each cell, in the same order."""
        ...

    def most_cells(self, first: Evidence) -> int:
        """How many cells with evidence like that of the first one can be written down."""
        ...

    def to_arrays(self, evidence: list[Evidence]) -> Arrays:
        """The evidence of some cells as arrays, number for number, for a checkpoint."""
        ...

    def from_arrays(self, arrays: Arrays) -> Iterator[Evidence]:
        """The evidence that `to_arrays` wrote."""
        ...
