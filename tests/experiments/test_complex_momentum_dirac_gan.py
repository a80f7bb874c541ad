"""The Dirac-GAN."""

import pytest

from experiments import expected

pytestmark = pytest.mark.full

NAME = "complex_momentum_dirac_gan"


def test_numbers_are_as_expected(quick):
    assert expected.compare(quick(NAME).numbers, expected.load(NAME, quick=True)) == {}


def test_figures_are_drawn(quick):
    (figure,) = quick(NAME).figures
    assert figure.name == "comparison.png" and figure.stat().st_size > 10_000
