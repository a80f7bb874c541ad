"""Three mills on a river."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("river_basin").numbers
    assert expected.compare(found, expected.load("river_basin", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("river_basin").figures
    assert sorted(path.name for path in figures) == ["convergence.png", "prices.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
