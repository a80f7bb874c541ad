"""Regret against enumeration, and against the gap of averages in zero-sum games."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgames as dg
from dgames.regret import least_linear_cost


def test_the_least_cost_of_every_set_is_that_of_its_corners_or_its_sphere():
    slope = jnp.array([1.5, -2.0, 0.0])
    corners = [jnp.array([a, b, c]) for a in (-1.0, 2.0) for b in (-1.0, 2.0) for c in (-1.0, 2.0)]
    assert least_linear_cost(dg.Box(-1.0, 2.0), slope) == min(float(slope @ c) for c in corners)
    assert least_linear_cost(dg.Simplex(), slope) == -2.0
    ball = dg.Ball(jnp.array([1.0, 1.0, 1.0]), 2.0)
    best = jnp.ones(3) - 2 * slope / jnp.linalg.norm(slope)
    assert np.isclose(least_linear_cost(ball, slope), slope @ best)
    assert least_linear_cost(dg.Box(0.0, jnp.inf), jnp.array([1.0, 0.0])) == 0.0
    assert least_linear_cost(dg.Box(0.0, jnp.inf), jnp.array([-1.0, 0.0])) == -jnp.inf
    assert least_linear_cost(dg.Euclidean(), slope) == -jnp.inf
    assert least_linear_cost(dg.Euclidean(), jnp.zeros(2)) == 0.0


def test_in_zero_sum_matrix_games_it_is_the_gap_of_the_averages():
    game = dg.games.MatrixGame.rock_paper_scissors()
    start = (jnp.array([0.8, 0.1, 0.1]), jnp.array([0.2, 0.7, 0.1]))
    run = dg.solve(game, dg.Simultaneous(0.3), start, max_steps=40, tol=0.0, save_every=1)
    plays = run.history.strategy
    total = np.sum([np.asarray(own) for own in dg.regret(game, plays)], 0)
    for count in (1, 7, 41):
        mean = jax.tree.map(lambda all, count=count: jnp.mean(all[:count], 0), plays)
        assert np.isclose(total[count - 1] / count, dg.nash_gap(game, mean), atol=1e-14)


@pytest.mark.full
def test_it_bounds_the_regret_in_convex_costs_of_any_container():
    def costs(x, args):
        return {"u": jnp.sum((x["u"] - args * x["v"]) ** 2), "v": jnp.sum((x["v"] + x["u"]) ** 2)}

    sets = {"u": dg.Box(-1.0, 1.0), "v": dg.Ball(0.0, 0.5)}
    game = dg.game(costs, sets)
    rng = np.random.default_rng(0)
    plays = {name: jnp.asarray(rng.standard_normal((30, 2))) for name in "uv"}
    plays = jax.vmap(dg.Product(sets).project)(plays)
    found = dg.regret(game, plays, 2.0)
    tried = jax.vmap(dg.Product(sets).project)(
        {name: jnp.asarray(rng.standard_normal((300, 2)) * 2) for name in "uv"}
    )
    paid = jax.vmap(lambda x: costs(x, 2.0))(plays)
    for name in "uv":
        fixed = jax.vmap(
            lambda own, n=name: jax.vmap(lambda x: costs({**x, n: own}, 2.0)[n])(plays)
        )
        best = jnp.min(jnp.cumsum(fixed(tried[name]), 1), 0)
        assert jnp.all(jnp.cumsum(paid[name]) - best <= found[name] + 1e-12)
        assert found[name].shape == (30,)


def test_stacked_players_and_malformed_plays():
    field = dg.FunctionField(lambda x, args: dg.Stacked(x.blocks + 1.0), dg.Box(-1.0, 1.0))
    plays = dg.Stacked(jnp.array([[[0.5], [-1.0]], [[0.0], [-1.0]]]))
    found = dg.regret(field, plays)
    assert np.allclose(found.blocks, [[0.75 + 1.5, 0.0], [0.75 + 2.5, 0.0]])
    with pytest.raises(ValueError, match="stacked along a new first axis"):
        dg.regret(field, (jnp.zeros((3, 2)), jnp.zeros((2, 2))))
    with pytest.raises(ValueError, match="stacked along a new first axis"):
        dg.regret(field, (1.0, 2.0))
