"""Matrix games with decay: closed forms, the general engine, sampled quotients, and runs."""

import jax
import jax.experimental.sparse
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

import certify
import dgames as dg
from dgames.games import DecayedBilinear

GENERATOR = np.random.default_rng(3)


def sparse_game(m=50, n=40, decay=(0.7, 1.9)):
    kept = GENERATOR.uniform(size=(m, n)) < 0.1
    matrix = scipy.sparse.csr_matrix(kept * GENERATOR.uniform(size=(m, n)))
    return DecayedBilinear(matrix, decay, GENERATOR.normal(size=m), GENERATOR.normal(size=n))


def test_the_constants_are_those_of_the_dense_jacobian():
    game = sparse_game()
    proof = certify.certify_closed_form(game)
    x = game.equilibrium()
    flat, unravel = dg.ravel(x)
    force = dg.pseudo_gradient(game)
    jacobian = np.asarray(jax.jacobian(lambda z: dg.ravel(force(unravel(z)))[0])(flat))
    true = np.linalg.norm(jacobian, 2)
    assert proof.margin == 0.7
    assert true <= proof.lipschitz <= true * 1.002
    assert np.linalg.eigvalsh(jacobian + jacobian.T)[0] / 2 == pytest.approx(0.7, abs=1e-12)
    for block, center in zip(x, proof.equilibrium.center, strict=True):
        assert jnp.linalg.norm(block - center) < 1e-12 + proof.equilibrium.radius
    assert proof.equilibrium.radius < 1e-11 and proof.equilibrium.basin == np.inf


def test_the_enclosure_holds_around_any_point_and_not_closer():
    game = DecayedBilinear([[3.0, 4.0]], (1.0, 1.0), first=[13.0])
    for away in (1e-3, 10.0):
        point = (jnp.array([-0.5 + away]), jnp.array([-1.5, -2.0]))
        assert certify.certify_closed_form(game, point=point).equilibrium.radius >= away


def distance(x, y):
    return jnp.linalg.norm(dg.ravel(jax.tree.map(jnp.subtract, x, y))[0])


def test_proved_rates_hold_in_runs(key):
    methods = dg.Simultaneous, dg.Extragradient
    game = sparse_game()
    proof = certify.certify_closed_form(game, methods=methods)
    solution = game.equilibrium()
    start = tuple(jax.random.normal(key, x.shape) * 3 for x in solution)
    first = float(distance(start, solution))
    for method in methods:
        count = proof.iterations(method, first, 1e-6)
        run = dg.solve(game, proof.safe_method(method), start, max_steps=count)
        assert distance(run.strategy, solution) <= 1e-6


def test_the_general_engine_finds_the_same_margin():
    game = DecayedBilinear(GENERATOR.normal(size=(3, 4)), (0.5, 0.8))
    x = game.equilibrium()
    other = certify.certify(game, certify.Everywhere(x))
    assert other.status == "proved"
    proof = certify.certify_closed_form(game)
    assert other.margin == pytest.approx(proof.margin, rel=1e-6)
    assert other.lipschitz == pytest.approx(proof.lipschitz, rel=1e-3)


def test_roles_by_name():
    game = DecayedBilinear([[2.0, 1.0]], (1.0, 3.0), [1.0], [0.5, 0.5], minimiser="z")
    like = {"a": jnp.zeros(2), "z": jnp.zeros(1)}
    proof = certify.certify_closed_form(game, like)
    assert proof.equilibrium.center.keys() == like.keys()
    assert proof.equilibrium.radius < 1e-14
    assert proof.equilibrium.center["z"][0] == pytest.approx(float(game.equilibrium()[0][0]))


def test_what_is_not_known_is_an_error():
    class Other(DecayedBilinear):
        """Whatever it costs."""

    with pytest.raises(ValueError, match=r"no closed form for Other, only for .*DecayedBilinear"):
        certify.certify_closed_form(Other([[1.0]], (1.0, 1.0), None, None))
    with pytest.raises(ValueError, match="there is no theorem for Halpern"):
        certify.certify_closed_form(DecayedBilinear([[1.0]], (1.0, 1.0)), methods=(dg.Halpern,))
    with pytest.raises(ValueError, match="decays are positive"):
        DecayedBilinear([[1.0]], (1.0, 0.0))
    with pytest.raises(ValueError, match="second has one number for each of the 2"):
        DecayedBilinear([[1.0, 2.0]], (1.0, 1.0), second=[1.0])
    proof = certify.certify_closed_form(DecayedBilinear([[1.0]], (1.0, 1.0)))
    with pytest.raises(ValueError, match="makes no file"):
        proof.save("never.json")
    with pytest.raises(ValueError, match="no step for Heun, only for simultaneous"):
        proof.safe_method(dg.Heun)


def test_numbers_at_one_place_are_not_summed_with_roundings():
    """The sum is 1, but 0 in floating point."""
    places = jnp.array([[0, 0], [0, 0], [0, 0]])
    twice = jax.experimental.sparse.BCOO((jnp.array([1e16, 1.0, -1e16]), places), shape=(1, 1))
    with pytest.raises(ValueError, match="sum_duplicates"):
        certify.certify_closed_form(DecayedBilinear(twice, (0.01, 0.01)))
    padded = jax.experimental.sparse.BCOO(
        (jnp.array([3.0, 9.0]), jnp.array([[0, 0], [1, 1]])), shape=(1, 1)
    )
    found = certify.certify_closed_form(DecayedBilinear(padded, (4.0, 4.0)))
    assert found.lipschitz == pytest.approx(5.0)
