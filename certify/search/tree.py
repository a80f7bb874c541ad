"""The cells that cover a region, as a binary tree of cuts."""

import dataclasses
from collections.abc import Iterator
from typing import Generic, NamedTuple

from certify.search.measure import Evidence


@dataclasses.dataclass(frozen=True)
class Leaf(Generic[Evidence]):
    """A cell that is not cut further; `evidence` is None where it lies outside the region."""

    evidence: Evidence | None


class Split(NamedTuple):
    """A cell cut in two along a coordinate: children `below` and `above`, as node numbers."""

    axis: int
    at: float
    below: int
    above: int


@dataclasses.dataclass(frozen=True)
class Tree(Generic[Evidence]):
    """A tree of cells that cover a region; node 0 is the bounding box of the region.

    Attributes:
        nodes: The leaves and splits, by number.
        peak: An estimate of the largest margin that more cells could reach.
        shortfall: Why the target was not met; empty if it was.
    """

    nodes: list[Leaf[Evidence] | Split]
    peak: float
    shortfall: str

    def preorder(self) -> Iterator[Leaf[Evidence] | Split]:
        """Yields every node: each split before its children, the child below first."""
        pending = [0]
        while pending:
            node = self.nodes[pending.pop()]
            if isinstance(node, Split):
                pending += [node.above, node.below]
            yield node

    def evidence(self) -> list[Evidence]:
        """Returns the evidence of all cells inside the region, in preorder."""
        leaves = (node for node in self.preorder() if isinstance(node, Leaf))
        return [leaf.evidence for leaf in leaves if leaf.evidence is not None]
