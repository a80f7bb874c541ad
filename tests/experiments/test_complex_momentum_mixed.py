"""Games from cooperative to adversarial."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full

NAME = "complex_momentum_mixed"


def test_numbers_are_as_expected(quick):
    assert expected.compare(quick(NAME).numbers, expected.load(NAME, quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick(NAME).figures
    assert [path.name for path in figures] == ["evaluations.png", "proved.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
