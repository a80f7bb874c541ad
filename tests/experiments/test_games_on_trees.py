"""Games on trees: exploitability beside published digits, and rates beside proofs."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("games_on_trees").numbers
    assert expected.compare(found, expected.load("games_on_trees", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("games_on_trees").figures
    assert [path.name for path in figures] == ["exploitability.png", "rates.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
