"""Cells that cover a region, as a binary tree of cuts."""

from collections.abc import Iterator
from typing import NamedTuple

from certify.jacobian.family import AffineFamily


class Leaf(NamedTuple):
    """A cell that is not cut further; `family` is None where it lies outside the region."""

    family: AffineFamily | None


class Split(NamedTuple):
    """A cell cut in two along a coordinate: children `below` and `above`, as node numbers."""

    axis: int
    at: float
    below: int
    above: int


class Tree(NamedTuple):
    """Cells that cover a region: node 0 is its bounding box.

    Attributes:
        nodes: Leaves and splits.
        peak: About the largest margin that more cells could reach (an estimate).
        shortfall: Why the target was not met; empty if it was.
    """

    nodes: list[Leaf | Split]
    peak: float
    shortfall: str

    def preorder(self) -> Iterator[Leaf | Split]:
        """Every node, each split before its children, the child below first."""
        pending = [0]
        while pending:
            node = self.nodes[pending.pop()]
            if isinstance(node, Split):
                pending += [node.above, node.below]
            yield node

    def families(self) -> list[AffineFamily]:
        """The families of all cells inside the region, in preorder."""
        leaves = (node for node in self.preorder() if isinstance(node, Leaf))
        return [leaf.family for leaf in leaves if leaf.family is not None]
