"""Closed forms of pursuit and evasion, compared with tables and with their equations."""

import math

import numpy as np
import pytest

from dgames.dynamic import (
    capture_time,
    chauffeur_barrier,
    chauffeur_escape_radius,
    interception,
)


@pytest.mark.parametrize(
    ("ratio", "radius"),
    [(0.2, 0.02006748), (0.5, 0.12782479), (0.8, 0.34183617), (1.0, math.pi / 2 - 1)],
)
def test_radius_of_the_homicidal_chauffeur(ratio, radius):
    assert chauffeur_escape_radius(ratio) == pytest.approx(radius, abs=5e-9)


def test_the_barrier_just_touches_the_axis_at_the_critical_radius():
    ratio = 0.5
    times = np.linspace(0.0, 1.5, 30001)
    for shift, closes in ((-1e-4, True), (1e-4, False)):
        x = chauffeur_barrier(ratio, chauffeur_escape_radius(ratio) + shift, times)[:, 0]
        assert bool(x.min() < 0) is closes
    x = chauffeur_barrier(ratio, chauffeur_escape_radius(ratio), times)[:, 0]
    assert x.min() == pytest.approx(0, abs=1e-9)
    assert times[x.argmin()] == pytest.approx(math.asin(ratio), abs=1e-3)


def test_points_of_the_barrier_move_as_the_kinematics_say():
    """In the car's axes `x' = -y w + v sin, y' = x w - 1 + v cos` with w = +-1 and |v| = ratio."""
    ratio, radius, h = 0.5, 0.2, 1e-6
    for t in (0.1, 0.5, 1.0):
        (x, y), (x2, y2) = chauffeur_barrier(ratio, radius, np.array([t, t + h]))
        backwards = np.array([x2 - x, y2 - y]) / h
        own = -backwards - np.array([-y, x - 1])  # the pedestrian's velocity
        assert np.hypot(*own) == pytest.approx(ratio, abs=1e-5)


def test_interception_solves_its_isaacs_equation():
    weight, p, e, h = 2.0, 3.0, 1.0, 1e-6
    for tau in (0.3, 1.0, 2.0):
        now, later = (interception(weight, t, p, e).stiffness for t in (tau, tau - h))
        assert (later - now) / h == pytest.approx(tau**2 * (p - e) * now**2, rel=1e-4)
    # For a sure hit `u_p = -N Z / tau^2` with the constant of navigation `N = 3 / (1 - c_e / c_p)`.
    assert interception(math.inf, 2.0, 3.0, 1.0).pursuer * 4 == pytest.approx(3 / (1 - 1 / 3))


def test_simple_motion():
    assert capture_time(5.0, 1.0, 3.0, 1.0) == 2.0
    assert capture_time(5.0, 1.0, 1.0, 1.0) == math.inf
    assert capture_time(0.5, 1.0, 1.0, 2.0) == 0.0


def test_bad_numbers_are_one_sentence():
    with pytest.raises(ValueError, match="between 0"):
        chauffeur_escape_radius(1.5)
    with pytest.raises(ValueError, match="pursuer is 0"):
        interception(1.0, 1.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="must not be negative"):
        capture_time(-1.0, 1.0, 2.0, 1.0)
