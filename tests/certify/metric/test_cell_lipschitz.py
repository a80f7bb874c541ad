"""Lipschitz constants of cells: above every member; floors: below what no cells can avoid."""

import dataclasses

import numpy as np
import pytest

from certify.jacobian.family import AffineFamily
from certify.metric.cell_lipschitz import lipschitz_bounds
from certify.metric.cell_margin import MAX_VERTICES

N, CELLS = 4, 30
WEIGHTS = np.array([1.0, 3.0, 0.2, 1.0])


def families(seed, generators=N, size=0.05):
    """Random families whose remainder is the sum of the shares of the coordinates."""
    rng = np.random.default_rng(seed)
    share = size * rng.uniform(size=(CELLS, N, N, N)) * rng.uniform(size=(CELLS, N, 1, 1)) ** 3
    return AffineFamily(
        rng.normal(size=(CELLS, N, N)) + 3.0 * np.eye(N),
        0.1 * rng.normal(size=(CELLS, generators, N, N)),
        share.sum(1),
        share,
        np.ones(CELLS, bool),
    )


def norms(matrices):
    root = np.sqrt(WEIGHTS)
    return np.linalg.norm(matrices * (root[:, None] / root), ord=2, axis=(-2, -1))


@pytest.mark.parametrize("generators", [N, MAX_VERTICES + 3])
def test_floors_are_below_what_every_field_has_at_some_corner(generators):
    """At a corner of a cell the symbols of its coordinates are signs; others may be anything."""
    family, rng = families(0, generators), np.random.default_rng(1)
    bounds, largest = lipschitz_bounds(family, WEIGHTS), np.zeros(CELLS)
    others = rng.uniform(-1, 1, size=(CELLS, generators - N, 1, 1)) * family.generators[:, N:]
    for corner in range(2**N):
        signs = np.array([1.0 if corner >> k & 1 else -1.0 for k in range(N)])
        error = rng.uniform(-1, 1, size=(CELLS, N, N)) * family.remainder
        moved = np.einsum("k,bkij->bij", signs, family.generators[:, :N]) + others.sum(1)
        largest = np.maximum(largest, norms(family.centre + moved + error))
    assert (bounds.floor <= largest).all() and (largest <= bounds.norm).all()
    assert generators > N or np.median(bounds.floor / largest) > 0.9


def test_nothing_is_left_to_gain_where_there_is_no_remainder():
    bounds = lipschitz_bounds(families(2, size=0.0), WEIGHTS)
    gaps = 1 - bounds.floor / bounds.norm  # the worst vertex is not always found
    assert (gaps > -1e-12).all() and (gaps < 1e-12).mean() > 0.8
    assert (bounds.scores == 0).all()


def test_scores_are_derivatives_of_the_norm():
    """A cut of coordinate k takes away some of its share: by so much the norm then falls."""
    family, step = families(3), 1e-3
    bounds = lipschitz_bounds(family, WEIGHTS)
    gains, share = np.empty((CELLS, N)), family.share
    assert share is not None
    for k in range(N):
        less = dataclasses.replace(family, remainder=family.remainder - step * share[:, k])
        gains[:, k] = (bounds.norm - lipschitz_bounds(less, WEIGHTS).norm) / step
    assert np.median(bounds.scores / gains) == pytest.approx(1.0, rel=0.1)
    assert (bounds.scores.argmax(1) == gains.argmax(1)).mean() > 0.8


def test_generators_in_the_remainder_have_scores():
    """The smallest of them span no vertices, which cutting their coordinate makes up for."""
    rng = np.random.default_rng(4)
    n = MAX_VERTICES + 1
    generators = rng.normal(size=(1, n, n, n))
    generators[0, 2] *= 0.5
    nothing = np.zeros((1, n, n))
    family = AffineFamily(5 * np.eye(n)[None], generators, nothing, np.zeros((1, n, n, n)))
    assert lipschitz_bounds(family, np.ones(n)).scores[0].nonzero()[0].tolist() == [2]


def test_cells_that_are_not_smooth_promise_everything():
    family = dataclasses.replace(families(5), finite=np.zeros(CELLS, bool))
    bounds = lipschitz_bounds(family, WEIGHTS)
    assert (bounds.norm == np.inf).all() and (bounds.floor == 0).all()


def test_most_of_a_remainder_is_absorbed_where_it_costs_little():
    """The loss is close to the least there can be: what the remainder does to singular vectors."""
    family = families(6, generators=0)
    with_it = lipschitz_bounds(family, WEIGHTS).norm
    root = np.sqrt(WEIGHTS)
    scale = root[:, None] / root
    left, values, right = np.linalg.svd(family.centre * scale)
    u, v = np.abs(left[:, :, 0]), np.abs(right[:, 0])
    least = np.einsum("bi,bij,bj->b", u, family.remainder * scale, v)
    ratio = (with_it - values[:, 0]) / least
    assert (ratio > 1 - 1e-9).all() and np.median(ratio) < 1.1
