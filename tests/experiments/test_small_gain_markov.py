"""The Markov game of Small-Gain Nash."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("small_gain_markov").numbers
    assert expected.compare(found, expected.load("small_gain_markov", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("small_gain_markov").figures
    assert [path.name for path in figures] == ["markov.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
