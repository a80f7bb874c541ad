"""Bayesian persuasion: the exact optimum, and a receiver who answers smoothly as a follower."""

from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import dgames as dg
from dgames.games import Persuasion


@pytest.mark.parametrize("guilty", (0.25, 0.375, 0.75))
def test_the_prosecutor_and_the_judge(guilty):
    """Kamenica and Gentzkow: conviction with twice the prior of guilt, or always above a half."""
    optimum = Persuasion.court(guilty).optimum()
    prior = Fraction(guilty)
    assert optimum.value == min(2 * prior, 1)
    assert optimum.signal[0] == (1, 0)
    assert optimum.signal[1][0] == min(prior / (1 - prior), 1)


def test_their_example():
    """Thirty of a hundred are guilty, and sixty are convicted."""
    optimum = Persuasion.court().optimum()
    assert abs(float(optimum.value) - 0.6) < 1e-15
    belief = Persuasion.court().posteriors(jnp.array(optimum.signal, float))
    np.testing.assert_allclose(belief, [[0.5, 0.5], [0.0, 1.0]], atol=1e-15)


def test_signals_of_three_actions():
    """A sender with the receiver's payoffs reveals all; one with the opposite ones, nothing."""
    prior, receiver = [0.5, 0.25, 0.25], np.eye(3)
    assert Persuasion(prior, receiver, receiver).optimum().value == 1
    assert Persuasion(prior, -receiver, receiver).optimum().value == -Fraction(1, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    (
        (lambda: Persuasion.court(1.0), "the prior is positive and sums to one"),
        (lambda: Persuasion([0.5, 0.6], np.eye(2), np.eye(2)), "sums to one"),
        (lambda: Persuasion([0.5, 0.5], np.ones((2, 3)), np.ones((2, 2))), "have the shape"),
        (lambda: Persuasion.court().stackelberg(0.0), "the temperature is positive, got 0"),
    ),
)
def test_what_is_wrong_is_said(make, message):
    refused = (ValueError, jaxtyping.TypeCheckError)
    with pytest.raises(refused, match=f"{message}|Type-check error"):
        make()


@pytest.mark.full
def test_a_smooth_judge_is_led_to_the_concave_envelope():
    """What the prosecutor can reach is the concave envelope of the judge's answers at the prior."""
    temperature, prior = 0.1, 0.3
    game, start = Persuasion.court(prior).stackelberg(temperature), (jnp.zeros((2, 2)),)
    field = dg.StackelbergGradient(game, start)
    first = {"leader": jnp.array([[0.9, 0.1], [0.3, 0.7]])}
    run = dg.solve(field, dg.Simultaneous(0.1), first, tol=1e-9)
    assert run.residual <= 1e-9

    def convicted(belief):
        return 1 / (1 + np.exp((1 - 2 * belief) / temperature))

    def chord(belief):  # from no guilt to a belief, at the prior
        return -convicted(0) - prior * (convicted(belief) - convicted(0)) / belief

    best: Any = minimize_scalar(
        chord, bounds=(prior, 1), method="bounded", options={"xatol": 1e-12}
    )
    x = run.strategy["leader"]
    np.testing.assert_allclose(game.reduced_cost(x, start), best.fun, atol=1e-9)
    belief = Persuasion.court(prior).posteriors(x)[0, 0]
    np.testing.assert_allclose(belief, best.x, atol=1e-5)
