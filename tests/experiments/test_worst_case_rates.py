"""Worst-case rates of methods, against tight ones."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("worst_case_rates").numbers
    assert expected.compare(found, expected.load("worst_case_rates", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("worst_case_rates").figures
    assert [path.name for path in figures] == ["rates.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
