"""Bounds with high probability: against closed forms, and against many runs."""

import math
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import certify
import dgames as dg
from certify.rounding import exp_above, exp_below, log_above, log_below
from certify.steps.noise_model import EXACT, ROUGH


def drift(key, n, a, b):
    """A matrix with the margin a and about the norm b."""
    rng = np.random.default_rng(key)
    skew = rng.normal(size=(n, n))
    skew = skew - skew.T
    return a * np.eye(n) + math.sqrt(b**2 - a**2) * skew / np.linalg.norm(skew, 2)


def test_directed_functions_enclose():
    for x in (Fraction(-700), Fraction(-1, 3), Fraction(0), Fraction(1, 10**9), Fraction(5)):
        assert exp_below(x) < exp_above(x) < exp_below(x) * (1 + Fraction(1, 10**45))
        assert exp_below(x) <= Fraction(math.exp(x)) * (1 + Fraction(1, 2**50))
        assert exp_above(x) >= Fraction(math.exp(x)) * (1 - Fraction(1, 2**50))
    assert exp_below(Fraction(-(10**30))) == 0 < exp_above(Fraction(-(10**30)))
    for x, value in ((Fraction(1, 10**30), -30 * math.log(10)), (Fraction(2), math.log(2))):
        assert log_below(x) < log_above(x) < log_below(x) + Fraction(1, 10**45)
        assert math.isclose(log_above(x), value, rel_tol=1e-14)


def test_gaussian_runs_along_one_axis_are_bounded_as_by_chernoff():
    """`x+ = (1 - h a) x - h e`: V is a multiple of a chi-square, whose Chernoff bound is known."""
    a, h, sigma, d, p = 0.5, 1e-4, 0.3, 10, 1e-3
    variance = h * sigma**2 / (2 * a)
    u = np.linspace(1e-4, 0.4999, 100_000)
    chernoff = ((-d / 2 * np.log(1 - 2 * u) - math.log(p)) / u).min() * variance
    found = certify.noise_tail(a, a, h, certify.GaussianNoise(sigma, d), p)
    assert chernoff < found < 1.001 * chernoff


def test_the_start_is_forgotten_as_it_should():
    """Without much noise, the bound is what one step leaves of the distance."""
    noise = certify.GaussianNoise(1e-9, 3)
    found = certify.noise_tail(0.5, 1.0, 0.25, noise, 0.01, start=2.0, steps=40)
    assert found == pytest.approx(4 * (1 - 0.25 + 1 / 16) ** 40, rel=1e-2)
    one, many = (
        certify.noise_tail(0.5, 1.0, 0.25, certify.GaussianNoise(0.1, 3), 0.01, start=2.0, steps=k)
        for k in (1, 1000)
    )
    assert many < one and many == pytest.approx(
        certify.noise_tail(0.5, 1.0, 0.25, certify.GaussianNoise(0.1, 3), 0.01), rel=1e-6
    )


@pytest.mark.parametrize("batch", [1, 8])
def test_moments_of_bounded_noise(batch):
    """Exactly, for the mean of independent signs: `E exp(v e + t e^2)` is a finite sum."""
    bound = 2.0
    heads = np.arange(batch + 1)
    weights = np.array([math.comb(batch, k) for k in heads]) / 2.0**batch
    error = bound * (2 * heads - batch) / batch
    noise = certify.BoundedNoise(bound, batch)
    for t in (1e-3, 0.02, 0.1):
        for v in (0.1, 1.0, 5.0):
            value = math.log(weights @ np.exp(v * error + t * error**2))
            for choice in noise.choices:
                for to in (EXACT, ROUGH):
                    moments = noise.moments(to, to.number(Fraction(t)), None, choice)
                    if moments is not None:
                        kappa, s = map(float, moments)
                        assert value <= kappa * v**2 / 2 + t * s + 1e-12


def test_moments_of_rare_errors():
    """With a variance far below the square of the bound, Bernstein's inequality is the better."""
    chance, batch = 0.01, 4
    sizes = np.array([1 - chance, -chance])
    weights = np.array([chance, 1 - chance])
    noise = certify.BoundedNoise(1.0, batch, variance=chance * (1 - chance))
    for v in (0.1, 0.5, 2.0, 8.0):
        value = batch * math.log(weights @ np.exp(v / batch * sizes))
        kappa = float(noise.moments(ROUGH, 1e-9, v, None)[0])  # pyright: ignore
        assert value <= kappa * v**2 / 2
        if v == 0.1:
            assert kappa < 0.02 / batch


@pytest.mark.full
@pytest.mark.parametrize("h", [0.02, 0.05, 0.1])
def test_coverage_of_gaussian_runs(h):
    """Ten thousand runs in 20 dimensions."""
    n, a, b, sigma, runs, steps = 20, 0.2, 0.8226, 0.1, 10_000, 400
    rng = np.random.default_rng(7)
    matrix = np.eye(n) - h * drift(3, n, a, b)
    x = np.zeros((runs, n))
    x[:, 0] = 0.1
    highest = np.zeros(runs)
    for _ in range(steps):
        x = x @ matrix.T - h * sigma * rng.standard_normal((runs, n))
        highest = np.maximum(highest, (x**2).sum(1))
    last = (x**2).sum(1)
    noise = certify.GaussianNoise(sigma, n)
    assert last.mean() <= certify.noise_ball(a, b, h, n * sigma**2)
    for p in (0.1, 0.01):
        bound = certify.noise_tail(a, b, h, noise, p, start=0.1, steps=steps)
        assert (last > bound).mean() <= p
        assert bound < 1.6 * np.quantile(last, 1 - p)
        radius = certify.staying_inside(a, b, h, noise, steps, start=0.1, probability=p)
        assert (highest >= radius**2).mean() <= p
        assert radius**2 < 1.8 * np.quantile(highest, 1 - p)


@pytest.mark.full
def test_coverage_of_mini_batches():
    """Components with errors on a sphere, and rare large ones, in batches of five."""
    n, a, b, h, runs, steps, batch = 6, 0.5, 1.0, 0.1, 10_000, 200, 5
    rng = np.random.default_rng(11)
    errors = rng.normal(size=(40, n))
    errors *= np.where(np.arange(40) < 4, 1.0, 0.1)[:, None] / np.linalg.norm(
        errors, axis=1, keepdims=True
    )
    errors -= errors.mean(0)
    sizes = np.linalg.norm(errors, axis=1)
    noise = certify.BoundedNoise(sizes.max(), batch, variance=(sizes**2).mean())
    matrix = np.eye(n) - h * drift(5, n, a, b)
    x = np.full((runs, n), 0.05)
    start = math.sqrt(n) * 0.05
    highest = np.zeros(runs)
    for _ in range(steps):
        drawn = errors[rng.integers(0, 40, (runs, batch))].mean(1)
        x = x @ matrix.T - h * drawn
        highest = np.maximum(highest, (x**2).sum(1))
    last = (x**2).sum(1)
    for p in (0.01,):
        radius = certify.staying_inside(a, b, h, noise, steps, start=start, probability=p)
        assert (highest >= radius**2).mean() <= p
        assert certify.staying_inside(a, b, h, noise, steps, start=start, radius=radius) <= p
        bound = certify.noise_tail(a, b, h, noise, p, start=start, steps=steps, radius=radius)
        assert (last > bound).mean() <= p
        assert bound <= certify.noise_tail(a, b, h, noise, p, start=start, steps=steps)
        assert bound < 24 * np.quantile(last, 1 - p)


def test_far_starts_are_no_reason_for_confidence():
    """From just inside, more than half of all runs leave: no bound may be below that."""
    noise = certify.GaussianNoise(1.0, 1)
    for radius in (1.0001, 1.01):
        found = certify.staying_inside(0.01, 0.01, 0.1, noise, 1000, start=1.0, radius=radius)
        assert found == 1.0


def test_leaving_is_less_likely_for_larger_balls():
    noise = certify.BoundedNoise(1.0, batch=4)
    run: dict[str, Any] = dict(step_size=0.02, noise=noise, steps=1000)
    found = [certify.staying_inside(0.2, 1.0, radius=r, **run) for r in (0.01, 0.4, 0.5, 0.6, 40.0)]
    assert found[0] == 1.0 > found[1] > found[2] > found[3] > found[4] > 0.0
    assert found[1] * found[3] < found[2] ** 2 * 1.5  # about a Gaussian tail
    assert certify.staying_inside(0.2, 1.0, radius=0.5, start=0.5, **run) == 1.0


def test_certificates_give_their_constants():
    class Known:
        margin, lipschitz = 0.2, 1.0

    noise = certify.GaussianNoise(0.1, 20)
    assert certify.noise_tail(Known(), None, 0.05, noise, 0.01) == certify.noise_tail(
        0.2, 1.0, 0.05, noise, 0.01
    )
    assert certify.noise_ball(Known(), step_size=0.05, variance=1.0) == certify.noise_ball(
        0.2, 1.0, 0.05, 1.0
    )
    with pytest.raises(ValueError, match="own constants"):
        certify.noise_ball(Known(), 1.0, 0.05, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step_size": 0.5}, "below 0.4"),
        ({"noise": 0.1}, "GaussianNoise, a SubGaussianNoise or a BoundedNoise; got float"),
        ({"probability": 1.0}, "between 0 and 1"),
        ({"start": -1.0}, "not negative"),
        ({"steps": 0}, "whole number from 1"),
        ({"lipschitz": None}, "give a certificate"),
        ({"margin": np.inf}, "finite"),
    ],
)
def test_numbers_out_of_range(change, message):
    given = dict(margin=0.2, lipschitz=1.0, step_size=0.1, noise=certify.GaussianNoise(0.1, 2))
    wrong = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(wrong, match=f"{message}|Type-check error"):
        certify.noise_tail(**{**given, "probability": 0.1, **change})
    if "probability" not in change:
        with pytest.raises(wrong, match=f"{message}|Type-check error"):
            certify.staying_inside(**{**given, "probability": 0.1, "steps": 10, **change})


def test_a_radius_or_a_probability():
    noise = certify.GaussianNoise(0.1, 2)
    for both in ({}, {"radius": 1.0, "probability": 0.1}):
        with pytest.raises(ValueError, match="not both"):
            certify.staying_inside(0.2, 1.0, 0.1, noise, 10, **both)
    for wrong in (lambda: certify.GaussianNoise(0.0, 2), lambda: certify.BoundedNoise(-1.0)):
        with pytest.raises(ValueError, match="positive"):
            wrong()


def test_constants_of_mirror_steps_are_refused():
    """They are about divergences; of the entropy's part F is not even Lipschitz."""
    game = dg.games.ReweightedRegression(jnp.eye(2), jnp.array([1.0, -1.0]), 1.0, 1.0)
    proof = certify.certify_closed_form(game)
    assert proof.status == "proved"
    with pytest.raises(ValueError, match="geometry of a divergence"):
        certify.noise_tail(proof, None, 0.01, certify.GaussianNoise(0.1, 4), 0.01)
