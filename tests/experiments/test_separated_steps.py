"""Separate steps against multiplicative noise."""

import pytest

from experiments import expected, separated_steps


@pytest.mark.full
def test_numbers_are_as_expected(quick):
    found = quick("separated_steps").numbers
    assert expected.compare(found, expected.load("separated_steps", quick=True)) == {}


@pytest.mark.full
def test_figures_are_drawn(quick):
    figures = quick("separated_steps").figures
    assert [path.name for path in figures] == ["separated_steps.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)


def test_the_noise_has_its_moments():
    factors = separated_steps.factors(5.0)
    assert factors.tolist() == [3.0, -1.0]
    assert separated_steps.factors(1.5).mean() == pytest.approx(1.0)
    assert (separated_steps.factors(1.5) ** 2).mean() == pytest.approx(1.5)
