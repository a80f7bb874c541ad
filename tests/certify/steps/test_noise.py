"""The noise ball: exact for a linear field with independent noise, where the bound is attained."""

import numpy as np
import pytest

import certify


def test_attained_by_scaled_rotations():
    """`F(x) = J x` with `J = a I + sqrt(b^2 - a^2) (rotation by a right angle)`."""
    a, b, h, variance = 0.5, 1.0, 0.3, 0.04
    turn = np.sqrt(b**2 - a**2)
    step = np.eye(2) - h * np.array([[a, -turn], [turn, a]])
    covariance = np.zeros((2, 2))
    for _ in range(2000):
        covariance = step @ covariance @ step.T + h**2 * variance / 2 * np.eye(2)
    bound = certify.noise_ball(a, b, h, variance)
    assert np.trace(covariance) <= bound * (1 + 1e-12)
    assert np.trace(covariance) == pytest.approx(bound, rel=1e-9)


def test_noise_that_grows_is_attained_too():
    """`x+ = (1 - h a) x - h e` with `E e^2 = s + g x^2`: the mean square obeys a recursion."""
    a, h, s, g = 0.5, 0.3, 0.04, 2.0
    square = 0.0
    for _ in range(2000):
        square = ((1 - h * a) ** 2 + h**2 * g) * square + h**2 * s
    bound = certify.noise_ball(a, a, h, s, g)
    assert square <= bound * (1 + 1e-12)
    assert square == pytest.approx(bound, rel=1e-9)


def test_cocoercive_fields_take_longer_steps():
    """`F(x) = diag(a, c) x` is c-cocoercive; along the first axis the bound is that of a alone."""
    a, c, h, s = 0.1, 2.0, 0.8, 0.04
    squares = np.zeros(2)
    for _ in range(2000):
        squares = (1 - h * np.array([a, c])) ** 2 * squares + h**2 * np.array([s, 0.0])
    bound = certify.noise_ball(a, c, h, s, cocoercivity=c)
    assert squares.sum() <= bound * (1 + 1e-12) and bound == pytest.approx(
        h * s / (a * (2 - h * c))
    )
    with pytest.raises(ValueError, match="below"):
        certify.noise_ball(a, c, h, s)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((1.0, 2.0, 0.5, 1.0), "below"),
        ((1.0, 2.0, 0.0, 1.0), "positive"),
        ((2.0, 1.0, 0.1, 1.0), "in this order"),
        ((1.0, 2.0, 0.1, 1.0, 0.0, 1.5), "in this order"),
        ((1.0, 2.0, 1.1, 1.0, 0.0, 2.0), "below 1,"),
        ((1.0, 2.0, 0.1, -1.0), "not negative"),
        ((1.0, 2.0, 0.1, 1.0, -1.0), "not negative"),
        ((1.0, 2.0, 0.4, 1.0, 1.0), "below 0.4,"),
        ((1.0, np.nan, 0.1, 1.0), "finite"),
    ],
)
def test_numbers_out_of_range(numbers, message):
    with pytest.raises(ValueError, match=message):
        certify.noise_ball(*numbers)
