"""Bounds on losses, and how far weights are from a best reply, against closed forms and samples."""

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx

from certify.checker.neural_robust import (
    RobustBounds,
    RobustValue,
    lipschitz_of,
    prox_rate,
    stretch_square,
    uniform_divergence,
)
from certify.checker.rederive_robust import loss_at, loss_over, spread_of

RNG = np.random.default_rng(0)


def number(ball):
    return float(ball.mid())


def softmax(f):
    p = np.exp(f - f.max())
    return p / p.sum()


@pytest.fixture(autouse=True)
def precise():
    with ctx.workprec(128):
        yield


def test_losses_and_gradients():
    f = RNG.normal(size=3)
    found = loss_at("softmax", [arb(x) for x in f], 1)
    np.testing.assert_allclose(number(found.value), -np.log(softmax(f)[1]), rtol=1e-14)
    np.testing.assert_allclose(
        [number(x) for x in found.gradient], softmax(f) - np.eye(3)[1], rtol=1e-13
    )
    found = loss_at("logistic", [arb(0.75)], -1)
    np.testing.assert_allclose(number(found.value), np.log1p(np.exp(0.75)), rtol=1e-14)
    np.testing.assert_allclose(number(found.gradient[0]), 1 / (1 + np.exp(-0.75)), rtol=1e-14)


@pytest.mark.parametrize("reach", (0.0, 0.5, 3.0))
def test_derivatives_of_losses_are_bounded_within_reach(reach):
    """They are attained up to a few per cent, and never exceeded."""
    f = RNG.normal(size=4)
    found = loss_over("softmax", [arb(x) for x in f], 2, Fraction(reach))
    largest = 0.0
    for _ in range(400):
        step = RNG.normal(size=4)
        p = softmax(f + reach * step / np.linalg.norm(step))
        largest = max(largest, np.linalg.norm(p - np.eye(4)[2]))
        assert np.linalg.norm(np.diag(p) - np.outer(p, p), 2) <= number(found.size)
    assert 0.7 * number(found.slope) <= largest <= number(found.slope)
    for label in (-1, 1):
        found = loss_over("logistic", [arb(f[0])], label, Fraction(reach))
        sampled = f[0] + np.linspace(-reach, reach, 101)
        slopes = 1 / (1 + np.exp(label * sampled))
        np.testing.assert_allclose(number(found.slope), slopes.max(), rtol=1e-12)
        np.testing.assert_allclose(number(found.size), (slopes * (1 - slopes)).max(), rtol=2e-4)


def value(divergence, count):
    return RobustValue("logistic", Fraction(1, 2), divergence, [[n] for n in range(count)])


def test_best_replies_have_no_spread():
    losses = np.array([0.5, 1.0, 0.25])
    p = np.exp(losses / 0.5)
    exact = [Fraction(x) for x in p / p.sum()]
    means = [arb(x) for x in losses]
    assert number(spread_of(value("entropy", 3), means, exact)) < 1e-15
    moved = [exact[0] * 2, *exact[1:]]
    found = number(spread_of(value("entropy", 3), means, moved))
    np.testing.assert_allclose(found, 0.5 * np.log(2) / 2, rtol=1e-12)
    # Of chi-square, with the third weight zero: the projection of 1/3 + loss / (3 tau).
    losses = np.array([0.5, 1.0, -2.0])
    exact = [Fraction(1, 3), Fraction(2, 3), Fraction(0)]
    assert number(spread_of(value("chi_square", 3), [arb(x) for x in losses], exact)) < 1e-15
    away = [Fraction(1, 2), Fraction(1, 2), Fraction(0)]
    found = number(spread_of(value("chi_square", 3), [arb(x) for x in losses], away))
    np.testing.assert_allclose(found, np.sqrt(2 * 0.25**2 / 3), rtol=1e-12)


def bounds(divergence, p):
    a, b, c, d, e = (Fraction(x) for x in (0.125, 0.5, 0.75, 0.5, 0.25))
    return RobustBounds(a, b, c, d, e, value(divergence, len(p)), p, Fraction(0), None)


def test_divergence_from_uniform_weights():
    p = [Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)]
    exact = np.array([float(x) for x in p])
    tiny = Fraction(1, 2**80)
    kl = np.sum(exact * np.log(3 * exact))
    np.testing.assert_allclose(float(uniform_divergence(bounds("entropy", p), tiny)), kl)
    square = 1.5 * np.sum((exact - 1 / 3) ** 2)
    np.testing.assert_allclose(float(uniform_divergence(bounds("chi_square", p), tiny)), square)
    # A radius covers all weights that may be the equilibrium's.
    for divergence in ("entropy", "chi_square"):
        most = float(uniform_divergence(bounds(divergence, p), Fraction(1, 16)))
        for _ in range(200):
            q = exact + RNG.uniform(-0.02, 0.02, 3)
            q /= q.sum()
            near = (
                np.sum((q - exact) * np.log(q / exact))
                if divergence == "entropy"
                else 3 * np.sum((q - exact) ** 2)
            )
            if 0.25 * near <= 1 / 256:
                away = (
                    np.sum(q * np.log(3 * q))
                    if divergence == "entropy"
                    else 1.5 * np.sum((q - 1 / 3) ** 2)
                )
                assert away <= most


def test_constants_of_steps():
    given = bounds("entropy", [Fraction(1, 2)] * 2)
    norm = np.linalg.norm([[0.5, 0.75], [0.75, 0.0]], 2)
    np.testing.assert_allclose(float(lipschitz_of(given.size, given.coupling)), norm)
    stretch = stretch_square(given, Fraction(1), Fraction(1, 2))
    np.testing.assert_allclose(float(stretch), (1.0625**2 + 0.375**2) / 1.5**2)
    # Without excess it is the decay or the pull of the weights; with excess, less.
    rates = [prox_rate(given, Fraction(d), Fraction(2), Fraction(1, 4)) for d in (1, 0.25, 0.1875)]
    assert rates[:2] == [1, Fraction(1, 4)] and rates[2] < 2 * (Fraction(3, 16) - given.bend)
