"""Bounds on interval matrices against exact arithmetic and sampled members."""

from fractions import Fraction

import numpy as np
import pytest

from certify.metric.spectra import eigenvalue_bounds, norm_bounds


def intervals(rng, shape, width):
    middle = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4, (*shape[:1], 1, 1))
    half = width * np.abs(rng.normal(size=shape)) * np.abs(middle).max((1, 2), keepdims=True)
    return middle - half, middle + half


@pytest.mark.parametrize("width", [0.0, 1e-6, 0.3])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_members_stay_within_the_bounds_and_bounds_are_near(d, width):
    rng = np.random.default_rng(d)
    lower, upper = intervals(rng, (200, d, d), width)
    lower, upper = (0.5 * (end + np.swapaxes(end, 1, 2)) for end in (lower, upper))
    low, high = eigenvalue_bounds(lower, upper)
    norm = norm_bounds(lower, upper)
    size = np.maximum(np.abs(lower), np.abs(upper)).max((1, 2))
    for share in (0.0, 0.5, 1.0, None):
        mix = rng.integers(0, 2, lower.shape) if share is None else share
        member = lower + mix * (upper - lower)
        member = np.tril(member) + np.swapaxes(np.tril(member, -1), 1, 2)
        values = np.linalg.eigvalsh(member)
        slack = 1e-14 * size * (width == 0.0)  # LAPACK rounds, too
        assert (low <= values[:, 0] + slack).all() and (values[:, -1] <= high + slack).all()
        assert (np.abs(values).max(1) <= norm + slack).all()
        if width == 0.0:
            assert (values[:, 0] - low <= 1e-13 * d * size).all()
            assert (norm - np.abs(values).max(1) <= 1e-13 * d * size).all()


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (1, 4), (4, 1), (1, 1)])
def test_norms_of_blocks_that_are_not_square(shape):
    rng = np.random.default_rng(0)
    lower, upper = intervals(rng, (100, *shape), 0.1)
    found = norm_bounds(lower, upper)
    for _ in range(5):
        member = lower + rng.integers(0, 2, lower.shape) * (upper - lower)
        assert (np.linalg.norm(member, 2, (1, 2)) <= found * (1 + 1e-15)).all()
    exact = norm_bounds(lower, lower)
    np.testing.assert_allclose(exact, np.linalg.norm(lower, 2, (1, 2)), rtol=1e-13)


def test_bounds_hold_exactly_where_eigenvalues_are_rational():
    # [[a, b], [b, a]] has the eigenvalues a +- b, as exact fractions of the floats given.
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 500)) * 10.0 ** rng.integers(-8, 9, (2, 500))
    matrices = np.stack([np.stack([a, b], -1), np.stack([b, a], -1)], -2)
    low, high = eigenvalue_bounds(matrices, matrices)
    norms = norm_bounds(matrices, matrices)
    for k in range(500):
        ends = sorted([Fraction(a[k]) - Fraction(b[k]), Fraction(a[k]) + Fraction(b[k])])
        assert Fraction(low[k]) <= ends[0] and ends[1] <= Fraction(high[k])
        assert max(map(abs, ends)) <= Fraction(norms[k])


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200])
def test_extreme_sizes(scale):
    matrix = scale * np.array([[[3.0, 4.0], [4.0, -3.0]]])
    low, high = eigenvalue_bounds(matrix, matrix)
    assert low[0] <= -5 * scale and 5 * scale <= high[0]
    assert 5 * scale <= norm_bounds(matrix, matrix)[0] <= 5.1 * scale + 1e-300


def test_what_is_not_finite_has_no_bounds():
    for bad in (np.nan, np.inf):
        for d in (1, 2):
            matrix = np.full((1, d, d), bad)
            low, high = eigenvalue_bounds(matrix, matrix)
            assert low[0] == -np.inf and high[0] == np.inf == norm_bounds(matrix, matrix)[0]
