"""The iterated prisoners' dilemma: rounds played one by one, closed forms, and its saddle."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, logit

import dgames as dg
from dgames import games

SMALL = games.SmallIteratedPrisonersDilemma()
SADDLE = 0.41790334
field_of = eqx.filter_jit(lambda game, x: dg.pseudo_gradient(game)(x))


def played(first, second, discount, rounds=2000):
    """Sums discounted costs over rounds; chances of cooperation at first, then after CC ... DD."""
    chances = np.outer([first[0], 1 - first[0]], [second[0], 1 - second[0]]).ravel()
    total, weight = np.zeros(2), 1.0
    for _ in range(rounds):
        total += weight * np.array([chances @ [1, 3, 0, 2], chances @ [1, 0, 3, 2]])
        weight *= discount
        one, two = np.array(first[1:]), np.array(second[1:])
        moves = np.stack([one * two, one * (1 - two), (1 - one) * two, (1 - one) * (1 - two)], 1)
        chances = chances @ moves
    return (1 - discount) * total


def test_costs_are_those_of_play_round_by_round():
    x = np.linspace(-1.3, 0.9, 5), np.linspace(0.8, -2.0, 5)
    costs = games.IteratedPrisonersDilemma().costs((jnp.array(x[0]), jnp.array(x[1])))
    assert np.allclose(costs, played(expit(x[0]), expit(x[1]), 0.96), rtol=1e-12)


def test_the_small_game_is_a_part_of_the_whole_one():
    a, b, q = expit(0.7), expit(-0.4), expit(-3.0)
    first, second = np.array([a, a, q, a, q]), np.array([b, b, b, q, q])
    whole = games.IteratedPrisonersDilemma(0.9)
    assert np.allclose(
        SMALL.costs((0.7, -0.4)), whole.costs((jnp.array(logit(first)), jnp.array(logit(second))))
    )
    assert np.allclose(SMALL.costs((0.7, -0.4)), played(first, second, 0.9), rtol=1e-12)


@pytest.mark.parametrize(
    ("x", "costs", "field"),
    [
        ((0.0, 0.0), (1.843621, 1.843621), (0.013375, 0.013375)),
        ((1.0, -1.0), (1.969538, 1.744073), (0.026283, -0.013572)),
    ],
)
def test_published_values_of_the_small_game(x, costs, field):
    assert np.allclose(SMALL.costs(x), costs, atol=6e-7)
    assert np.allclose(field_of(SMALL, x), field, atol=6e-7)


def test_the_saddle_of_the_small_game():
    x = (SADDLE, SADDLE)
    assert np.allclose(field_of(SMALL, x), 0.0, atol=1e-9)
    assert np.allclose(expit(SADDLE), 0.60298143, atol=1e-8)
    assert np.allclose(SMALL.costs(x), 1.79403714, atol=1e-8)
    J = eqx.filter_jit(dg.jacobian_blocks)(SMALL, x)
    matrix = np.array([[J[i][j] for j in range(2)] for i in range(2)]).reshape(2, 2)
    assert np.allclose(np.sort(np.linalg.eigvals(matrix)), [-0.03925038, 0.03925038], atol=1e-8)


def test_steps_from_either_side_of_the_saddle_end_in_defection_and_in_tit_for_tat():
    def end(start):
        x = dg.solve(SMALL, dg.Simultaneous(5.0), (start, start), max_steps=4000, tol=0.0).strategy
        return expit(float(x[0])), float(SMALL.costs(x)[0])

    assert end(-4.0) == (pytest.approx(3.3e-4, abs=5e-6), pytest.approx(1.95902, abs=5e-6))
    assert end(4.0) == (pytest.approx(0.99998, abs=5e-6), pytest.approx(1.00013, abs=5e-6))


def test_pennies_and_the_mixture():
    pennies = games.LogitPennies()
    J = eqx.filter_jit(dg.jacobian_blocks)(pennies, (0.0, 0.0))
    assert np.allclose((J[0][1].item(), J[1][0].item()), (0.25, -0.25), atol=1e-15)
    mixed = games.Mixture((pennies, SMALL), [0.25, 0.75])
    field = field_of(mixed, (1.0, -1.0))
    assert np.allclose(field, (-0.025717, -0.055608), atol=6e-7)
    with pytest.raises(ValueError, match="as many weights"):
        games.Mixture((pennies, SMALL), [1.0])


def test_projections_start_from_the_stated_chances():
    game = games.ProjectedIteratedPrisonersDilemma.random(jax.random.key(3), 2)
    assert game.directions.shape == (2, 5, 2) and float(jnp.abs(game.directions).max()) <= 2
    first, second = [0.5, 0.75, 0.25, 0.75, 0.25], [0.5, 0.75, 0.75, 0.25, 0.25]
    assert np.allclose(game.costs((jnp.zeros(2), jnp.zeros(2))), played(first, second, 0.96))
    x = jnp.array([0.3, -0.1]), jnp.array([0.2, 0.4])
    whole = tuple(
        W @ block + b for W, block, b in zip(game.directions, x, game.offsets, strict=True)
    )
    assert np.allclose(game.costs(x), games.IteratedPrisonersDilemma().costs(whole))


def test_malformed_dilemmas():
    with pytest.raises(ValueError, match="discount must be"):
        games.IteratedPrisonersDilemma(1.0)
    with pytest.raises(ValueError, match=r"needs logits of shape \(5,\)"):
        games.IteratedPrisonersDilemma().costs((0.0, 0.0))
