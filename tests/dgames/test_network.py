"""Network games against the same games with players one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

import dgames as dg

NEIGHBOURS = np.array([[1, 2, -1], [0, 0, 3], [3, -1, -1], [-1, 0, 1]])
WEIGHTS = np.where(NEIGHBOURS >= 0, np.arange(12).reshape(4, 3) / 10, 0.0)


def cost(own, others, weights, args):
    pull = jnp.tanh(weights @ others)
    return jnp.sum(own**2) - own @ pull + 0.1 * args * jnp.prod(own)


GAME = dg.NetworkGame(cost, NEIGHBOURS, WEIGHTS)


def one_by_one(x, args):
    def others(i):
        return jnp.stack([x[j] if j >= 0 else jnp.zeros(2) for j in NEIGHBOURS[i]])

    return tuple(cost(x[i], others(i), jnp.asarray(WEIGHTS[i]), args) for i in range(4))


@pytest.mark.full
def test_costs_and_derivatives_are_those_of_players_one_by_one(key):
    x = dg.Stacked(jax.random.normal(key, (4, 2)))
    plain, args = dg.game(one_by_one), jnp.asarray(2.0)
    y = dg.blocks(x)
    np.testing.assert_allclose(GAME.costs(x, args).blocks, jnp.stack(one_by_one(y, args)))
    field, other = dg.pseudo_gradient(GAME), dg.pseudo_gradient(plain)
    forces = jnp.stack(other(y, args))
    np.testing.assert_allclose(field(x, args).blocks, forces, atol=1e-14)
    np.testing.assert_allclose(field.block(x, 1, args), forces[1], atol=1e-14)
    J, K = dg.jacobian_blocks(GAME, x, args), dg.jacobian_blocks(plain, y, args)
    for i in range(4):
        np.testing.assert_allclose(jnp.stack(J[i]), jnp.stack(K[i]), atol=1e-14)


@pytest.mark.full
def test_runs_and_flows():
    start = dg.Stacked(jnp.ones((4, 2)))
    solution = dg.solve(GAME, dg.Alternating(0.3), start, jnp.asarray(0.5), tol=1e-10)
    assert solution.result == dg.RESULTS.successful
    assert dg.residual(GAME, solution.strategy, jnp.asarray(0.5)) <= 1e-10
    shape = jax.eval_shape(lambda x: dg.flow(GAME, x, 1.0, args=jnp.asarray(0.5)).strategy, start)
    assert shape.blocks.shape == (4, 2)


def test_work_and_code_do_not_depend_on_the_square_of_the_players():
    def code(players):
        ring = (np.arange(players)[:, None] + [1, 2]) % players
        game = dg.NetworkGame(cost, ring, jnp.ones((players, 2)))
        field = dg.pseudo_gradient(game)
        x = dg.Stacked(jnp.zeros((players, 2)))
        return jax.make_jaxpr(lambda x: field.project(field(x, jnp.asarray(1.0))))(x)

    assert len(code(5).eqns) == len(code(5000).eqns)
    assert max(v.aval.size for e in code(5000).eqns for v in e.outvars) <= 4 * 5000


def test_a_matrix_becomes_neighbour_lists():
    rows, columns = [0, 0, 2, 2, 2], [1, 2, 0, 1, 0]
    matrix = scipy.sparse.coo_array((np.array([1.0, 2, 3, 0, 5]), (rows, columns)), (3, 3))
    places, weights = dg.neighbour_lists(matrix)
    assert places.tolist() == [[1, 2], [-1, -1], [0, 1]]
    assert weights.tolist() == [[1.0, 2.0], [0.0, 0.0], [8.0, 0.0]]
    empty = dg.NetworkGame(lambda own, others, w, a: own**2, *dg.neighbour_lists(np.zeros((2, 2))))
    assert empty.degree == 0
    assert dg.pseudo_gradient(empty)(dg.Stacked(jnp.ones(2))).blocks.tolist() == [2.0, 2.0]


BAD = {
    "floats": (np.ones((3, 1)), None, "integers of shape"),
    "a vector": (np.array([1, 0]), None, "integers of shape"),
    "out of range": (np.array([[1], [2]]), None, "player 1 has the neighbour 2, who is no player"),
    "below": (np.array([[1], [-2]]), None, "player 1 has the neighbour -2"),
    "self": (np.array([[1], [1]]), None, "player 1 has the neighbour 1, themselves"),
    "parameters": (np.array([[1], [0]]), np.ones(3), "leading axis of 2"),
}


@pytest.mark.parametrize("neighbours, parameters, message", BAD.values(), ids=BAD)
def test_bad_networks_are_refused(neighbours, parameters, message):
    with pytest.raises(ValueError, match=message):
        dg.NetworkGame(cost, neighbours, parameters)


def test_bad_strategies_are_refused():
    for x, message in ((dg.Stacked(jnp.ones((3, 2))), "3 stacked"), ((jnp.ones(2),) * 4, "one by")):
        with pytest.raises(ValueError, match=f"Stacked of 4 players; got .*{message}"):
            dg.solve(GAME, dg.Simultaneous(0.1), x, jnp.asarray(1.0))
    with pytest.raises(ValueError, match="square"):
        dg.neighbour_lists(np.ones((2, 3)))
    with pytest.raises(ValueError, match="player '2' has"):
        dg.solve(GAME, dg.Simultaneous(0.1), dg.Stacked(jnp.ones((4, 2)).at[2, 0].set(jnp.nan)))


@pytest.mark.full
def test_a_subclass_with_other_costs_has_their_derivatives():
    class Doubled(dg.NetworkGame):
        def costs(self, x, args=None):
            return dg.Stacked(2 * super().costs(x, args).blocks)

    x, args = dg.Stacked(jnp.ones((4, 2))), jnp.asarray(0.5)
    game = Doubled(cost, jnp.asarray(NEIGHBOURS), WEIGHTS, dg.Euclidean())
    doubled = dg.pseudo_gradient(game)(x, args)
    np.testing.assert_allclose(doubled.blocks, 2 * dg.pseudo_gradient(GAME)(x, args).blocks)
