"""Five firms around a published equilibrium."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("oligopoly").numbers
    assert expected.compare(found, expected.load("oligopoly", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("oligopoly").figures
    assert [path.name for path in figures] == ["margins.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
