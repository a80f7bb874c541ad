"""A curriculum of rationality on a Markov game, and exact worst cases."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from experiments import expected
from experiments.markov_curriculum import COVER, DISCOUNT, REWARDS, worst_case
from experiments.rationality_curriculum import Gate


@pytest.mark.full
def test_numbers_are_as_expected(quick):
    found = quick("markov_curriculum").numbers
    assert expected.compare(found, expected.load("markov_curriculum", quick=True)) == {}
    least = shapley_value()
    for name in ("bound 0.3", "rational at once"):  # what the temperature costs
        assert least - 0.02 < found[f"{name}: worst case at the end"] <= least


@pytest.mark.full
def test_figures_are_drawn(quick):
    figures = quick("markov_curriculum").figures
    assert [path.name for path in figures] == ["curriculum.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)


def shapley_value():
    """The value of the game by Shapley's iteration, with 2 x 2 games on a fine grid of mixtures."""
    values, mixtures = np.zeros(2), np.linspace(0, 1, 20001)
    for _ in range(150):
        table = (1 - DISCOUNT) * REWARDS + DISCOUNT * ((1 - COVER) * values[0] + COVER * values[1])
        rows = mixtures[:, None, None] * table[:, 0] + (1 - mixtures[:, None, None]) * table[:, 1]
        values = rows.min(-1).max(0)
    return values.mean()


def test_worst_cases_are_those_of_value_iteration():
    rng = np.random.default_rng(0)
    for _ in range(3):
        policy = rng.dirichlet(np.ones(2), 2)
        values = np.zeros(2)
        for _ in range(200):
            ahead = (1 - COVER) * values[0] + COVER * values[1]
            table = (1 - DISCOUNT) * REWARDS + DISCOUNT * ahead
            values = np.einsum("sa,sab->sb", policy, table).min(-1)
        assert float(worst_case(policy)) == pytest.approx(values.mean(), abs=1e-12)


def test_worst_cases_are_below_the_value_of_the_game():
    value = shapley_value()
    for p, q in itertools.product((0.1, 0.5, 0.9), repeat=2):
        assert worst_case(np.array([[p, 1 - p], [q, 1 - q]])) <= value


def test_the_gate_adds_the_divergences_of_all_states():
    payoffs = np.array([[0.1, 0.7], [0.4, 0.2]])
    gate = Gate(*map(jnp.asarray, (0.5, 0.01, 0.05)))
    new = float(gate(jnp.array(0.8), jnp.array(0.6), jnp.asarray(payoffs)))
    answer, old = log_softmax(payoffs / new, -1), log_softmax(payoffs / 0.8, -1)
    assert new < 0.8 and np.sum(np.exp(answer) * (answer - old)) == pytest.approx(0.01)
