"""Cells that cover a region, with families of Jacobians, in files of games and single steps.

The cells are the leaves of a tree that cuts a box in two, again and again; so they cover the box by
construction. The list of a file has the nodes of this tree in the order in which they are read: a
cut, then all of the part below it, then all of the part above.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain

from .exact import Work, family_positive_definite, generator
from .matrices import Matrix, plus
from .reader import MAX_BITS, Reader, Unusable
from .verdict import require

MAX_DIMENSION = 512
MAX_GENERATORS = 256
# The most cuts, one within the other; as many boxes are kept in memory.
MAX_DEPTH = 2**10
# The most ends of cells in a file: checking so many takes less than a minute.
MAX_ENDS = 2**22

Corner = list[Fraction]
# Called with the number of nodes done and of all, before each and at the end.
Progress = Callable[[int, int], None]


def cells_of(
    file: Reader,
    lower: Corner,
    upper: Corner,
    misses: Callable[[Corner, Corner], bool] | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[Reader, Corner, Corner]]:
    """Yields the cells with their corners; once all are yielded, they cover the region.

    Args:
        file: The list of nodes.
        lower: The lower corner of the box.
        upper: The upper corner of the box.
        misses: Says whether a cell lies outside the region, which is all of the box if None.
        progress: Called with the number of nodes done and of all.
    """
    pending, leaves, nodes = [(lower, upper)], 0, file.items()
    if len(nodes) * len(lower) > MAX_ENDS:
        raise Unusable("checking it would take too much work: too many cells")
    for count, node in enumerate(nodes):
        if progress is not None:
            progress(count, len(nodes))
        require(bool(pending), "the cells form one tree")
        lower, upper = pending.pop()
        if "split" in node:
            axis, at = node["split"].integer(), node["at"].number()
            require(0 <= axis < len(lower), f"{node.where} splits an existing coordinate")
            require(lower[axis] < at < upper[axis], f"{node.where} splits inside the cell")
            below, above = list(upper), list(lower)
            below[axis] = above[axis] = at
            pending += [(above, upper), (lower, below)]
            if len(pending) > MAX_DEPTH:
                node.fail(f"at most {MAX_DEPTH} cuts, one within the other")
        elif misses is not None and "outside" in node:
            require(misses(lower, upper), f"{node.where} lies outside the region")
        else:
            yield node, lower, upper
            leaves += 1
    if progress is not None:
        progress(len(nodes), len(nodes))
    require(not pending and leaves > 0, "the cells cover the region")


class Family:
    """The matrices `C + sum_k e_k G_k + E` with `|e_k| <= 1` and `|E| <= R` entrywise, for a cell.

    Attributes:
        node: The cell in the file.
        centre: `C`, integers in units of `2^-shift` times the unit of the file.
        generators: The `G_k`.
        remainder: `R`, not negative.
    """

    def __init__(self, node: Reader, rows: int, columns: int, shift: int = 0) -> None:
        self.node, self.columns = node, columns
        generators = node["generators"].items()
        if len(generators) > MAX_GENERATORS:
            node["generators"].fail(f"at most {MAX_GENERATORS} matrices")

        def matrix(file: Reader) -> Matrix:
            return [[x << shift for x in row] for row in file.matrix(rows, columns)]

        self.centre, self.remainder = matrix(node["centre"]), matrix(node["remainder"])
        self.generators = [matrix(item) for item in generators]
        require(min(map(min, self.remainder)) >= 0, f"{node.where}.remainder is not negative")

    def along(self, selectors: int = 0) -> list[int]:
        """Returns the coordinate that each generator goes along, or -1; only level 2 uses it.

        Args:
            selectors: Of a field with kinks: they count as further coordinates.
        """
        axes = self.node["along"].integers(len(self.generators))
        if not all(-1 <= k < self.columns + selectors for k in axes):
            self.node["along"].fail("coordinates, or -1")
        return axes

    def scaling(self, name: str, length: int) -> list[int]:
        """Reads the positive integers with which a remainder is absorbed, see `exact`."""
        scaling = self.node[name].integers(length)
        require(min(scaling) > 0, f"{self.node.where}.{name} is positive")
        return scaling

    def modes(self, name: str, length: int, bits: int) -> list[Matrix] | None:
        """Reads modes for each generator, in units of `2^-bits`; None if the file has none.

        A mode is a strength, in units of the file, and an integer vector, see `exact.Generator`.
        """
        if name not in self.node:
            return None
        unit, vectors = self.node[name].fields("unit", "vectors")
        shift = unit.integer() + bits
        if not 0 <= shift <= bits + MAX_BITS:
            unit.fail("an integer, from twice the unit of the evidence")
        modes = [
            [row.integers(length + 1) for row in rows.items()]
            for rows in vectors.items(len(self.generators))
        ]
        return [[[row[0] << shift, *row[1:]] for row in rows] for rows in modes]

    def require_positive(
        self,
        form: Callable[[Matrix], Matrix],
        constant: Matrix,
        claim: str,
        work: Work,
        scaling: list[int] | None = None,
        modes: list[Matrix] | None = None,
        remainder: Matrix | None = None,
    ) -> None:
        """Requires that `form(J) + constant` is positive definite for all J of the family.

        `form` is linear and makes symmetric matrices; `remainder` bounds `form(E)` entry by entry,
        by `form(R)` when it is not given.
        """
        generators = [
            generator(form(g), rows, work)
            for g, rows in zip(self.generators, modes or [[]] * len(self.generators), strict=True)
        ]
        # The order only matters for speed: first come those of which modes leave the most.
        generators.sort(key=lambda g: -sum(map(abs, chain(*g.rest))))
        proved = family_positive_definite(
            plus(form(self.centre), constant),
            generators,
            form(self.remainder) if remainder is None else remainder,
            scaling or [1] * len(constant),
            work,
        )
        require(proved, f"{claim} on {self.node.where}")
