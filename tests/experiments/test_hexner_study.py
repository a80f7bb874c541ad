"""Hexner's game: numbers of the quick run, and its figure."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("hexner").numbers
    assert expected.compare(found, expected.load("hexner", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("hexner").figures
    assert [path.name for path in figures] == ["reveal.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
