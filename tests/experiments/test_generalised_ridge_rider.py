"""Generalised Ridge Rider: exponents, the saddle, and branches."""

import numpy as np
import pytest

from experiments import expected, generalised_ridge_rider


@pytest.mark.full
def test_numbers_are_as_expected(quick):
    found = quick("generalised_ridge_rider").numbers
    assert expected.compare(found, expected.load("generalised_ridge_rider", quick=True)) == {}


@pytest.mark.full
def test_figures_are_drawn(quick):
    figures = quick("generalised_ridge_rider").figures
    assert sorted(path.name for path in figures) == ["branching.png", "exponent_maps.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)


@pytest.mark.full
def test_the_boundary_passes_through_the_saddle_and_is_symmetric():
    """Where the first player's chance is that of the boundary, the second one's is the first."""
    first = np.array([0.60298143, 0.3])
    second = np.asarray(generalised_ridge_rider.boundary(first))
    assert second[0] == pytest.approx(first[0], abs=1e-4)
    mirrored = generalised_ridge_rider.boundary(second[1:])
    assert float(mirrored[0]) == pytest.approx(first[1], abs=1e-4)


def test_probabilities_are_kept_off_the_ends():
    found = generalised_ridge_rider.logits([0.0, 0.5, 1.0])
    assert found == pytest.approx([-np.log(1e8 - 1), 0.0, np.log(1e8 - 1)])
    starts = generalised_ridge_rider.starts_of([0.25, 0.5])
    low = -np.log(3.0)
    assert np.allclose(starts, [[low, low], [low, 0.0], [0.0, low], [0.0, 0.0]])
