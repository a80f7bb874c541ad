"""Smooth first-price auctions, and losses in rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from experiments import expected
from experiments.auctions.exact_loss import best_reply, loss_bounds, utility, win_pieces

UNEVEN = [0, 0, 0.125, 0.25, 0.25, 0.625], [0, 0, 0, 0.25, 0.5, 0.375]


def test_losses_in_closed_form():
    """The equilibrium loses nothing; truthful bids lose 1/6; two bids of zero 1/4 each."""
    half, truth = np.linspace(0, 0.5, 9).tolist(), np.linspace(0, 1, 9).tolist()
    for own, other, loss in (
        (half, half, Fraction(0)),
        (truth, half, Fraction(1, 6)),
        ([0.0, 0.0], [0.0, 0.0], Fraction(1, 4)),
    ):
        low, high = loss_bounds(own, other, 64)
        assert low <= loss <= high and high - low < 1e-4


def test_a_best_reply_to_half_of_the_value():
    """It is `v / 2`, which earns `v^2 / 2`; to bids that are all 1/4, a little more than these."""
    half = win_pieces([Fraction(0), Fraction(1, 2)])
    assert best_reply(Fraction(1, 3), half) == Fraction(1, 18)
    assert best_reply(Fraction(3, 4), win_pieces([Fraction(1, 4)] * 2)) == Fraction(1, 2)
    assert best_reply(Fraction(1, 8), win_pieces([Fraction(1, 4)] * 2)) == 0


@pytest.mark.parametrize("mine, theirs", [UNEVEN, UNEVEN[::-1]])
def test_utilities_with_ties_and_bids_that_fall(mine, theirs):
    """Against sums over a grid of values, in which ties are ties exactly."""
    values = (np.arange(1500) + 0.5) / 1500
    knots = np.linspace(0, 1, 6)
    own, other = np.interp(values, knots, mine)[:, None], np.interp(values, knots, theirs)[None, :]
    wins = (own > other) + 0.5 * (own == other)
    grid = np.mean((values[:, None] - own) * wins)
    found = utility([Fraction(b) for b in mine], [Fraction(b) for b in theirs])
    assert np.isclose(float(found), grid, rtol=0, atol=5e-4)


@pytest.mark.full
def test_numbers_are_as_expected(quick):
    found = quick("smooth_auctions").numbers
    assert expected.compare(found, expected.load("smooth_auctions", quick=True)) == {}


@pytest.mark.full
def test_figures_are_drawn(quick):
    figures = quick("smooth_auctions").figures
    assert [path.name for path in figures] == ["bids.png"]
    assert all(path.stat().st_size > 10_000 for path in figures)
