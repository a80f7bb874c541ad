"""The parts of a family by hand: Taylor's theorem, and how policies move with logits."""

import numpy as np
import pytest

from certify.jacobian import natural_jacobian
from certify.jacobian.expansion import Ends, expand
from certify.problem.natural_gradient import Natural


def point(value):
    return Ends(np.asarray(value), np.asarray(value))


def reach(parts):
    """How far a member may be from the centre."""
    return np.abs(parts.generators).sum(-3) + parts.remainder


def test_uncertain_slopes_count():
    """`J(x) = 1 + s d` with `|s| <= 1` and `|d| <= 1/2`: from 1/2 to 3/2."""
    slope = Ends(np.full((1, 1, 1), -1.0), np.full((1, 1, 1), 1.0))
    parts = expand(point([[1.0]]), slope, point(np.zeros((1, 1, 1, 1))), np.array([0.5]))
    assert parts.centre == 1.0 and 0.5 <= reach(parts) < 0.5 + 1e-12


@pytest.mark.parametrize(("low", "high"), [(0.0, 2.0), (-2.0, 0.0), (-2.0, 2.0), (2.0, 2.0)])
def test_curvatures_count(low, high):
    """`J(x) = 1 + d^2 H / 2` with H between two numbers and `|d| <= 1/2`."""
    curvature = Ends(np.full((1, 1, 1, 1), low), np.full((1, 1, 1, 1), high))
    parts = expand(point([[1.0]]), point(np.zeros((1, 1, 1))), curvature, np.array([0.5]))
    lower, upper = 1 + min(low, 0.0) / 8, 1 + max(high, 0.0) / 8
    assert parts.centre - reach(parts) <= lower and upper <= parts.centre + reach(parts)
    assert parts.centre + reach(parts) < upper + 1e-12


def test_mixed_curvatures_count():
    """`J(x) = 1 + d_1 d_2`, with both below 1/2 in size."""
    hessian = np.zeros((1, 1, 2, 2))
    hessian[0, 0, 0, 1] = hessian[0, 0, 1, 0] = 1.0
    parts = expand(
        point(np.ones((1, 1))), point(np.zeros((1, 1, 2))), point(hessian), np.full(2, 0.5)
    )
    assert 0.25 <= reach(parts).item() < 0.25 + 1e-12


def test_policies_move_with_logits_as_they_do():
    """`S = diag(q) - q q'` of two vectors, and its derivatives, at points of a box of policies."""
    natural = Natural(1.0, (0.0,) * 3, (2, 1))
    low, high = np.array([[0.1, 0.2, 0.3]]), np.array([[0.3, 0.5, 0.6]])
    found = natural_jacobian._fisher(natural, Ends(low, high))
    together = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    one = np.eye(3)
    for q in np.random.default_rng(0).uniform(low[0], high[0], (200, 3)):
        value = together * (np.diag(q) - np.outer(q, q))
        slope = np.einsum("cb,bk->cbk", one, one) - together[:, :, None] * (
            one[None, :, :] * q[:, None, None] + one[:, None, :] * q[None, :, None]
        )
        for ends, exact in ((found.value, value), (found.slope, slope)):
            assert (ends.lower[0] <= exact).all() and (exact <= ends.upper[0]).all()
    # As narrow as entry by entry may be for two coordinates of one vector.
    assert found.value.lower[0, 0, 1] == pytest.approx(-0.15, abs=1e-12)
    assert found.value.upper[0, 0, 1] == pytest.approx(-0.02, abs=1e-12)
