"""The replicator dynamics: faces, constants of motion, rest points."""

from fractions import Fraction

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg
from dgames.games import MatrixGame

F = Fraction

HAWK_DOVE = ([[-1, 4], [0, 2]], [[-1, 0], [4, 2]])


@pytest.mark.full
def test_faces_are_kept_exactly_and_the_product_of_shares_is_constant():
    """Rock, paper, scissors: `x_1 x_2 x_3` is constant inside (Hofbauer and Sigmund, 1998)."""
    field = dg.Replicator(MatrixGame.rock_paper_scissors())
    start = jnp.array([0.6, 0.3, 0.1])
    inside = dg.flow(field, (start, start), 10.0)
    products = np.prod(np.asarray(inside.strategies[0]), axis=-1)
    assert_allclose(products, 0.018, rtol=1e-5)
    assert np.ptp(np.asarray(inside.strategies[0])[:, 0]) > 0.3  # it does move
    # Without paper, scissors lose to rock; paper would gain, and does not appear.
    edge = jnp.array([0.25, 0.0, 0.75])
    outside = dg.flow(field, (edge, edge), 10.0)
    assert (np.asarray(outside.strategies[0])[:, 1] == 0).all()
    odds = np.exp(10.0) / 3  # the logarithm of rock / scissors grows by x . (1, 1) = 1 per time
    assert_allclose(outside.strategy[0], [odds / (1 + odds), 0, 1 / (1 + odds)], rtol=1e-5)


@pytest.mark.full
def test_it_is_the_natural_gradient_in_logits():
    game = MatrixGame(*np.random.default_rng(0).normal(size=(2, 3, 3)))
    z = (jnp.array([0.3, -0.2]), jnp.array([0.1, 0.5]))
    p = dg.policies(z)
    natural, own = dg.NaturalGradient(game)(z), dg.Replicator(game)(p)
    for grown, slope, share in zip(own, natural, p, strict=True):
        relative = grown / share  # d log p / dt
        assert_allclose(relative[:-1] - relative[-1], slope, atol=1e-12)
        assert_allclose(jnp.sum(grown), 0, atol=1e-15)


def test_shares_grow_by_what_they_earn_above_the_average():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 3, 4))
    x, y = np.array([0.5, 0.5, 0.0]), rng.dirichlet(np.ones(4))
    first, second = eqx.filter_jit(dg.Replicator(MatrixGame(a, b)))(
        (jnp.asarray(x), jnp.asarray(y))
    )
    assert_allclose(first, -x * (a @ y - x @ a @ y), atol=1e-14)
    assert_allclose(second, -y * (x @ b - x @ b @ y), atol=1e-14)
    assert first[2] == 0


@pytest.mark.full
def test_a_regularised_game_rests_on_faces_too():
    game = dg.Regularised(MatrixGame.matching_pennies(), 0.5)
    corner = jnp.array([1.0, 0.0])
    for leaf in dg.Replicator(game)((corner, corner)):
        assert leaf.tolist() == [0.0, 0.0]


def test_rest_points_of_hawks_and_doves():
    found = dg.rest_points(HAWK_DOVE)
    assert [point.x for point in found] == [(0, 1), (F(2, 3), F(1, 3)), (1, 0)]
    assert [point.invaders for point in found] == [(0,), (), (1,)]
    assert [point.is_nash for point in found] == [False, True, False]
    doves, mixed, hawks = found
    assert doves.growth == (2, 0) and hawks.growth == (0, 1)  # V/2, and (C - V)/2
    # x' = x (1 - x) (2 - 3 x), so the eigenvalue is -3 x (1 - x).
    assert_allclose(mixed.eigenvalues, [-2 / 3])
    assert doves.eigenvalues.size == 0 and not found.singular


def test_rest_points_of_rock_paper_scissors():
    found = dg.rest_points(MatrixGame.rock_paper_scissors())
    assert [point.support for point in found] == [(2,), (1,), (0, 1, 2), (0,)]
    assert [point.invaders for point in found] == [(0,), (2,), (), (1,)]
    # Two actions of a zero-sum game that are not equal: no rest point between them.
    assert found.singular == ((0, 1), (0, 2), (1, 2))
    centre = found[2]
    assert centre.x == (F(1, 3),) * 3
    assert_allclose(centre.eigenvalues, [-1j / np.sqrt(3), 1j / np.sqrt(3)], atol=1e-12)


def test_a_corner_at_which_payoffs_tie_is_listed_once():
    a = np.array([[0, 1], [0, 2]])  # equal payoffs where the second share is zero
    found = dg.rest_points((a, a.T))
    assert [point.x for point in found] == [(0, 1), (1, 0)] and not found.singular
    assert found[1].growth == (0, 0) and found[1].is_nash


def test_games_that_are_not_symmetric_have_no_single_population():
    with pytest.raises(ValueError, match="transpose"):
        dg.rest_points(([[1, 0], [0, 1]], [[1, 0], [2, 1]]))
