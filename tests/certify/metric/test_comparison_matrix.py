"""Scaled dominance of sparse matrices: at most the smallest eigenvalue, and often just that."""

import numpy as np
import pytest
import scipy.sparse as sp

from certify.metric.comparison_matrix import dominance, loses_little, signs


def random(seed, n=60, mixed=False):
    generator = np.random.default_rng(seed)
    upper = sp.random_array((n, n), density=3 / n, rng=generator)
    upper = sp.triu(upper, 1)
    matrix = sp.csr_array(sp.diags_array(generator.uniform(2, 3, n)) - upper - upper.T)
    if mixed:
        matrix = sp.csr_array(matrix * sp.csr_array(matrix.todense() < 0.5) + matrix)
        matrix.data *= np.where(generator.uniform(size=len(matrix.data)) < 0.5, 1, -1)
        matrix = sp.csr_array(matrix + matrix.T)
    return matrix


def least(matrix):
    return float(np.linalg.eigvalsh(matrix.todense())[0])


@pytest.mark.parametrize("seed", range(5))
def test_of_negative_entries_it_is_the_smallest_eigenvalue(seed):
    matrix, generator = random(seed), np.random.default_rng(seed)
    flips = generator.choice([-1.0, 1.0], 60)
    flipped = sp.csr_array(sp.diags_array(flips) @ matrix @ sp.diags_array(flips))
    for given in (matrix, flipped):
        found = dominance(given, np.ones(60))
        assert found is not None and min(found.scaling) > 0
        assert found.value == pytest.approx(least(given), abs=1e-7)
        assert loses_little(given, found.value)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_never_above_it(seed):
    matrix = random(seed, mixed=True)
    found = dominance(matrix, np.ones(60))
    assert found is not None and found.value <= least(matrix) + 1e-9


def test_signs():
    """Three coordinates that repel each other have none."""
    triangle = np.ones((3, 3))
    assert signs(sp.csr_array(triangle)) is None
    path = np.array([[5.0, 1, 0], [1, 5, -1], [0, -1, 5]])
    own = signs(sp.csr_array(path))
    assert own is not None
    assert (np.outer(own, own) * (path - 5 * np.eye(3)) <= 0).all()
    assert not loses_little(sp.csr_array(triangle + 2 * np.eye(3)), 0.5)


def test_units_are_those_of_the_file():
    matrix, units = random(7), np.geomspace(1, 1e6, 60)
    found = dominance(matrix, units)
    assert found is not None
    d = np.array(found.scaling) * units
    dense = matrix.todense()
    sizes = np.abs(dense - np.diag(np.diag(dense))) @ d
    assert ((np.diag(dense) - found.value * (1 + 1e-12)) * d <= sizes * (1 + 1e-9)).any()
    assert ((np.diag(dense) - found.value * (1 - 1e-12)) * d >= sizes * (1 - 1e-12)).all()
