"""Derivatives of the small-gain margin against finite differences."""

import numpy as np
import pytest
import scipy.sparse

import certify


@pytest.mark.parametrize("seed", range(5))
def test_finite_differences(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 8))
    mu, coupling = rng.uniform(0.5, 2.0, n), rng.lognormal(-2.0, 1.0, (n, n))
    np.fill_diagonal(coupling, 0.0)
    found = certify.sensitivities(mu, coupling)
    step = 1e-6

    def slope(own, other):
        up, down = (
            certify.small_gain(mu + s * own, np.abs(coupling + s * other)).margin
            for s in (step, -step)
        )
        return (up - down) / (2 * step)

    zero = np.zeros((n, n))
    for i in range(n):
        assert found.curvature[i] == pytest.approx(slope(np.eye(n)[i], zero), abs=1e-7)
        for j in range(n):
            if i != j:
                entry = zero.copy()
                entry[i, j] = 1.0
                assert found.coupling[i, j] == pytest.approx(slope(0.0, entry), abs=1e-7)
    assert found.curvature.sum() == pytest.approx(1.0)
    assert not np.diag(found.coupling).any()


def test_sparse_stays_sparse():
    rng = np.random.default_rng(0)
    n = 5000
    rows, columns = rng.integers(0, n, 4 * n), rng.integers(0, n, 4 * n)
    coupling = scipy.sparse.coo_array((rng.lognormal(-3, 1, 4 * n), (rows, columns)), (n, n))
    gain = certify.small_gain(np.ones(n), coupling)
    found = certify.sensitivities(np.ones(n), coupling, gain)
    assert scipy.sparse.issparse(found.coupling) and found.coupling.nnz <= coupling.nnz
    assert found.curvature.sum() == pytest.approx(1.0)
    # The margin is a homogeneous function of the bounds: Euler's identity.
    total = found.curvature.sum() + found.coupling.multiply(coupling.tocsr()).sum()
    assert total == pytest.approx(gain.margin, abs=1e-9)
    worst = int(abs(found.coupling).tocsr().data.argmax())
    reduced = coupling.tocsr()
    reduced.sum_duplicates()
    row = int(np.searchsorted(found.coupling.indptr, worst, side="right")) - 1
    reduced[row, found.coupling.indices[worst]] *= 0.9
    assert certify.small_gain(np.ones(n), reduced).margin > gain.margin


def test_a_gain_for_other_players():
    with pytest.raises(ValueError, match="2 players and bounds for 3"):
        gain = certify.small_gain([1.0, 1.0], np.zeros((2, 2)))
        certify.sensitivities(np.ones(3), np.zeros((3, 3)), gain)
