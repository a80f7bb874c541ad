"""A curriculum of rationality, and its gate."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

import dgames as dg
from experiments import expected, rationality_curriculum
from experiments.rationality_curriculum import PAYOFFS, Gate


@pytest.mark.full
def test_numbers_are_as_expected(quick):
    found = quick("rationality_curriculum").numbers
    assert expected.compare(found, expected.load("rationality_curriculum", quick=True)) == {}


@pytest.mark.full
def test_figures_are_drawn(quick):
    figures = quick("rationality_curriculum").figures
    assert [path.name for path in figures] == ["curriculum.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)


def test_the_gate_opens_as_far_as_it_may():
    payoffs = np.array([0.1, 0.7, 0.4])
    gate = Gate(jnp.array(0.5), jnp.array(0.01), jnp.array(0.05))

    @eqx.filter_jit
    def lowered(temperature, value):
        return gate(temperature, value, jnp.asarray(payoffs))

    new = float(lowered(jnp.array(0.8), jnp.array(0.5)))
    answer, old = log_softmax(payoffs / new), log_softmax(payoffs / 0.8)
    assert new < 0.8 and np.sum(np.exp(answer) * (answer - old)) == pytest.approx(0.01)
    assert float(lowered(jnp.array(0.8), jnp.array(0.49))) == 0.8
    assert float(lowered(jnp.array(0.051), jnp.array(0.6))) == 0.05
    assert float(lowered(jnp.array(0.05), jnp.array(0.6))) == 0.05


def test_players_have_temperatures_of_their_own():
    """At the quantal responses of the scaled game, each answers with the own temperature."""
    x = tuple(jnp.array(own) for own in ([0.2, 0.5, 0.3], [0.25, 0.25, 0.5]))
    game = rationality_curriculum.between(0.05, 0.4)
    slopes = dg.pseudo_gradient(game.game)(x)
    assert np.allclose(slopes[0] / game.temperature, -PAYOFFS @ x[1] / 0.05)
    assert np.allclose(slopes[1] / game.temperature, PAYOFFS.T @ x[0] / 0.4)
