"""Graphons and network games against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dgames as dg

BLOCKS = dg.BlockGraphon([[0.8, 0.1], [0.1, 0.5]], [0.25, 0.75])
GRAPHONS = [
    (dg.ErdosRenyi(0.3), 2.0),
    (dg.MinMaxGraphon(), 4.0),
    (dg.MinMaxGraphon(), 9.0),
    (dg.UniformAttachment(), 1.0),
    (dg.UniformAttachment(), 2.0),
    (BLOCKS, 1.5),
    (dg.RankedAttachment(), 1.2),
]


@pytest.mark.thin(3)
@pytest.mark.parametrize(("graphon", "alpha"), GRAPHONS)
def test_closed_forms_are_limits_of_midpoints(graphon, alpha):
    n = 400
    x = dg.midpoints(n)
    weights = graphon.matrix(x) / n
    assert_allclose(weights, weights.T, atol=0)
    values = dg.bonacich(weights, alpha)
    assert_allclose(values, graphon.equilibrium(alpha, x), rtol=5e-4)
    top = np.linalg.eigvalsh(np.asarray(weights))[-1]
    assert_allclose(top, graphon.largest_eigenvalue(), atol=2e-6)
    assert_allclose(graphon.margin(alpha), 1 - alpha * top, atol=1e-5)


def test_the_published_numbers():
    x = jnp.array([0.5])
    value, last = (float(dg.MinMaxGraphon().equilibrium(a, x)[0]) for a in (4.0, 9.0))
    assert_allclose([value, last], [1.8508157177, 14.1368329], rtol=1e-8)
    ends = [float(dg.UniformAttachment().equilibrium(a, jnp.zeros(1))[0]) for a in (1.0, 2.0)]
    assert_allclose(ends, [1.8508157177, 6.4125709058], rtol=1e-10)
    places = dg.midpoints(100_000)
    mean = jnp.mean(dg.MinMaxGraphon().equilibrium(4.0, places))
    assert_allclose(mean, np.tan(1.0), atol=1e-9)
    assert_allclose(jnp.mean(dg.UniformAttachment().equilibrium(2.0, places)), 4.4788986159)


@pytest.mark.full
def test_two_thousand_midpoints():
    n = 2000
    x = dg.midpoints(n)
    values = np.asarray(dg.bonacich(dg.MinMaxGraphon().matrix(x) / n, 4.0))
    assert_allclose(np.interp(0.5, x, values), 1.8508157177, atol=1e-6)
    assert_allclose(values.mean(), 1.5574077247, atol=1e-6)


@pytest.mark.full
def test_sampled_networks_come_near_like_the_root_of_their_size(key):
    graphon, alpha = dg.MinMaxGraphon(), 4.0

    def error(n, key):
        x = dg.midpoints(n)
        network = graphon.sample(key, x)
        values = dg.bonacich(network / n, alpha)
        return network, jnp.sqrt(jnp.mean((values - graphon.equilibrium(alpha, x)) ** 2))

    means = []
    for n in (50, 200, 800):
        results = [error(n, k) for k in jax.random.split(key, 5)]
        network = results[0][0]
        assert bool((network == network.T).all()) and float(jnp.trace(network)) == 0
        assert set(np.unique(network)) == {0.0, 1.0}
        means.append(float(jnp.stack([r for _, r in results]).mean()))
    slope = np.polyfit(np.log([50, 200, 800]), np.log(means), 1)[0]
    assert -0.75 < slope < -0.4
    assert_allclose(means, [0.33, 0.137, 0.068], rtol=0.5)


@pytest.mark.full
def test_centrality_is_the_equilibrium_of_the_network_game(key):
    n, alpha, beta = 30, 2.0, 0.7
    adjacency = dg.ErdosRenyi(0.4).sample(key, dg.midpoints(n))
    game = dg.linear_quadratic_network(np.asarray(adjacency), alpha, beta)
    run = dg.solve(game, dg.Simultaneous(0.7), dg.Stacked(jnp.zeros(n)), tol=1e-12)
    assert bool(run.result == dg.RESULTS.successful)
    assert_allclose(run.strategy.blocks, beta * dg.bonacich(adjacency / n, alpha), atol=1e-11)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dg.MinMaxGraphon().equilibrium(10.0, jnp.zeros(1)), "less than 9.8696, not 10"),
        (lambda: dg.ErdosRenyi(0.5).equilibrium(-1.0, jnp.zeros(1)), "alpha must be from 0"),
        (lambda: dg.BlockGraphon([[0.5, 0.1], [0.2, 0.5]], [0.5, 0.5]), "symmetric"),
        (lambda: dg.BlockGraphon([[0.5]], [0.5]), "sum to 1"),
        (lambda: dg.BlockGraphon([[0.5]], [0.5, 0.5]), "as many rows"),
        (lambda: dg.linear_quadratic_network(np.ones((2, 2)), 1.0), "themselves"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
