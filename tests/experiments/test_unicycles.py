"""Unicycles: numbers of the quick run, and its figure."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("unicycles").numbers
    assert expected.compare(found, expected.load("unicycles", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("unicycles").figures
    assert [path.name for path in figures] == ["paths.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
