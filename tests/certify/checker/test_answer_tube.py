"""The tube around an answer, against linear systems whose matrices lie in the intervals.

Slope, inverse and left factor are bad on purpose, so that every term of the bounds is needed: with
one of them left out, or halved, some sample would be outside.
"""

from fractions import Fraction

import numpy as np
import pytest

from certify.checker.answer_tube import answer_tube
from certify.checker.interval_matrices import RationalIntervalMatrix
from certify.checker.stackelberg import LeaderCell, reduced

N, K = 2, 4


def exact(matrix):
    return [[Fraction(float(x)) for x in row] for row in np.atleast_2d(matrix)]


def floats(rows):
    return np.array([[float(x) for x in row] for row in rows])


def case(seed, spread):
    """A cell with an interval matrix for DPhi, and the pieces as arrays."""
    chance = np.random.default_rng(seed)
    centre = chance.normal(size=(N + K, N + K))
    centre[N:, N:] = 3 * np.eye(K) + 0.3 * chance.normal(size=(K, K))
    radius = spread * chance.uniform(size=centre.shape)
    across, along = centre[N:, N:], centre[N:, :N]
    inverse = np.linalg.inv(across) + 0.03 * chance.normal(size=(K, K))
    slope = -np.linalg.solve(across, along) + 0.1 * chance.normal(size=(K, N))
    left = -centre[:N, N:] @ np.linalg.inv(across) + 0.1 * chance.normal(size=(N, K))
    reach, residual = chance.uniform(0.1, 0.3, N), 0.02 * chance.uniform(size=K)
    point = chance.normal(size=N + K)
    room = np.full(K, 9.0)
    cell = LeaderCell(
        "the cell",
        [Fraction(float(x)) for x in (*(point[:N] - 0.3 * reach), *(point[N:] - room))],
        [Fraction(float(x)) for x in (*(point[:N] + reach), *(point[N:] + room))],
        [Fraction(float(x)) for x in point],
        [Fraction(float(x)) for x in residual],
        RationalIntervalMatrix(exact(centre), exact(radius)),
        exact(slope),
        exact(inverse),
        exact(left),
        [Fraction(1)] * K,
        [Fraction(1)] * N,
    )
    return chance, centre, radius, slope, reach, residual, cell


def sampled(chance, centre, radius):
    """A matrix of the interval matrix, most often a vertex."""
    signs = chance.choice([-1.0, 1.0], size=centre.shape)
    return centre + radius * (signs if chance.uniform() < 0.8 else chance.uniform(-1, 1))


@pytest.mark.parametrize("spread", [0.0, 0.02])
@pytest.mark.parametrize("seed", range(5))
def test_answers_slopes_and_curvatures_of_sampled_systems(seed, spread):
    chance, centre, radius, slope, reach, residual, cell = case(seed, spread)
    found = reduced(cell, N)
    tube = found.tube
    error, at_point = (np.array([float(x) for x in e]) for e in (tube.error, tube.error_at_point))
    deviation, slopes, spread_of = map(floats, (tube.deviation, *tube.slopes))
    middle, loose = map(floats, found.bends)
    used = np.zeros(4)
    for _ in range(300):
        matrix = sampled(chance, centre, radius)
        across, along = matrix[N:, N:], matrix[N:, :N]
        start = residual * chance.choice([-1.0, 1.0], K)
        turned = -np.linalg.solve(across, along)
        x = reach * chance.choice([-0.3, 1.0], N)
        # Psi(c + x, d + z) = start + along x + across z = 0.
        z = -np.linalg.solve(across, start + along @ x)
        still = -np.linalg.solve(across, start)
        bend = matrix[:N, :N] + matrix[:N, N:] @ turned
        parts = (
            (z - slope @ x, error),
            (still, at_point),
            (turned - slope, deviation),
            (turned - slopes, spread_of),
            (bend - middle, loose),
        )
        for value, most in parts:
            assert (np.abs(value) <= most * (1 + 1e-9) + 1e-12).all()
        used = np.maximum(used, [(np.abs(v) / (m + 1e-15)).max() for v, m in parts[:4]])
    assert used.min() > 0.3  # the bounds are no larger than they have to be, within a factor


def test_hypotheses_that_fail():
    *_, cell = case(0, 0.02)
    psi, own = slice(N, None), slice(0, N)
    along, across = cell.jacobian.block(psi, own), cell.jacobian.block(psi, psi)
    reach = [Fraction(1, 4)] * N

    def tube(inverse=cell.inverse, room=9.0, scale=1.0):
        t = [Fraction(scale), *[Fraction(1)] * (K - 1)]
        return answer_tube(
            along, across, cell.slope, inverse, t, reach, cell.residual, [Fraction(room)] * K
        )

    proved = tube()
    assert proved is not None
    # No contraction: with C = 0 nothing moves, and with an inverse of the wrong sign all runs away.
    assert tube([[Fraction(0)] * K] * K) is None
    assert tube([[-x for x in row] for row in cell.inverse]) is None
    # The tube leaves the box.
    sides = max(sum(abs(x) for x in row) / 4 for row in cell.slope)
    assert tube(room=float(sides)) is None
    # A scale in which the norm of the same matrix is too large.
    assert tube(scale=1e-4) is None
