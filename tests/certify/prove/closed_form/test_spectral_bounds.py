"""Bounds on norms and eigenvalues against LAPACK, at sizes and scales where roundings matter."""

import numpy as np
import pytest
import scipy.sparse

from certify.prove.closed_form.spectral_bounds import (
    largest_eigenvalue_above,
    skew_norm_above,
    smallest_eigenvalue_below,
    spectral_norm_above,
)

GENERATOR = np.random.default_rng(0)


def sparse(rows, columns, density):
    kept = GENERATOR.uniform(size=(rows, columns)) < density
    return scipy.sparse.csr_matrix(kept * GENERATOR.uniform(size=(rows, columns)))


@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (90, 40)])
@pytest.mark.parametrize("scale", [1.0, 1e-140, 1e140])
def test_dense_norms_are_tight_bounds(shape, scale):
    matrix = GENERATOR.normal(size=shape)
    norm = np.linalg.norm(matrix, 2)
    assert (
        norm * scale * (1 - 1e-15)
        <= spectral_norm_above(matrix * scale)
        <= norm * scale * (1 + 1e-9)
    )


def test_norms_of_sparse_matrices_without_negative_entries_are_tight():
    matrix = sparse(400, 300, 0.01)
    norm = np.linalg.norm(matrix.toarray(), 2)
    assert norm <= spectral_norm_above(matrix) <= norm * 1.002


def test_signs_may_cost_a_factor_but_no_soundness():
    matrix = sparse(400, 300, 0.02)
    matrix.data = GENERATOR.choice([-1.0, 1.0], matrix.data.size)
    norm = np.linalg.norm(matrix.toarray(), 2)
    bound = spectral_norm_above(matrix)
    assert norm <= bound <= np.linalg.norm(abs(matrix).toarray(), 2) * 1.002
    assert bound < np.sqrt(abs(matrix).sum(0).max() * abs(matrix).sum(1).max())


@pytest.mark.parametrize(
    "empty", [np.zeros((0, 3)), np.zeros((2, 2)), scipy.sparse.csr_matrix((4, 5))]
)
def test_nothing_has_the_norm_zero(empty):
    assert 0 <= spectral_norm_above(empty) < 1e-150


@pytest.mark.parametrize("low", [1.0, 0.0, -3.0, 1e-9])
def test_extreme_eigenvalues_are_enclosed_tightly(low):
    basis = np.linalg.qr(GENERATOR.normal(size=(60, 60))).Q
    eigenvalues = np.concatenate([[low], np.linspace(low + 0.5, 7.0, 59)])
    matrix = (basis * eigenvalues) @ basis.T
    matrix = (matrix + matrix.T) / 2
    below, above = smallest_eigenvalue_below(matrix), largest_eigenvalue_above(matrix)
    assert low - 1e-10 <= below <= low + 1e-14 * 7
    assert 7.0 - 1e-13 <= above <= 7.0 + 1e-10


def test_the_norm_of_a_zero_sum_jacobian(subtests=None):
    coupling = GENERATOR.normal(size=(4, 6))
    norm = float(np.linalg.norm(coupling, 2))
    for mu, nu in ((1.0, 1.0), (0.2, 3.0), (5.0, 0.1)):
        jacobian = np.block([[mu * np.eye(4), coupling], [-coupling.T, nu * np.eye(6)]])
        true = np.linalg.norm(jacobian, 2)
        assert true * (1 - 1e-14) <= skew_norm_above((mu, mu), (nu, nu), norm) <= true * (1 + 1e-13)
    # With intervals, the bound is one for all symmetric blocks in them.
    for _ in range(200):
        blocks = [_symmetric(size, low, high) for size, low, high in ((4, 0.5, 2.0), (6, 1.0, 5.0))]
        jacobian = np.block([[blocks[0], coupling], [-coupling.T, blocks[1]]])
        assert np.linalg.norm(jacobian, 2) <= skew_norm_above((0.5, 2.0), (1.0, 5.0), norm)


def _symmetric(size, low, high):
    basis = np.linalg.qr(GENERATOR.normal(size=(size, size))).Q
    return (basis * GENERATOR.uniform(low, high, size)) @ basis.T
