"""The geometry of trees, against mixtures of pure strategies and steps written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp, softmax

import dgames as dg
from dgames.games import kuhn_poker


@pytest.fixture(scope="module")
def game():
    return kuhn_poker().game()


def behaviour(rng, tree):
    """Random probabilities: of a treeplex in which all information sets have two actions."""
    first = rng.uniform(0.05, 0.95, (tree.infosets, 1))
    return np.concatenate([first, 1 - first], 1)


def children(tree):
    return np.bincount(np.asarray(tree.parents), minlength=tree.sequences)


def test_divergence_is_that_of_mixtures_of_pure_strategies(game):
    """Of all mixtures that play alike, the product of behaviours: its mean, and its divergences."""
    tree, rng = game.treeplexes[1], np.random.default_rng(0)
    mirror, pure = dg.DilatedEntropy(tree), np.asarray(tree.vertices())
    x, w = behaviour(rng, tree), behaviour(rng, tree)
    q, r = (tree.sequence_form(jnp.asarray(each)) for each in (x, w))
    mixtures = [
        # The product of the probabilities of all actions that a pure strategy takes.
        np.prod(np.where(pure[:, 1:] > 0, each.ravel(), 1), -1)
        for each in (x, w)
    ]
    assert_allclose(mixtures[0] @ pure, q, rtol=1e-14)
    direct = np.asarray(q)[np.asarray(tree.parents)] @ np.sum(x * np.log(x / w), -1)
    of_mixtures = mixtures[0] @ np.log(mixtures[0] / mixtures[1])
    found = mirror.divergence(mirror.dual(q), mirror.dual(r))
    assert_allclose([found, of_mixtures], direct, rtol=1e-13)
    assert_allclose(mirror.potential(q), mixtures[0] @ np.log(mixtures[0]), rtol=1e-13)
    y = rng.standard_normal(tree.sequences) * 3
    assert_allclose(mirror.conjugate(jnp.asarray(y)), np.log(np.exp(pure @ y).sum()), rtol=1e-13)
    settled = mirror.primal(mirror.settle(tree, jnp.asarray(y)))
    assert_allclose(settled, softmax(pure @ y) @ pure, rtol=1e-13)


def test_gradient(game):
    """`log x_ja + 1 - (information sets after ja)`, which the dual point is but for a normal."""
    tree = game.treeplexes[0]
    mirror, x = dg.DilatedEntropy(tree), behaviour(np.random.default_rng(1), tree)
    q = tree.sequence_form(jnp.asarray(x))
    slope = jax.grad(mirror.potential)(q)
    assert_allclose(slope[1:], np.log(x).ravel() + 1 - children(tree)[1:], rtol=1e-12)
    assert_allclose(slope[0], -children(tree)[0], rtol=1e-12)
    assert_allclose(mirror.dual(q)[1:], np.log(x).ravel(), rtol=1e-12, atol=1e-15)


def test_step_of_magnetic_mirror_descent(game):
    """The recursion of the literature, from the leaves up, written with loops."""
    rng, temperature, h = np.random.default_rng(2), 0.3, 0.7
    target = tuple(t.sequence_form(jnp.asarray(behaviour(rng, t))) for t in game.treeplexes)
    start = [behaviour(rng, t) for t in game.treeplexes]
    q = tuple(t.sequence_form(jnp.asarray(x)) for t, x in zip(game.treeplexes, start, strict=True))
    forces = dg.PseudoGradient(game)(q)
    for reference in (None, target):
        regularised = dg.RegularisedTree(game, temperature, reference)
        field = dg.pseudo_gradient(regularised)
        method = dg.MirrorDescent(h, regularised.dilated_entropies())
        new, _ = jax.jit(lambda q, f=field, m=method: m.step(f, q, m.init(f, q)))(q)
        for i, tree in enumerate(game.treeplexes):
            offset = np.r_[0, np.ones(tree.sequences - 1)] - children(tree)
            slope = np.r_[0, np.log(start[i]).ravel()] + offset
            pulled = np.zeros_like(slope)
            if reference is not None:
                rows = np.asarray(tree.rows(target[i], 0))
                pulled[1:] = np.log(rows / rows.sum(-1, keepdims=True)).ravel()
            value = -(h * np.asarray(forces[i]) - slope - h * temperature * pulled) / (
                1 + h * temperature
            )
            x = np.zeros((tree.infosets, 2))
            for j in reversed(range(tree.infosets)):
                own = np.asarray(tree.table)[j]
                x[j] = softmax(value[own])
                value[int(tree.parents[j])] += logsumexp(value[own])
            assert_allclose(new[i], tree.sequence_form(jnp.asarray(x)), rtol=1e-12)


@pytest.mark.full
def test_probabilities_may_underflow():
    tree = dg.Treeplex([0, 1], [2, 2])
    mirror = dg.DilatedEntropy(tree)
    y = mirror.settle(tree, jnp.array([0.0, -3000.0, 0.0, 0.0, -2000.0]))
    assert_allclose(y, [0, -3000, 0, 0, -2000])
    assert mirror.primal(y).tolist() == [1, 0, 1, 0, 0]
    assert_allclose(mirror.recall(mirror.primal(y), mirror.keep(y)), y)


def test_strategies_of_the_tree_are_needed(game):
    mirror = dg.DilatedEntropy(game.treeplexes[0])
    with pytest.raises(ValueError, match=r"strategies of a tree \(dgames.Treeplex\), not Simplex"):
        mirror.settle(dg.Simplex(), jnp.zeros(13))
    with pytest.raises(ValueError, match="13 sequences, the strategy of one with 4"):
        mirror.settle(dg.Treeplex([0], [3]), jnp.zeros(4))
    with pytest.raises(ValueError, match=r"not Treeplex; .* game.dilated_entropies\(\)"):
        dg.EntropyMirror().settle(game.treeplexes[0], jnp.zeros(13))
