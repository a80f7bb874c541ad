"""Extragradient: never below the tight worst case, never violated by an operator."""

from fractions import Fraction

import numpy as np
import pytest

from certify.steps.extragradient import squared_factor

# Tight best factors for mu-strongly monotone L-Lipschitz operators (performance estimation), L = 1.
TIGHT = {2: 0.81544, 5: 0.88831, 10: 0.93015, 20: 0.9592, 50: 0.98174, 100: 0.99063}


@pytest.mark.parametrize(("kappa", "tight"), TIGHT.items())
def test_between_the_tight_rate_and_that_of_gradient_steps(kappa, tight):
    steps = np.linspace(0.01, 0.999, 400)
    factors = [squared_factor(Fraction(h), Fraction(1, kappa), Fraction(1)) for h in steps]
    best = float(min(factors)) ** 0.5
    assert tight - 1e-5 <= best
    if kappa >= 5:
        assert best <= np.sqrt(1 - kappa**-2.0)


@pytest.mark.parametrize("kappa", [1.5, 3.0, 10.0, 100.0])
def test_no_linear_operator_is_slower(kappa):
    a = 1.0 / kappa
    angle = np.linspace(0, np.arccos(a), 50)
    eigenvalues = np.concatenate(
        [np.exp(1j * angle), [a + 0j], a + 1j * np.linspace(0, np.sqrt(1 - a * a), 50)]
    )
    for h in (0.05, 0.3, 0.7, 0.95, 0.999):
        one_step = 1 - h * eigenvalues * (1 - h * eigenvalues)
        bound = float(squared_factor(Fraction(h), Fraction(a), Fraction(1))) ** 0.5
        assert np.abs(one_step).max() <= bound + 1e-12


def test_no_nonlinear_operator_is_slower():
    """Random piecewise-linear strongly monotone operators with zero at the origin."""
    rng = np.random.default_rng(0)
    a = 0.1
    for _ in range(200):
        turn = rng.uniform(-1, 1, 2) * np.sqrt(1 - a * a)
        kinks = rng.uniform(0.1, 2.0)

        def field(x, turn=turn, kinks=kinks):
            s = turn[0] if np.linalg.norm(x) < kinks else turn[1]
            return a * x + s * np.array([-x[1], x[0]])

        # Rotations by different amounts inside and outside a circle stay monotone with modulus a;
        # the Lipschitz constant between points of different rings is found by sampling.
        xs = rng.normal(size=(60, 2)) * 2
        fs = np.array([field(x) for x in xs])
        gaps = np.linalg.norm(xs[:, None] - xs[None], axis=-1) + np.eye(60)
        if (np.linalg.norm(fs[:, None] - fs[None], axis=-1) / gaps).max() > 1:
            continue
        h = rng.uniform(0.1, 0.99)
        bound = float(squared_factor(Fraction(h), Fraction(a), Fraction(1))) ** 0.5
        for x in xs:
            y = x - h * field(x)
            if np.linalg.norm(field(x) - field(y)) > np.linalg.norm(x - y):
                continue  # this pair is not within the Lipschitz bound
            after = x - h * field(y)
            inner = field(y) @ y
            assert inner >= a * (y @ y) - 1e-12
            assert np.linalg.norm(after) <= bound * np.linalg.norm(x) + 1e-12
