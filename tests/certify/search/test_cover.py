"""A search without any game: cells of an interval, measured by how wide they are."""

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest

import certify.search
from certify.search.budget import Budget
from certify.search.checkpoint import Checkpoint, source_hash
from certify.search.cover import cover
from certify.search.measure import Measured, Merit
from certify.search.tree import Split


class Segment:
    """The numbers from 0 to 1, without those from a half to three quarters."""

    dimension = 1

    def bounds(self):
        return np.zeros(1), np.ones(1)

    def misses(self, lower, upper):
        return bool(lower[0] >= 0.5 and upper[0] <= 0.75)


class Widths:
    """A cell is as good as it is narrow; its evidence are its ends."""

    def __init__(self, most=1000):
        self.most, self.asked = most, 0

    def __call__(self, cells):
        self.asked += len(cells)
        for cell in cells:
            width = float(cell.upper[0] - cell.lower[0])
            ends = (float(cell.lower[0]), float(cell.upper[0]))
            yield Measured(ends, (Merit(1.0 - width, 1.0, np.array([width])),))

    def most_cells(self, first):
        return self.most

    def to_arrays(self, evidence):
        return {"ends": np.array(evidence)}

    def from_arrays(self, arrays):
        return map(tuple, arrays["ends"].tolist())


def searched(measure=None, cells=1000, tightness=0.9, **options):
    return cover(
        Segment(), measure or Widths(), tightness=tightness, budget=Budget(cells), **options
    )


def test_the_cells_cover_what_is_inside():
    tree = searched()
    ends = sorted(tree.evidence())
    assert tree.shortfall == "" and tree.peak == 1.0
    assert all(high - low <= 0.1 for low, high in ends)
    assert ends[0][0] == 0.0 and ends[-1][1] == 1.0
    gaps = [(a, b) for (_, a), (b, _) in itertools.pairwise(ends) if a != b]
    assert gaps == [(0.5, 0.75)]


@pytest.mark.parametrize(
    ("measure", "cells", "why"),
    [(Widths(), 5, "budget of 5 cells"), (Widths(most=5), 1000, "more than 5 cells")],
)
def test_why_a_search_ends_early(measure, cells, why):
    tree = searched(measure, cells)
    assert why in tree.shortfall
    assert 5 <= len(tree.evidence()) <= 6


def test_a_search_goes_on_from_its_checkpoint(tmp_path):
    path = tmp_path / "run.npz"
    whole = searched(checkpoint=Checkpoint(path, {"what": "widths"}))
    path.unlink()
    searched(cells=4, checkpoint=Checkpoint(path, {"what": "widths"}))
    measure = Widths()
    again = searched(measure, checkpoint=Checkpoint(path, {"what": "widths"}))
    assert list(again.preorder()) == list(whole.preorder())
    assert measure.asked < 2 * len(whole.evidence())
    assert any(isinstance(node, Split) for node in again.nodes)
    with pytest.raises(ValueError, match=r"another run \(the what differs\)"):
        searched(checkpoint=Checkpoint(path, {"what": "heights"}))


def test_another_source_has_another_hash(tmp_path):
    file = tmp_path / "package" / "module.py"
    file.parent.mkdir()
    file.write_text("a = 1\n")
    first = source_hash([file.parent])
    (tmp_path / "package" / "notes.txt").write_text("no code\n")
    assert source_hash([file.parent]) == first
    file.write_text("a = 2\n")
    assert source_hash([file.parent]) != first != source_hash([file])


def test_nothing_above_the_search_is_imported():
    """It knows no games, no metrics and no Jacobians."""
    for path in Path(certify.search.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom | ast.Import):
                plain = [alias.name for alias in node.names]
                for name in [node.module or ""] if isinstance(node, ast.ImportFrom) else plain:
                    known = name.startswith(("certify.search", "certify.rounding"))
                    assert known or not name.startswith(("certify", "dgames", "jax")), (path, name)
