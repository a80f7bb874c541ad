"""Populations on games whose growth is known in closed form or was computed globally."""

import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg

QUICK = dg.BestResponse(steps=30, starts=4)
START = {"a": jnp.array([1.0, 0.0]), "b": jnp.array([1.0, 0.0])}


def disc(meta, expansions, oracle=QUICK):
    pop = dg.Population(dg.games.DiscGame(), START, symmetric=True)
    for _ in range(expansions):
        pop = pop.expand(meta, oracle)
    return pop


def mean(pop):
    return np.asarray(pop.mixture["a"] @ pop.members["a"])


def test_the_disc_game_is_solved_by_four_members_or_by_three_of_largest_entropy():
    start = disc("nash", 0).measure("nash", QUICK)
    assert np.isclose(start.gap, 2) and np.isclose(start.gaps["a"], 1)
    for expansions, gap in ((1, 2.0), (2, 2.0), (3, 0.0)):
        pop = disc("nash", expansions)
        assert np.isclose(pop.gap, gap, atol=1e-9)
        assert np.isclose(np.linalg.norm(mean(pop)), gap / 2, atol=1e-9)
    # Each reply is a quarter turn of the mean, here of the newest member.
    turns = np.asarray(pop.members["a"])
    assert np.allclose(turns, [[1, 0], [0, -1], [-1, 0], [0, 1]], atol=1e-9)
    assert np.allclose(pop.payoffs[0], -pop.payoffs[0].T, atol=1e-12)
    assert np.allclose(mean(disc("max_entropy", 2)), 0, atol=1e-9)
    assert np.allclose(disc("max_entropy", 2).mixture["a"], [0.5, 0, 0.5], atol=1e-9)


def test_a_game_that_is_not_symmetric_is_refused():
    lopsided = dg.zero_sum(lambda x, args: x["a"] @ x["b"], dg.Ball(0.0, 1.0))
    with pytest.raises(ValueError, match="change their signs"):
        dg.Population(lopsided, START, symmetric=True)
