"""Equilibria and steps of network games against Newton's method and simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg

RNG = np.random.default_rng(7)
PLAYERS = 30
RING = (np.arange(PLAYERS)[:, None] + RNG.integers(1, PLAYERS, (PLAYERS, 4))) % PLAYERS
WEIGHTS = RNG.uniform(-0.2, 0.3, RING.shape) * 10.0 ** RNG.uniform(-1, 0.3, (PLAYERS, 1))


def cost(own, others, weights, args):
    return jnp.sum(own**2 + 0.2 * jnp.sin(own)) - own @ (args + jnp.tanh(weights @ others))


GAME = dg.NetworkGame(cost, RING, WEIGHTS)
REGION = certify.Box.around(dg.Stacked(jnp.full((PLAYERS, 2), 0.5)), 2.0)


@pytest.fixture(scope="module")
def proof():
    return certify.certify_network(GAME, REGION, 1.0)


@pytest.mark.full
def test_the_equilibrium_is_enclosed(proof):
    assert proof.status == "proved" and proof.margin > 0.3
    field, (vector, unravel) = dg.pseudo_gradient(GAME), dg.ravel(proof.equilibrium.center)

    def flat(x):
        return dg.ravel(field(unravel(x), 1.0))[0]

    for _ in range(3):
        vector = vector - jnp.linalg.solve(jax.jacfwd(flat)(vector), flat(vector))
    near = unravel(vector).blocks
    slack = 1e-15
    assert (proof.equilibrium.lower.blocks <= near + slack).all()
    assert (near <= proof.equilibrium.upper.blocks + slack).all()
    width = proof.equilibrium.upper.blocks - proof.equilibrium.lower.blocks
    assert float(width.min()) > 0 and float(width.max()) < 1e-11


@pytest.mark.full
def test_a_point_that_is_off_is_enclosed_more_widely(proof):
    center = dg.Stacked(proof.equilibrium.center.blocks + 0.01)
    wide = certify.certify_network(GAME, REGION, 1.0, point=center)
    near = proof.equilibrium.center.blocks
    assert wide.status == "proved"
    assert (wide.equilibrium.lower.blocks <= near).all()
    assert (near <= wide.equilibrium.upper.blocks).all()
    assert wide.equilibrium.basin < proof.equilibrium.basin


@pytest.mark.parametrize("kind", ["best", "max"])
def test_safe_steps_contract_within_the_basin(proof, kind):
    step, v, right = getattr(proof.step, kind), proof.equilibrium.scale, proof.gain.right
    rate = proof.step.rate
    assert proof.equilibrium.basin * v.min() > 0.1
    field = dg.pseudo_gradient(GAME)
    move = jax.jit(lambda x: dg.Simultaneous(step).step(field, dg.Stacked(x), None, 1.0)[0].blocks)
    near = np.asarray(proof.equilibrium.center.blocks)
    rng = np.random.default_rng(0)
    for _ in range(20):
        turn = rng.normal(size=near.shape)
        turn /= np.linalg.norm(turn, axis=1, keepdims=True)
        start = near + proof.equilibrium.basin * v[:, None] * turn * rng.integers(0, 2, (30, 1))
        ends = [np.linalg.norm(x - near, axis=1) for x in (start, np.asarray(move(start)))]
        before, after = ((end / v).max() for end in ends)
        assert after < before
        if kind == "best":
            before, after = ((end / right).max() for end in ends)
            assert after <= rate * before * (1 + 1e-9)


def test_the_step_is_that_of_the_small_gain_theorem(proof):
    constants, a = proof.constants, proof.margin
    total = constants.curvature + constants.smoothness
    assert proof.step.best == pytest.approx((2 / total).min(), rel=1e-14)
    assert proof.step.best < proof.step.max < (2 / (total - a)).min()
    assert proof.step.rate == pytest.approx(1 - proof.step.best * a, rel=1e-14)
    # Column by column as the matrix N(h) has it.
    h, v = proof.step.best, proof.gain.right
    N = h * constants.coupling.toarray()
    own = np.maximum(np.abs(1 - h * constants.curvature), np.abs(1 - h * constants.smoothness))
    assert ((own * v + N @ v) <= proof.step.rate * v * (1 + 1e-14)).all()


@pytest.mark.full
def test_the_flat_route_proves_the_same_game():
    ring = np.array([[1, 2], [2, 0], [0, 0]])
    game = dg.NetworkGame(
        lambda own, others, w, args: own**2 - own * (1.0 + 0.3 * jnp.tanh(jnp.sum(others))), ring
    )
    region = certify.Box.around(dg.Stacked(jnp.full(3, 0.6)), 1.0)
    network, dense = certify.certify_network(game, region), certify.certify(game, region)
    assert network.status == dense.status == "proved"
    assert dense.margin == pytest.approx(network.margin, rel=0.05)
    for mine, other in ((network, dense), (dense, network)):
        ours, theirs = (found.equilibrium for found in (mine, other))
        assert ours is not None and theirs is not None
        assert (ours.lower.blocks <= theirs.upper.blocks).all()


@pytest.mark.full
def test_what_is_not_proved_is_undecided():
    strong = dg.NetworkGame(cost, RING, 5 * jnp.abs(WEIGHTS) + 1)
    found = certify.certify_network(strong, REGION, 1.0)
    assert found.status == "undecided" and found.step is None
    assert "margin" in found.reasons[0]
    with pytest.raises(ValueError, match="no equilibrium: the status is 'undecided'"):
        _ = found.equilibrium
    away = certify.Box.around(dg.Stacked(jnp.full((PLAYERS, 2), 9.0)), 1.0)
    found = certify.certify_network(GAME, away, 1.0)
    assert found.status == "undecided" and "not inside the region" in found.reasons[0]


@pytest.mark.full
def test_the_region_must_be_in_the_strategy_set():
    def of(sets):
        game = dg.NetworkGame(lambda own, others, w, args: own**2, [[1], [0]], None, sets)
        return certify.certify_network(
            game, certify.Box(dg.Stacked(-jnp.ones(2)), dg.Stacked(jnp.ones(2)))
        )

    assert of(dg.Box(-1.0, 1.0)).status == "proved"
    for sets in (dg.Stacked(dg.Box(jnp.array([-2.0, -0.5]), jnp.full(2, 2.0))), dg.Ball(0.0, 5.0)):
        with pytest.raises(ValueError, match="not known to be in the strategy set of player"):
            of(sets)
