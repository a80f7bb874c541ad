"""Spectral norms from above: known ones, NumPy's, ball arithmetic, and extreme entries."""

import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from certify.prove.neural.gram_norm import gram_norm

bound = jax.jit(gram_norm, static_argnums=1)


def test_exact_norms_are_never_missed():
    """Against the largest eigenvalue of `A' A` in ball arithmetic, for matrices of floats."""
    generator = np.random.default_rng(0)
    matrices = generator.normal(size=(20, 3, 3)) * 10.0 ** generator.uniform(-9, 9, (20, 3, 3))
    matrices[10:, 2] = matrices[10:, 1]  # singular
    found = np.asarray(bound(jnp.asarray(matrices), 8))
    for matrix, upper in zip(matrices, found, strict=True):
        exact = flint.arb_mat(3, 3, [flint.arb(float(x)) for x in matrix.ravel()])
        square = exact.transpose() * exact
        # All eigenvalues are below t if and only if t I minus the matrix is positive definite.
        over, under = (flint.arb(float(upper)) ** 2 * share for share in (1, flint.arb("0.97")))
        assert _definite(over, square)
        assert not _definite(under, square)


def _definite(t, square) -> bool:
    gap = flint.arb_mat([[(t if i == j else 0) - square[i, j] for j in range(3)] for i in range(3)])
    minors = (flint.arb_mat([[gap[i, j] for j in range(n)] for i in range(n)]) for n in (1, 2, 3))
    return all(minor.det() > 0 for minor in minors)


@pytest.mark.full
def test_large_matrices():
    """Within a per cent for 512 rows, Gaussian, orthogonal, and half of it."""
    gauss = jax.random.normal(jax.random.key(0), (512, 512))
    orthogonal = jnp.linalg.qr(gauss)[0]
    projection = orthogonal[:, :256] @ orthogonal[:, :256].T
    for matrix in (gauss, orthogonal, projection):
        true = np.linalg.norm(np.asarray(matrix), 2)
        assert true * (1 - 1e-13) <= float(bound(matrix, 8)) <= 1.01 * true


@pytest.mark.full
def test_fewer_products_are_rougher():
    matrix = jnp.asarray(np.random.default_rng(1).normal(size=(40, 30)))
    true = np.linalg.norm(np.asarray(matrix), 2)
    found = [float(bound(matrix, steps)) / true for steps in (1, 2, 8)]
    assert found[0] > found[1] > found[2] > 1.0
    assert found[2] < 1.01
    assert float(bound(matrix.T, 8)) == float(bound(matrix, 8))


def test_extreme_entries():
    """Nothing is missed among subnormals, huge and tiny numbers, zeros and infinities."""
    ones = np.ones((3, 3))
    for size in (1e300, 1e-200, 1e-300, 3e-308):
        true = 3.0 * size
        found = float(bound(jnp.asarray(size * ones), 8))
        assert true <= found <= max(1.001 * true, 1e-150)
    assert float(bound(jnp.asarray(1e-310 * ones), 8)) >= 3e-310
    assert 0.0 <= float(bound(jnp.zeros((3, 3)), 8)) <= 1e-150
    assert float(bound(jnp.asarray(np.diag([1.0, np.nan, 0.0])), 8)) == np.inf
    assert float(bound(jnp.asarray(np.diag([1.0, np.inf, 0.0])), 8)) == np.inf
    assert float(bound(jnp.array([[3.0], [4.0], [0.0]]), 8)) == pytest.approx(5.0, rel=1e-14)
