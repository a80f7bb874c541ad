"""Strategies in sequence form: vertices, projections, samples, trees without choices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg

# Five levels, actions of different numbers, several information sets after one action.
TREE = dg.Treeplex(parents=[0, 0, 1, 1, 4, 6, 9, 9, 14, 16], counts=[3, 2, 2, 1, 3, 2, 2, 2, 1, 3])


@pytest.fixture(scope="module")
def vertices():
    return np.asarray(TREE.vertices())


def test_vertices_are_all_pure_strategies(vertices):
    assert len(vertices) == TREE.pure_strategies == len(np.unique(vertices, axis=0))
    assert set(np.unique(vertices)) == {0, 1}
    assert jax.jit(jax.vmap(TREE.contains))(jnp.asarray(vertices)).all()
    assert float(TREE.largest_norm) == vertices.sum(1).max()
    with pytest.raises(ValueError, match=r"pure strategies, more than the limit 10"):
        TREE.vertices(limit=10)


@pytest.mark.full
def test_best_responses(vertices, key):
    cost = jax.random.normal(key, (TREE.sequences,))
    assert_allclose(TREE.least(cost), (vertices @ cost).min(), rtol=1e-14)
    assert_allclose(TREE.best_response(cost), vertices[np.argmin(vertices @ cost)])


def test_projection_is_the_nearest_strategy(vertices, key):
    """The variational inequality `(x - P x) . (v - P x) <= 0` at all vertices, and ties."""
    x = jax.random.normal(key, (300, TREE.sequences)) * jnp.repeat(
        jnp.array([0.2, 1.0, 30.0]), 100
    ).reshape(-1, 1)
    x = x.at[50:150].set(jnp.round(2 * x[50:150]) / 2)
    nearest = jax.jit(jax.vmap(lambda row: TREE.project(row)))(x)
    assert jax.vmap(lambda q: TREE.contains(q, 1e-14))(nearest).all()
    x, nearest = np.asarray(x), np.asarray(nearest)
    gains = (x - nearest) @ vertices.T - np.sum((x - nearest) * nearest, -1, keepdims=True)
    assert np.all(gains <= 1e-14 * (1 + np.abs(x).max(-1, keepdims=True)) * TREE.sequences)
    assert (nearest == 0).sum() > 1000 and (nearest > 0).all(0).sum() == 1  # only the root always


@pytest.mark.full
def test_derivative_of_the_projection(key):
    one, other = jax.random.split(key)
    x, d = (jax.random.normal(k, (TREE.sequences,)) for k in (one, other))
    _, moved = jax.jit(lambda x: jax.jvp(TREE.project, (x,), (d,)))(x)
    project = jax.jit(lambda x: TREE.project(x))
    quotient = (project(x + 1e-6 * d) - project(x - 1e-6 * d)) / 2e-6
    assert_allclose(moved, quotient, rtol=0, atol=1e-8)
    assert np.abs(moved).max() > 0.1


@pytest.mark.full
def test_projection_onto_one_information_set_is_that_onto_a_simplex(key):
    x = jax.random.normal(key, (50, 6))
    nearest = jax.vmap(dg.Treeplex([0], [5]).project)(x)
    assert_allclose(nearest[:, 1:], dg.Simplex().project(x[:, 1:]), rtol=0, atol=1e-15)
    member = dg.Treeplex([0], [5]).project(x[0])
    assert_allclose(dg.Treeplex([0], [5]).project(member), member, rtol=0, atol=1e-15)


@pytest.mark.full
def test_samples_are_uniform(key):
    """In the triangle `0 < q_3 < q_1 < 1` the means of `q_1` and `q_3` are 2/3 and 1/3."""
    tree = dg.Treeplex([0, 1], [2, 2])
    draw = jax.jit(jax.vmap(lambda k: tree.sample(k, jnp.zeros(5))))
    samples = np.asarray(draw(jax.random.split(key, 4000)))
    assert_allclose(samples.mean(0), [1, 2 / 3, 1 / 3, 1 / 3, 1 / 3], atol=0.02)
    assert_allclose(samples[:, 1].var(), 1 / 18, rtol=0.1)
    assert_allclose(samples[:, 3] + samples[:, 4], samples[:, 1], atol=1e-15)


@pytest.mark.full
@pytest.mark.parametrize("counts", ([], [1]), ids=str)
def test_trees_without_a_choice(counts):
    tree = dg.Treeplex([0] * len(counts), counts)
    x = jnp.arange(1.0 + len(counts))
    ones = [1.0] * len(x)
    key, mirror = jax.random.key(0), dg.DilatedEntropy(tree)
    settled = mirror.primal(mirror.settle(tree, x))
    found = (tree.project(x), tree.sample(key, x), tree.best_response(x), tree.uniform(), settled)
    assert all(q.tolist() == ones for q in found)
    assert tree.vertices().tolist() == [ones] and tree.pure_strategies == 1
    assert float(mirror.potential(tree.uniform())) == 0


@pytest.mark.parametrize(
    ("parents", "counts", "message"),
    (
        ([0, 1], [2], "one parent sequence and at least one action"),
        ([0], [0], "at least one action"),
        ([1], [2], "an earlier sequence"),
        ([0, 1, 0], [2, 2, 2], "in the order of their level"),
    ),
)
def test_malformed_trees(parents, counts, message):
    with pytest.raises(ValueError, match=message):
        dg.Treeplex(parents, counts)
