"""Flipped labels against a kernel machine."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full


def test_numbers_are_as_expected(quick):
    found = quick("label_flips").numbers
    assert expected.compare(found, expected.load("label_flips", quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick("label_flips").figures
    assert [path.name for path in figures] == ["damages.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
