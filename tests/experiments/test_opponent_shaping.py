"""Opponent shaping in the tandem game and in the iterated prisoners' dilemma."""

import equinox as eqx
import jax.numpy as jnp
import pytest

from dgames.games import IteratedPrisonersDilemma
from experiments import expected, opponent_shaping


@pytest.mark.full
def test_numbers_are_as_expected(quick):
    found = quick("opponent_shaping").numbers
    assert expected.compare(found, expected.load("opponent_shaping", quick=True)) == {}


@pytest.mark.full
def test_figures_are_drawn(quick):
    figures = quick("opponent_shaping").figures
    assert [path.name for path in figures] == ["shaping.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)


def test_losses_are_summed_over_rounds():
    """With the discount 3/4 there are four rounds on average, and each costs 2 to defectors."""
    game = opponent_shaping.Undivided(IteratedPrisonersDilemma(0.75))
    defect = jnp.full(5, -40.0)
    costs = eqx.filter_jit(game.costs)((defect, defect))
    assert [float(cost) for cost in costs] == pytest.approx([8.0, 8.0])


def test_methods_have_names():
    with pytest.raises(ValueError, match="no method 'tit for tat'; there are naive, LookAhead"):
        opponent_shaping.field_of("tit for tat", IteratedPrisonersDilemma(), 1.0)
