"""Defines measures of cells whose evidence is an affine family of matrices."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from certify.jacobian.family import AffineFamily, unstacked
from certify.search.measure import Arrays, Cell, Measured

# The most numbers in the cells of a file: about half of what the checker reads.
_NUMBERS = 2**24


class FamilyMeasure:
    """A `certify.search.measure.Measure` that calls a function of cells.

    Args:
        run: Measures a round of cells.
    """

    def __init__(self, run: Callable[[list[Cell]], Iterable[Measured[AffineFamily]]]):
        self._run = run

    def __call__(self, cells: list[Cell]) -> Iterable[Measured[AffineFamily]]:
        """Yields what is known of each cell, in the order of the cells."""
        return self._run(cells)

    def most_cells(self, first: AffineFamily) -> int:
        """Returns how many cells a file can hold."""
        return affordable(*first.generators.shape[:2])

    def to_arrays(self, evidence: list[AffineFamily]) -> Arrays:
        """Returns the families without their shares, which have been turned into scores."""
        parts = ("centre", "generators", "remainder", "finite")
        return {
            part: np.stack([np.asarray(getattr(family, part)) for family in evidence])
            for part in parts
        }

    def from_arrays(self, arrays: Arrays) -> Iterator[AffineFamily]:
        """Yields the families that `to_arrays` wrote."""
        centre, generators, remainder, finite = (
            arrays[part] for part in ("centre", "generators", "remainder", "finite")
        )
        count, n = centre.shape[:2]
        shares = np.broadcast_to(np.float64(0.0), (count, n, n, n))
        return unstacked(AffineFamily(centre, generators, remainder, shares, finite))


def affordable(generators: int, dimension: int) -> int:
    """Returns how many cells a file can hold, with so many generators and with modes for them.

    Example:
        >>> affordable(5, 5), affordable(100, 10)
        (51622, 791)
    """
    matrices, modes = (generators + 2) * dimension**2, generators * dimension * (dimension + 1)
    return max(_NUMBERS // (matrices + modes), 1)
