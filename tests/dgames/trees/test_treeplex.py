"""Strategies in sequence form: passes, projections, samples, counts."""

import jax
import numpy as np
from numpy.testing import assert_allclose

import dgames as dg
from dgames.games import kuhn_poker


def test_projection_is_onto_the_treeplex():
    tree = kuhn_poker().game().treeplexes[0]
    x = 2 * jax.random.normal(jax.random.key(0), (20, tree.sequences))
    nearest = jax.jit(jax.vmap(lambda row: tree.project(row)))(x)
    assert jax.vmap(lambda q: tree.contains(q, 1e-14))(nearest).all()
    least = jax.vmap(tree.least)(nearest - x)
    assert_allclose(least, np.sum((nearest - x) * nearest, -1), rtol=0, atol=1e-13)


def test_counts():
    tree = dg.Treeplex(parents=[0, 0, 1, 3], counts=[2, 2, 3, 1])
    assert tree.pure_strategies == 8
    assert kuhn_poker().game().treeplexes[1].pure_strategies == 64
