"""Bonuses for a learner with soft values."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("reward_design").numbers
    assert expected.compare(found, expected.load("reward_design", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("reward_design").figures
    assert [path.name for path in figures] == ["biases.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
