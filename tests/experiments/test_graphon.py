"""From networks to graphons."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("graphon").numbers
    assert expected.compare(found, expected.load("graphon", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("graphon").figures
    assert [path.name for path in figures] == ["distances.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
