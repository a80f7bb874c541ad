"""Complex momentum on the bilinear game."""

import numpy as np
import pytest

from experiments import complex_momentum_bilinear as study
from experiments import expected

pytestmark = pytest.mark.full

NAME = "complex_momentum_bilinear"


def test_numbers_are_as_expected(quick):
    assert expected.compare(quick(NAME).numbers, expected.load(NAME, quick=True)) == {}


def test_figures_are_drawn(quick):
    figures = quick(NAME).figures
    assert [path.name for path in figures] == ["convergence.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)


def test_the_exact_test_of_real_momenta_can_pass():
    # Without rotation (h = 0) the roots are 1 and b, so nothing passes; the same criterion does
    # find the roots of z^2 + a z + b inside the circle where they are.
    assert not study._may_converge(study.Fraction(1, 10), study.Fraction(-1, 2))
    rates = study.spectra.momentum(0.1, -0.5, np.array([1j, 1.0]))
    assert rates[0] > 1 > rates[1]
