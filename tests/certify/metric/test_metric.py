"""Metrics in floating point: norms, frames, and bounds of cells in metrics with a matrix."""

import numpy as np
import pytest

from certify.jacobian.family import AffineFamily
from certify.metric.cell_lipschitz import lipschitz_bounds
from certify.metric.cell_margin import margin_bounds, margin_modes
from certify.metric.metric import Metric

N = 4
NONE = np.zeros((N, N), int)


def random_matrix(seed, n=N):
    root = np.random.default_rng(seed).normal(size=(n, n))
    scale = np.array([1.0, 30.0, 0.1, 1.0])[:n]
    matrix = (root.T @ root + 0.5 * np.eye(n)) * scale[:, None] * scale
    return 0.5 * (matrix + matrix.T)


def families(generators, size, seed=0, cells=20):
    """Families with a margin in about any metric."""
    rng = np.random.default_rng(seed)
    remainder = size * rng.uniform(size=(cells, N, N))
    share = np.broadcast_to(remainder[:, None] / N, (cells, N, N, N))
    return AffineFamily(
        rng.normal(size=(cells, N, N)) + 60.0 * np.eye(N),
        0.3 * rng.normal(size=(cells, generators, N, N)),
        remainder,
        share,
        np.ones(cells, bool),
    )


def members(family, seed, count=60):
    rng = np.random.default_rng(seed)
    cells, m = family.generators.shape[:2]
    for _ in range(count):
        signs = rng.choice([-1.0, 1.0], size=(cells, m, 1, 1))
        error = rng.choice([-1.0, 1.0], size=(cells, N, N)) * family.remainder
        yield family.centre + (signs * family.generators).sum(1) + error


def in_metric(J, P):
    """Jacobians in coordinates in which the metric is Euclidean, another way than the code's."""
    values, vectors = np.linalg.eigh(P)
    root = vectors * np.sqrt(values) @ vectors.T
    return root @ J @ np.linalg.inv(root)


@pytest.mark.parametrize("generators", [0, 2, 9])
@pytest.mark.parametrize("size", [1e-3, 0.2])
def test_no_member_is_outside_the_bounds(generators, size):
    """With vertices alone, and with modes (more than six generators)."""
    P, family = random_matrix(3), families(generators, size)
    margin = margin_bounds(family, P, NONE).margin
    norm = lipschitz_bounds(family, P).norm
    for J in members(family, 1):
        S = in_metric(J, P)
        lowest = np.linalg.eigvalsh(0.5 * (S + np.swapaxes(S, -1, -2)))[:, 0]
        assert (lowest >= margin - 1e-9).all()
        assert (np.linalg.norm(S, 2, axis=(-2, -1)) <= norm + 1e-9).all()
    assert (margin_modes(family, P, NONE) is not None) == (generators > 6)


def test_without_a_remainder_the_bounds_are_attained():
    P, family = random_matrix(4), families(3, 0.0)
    S = np.stack([in_metric(J, P) for J in members(family, 2)])
    lowest = np.linalg.eigvalsh(0.5 * (S + np.swapaxes(S, -1, -2)))[..., 0].min(0)
    np.testing.assert_allclose(margin_bounds(family, P, NONE).margin, lowest, rtol=1e-9)
    highest = np.linalg.norm(S, 2, axis=(-2, -1)).max(0)
    np.testing.assert_allclose(lipschitz_bounds(family, P)[0], highest, rtol=1e-9)


@pytest.mark.parametrize("generators", [2, 9])
def test_a_diagonal_matrix_is_the_same_as_weights(generators):
    weights, family = np.array([1.0, 3.0, 0.2, 1.0]), families(generators, 0.1)
    signs = np.where(np.eye(N, dtype=bool), 1, -1)
    for of_matrix, of_weights in zip(
        margin_bounds(family, np.diag(weights), signs),
        margin_bounds(family, weights, signs),
        strict=True,
    ):
        np.testing.assert_allclose(of_matrix, of_weights, rtol=1e-9)
    pairs = zip(
        lipschitz_bounds(family, np.diag(weights)), lipschitz_bounds(family, weights), strict=True
    )
    for of_matrix, of_weights in pairs:
        np.testing.assert_allclose(of_matrix, of_weights, rtol=1e-9)


def test_balls_touch_what_bounds_them():
    P = random_matrix(5)
    metric, x = Metric(P), np.random.default_rng(0).normal(size=(20000, N))
    square = np.einsum("si,ij,sj->s", x, P, x)
    assert (metric.coordinate * x**2 <= square[:, None] * (1 + 1e-12)).all()
    inverse = np.linalg.inv(P)
    np.testing.assert_allclose(metric.coordinate, 1 / np.diag(inverse), rtol=1e-9)
    assert metric.smallest == pytest.approx(1 / np.linalg.norm(inverse, 2), rel=1e-9)
    corners = np.abs(x) / np.abs(x).max()
    above = [metric.length_above(corner) for corner in corners[:100]]
    assert (np.sqrt(square[:100]) / np.abs(x).max() <= np.array(above) + 1e-12).all()


@pytest.mark.parametrize(
    "matrix",
    [
        np.array([[1.0, 2.0], [2.0, 1.0]]),
        np.array([[1.0, 0.5], [0.25, 1.0]]),
        np.array([[1.0, np.nan], [np.nan, 1.0]]),
        np.array([[1.0, 0.0], [0.0, 0.0]]),
        np.array([1.0, -1.0]),
        np.array([1.0, np.inf]),
    ],
)
def test_what_is_no_metric_is_an_error(matrix):
    with pytest.raises(ValueError, match="positive definite"):
        Metric(matrix)
