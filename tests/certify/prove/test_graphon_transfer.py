"""What networks inherit from graphons: bounds beside what is measured, and bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg


def gap(graphon, network, alpha):
    """The distance in L2 of both equilibria, by 20 points of each interval."""
    n = len(network)
    values = np.asarray(dg.bonacich(network / n, alpha))
    exact = np.asarray(graphon.equilibrium(alpha, dg.midpoints(20 * n)))
    return float(np.sqrt(np.mean((np.repeat(values, 20) - exact) ** 2)))


@pytest.mark.thin(3)
@pytest.mark.parametrize(
    ("graphon", "alpha"),
    [(dg.MinMaxGraphon(), 4.0), (dg.UniformAttachment(), 1.0), (dg.ErdosRenyi(0.3), 2.0)],
)
def test_equilibria_are_within_the_proved_distance(graphon, alpha):
    n = 150
    x = dg.midpoints(n)
    limit = float(graphon.margin(alpha))
    for network in (graphon.matrix(x), graphon.sample(jax.random.key(3), x)):
        transfer = certify.graphon_transfer(graphon, network, alpha)
        field = np.eye(n) - alpha * np.asarray(network) / n
        assert 0 < transfer.margin <= np.linalg.eigvalsh(field)[0]
        assert transfer.margin <= limit
        assert gap(graphon, network, alpha) <= transfer.distance
        # The bound is of the size that the theorem says, and no looser.
        difference = np.linalg.norm(np.asarray(network - graphon.matrix(x)), 2) / n
        assert difference <= transfer.norm <= difference + graphon.slope() / n + 1e-9
    sampled = certify.graphon_transfer(graphon, network, alpha)
    assert sampled.distance < 100 * gap(graphon, network, alpha)


def test_nothing_follows_where_the_margin_is_used_up():
    graphon = dg.MinMaxGraphon()
    transfer = certify.graphon_transfer(graphon, jnp.ones((20, 20)), 4.0)
    assert transfer.margin < 0 and transfer.distance == float("inf")


@pytest.mark.parametrize(
    ("graphon", "network", "alpha", "message"),
    [
        (dg.BlockGraphon([[0.5]], [1.0]), np.ones((2, 2)), 1.0, "jumps"),
        (dg.MinMaxGraphon(), np.ones((2, 3)), 1.0, "finite square matrix"),
        (dg.MinMaxGraphon(), np.full((2, 2), np.nan), 1.0, "finite square matrix"),
        (dg.MinMaxGraphon(), np.ones((2, 2)), -1.0, "at least 0"),
    ],
)
def test_bad_input_is_refused(graphon, network, alpha, message):
    with pytest.raises(ValueError, match=message):
        certify.graphon_transfer(graphon, network, alpha)


@pytest.mark.full
def test_five_hundred_players_keep_the_margin_of_the_graphon():
    """1 - 4 / pi^2 = 0.594715; by the small-gain vectors of sparse networks, in seconds."""
    n = 500
    adjacency = np.array(dg.MinMaxGraphon().matrix(dg.midpoints(n)))
    np.fill_diagonal(adjacency, 0.0)
    game = dg.linear_quadratic_network(adjacency, 4.0)
    region = certify.Box.around(dg.Stacked(jnp.full(n, 1.0)), 5.0)
    proof = certify.certify_network(game, region)
    assert proof.status == "proved" and proof.margin >= 0.5946
    assert proof.margin <= 1 - 4 * np.linalg.eigvalsh(adjacency / n)[-1]


@pytest.mark.full
def test_the_margin_of_a_hundred_players_is_checked(tmp_path):
    """As a field with a constant Jacobian: the whole matrix of the graphon, diagonal included."""
    n = 100
    weights = dg.MinMaxGraphon().matrix(dg.midpoints(n))
    matrix = jnp.eye(n) - 4.0 * weights / n
    field = dg.FunctionField(lambda x, args: (matrix @ x[0] - 1.0,))
    proof = certify.certify(field, certify.Box.around((jnp.ones(n),), 5.0))
    assert proof.status == "proved" and 0.5946 <= proof.margin < 1 - 4 / np.pi**2
    proof.save(tmp_path / "graphon.json")
    assert certify.check(tmp_path / "graphon.json").ok
