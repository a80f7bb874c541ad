"""Kuhn's poker: sizes, values and quantal responses that are published."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg
from dgames.games import kuhn_poker


@pytest.fixture(scope="module")
def kuhn():
    return kuhn_poker().game()


def test_sizes_and_uniform_play(kuhn):
    assert [t.sequences for t in kuhn.treeplexes] == [13, 13]
    assert [t.pure_strategies for t in kuhn.treeplexes] == [27, 64]
    assert [float(t.largest_norm) for t in kuhn.treeplexes] == [7, 7]


def test_gaps_of_uniform_and_of_constant_play(kuhn):
    @jax.jit
    def gap(behaviour):
        play = tuple(tree.sequence_form(behaviour) for tree in kuhn.treeplexes)
        return dg.nash_gap(kuhn, play)

    assert_allclose(gap(jnp.full((6, 2), 0.5)), 11 / 12, rtol=1e-14)
    assert_allclose(gap(jnp.tile(jnp.array([[1.0, 0.0]]), (6, 1))), 2, rtol=1e-14)


def test_magnetic_mirror_descent_finds_the_published_quantal_response(kuhn):
    """The root probabilities of Gambit, as in OpenSpiel's tests of magnetic mirror descent."""
    game = dg.RegularisedTree(kuhn, 0.1)
    method = dg.MirrorDescent(0.144, mirror=game.dilated_entropies())
    found = dg.solve(game, method, game.uniform(), max_steps=2000).strategy
    jack = [name for name, _ in kuhn_poker().infosets(0)].index("J")
    rows = kuhn.treeplexes[0].rows(found[0], 0)
    assert_allclose(rows[jack], (0.75364232, 0.24635768), rtol=0, atol=2e-7)
    assert_allclose(dg.exploitability(kuhn, found), 0.103694, rtol=0, atol=1e-6)
    assert dg.nash_gap(game, found) < 1e-12


def test_projection_is_onto_the_treeplex(kuhn):
    tree = kuhn.treeplexes[0]
    x = 2 * jax.random.normal(jax.random.key(0), (20, tree.sequences))
    nearest = jax.jit(jax.vmap(lambda row: tree.project(row)))(x)
    assert jax.vmap(lambda q: tree.contains(q, 1e-14))(nearest).all()
    least = jax.vmap(tree.least)(nearest - x)
    assert_allclose(least, np.sum((nearest - x) * nearest, -1), rtol=0, atol=1e-13)
