"""K-beam minimax on surfaces where one answer is not enough."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("k_beam").numbers
    assert expected.compare(found, expected.load("k_beam", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("k_beam").figures
    assert [path.name for path in figures] == ["errors.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
