"""A network that reads games."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("equilibrium_network").numbers
    assert expected.compare(found, expected.load("equilibrium_network", quick=True)) == {}


def test_the_figure_is_drawn(quick):
    figures = quick("equilibrium_network").figures
    assert [path.name for path in figures] == ["training.png"]
    assert figures[0].stat().st_size > 10_000
