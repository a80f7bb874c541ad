"""A firm that leads four others."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("oligopoly_leader").numbers
    assert expected.compare(found, expected.load("oligopoly_leader", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("oligopoly_leader").figures
    assert [path.name for path in figures] == ["curve.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
