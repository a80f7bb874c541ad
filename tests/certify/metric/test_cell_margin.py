"""Margins of cells: below every member of the family; scores: what a smaller remainder gains."""

import dataclasses

import numpy as np
import pytest

from certify.jacobian.family import AffineFamily
from certify.metric.cell_margin import margin_bounds

N, CELLS = 4, 30


def families(seed, size=0.05):
    """Random families whose remainder is the sum of the shares of the coordinates."""
    rng = np.random.default_rng(seed)
    share = size * rng.uniform(size=(CELLS, N, N, N)) * rng.uniform(size=(CELLS, N, 1, 1)) ** 3
    return AffineFamily(
        rng.normal(size=(CELLS, N, N)) + 3.0 * np.eye(N),
        0.1 * rng.normal(size=(CELLS, 2, N, N)),
        share.sum(1),
        share,
        np.ones(CELLS, bool),
    )


def smallest(matrices, weights):
    """The smallest eigenvalues of the symmetric parts in a metric."""
    root = np.sqrt(weights)
    scaled = matrices * (root[:, None] / root)
    return np.linalg.eigvalsh(0.5 * (scaled + np.swapaxes(scaled, -1, -2)))[..., 0]


WEIGHTS = np.array([1.0, 3.0, 0.2, 1.0])
NONE = np.zeros((4, 4), int)


@pytest.mark.parametrize("size", [1e-3, 0.05, 1.0])
def test_no_member_is_below_the_margin(size):
    family = families(0, size)
    margin = margin_bounds(family, WEIGHTS, NONE).margin
    rng = np.random.default_rng(1)
    for _ in range(200):
        signs = rng.choice([-1.0, 1.0], size=(CELLS, 2, 1, 1)) * rng.choice([1.0, 0.3])
        error = rng.choice([-1.0, 1.0], size=(CELLS, N, N)) * family.remainder
        member = family.centre + (signs * family.generators).sum(1) + error
        assert (smallest(member, WEIGHTS) >= margin - 1e-12).all()


def test_most_of_a_remainder_is_absorbed_where_it_costs_little():
    """The loss is close to the least there can be: what the remainder does to the eigenvector."""
    family = families(2)
    bounds = margin_bounds(family, WEIGHTS, NONE)
    without = margin_bounds(
        dataclasses.replace(family, remainder=0 * family.remainder), WEIGHTS, NONE
    )
    least = bounds.peak - without.margin  # at the worst vertex; the peak also looks at the centre
    assert np.median((without.margin - bounds.margin) / least) < 1.3


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_derivatives_of_the_margin(seed):
    """A cut of coordinate k takes away some of its share: by so much the margin then grows."""
    family, step = families(seed), 1e-3
    bounds = margin_bounds(family, WEIGHTS, NONE)
    direction = bounds.scaling * np.sqrt(WEIGHTS)
    scores = bounds.scores / np.sum(direction**2, 1)[:, None]
    gains, share = np.empty((CELLS, N)), family.share
    assert share is not None
    for k in range(N):
        less = dataclasses.replace(family, remainder=family.remainder - step * share[:, k])
        gains[:, k] = (margin_bounds(less, WEIGHTS, NONE).margin - bounds.margin) / step
    assert np.median(scores / gains) == pytest.approx(1.0, rel=0.02)
    assert (scores.argmax(1) == gains.argmax(1)).mean() > 0.9
