"""Pseudospectra of Small-Gain Nash."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("small_gain_pseudospectra").numbers
    assert expected.compare(found, expected.load("small_gain_pseudospectra", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("small_gain_pseudospectra").figures
    assert [path.name for path in figures] == ["pseudospectra.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
