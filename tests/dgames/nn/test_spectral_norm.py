"""The upper bound of spectral norms: never below, close above, differentiable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb, arb_mat
from jaxtyping import TypeCheckError

from dgames import nn


def tight(name):
    """Matrices whose norm is known, and nearly attained by many singular values or by one."""
    random = np.random.default_rng(5)
    q, _ = np.linalg.qr(random.normal(size=(12, 12)))
    return {
        "gaussian": random.normal(size=(9, 14)),
        "orthogonal": q,
        "rank one": np.outer(q[0], q[1]),
        "tiny": 1e-200 * q,
        "huge": 1e200 * q,
        "graded": q * 10.0 ** -np.arange(12),
        "one row": q[:1],
    }[name]


NAMES = ("gaussian", "orthogonal", "rank one", "tiny", "huge", "graded", "one row")


def below_the_norm(matrix, bound):
    """Whether a bound is disproved: `bound^2 I - C'C` has a negative value, in ball arithmetic."""
    exact = arb_mat([[arb(float(x)) for x in row] for row in matrix])
    gram = exact * exact.transpose()
    size = gram.nrows()
    x = np.linalg.svd(matrix)[0][:, 0]
    vector = arb_mat(size, 1, [arb(float(v)) for v in x])
    quotient = (vector.transpose() * gram * vector)[0, 0] / (vector.transpose() * vector)[0, 0]
    return bool(quotient > arb(float(bound)) ** 2)


@pytest.mark.thin(3)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("iterations", [0, 5])
def test_the_bound_is_above_the_norm(name, iterations):
    matrix = tight(name)
    bound = nn.spectral_norm_bound(jnp.asarray(matrix), iterations)
    n = min(matrix.shape)
    norm = np.linalg.norm(matrix, ord=2)
    assert norm * (1 - 1e-14) <= bound <= norm * n ** (0.5 ** (iterations + 2)) * (1 + 1e-12)
    assert not below_the_norm(matrix, bound)


def test_the_bound_pays_for_rounding():
    """At rank one, where the method itself loses nothing, the slack is that of rounding alone."""
    matrix = tight("rank one")
    bound = nn.spectral_norm_bound(jnp.asarray(matrix), 5)
    assert np.linalg.norm(matrix, ord=2) < bound < 1 + 1e-12
    single = nn.spectral_norm_bound(jnp.asarray(matrix, jnp.float32), 5)
    assert single.dtype == jnp.float32
    rounded = np.linalg.norm(np.asarray(matrix, np.float32).astype(np.float64), ord=2)
    assert rounded < float(single) < 1 + 1e-4


@pytest.mark.full
def test_the_bound_of_a_large_gaussian_matrix_is_within_a_percent():
    """And the first bounds exceed the norm by the factors that are expected of them."""
    matrix = np.random.default_rng(0).normal(size=(512, 512))
    norm = np.linalg.norm(matrix, ord=2)
    ratios = [float(nn.spectral_norm_bound(jnp.asarray(matrix), k)) / norm for k in range(6)]
    np.testing.assert_allclose(ratios, [2.87, 1.54, 1.18, 1.062, 1.020, 1.0056], rtol=0.02)
    assert 1 < ratios[-1] < 1.01


def test_derivatives_are_those_of_the_norm():
    """With a gap between singular values the bound has the derivative u v' of the norm."""
    matrix = jnp.diag(jnp.array([2.0, 1.0]))
    compute = jax.jit(jax.value_and_grad(nn.spectral_norm_bound))
    _, gradient = compute(matrix)
    np.testing.assert_allclose(gradient, [[1.0, 0.0], [0.0, 0.0]], atol=1e-8)
    bound, gradient = compute(jnp.zeros((2, 2)))
    assert bound >= 0 and np.all(gradient == 0)


def test_a_negative_number_of_iterations_is_an_error():
    with pytest.raises((ValueError, TypeCheckError), match=r"not negative|Type-check error"):
        nn.spectral_norm_bound(jnp.eye(2), -1)
