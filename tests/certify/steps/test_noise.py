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


def test_components_of_scaled_rotations_are_bounded_nearly_exactly():
    """One datum per step, with independent slopes and offsets: a recursion for the mean square."""
    slopes, offsets = np.array([0.5, 1.5]), np.array([-0.2, 0.2])
    h, square, mean_square = 0.2, 0.0, 1.25
    for _ in range(2000):  # slopes and offsets are independent of each other: four components
        square = np.mean((1 - h * slopes) ** 2) * square + h**2 * np.mean(offsets**2)
    bound = certify.noise_ball(
        1.0, 1.0, h, np.mean(offsets**2), component_lipschitz=np.sqrt(mean_square)
    )
    assert square <= bound < 1.5 * square


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("size", [None, 5])
def test_batches_of_components_obey_the_bound(batch, size):
    """Linear components: the second moments of a batch are exact, with and without replacement."""
    rng = np.random.default_rng(2)
    jacobians = np.eye(3) * 0.6 + 0.3 * rng.normal(size=(5, 3, 3))
    offsets = rng.normal(size=(5, 3))
    mean = jacobians.mean(0)
    offsets -= offsets.mean(0)  # the equilibrium is zero
    a = np.linalg.eigvalsh((mean + mean.T) / 2)[0]
    b = np.linalg.norm(mean, 2)
    component = np.sqrt(
        np.linalg.eigvalsh(np.mean(jacobians.transpose(0, 2, 1) @ jacobians, 0))[-1]
    )
    variance = np.mean((offsets**2).sum(1))
    w = 1 / batch if size is None else (5 - batch) / (4 * batch)
    h, second, first = 0.1, np.zeros((3, 3)), np.zeros(3)
    for _ in range(3000):
        forces = [
            J @ second @ J.T + np.outer(c, c) + np.outer(J @ first, c) + np.outer(c, J @ first)
            for J, c in zip(jacobians, offsets, strict=True)
        ]
        whole = mean @ second @ mean.T
        noisy = w * np.mean(forces, 0) + (1 - w) * whole
        second = second - h * (mean @ second + second @ mean.T) + h**2 * noisy
        first = first - h * mean @ first
    bound = certify.noise_ball(
        a, b, h, variance, component_lipschitz=component, batch=batch, size=size
    )
    assert np.trace(second) <= bound * (1 + 1e-12) + 1e-15
    assert bound <= 4 * np.trace(second) + 1e-15


def test_components_need_sensible_constants():
    with pytest.raises(ValueError, match="below the margin"):
        certify.noise_ball(1.0, 2.0, 0.1, 1.0, component_lipschitz=0.5)
    with pytest.raises(ValueError, match=r"below 0.222222,"):
        certify.noise_ball(1.0, 2.0, 0.3, 1.0, component_lipschitz=3.0)
    with pytest.raises(ValueError, match="go with component_lipschitz"):
        certify.noise_ball(1.0, 2.0, 0.1, 1.0, batch=2)
    with pytest.raises(ValueError, match="at most all data"):
        certify.noise_ball(1.0, 2.0, 0.1, 1.0, component_lipschitz=3.0, batch=9, size=8)
