"""Residuals of eight methods on the hard instance."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("hard_instance").numbers
    assert expected.compare(found, expected.load("hard_instance", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("hard_instance").figures
    assert [path.name for path in figures] == ["residuals.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
