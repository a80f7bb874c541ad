"""Variance reduction on the hard instance."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("variance_reduction").numbers
    assert expected.compare(found, expected.load("variance_reduction", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("variance_reduction").figures
    assert [path.name for path in figures] == ["residuals.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
